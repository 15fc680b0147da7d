//! AppendEntries on the receiving node: whom to follow, what to take, what to commit.

use jraft_spi::status::Role;
use jraft_spi::{EntryPeers, LogEntry, LogId, LogIndex, NodeOptions, Term};

use super::asks::append;
use super::disk::{Image, voted};
use super::kit::{Group, at, data, log, peer};
use super::random::check_timers;
use crate::fsm::FsmNotice;
use crate::node::append::check_request;
use crate::node::effect::TimerKind;

/// A follower in term `term` with a log of these terms.
fn follower(term: u64, terms: &[u64]) -> Group {
    let image = Image { meta: voted(term, None), log: log(terms) };
    Group::from(NodeOptions::default(), vec![image], "a:1,b:1,c:1")
}

fn terms(group: &Group) -> Vec<u64> {
    group.disk(0).durable.log.iter().map(|entry| entry.id.term.0).collect()
}

/// Sends entries of these terms behind `prev` and compares the answer and the log afterwards.
#[track_caller]
fn check(
    before: &[u64],
    prev: LogId,
    sent: &[u64],
    answer: (u64, bool, Option<u64>),
    after: &[u64],
) {
    let mut group = follower(9, before);
    let entries: Vec<LogEntry> =
        (prev.index.0 + 1..).zip(sent).map(|(index, &term)| data(index, term)).collect();
    let found = group.append(append((1, 0), 9, prev, &entries, 0)).accepted();
    assert_eq!(found, Some(answer), "{sent:?} behind {prev}");
    assert_eq!(terms(&group), after, "{sent:?} behind {prev}");
}

#[test]
pub(super) fn entries_are_taken_where_they_fit_and_truncate_only_what_differs() {
    let yes = (9, true, None);
    check(&[], LogId::NONE, &[1, 1], yes, &[1, 1]);
    check(&[1, 1], at(2, 1), &[2], yes, &[1, 1, 2]);
    // M8: what is there already truncates nothing, however much lies behind it.
    check(&[1, 1, 2, 2], LogId::NONE, &[1, 1], yes, &[1, 1, 2, 2]);
    check(&[1, 1, 2, 2], at(1, 1), &[1], yes, &[1, 1, 2, 2]);
    check(&[1, 1], LogId::NONE, &[1, 1, 2], yes, &[1, 1, 2]);
    // Conflicts: in the middle, at the start, at the end.
    check(&[1, 1, 2, 2], at(1, 1), &[1, 3], yes, &[1, 1, 3]);
    check(&[1, 1, 2, 2], LogId::NONE, &[5], yes, &[5]);
    check(&[1, 1, 2], at(2, 1), &[3, 3], yes, &[1, 1, 3, 3]);
    // M9: what does not fit changes nothing and names the last index.
    check(&[1, 1], at(3, 1), &[1], (9, false, Some(2)), &[1, 1]);
    check(&[1, 1], at(2, 3), &[3], (9, false, Some(2)), &[1, 1]);
    check(&[1, 1], at(1, 2), &[3], (9, false, Some(2)), &[1, 1]);
    check(&[], at(1, 1), &[1], (9, false, Some(0)), &[]);
}

#[test]
pub(super) fn s0_12_a_higher_term_is_obeyed_in_every_role() {
    let leader = |group: &mut Group| group.elect(0);
    let candidate = |group: &mut Group| {
        group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    };
    let roles: [&dyn Fn(&mut Group); 3] = [&leader, &candidate, &|_| ()];
    for become_it in roles {
        let mut group = Group::new(3);
        become_it(&mut group);
        group.pass(500);
        let mut answer = group.heartbeat(1, 0, 8);
        assert!(answer.accepted().unwrap().1);
        assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Follower, 8));
        assert_eq!(group.state(0).leader(), Some(&peer(1)));
        assert_eq!(group.disk(0).durable.meta, voted(8, None));
        check_timers(&group);
        assert!(group.members[0].timers[&TimerKind::Election].since(group.now).as_millis() >= 1000);
        assert_eq!(group.heartbeat(2, 0, 7).accepted(), Some((8, false, None)));
    }
}

#[test]
fn s0_13_a_lower_term_has_no_effect_on_the_timer() {
    let mut group = follower(5, &[]);
    let timers = group.members[0].timers.clone();
    group.pass(900);
    assert_eq!(group.heartbeat(1, 0, 4).accepted(), Some((5, false, None)));
    assert_eq!(group.members[0].timers, timers);
    group.pass(900);
    group.fire(0, TimerKind::Election);
    assert_eq!(group.take(|packet| packet.kind() == "PreVote").len(), 0, "no members in the test");
    assert!(group.state(0).pre_vote.is_some(), "a dead leader suppresses no election");
}

