//! Answering vote requests: who gets a vote, and when the word leaves.

use jraft_spi::status::Role;
use jraft_spi::{LogId, NodeOptions, RaftError, Status};

use super::asks::append;
use super::disk::{Image, voted};
use super::kit::{Group, at, data, log, peer};
use crate::node::effect::TimerKind;

/// One node of three, in term `term` with this vote and this log.
fn voter(term: u64, vote: Option<usize>, terms: &[u64]) -> Group {
    let meta = voted(term, vote.map(peer).as_ref());
    let image = Image { meta, log: log(terms) };
    Group::from(NodeOptions::default(), vec![image], "a:1,b:1,c:1")
}

/// Asks for a vote and compares the answer; the disk must agree with it afterwards.
#[track_caller]
fn check(group: &mut Group, from: usize, term: u64, last: LogId, granted: bool) {
    let answer = group.vote(from, 0, term, last).granted();
    let current = group.state(0).term().0;
    assert_eq!(answer, Some((current, granted)), "{from} in {term} with {last}");
    let meta = &group.disk(0).durable.meta;
    assert_eq!(meta.term.0, current, "the term on the disk");
    if granted {
        assert_eq!(meta.voted_for, Some(peer(from)), "the vote on the disk");
    }
}

#[test]
pub(super) fn s0_06_an_equal_term_is_decided_by_the_vote() {
    let mut group = voter(4, None, &[]);
    check(&mut group, 1, 4, LogId::NONE, true);
    check(&mut group, 1, 4, LogId::NONE, true);
    check(&mut group, 2, 4, LogId::NONE, false);
    check(&mut group, 2, 3, LogId::NONE, false);
    assert_eq!(group.state(0).term().0, 4);
    let mut group = voter(4, None, &[]);
    group.heartbeat(2, 0, 6).accepted();
    check(&mut group, 1, 6, LogId::NONE, true);
}

#[test]
pub(super) fn s0_08_t_vote_7_a_shorter_log_gets_no_vote() {
    for (last, granted) in [
        (at(2, 2), false),
        (at(3, 2), true),
        (at(4, 2), true),
        (at(1, 3), true),
        (at(9, 1), false),
        (LogId::NONE, false),
    ] {
        check(&mut voter(5, None, &[1, 2, 2]), 1, 6, last, granted);
        check(&mut voter(5, None, &[1, 2, 2]), 1, 5, last, granted);
    }
}

#[test]
fn a_vote_is_repeated_only_for_a_log_that_is_still_good() {
    let mut group = voter(5, Some(1), &[1, 2, 2]);
    check(&mut group, 1, 5, at(3, 2), true);
    check(&mut group, 1, 5, at(2, 2), false);
    assert_eq!(group.disk(0).durable.meta.voted_for, Some(peer(1)));
}

#[test]
fn s4_08_a_higher_term_is_taken_before_the_vote_is_decided() {
    let mut group = voter(2, Some(2), &[1, 2]);
    check(&mut group, 1, 7, at(2, 2), true);
    let mut group = voter(2, Some(2), &[1, 2]);
    check(&mut group, 1, 7, at(1, 1), false);
    assert_eq!(group.disk(0).durable.meta, voted(7, None));
}

#[test]
fn s4_09_an_equal_term_deposes_nobody() {
    let mut group = Group::new(3);
    group.pass(2000);
    group.cut = vec![(1, 0), (2, 0)];
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    assert_eq!(group.state(0).role(), Role::Candidate);
    check(&mut group, 1, 1, at(9, 1), false);
    assert_eq!(group.state(0).role(), Role::Candidate);
    let mut group = Group::new(3);
    group.elect(0);
    check(&mut group, 1, 1, at(9, 1), false);
    assert_eq!(group.state(0).role(), Role::Leader);
}