#[test]
fn s0_13_a_candidate_steps_down_for_a_leader_of_its_term() {
    let mut group = Group::new(3);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    assert!(group.heartbeat(2, 0, 1).accepted().unwrap().1);
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Follower, 1));
    check_timers(&group);
}

#[test]
fn two_leaders_of_one_term_both_resign() {
    let mut group = follower(5, &[]);
    group.heartbeat(1, 0, 5).accepted();
    assert_eq!(group.heartbeat(2, 0, 5).accepted(), Some((6, false, None)));
    assert_eq!(group.state(0).leader(), None);
    let mut group = Group::new(3);
    group.elect(0);
    assert_eq!(group.heartbeat(2, 0, 1).accepted(), Some((2, false, None)));
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Follower, 2));
}

/// The commit index of a follower after one request: what is told, bounded by what the request proves (M10).
#[track_caller]
fn check_commit(prev: LogId, sent: &[u64], told: u64, committed: u64) {
    let mut group = follower(9, &[1, 1, 2, 2]);
    // Another leader has committed what this node applies; the truth must know.
    group.truth.committed = [at(1, 1), at(2, 1), at(3, 2), at(4, 2)].map(|id| (id, Term(3))).into();
    let entries: Vec<LogEntry> =
        (prev.index.0 + 1..).zip(sent).map(|(index, &term)| data(index, term)).collect();
    group.append(append((1, 0), 9, prev, &entries, told)).accepted();
    assert_eq!(group.state(0).committed(), LogIndex(committed), "{sent:?} behind {prev}");
    assert_eq!(group.members[0].applied, LogIndex(committed));
}

#[test]
pub(super) fn the_commit_index_is_bounded_by_what_a_request_proves() {
    check_commit(at(4, 2), &[], 3, 3);
    check_commit(at(2, 1), &[], 4, 2);
    check_commit(LogId::NONE, &[], 4, 0);
    check_commit(at(4, 9), &[], 4, 0);
    check_commit(at(1, 1), &[1], 4, 2);
    check_commit(LogId::NONE, &[1], 4, 1);
    check_commit(at(1, 1), &[1, 2, 2], 3, 3);
}

#[test]
fn a_commit_index_never_falls() {
    let mut group = follower(9, &[1, 1]);
    group.truth.committed = vec![(at(1, 1), Term(3)), (at(2, 1), Term(3))];
    group.append(append((1, 0), 9, at(2, 1), &[], 2)).accepted();
    group.append(append((1, 0), 9, at(2, 1), &[], 1)).accepted();
    group.append(append((1, 0), 9, at(1, 1), &[data(2, 1)], 2)).accepted();
    assert_eq!(group.state(0).committed(), LogIndex(2));
}

#[test]
fn l_09_what_contradicts_a_committed_entry_is_fatal() {
    let mut group = follower(9, &[1, 1, 2]);
    group.truth.committed = vec![(at(1, 1), Term(3)), (at(2, 1), Term(3))];
    group.append(append((1, 0), 9, at(2, 1), &[], 2)).accepted();
    let mut answer = group.append(append((1, 0), 9, at(1, 1), &[data(2, 5)], 0));
    assert!(answer.get().unwrap().is_err());
    assert_eq!(group.state(0).role(), Role::Error);
    assert_eq!(terms(&group), [1, 1, 2], "and nothing is truncated");
    check_timers(&group);
}

#[test]
fn malformed_requests_are_refused_before_the_door() {
    let request = |prev, entries: &[LogEntry]| append((1, 0), 5, prev, entries, 0);
    let bad = |request| check_request(&request, true).is_err();
    assert!(!bad(request(at(1, 1), &[data(2, 1), data(3, 5)])));
    assert!(bad(request(at(1, 1), &[data(3, 1)])), "a gap");
    assert!(bad(request(at(1, 1), &[data(2, 6)])), "newer than its leader");
    assert!(bad(request(at(1, 3), &[data(2, 2)])), "a falling term");
    let mut rotten = data(2, 1);
    rotten.checksum = Some(7);
    assert!(bad(request(at(1, 1), &[rotten.clone()])), "a checksum");
    assert!(check_request(&request(at(1, 1), &[rotten]), false).is_ok());
}