#[test]
fn s4_07_t_vote_2_a_failing_save_grants_nothing() {
    let mut group = voter(2, None, &[]);
    group.slow(0);
    let mut asked = group.vote(1, 0, 3, LogId::NONE);
    let error = Status::new(RaftError::EIO, "no space");
    group.act(0, |state, now, fx| state.on_error(&error, now, fx));
    assert!(asked.get().unwrap().is_err(), "what waited is dropped");
    group.save(0);
    assert_eq!(group.state(0).role(), Role::Error);
    for term in [3, 9] {
        assert!(group.vote(1, 0, term, LogId::NONE).get().unwrap().is_err());
        assert!(group.heartbeat(1, 0, term).get().unwrap().is_err());
    }
}

#[test]
fn t_vote_1_a_vote_survives_a_restart() {
    let mut group = voter(1, None, &[]);
    check(&mut group, 1, 100, LogId::NONE, true);
    group.restart(0);
    check(&mut group, 2, 100, LogId::NONE, false);
    check(&mut group, 1, 100, LogId::NONE, true);
}

#[test]
pub(super) fn t_vote_4_an_own_vote_survives_a_crash_right_after_the_save() {
    let mut group = voter(1, None, &[]);
    group.slow(0);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    group.crash(0, 0, true);
    group.start(0);
    group.quick(0);
    check(&mut group, 1, 2, at(9, 1), false);
    assert_eq!(group.state(0).role(), Role::Follower);
    // M47: another candidacy is of another term.
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    assert_eq!(group.state(0).term().0, 3);
}

#[test]
pub(super) fn t_vote_5_s4_12_a_repeat_waits_for_the_first_save() {
    let mut group = voter(1, None, &[]);
    group.slow(0);
    let mut first = group.vote(1, 0, 2, LogId::NONE);
    let mut again = group.vote(1, 0, 2, LogId::NONE);
    let mut other = group.vote(2, 0, 2, LogId::NONE);
    assert_eq!((first.granted(), again.granted()), (None, None));
    assert_eq!(other.granted(), Some((2, false)));
    group.quick(0);
    assert_eq!((first.granted(), again.granted()), (Some((2, true)), Some((2, true))));
}

#[test]
fn s4_12_a_higher_term_voids_a_grant_that_waits() {
    let mut group = voter(1, None, &[]);
    group.slow(0);
    let mut old = group.vote(1, 0, 2, LogId::NONE);
    let mut new = group.vote(2, 0, 3, LogId::NONE);
    group.save(0);
    assert_eq!(old.granted(), Some((3, false)));
    assert_eq!(new.granted(), None);
    group.save(0);
    assert_eq!(new.granted(), Some((3, true)));
    assert_eq!(group.disk(0).durable.meta, voted(3, Some(&peer(2))));
}

#[test]
fn s4_11_a_blocked_disk_holds_promises_and_nothing_else() {
    let mut group = voter(1, None, &[]);
    group.slow(0);
    let mut vote = group.vote(1, 0, 2, LogId::NONE);
    let mut entries = group.append(append((2, 0), 3, LogId::NONE, &[data(1, 3)], 0));
    let mut heartbeat = group.heartbeat(2, 0, 3);
    assert!(vote.get().is_none() && entries.get().is_none() && heartbeat.get().is_none());
    assert_eq!(group.pre_vote(1, 0, 9, at(9, 9)).granted(), Some((3, false)), "no promise");
    assert_eq!(group.vote(1, 0, 2, at(9, 1)).granted(), Some((3, false)), "no promise");
    assert_eq!(
        group.append(append((1, 0), 2, LogId::NONE, &[], 0)).accepted(),
        Some((3, false, None))
    );
    assert_eq!(group.timeout_now(1, 0, 2).stands(), Some((3, false)));
    assert_eq!(group.state(0).term().0, 3, "both were decided at once");
    let mut crashed = voter(1, None, &[]);
    group.quick(0);
    assert_eq!(vote.granted(), Some((3, false)));
    assert_eq!(entries.accepted(), Some((3, true, None)));
    assert_eq!(heartbeat.accepted(), Some((3, true, Some(1))));
    // A node that crashed before any of it was saved may still vote in term 2.
    check(&mut crashed, 2, 2, LogId::NONE, true);
}