#[test]
fn a_configuration_counts_from_its_entry_on_and_is_undone_with_it() {
    let of = |index, term, voters: &[usize], old: &[usize]| {
        let list = |of: &[usize]| of.iter().map(|&i| peer(i)).collect();
        let peers =
            EntryPeers { peers: list(voters), old_peers: list(old), ..EntryPeers::default() };
        LogEntry::configuration(at(index, term), peers).with_checksum()
    };
    let mut group = follower(1, &[]);
    let conf = |group: &Group| group.state(0).conf().conf.to_string();
    let joint = of(2, 1, &[0, 3], &[0, 1, 2]);
    group.append(append((1, 0), 1, LogId::NONE, &[data(1, 1), joint], 0)).accepted();
    assert_eq!(conf(&group), "a:1,d:1");
    assert!(!group.state(0).conf().is_stable());
    group.append(append((1, 0), 1, at(2, 1), &[of(3, 1, &[0, 3], &[])], 0)).accepted();
    assert!(group.state(0).conf().is_stable());
    group.append(append((2, 0), 2, at(2, 1), &[data(3, 2)], 0)).accepted();
    assert!(!group.state(0).conf().is_stable(), "back to the joint one");
    group.append(append((2, 0), 3, at(1, 1), &[data(2, 3)], 0)).accepted();
    assert_eq!(conf(&group), "a:1,b:1,c:1", "back to the initial one");
    group.restart(0);
    assert_eq!(conf(&group), "a:1,b:1,c:1");
}

#[test]
fn a_learner_that_becomes_a_voter_stands_like_one() {
    let of = |index, voters: &[usize], learners: &[usize]| {
        let list = |of: &[usize]| of.iter().map(|&i| peer(i)).collect();
        let peers =
            EntryPeers { peers: list(voters), learners: list(learners), ..EntryPeers::default() };
        LogEntry::configuration(at(index, 1), peers).with_checksum()
    };
    let image = vec![Image { meta: voted(1, None), log: Vec::new() }];
    let mut group = Group::from(NodeOptions::default(), image, "b:1,c:1,a:1/learner");
    group.append(append((1, 0), 1, LogId::NONE, &[data(1, 1)], 0)).accepted();
    assert!(group.members[0].timers.is_empty(), "a learner has no timer");
    group.append(append((1, 0), 1, at(1, 1), &[of(2, &[0, 1, 2], &[])], 0)).accepted();
    check_timers(&group);
    group.pass(10_000);
    group.fire(0, TimerKind::Election);
    assert!(group.state(0).pre_vote.is_some(), "it stands");
    group.append(append((1, 0), 1, at(2, 1), &[of(3, &[1, 2], &[0])], 0)).accepted();
    assert!(group.members[0].timers.is_empty(), "a learner again");
}

#[test]
fn leaders_come_and_go_in_pairs() {
    let mut group = follower(1, &[]);
    group.heartbeat(1, 0, 2).accepted();
    group.heartbeat(1, 0, 2).accepted();
    group.heartbeat(2, 0, 3).accepted();
    group.pass(2000);
    group.fire(0, TimerKind::Election);
    group.fire(0, TimerKind::Election);
    group.heartbeat(2, 0, 3).accepted();
    group.act(0, |state, now, fx| state.on_shutdown(now, fx));
    let story: Vec<String> = (group.members[0].notices.iter())
        .map(|notice| match notice {
            FsmNotice::StartFollowing(change) => format!("+{} in {}", change.leader, change.term),
            FsmNotice::StopFollowing(change) => format!("-{} in {}", change.leader, change.term),
            other => format!("{other:?}"),
        })
        .collect();
    let expected = ["+b:1 in 2", "-b:1 in 2", "+c:1 in 3", "-c:1 in 3", "+c:1 in 3", "-c:1 in 3"];
    assert_eq!(story, expected);
}

#[test]
fn a_full_log_refuses_entries_and_takes_them_again() {
    let mut options = NodeOptions::default();
    options.raft.max_logs_in_memory_bytes = 1000;
    let mut group = Group::from(options, vec![Image::default()], "a:1,b:1,c:1");
    group.slow(0);
    let entries = log(&[1; 6]);
    let mut first = group.append(append((1, 0), 1, LogId::NONE, &entries, 0));
    let mut second = group.append(append((1, 0), 1, at(6, 1), &[data(7, 1)], 0));
    assert!(second.get().unwrap().is_err(), "busy");
    group.quick(0);
    assert_eq!(first.accepted(), Some((1, true, None)));
    // Nothing is committed yet, and still there is room: a new leader's first entry may be what is missing.
    let mut third = group.append(append((2, 0), 2, at(6, 1), &[data(7, 2)], 0));
    assert_eq!(third.accepted(), Some((2, true, None)));
    group.truth.committed = (1..8).map(|i| (at(i, 1 + i / 7), Term(2))).collect();
    group.append(append((2, 0), 2, at(7, 2), &[], 7)).accepted();
    assert_eq!(group.members[0].applied, LogIndex(7), "the rest is read from the disk");
}