#[test]
fn s4_10_t_vote_6_a_grant_pushes_the_own_election_out() {
    let mut group = voter(1, None, &[]);
    group.pass(999);
    check(&mut group, 1, 2, LogId::NONE, true);
    let deadline = group.members[0].timers[&TimerKind::Election];
    assert!(deadline.since(group.now).as_millis() >= 1000, "the timer starts anew");
    group.pass(999);
    group.fire(0, TimerKind::Election);
    assert!(group.net.is_empty(), "a timeout that waited for the door does nothing");
    check(&mut group, 2, 2, LogId::NONE, false);
}

#[test]
fn a_refusal_in_the_same_term_does_not_touch_the_timer() {
    let mut group = voter(5, None, &[1, 2]);
    let before = group.members[0].timers.clone();
    group.pass(500);
    check(&mut group, 1, 5, at(1, 1), false);
    check(&mut group, 1, 4, at(9, 4), false);
    assert_eq!(group.members[0].timers, before);
}

#[test]
fn s4_18_t_vote_8_a_pre_vote_changes_nothing() {
    let mut group = voter(5, Some(2), &[1, 2]);
    group.pass(2000);
    let (before, timers) = (format!("{:?}", group.state(0)), group.members[0].timers.clone());
    for (from, term, last, granted) in [
        (1, 6, at(2, 2), true),
        (1, 60, at(1, 3), true),
        (1, 5, at(2, 2), true),
        (1, 4, at(2, 2), false),
        (1, 6, at(1, 2), false),
        (1, 6, at(9, 1), false),
    ] {
        let answer = group.pre_vote(from, 0, term, last).granted();
        assert_eq!(answer, Some((5, granted)), "{from} in {term} with {last}");
    }
    assert_eq!(format!("{:?}", group.state(0)), before);
    assert_eq!(group.members[0].timers, timers);
    assert!(!group.disk(0).saves());
}

#[test]
fn t_vote_9_a_pre_vote_is_refused_while_a_leader_lives() {
    let mut group = voter(1, None, &[]);
    group.heartbeat(2, 0, 3).accepted();
    group.pass(999);
    assert_eq!(group.pre_vote(1, 0, 4, at(5, 3)).granted(), Some((3, false)));
    group.pass(1);
    assert_eq!(group.pre_vote(1, 0, 4, at(5, 3)).granted(), Some((3, true)));
    let mut group = Group::new(3);
    group.elect(0);
    group.pass(5000);
    assert_eq!(group.pre_vote(1, 0, 9, at(9, 9)).granted(), Some((1, false)), "it leads");
}

#[test]
fn a_stranger_is_heard_in_a_pre_vote_only_with_a_longer_log() {
    let mut group = voter(5, None, &[1, 2]);
    group.pass(2000);
    assert_eq!(group.pre_vote(4, 0, 6, at(2, 2)).granted(), Some((5, false)));
    assert_eq!(group.pre_vote(4, 0, 6, at(3, 2)).granted(), Some((5, true)));
}

#[test]
fn timeout_now_is_obeyed_by_followers_of_its_term_only() {
    let mut group = voter(5, None, &[]);
    assert_eq!(group.timeout_now(1, 0, 4).stands(), Some((5, false)));
    assert_eq!(group.timeout_now(1, 0, 7).stands(), Some((7, false)));
    assert_eq!(group.state(0).role(), Role::Follower);
    assert_eq!(group.timeout_now(1, 0, 7).stands(), Some((8, true)));
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Candidate, 8));
    assert_eq!(group.timeout_now(1, 0, 8).stands(), Some((8, false)), "it stands already");
}

#[test]
fn t_vote_11_a_learner_never_stands() {
    let mut group =
        Group::from(NodeOptions::default(), vec![Image::default()], "b:1,c:1,a:1/learner");
    assert!(group.members[0].timers.is_empty(), "no timer");
    group.pass(60_000);
    group.fire(0, TimerKind::Election);
    assert!(group.state(0).pre_vote.is_none());
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Follower, 0));
    group.heartbeat(1, 0, 3).accepted();
    assert_eq!(group.timeout_now(1, 0, 3).stands(), Some((3, false)));
    assert!(group.members[0].timers.is_empty() && group.net.is_empty());
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Follower, 3));
}
