//! Standing for election: pre-votes, candidacies, their timers and their ends.

use jraft_spi::status::Role;
use jraft_spi::{NodeOptions, RaftError, Status};

use super::asks::vote_answer;
use super::disk::Image;
use super::kit::{Group, at, data, log, peer};
use super::net::{Load, Packet};
use super::random::check_timers;
use crate::fsm::FsmNotice;
use crate::node::effect::TimerKind;

fn impatient() -> NodeOptions {
    let mut options = NodeOptions::default();
    options.raft.step_down_when_vote_timedout = false;
    options
}

/// A node that stands, in a group of `size` whose others are silent; its RequestVotes are taken away and returned.
fn candidate(size: usize) -> (Group, Vec<Packet>) {
    let mut group = Group::new(size);
    group.pass(2000);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    let requests = group.take(|packet| packet.kind() == "Vote");
    assert_eq!(requests.len(), size - 1);
    (group, requests)
}

fn reply(group: &mut Group, to: &Packet, term: u64, granted: bool) {
    group.answer(to.clone(), Ok(vote_answer(term, granted)));
    group.deliver_if(|packet| !packet.is_request());
}

#[track_caller]
fn is(group: &Group, i: usize, role: Role, term: u64) {
    assert_eq!((group.state(i).role(), group.state(i).term().0), (role, term));
    check_timers(group);
}

#[test]
fn s4_q1_s4_02_an_election_timeout_alone_changes_no_term() {
    let mut group = Group::new(3);
    for _ in 0..100 {
        group.pass(2000);
        group.fire(0, TimerKind::Election);
        is(&group, 0, Role::Follower, 0);
    }
    assert_eq!(group.disk(0).durable, Image::default());
    let old = group.take(|_| true);
    group.fire(0, TimerKind::Election);
    group.deliver_if(Packet::is_request);
    // Answers to rounds that are over do not count.
    for packet in old.iter().filter(|packet| packet.to == 1) {
        group.hand_in(Packet {
            from: 1,
            to: 0,
            load: Load::Answer(Ok(vote_answer(0, true))),
            ..packet.clone()
        });
    }
    is(&group, 0, Role::Follower, 0);
    group.deliver_if(|packet| packet.from == 1);
    is(&group, 0, Role::Candidate, 1);
}

#[test]
fn s4_q2_the_election_timer_runs_through_pre_votes_and_not_through_candidacies() {
    let mut group = Group::new(3);
    group.pass(2000);
    group.fire(0, TimerKind::Election);
    assert!(group.members[0].timers.contains_key(&TimerKind::Election));
    group.settle_but(|packet| packet.kind() == "Vote");
    is(&group, 0, Role::Candidate, 1);
    assert!(!group.members[0].timers.contains_key(&TimerKind::Election));
    group.pass(9000);
    group.fire(0, TimerKind::Election);
    is(&group, 0, Role::Candidate, 1);
}

#[test]
fn s4_q3_s0_19_candidate_term_and_vote_change_in_one_step() {
    let mut group = Group::new(3);
    group.slow(0);
    group.step(0, |state, now, fx| {
        state.elect_self("test", now, fx);
        let own = state.voted_for == Some(peer(0));
        assert!(own && state.role() == Role::Candidate && state.term().0 == 1);
    });
    assert!(group.members[0].timers.is_empty() || group.net.is_empty());
}

#[test]
pub(super) fn s4_06_t_vote_3_no_vote_request_leaves_before_the_own_vote_is_saved() {
    let mut group = Group::new(3);
    group.slow(0);
    group.pass(2000);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    assert!(group.net.is_empty());
    group.save(0);
    let sent = group.take(|packet| packet.kind() == "Vote");
    assert_eq!(sent.len(), 2);
    // A failed save: nothing leaves, the term of the others does not move.
    let mut group = Group::new(3);
    group.slow(0);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    let error = Status::new(RaftError::EIO, "no space");
    group.act(0, |state, now, fx| state.on_error(&error, now, fx));
    group.save(0);
    assert!(group.net.is_empty());
    is(&group, 0, Role::Error, 1);
}

#[test]
fn s4_q4_s4_03_s4_04_what_a_vote_timeout_does() {
    for (options, grows, kind) in
        [(NodeOptions::default(), 1, "PreVote"), (impatient(), 21, "Vote")]
    {
        let mut group = Group::with(3, options);
        group.pass(2000);
        group.act(0, |state, now, fx| state.elect_self("test", now, fx));
        group.net.clear();
        for _ in 0..20 {
            group.pass(2000);
            let timers = &group.members[0].timers;
            let kind = *timers.keys().next().unwrap();
            group.fire(0, kind);
        }
        assert!(group.net.iter().all(|packet| packet.kind() == kind), "only {kind}");
        assert_eq!(group.state(0).term().0, grows);
        group.net.clear();
        group.pass(9000);
        let kind = *group.members[0].timers.keys().next().unwrap();
        group.fire(0, kind);
        group.settle();
        is(&group, 0, Role::Leader, grows + 1);
    }
}

#[test]
fn s4_05_a_vote_timeout_concerns_candidates_only() {
    let mut group = Group::new(3);
    group.fire(0, TimerKind::Vote);
    is(&group, 0, Role::Follower, 0);
    group.elect(0);
    group.fire(0, TimerKind::Vote);
    is(&group, 0, Role::Leader, 1);
    group.act(1, |state, now, fx| state.on_shutdown(now, fx));
    group.fire(1, TimerKind::Vote);
    is(&group, 1, Role::Shutting, 1);
}

#[test]
fn s4_q5_a_candidacy_that_ends_stops_its_timer() {
    let (mut group, _) = candidate(3);
    group.heartbeat(1, 0, 1).accepted();
    is(&group, 0, Role::Follower, 1);
    let (mut group, _) = candidate(3);
    group.act(0, |state, now, fx| state.on_shutdown(now, fx));
    is(&group, 0, Role::Shutting, 1);
    let (mut group, requests) = candidate(3);
    reply(&mut group, &requests[0], 1, true);
    is(&group, 0, Role::Leader, 1);
}

#[test]
fn s0_09_a_late_grant_does_not_elect_after_a_refusal_of_a_higher_term() {
    let (mut group, requests) = candidate(5);
    reply(&mut group, &requests[0], 1, true);
    reply(&mut group, &requests[1], 2, false);
    reply(&mut group, &requests[2], 1, true);
    is(&group, 0, Role::Follower, 2);
    assert_eq!(group.disk(0).durable.meta, super::disk::voted(2, None));
}

#[test]
pub(super) fn s0_10_s4_15_answers_count_for_their_term_once_and_while_standing() {
    // A grant of an older candidacy (M14).
    let (mut group, old) = candidate(3);
    group.fire(0, TimerKind::Vote);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    is(&group, 0, Role::Candidate, 2);
    for packet in &old {
        reply(&mut group, packet, 1, true);
    }
    is(&group, 0, Role::Candidate, 2);
    // The same voter twice.
    let (mut group, requests) = candidate(5);
    reply(&mut group, &requests[0], 1, true);
    reply(&mut group, &requests[0], 1, true);
    is(&group, 0, Role::Candidate, 1);
    // A refusal, and a lost answer.
    reply(&mut group, &requests[1], 1, false);
    group.lose(requests[2].clone());
    group.deliver_if(|packet| !packet.is_request());
    is(&group, 0, Role::Candidate, 1);
    reply(&mut group, &requests[3], 1, true);
    is(&group, 0, Role::Leader, 1);
    // A follower and a leader do not count votes.
    let (mut group, requests) = candidate(3);
    group.heartbeat(1, 0, 1).accepted();
    reply(&mut group, &requests[1], 1, true);
    is(&group, 0, Role::Follower, 1);
}

#[test]
fn s0_11_leadership_begins_once() {
    let (mut group, requests) = candidate(5);
    for packet in requests.iter().chain(&requests) {
        reply(&mut group, packet, 1, true);
    }
    is(&group, 0, Role::Leader, 1);
    assert_eq!(group.state(0).last_log(), at(1, 1), "one first entry");
    assert_eq!(group.truth.stats.elections, 1);
}

#[test]
fn s0_18_blocked_answers_pile_nothing_up() {
    let mut group = Group::new(3);
    group.pass(2000);
    for _ in 0..60 {
        group.pass(2000);
        group.fire(0, TimerKind::Election);
        assert!(group.net.len() <= 2, "one round at a time is sent");
        group.net.clear();
        is(&group, 0, Role::Follower, 0);
    }
}

#[test]
fn s4_16_a_group_of_one_leads_at_once_and_again_after_a_restart() {
    let mut group = Group::new(1);
    is(&group, 0, Role::Leader, 1);
    assert_eq!(group.state(0).committed().0, 1);
    let task = group.propose(0, 3);
    assert_eq!(group.ending(task), "committed");
    group.restart(0);
    is(&group, 0, Role::Leader, 2);
    assert_eq!((group.state(0).committed().0, group.members[0].applied.0), (5, 5));
}

#[test]
fn s4_16_the_own_vote_counts_when_it_is_durable() {
    let mut group = Group::from(NodeOptions::default(), vec![Image::default()], "b:1");
    assert_eq!(group.state(0).role(), Role::Follower, "not a member");
    group = Group::new(3);
    group.slow(0);
    group.pass(2000);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    group.step(0, |state, _, _| assert!(!state.candidacy.as_ref().unwrap().ballot.is_granted()));
    group.save(0);
    group.deliver_if(Packet::is_request);
    group.deliver_if(|packet| packet.from == 1);
    is(&group, 0, Role::Leader, 1);
}

#[test]
fn s4_17_a_node_outside_its_configuration_never_stands() {
    let options = NodeOptions::default();
    let mut group = Group::from(options, vec![Image::default()], "b:1,c:1,d:1");
    for _ in 0..50 {
        group.pass(2000);
        group.fire(0, TimerKind::Election);
    }
    assert_eq!(group.timeout_now(1, 0, 0).stands(), Some((0, false)));
    is(&group, 0, Role::Follower, 0);
    assert!(group.net.is_empty());
}

#[test]
fn s4_19_a_pre_vote_is_no_promise() {
    let mut group = Group::new(3);
    group.pass(2000);
    group.fire(0, TimerKind::Election);
    group.settle_but(|packet| packet.kind() == "Vote");
    group.isolate(0);
    group.settle();
    is(&group, 0, Role::Candidate, 1);
    group.elect(1);
    group.heal();
    group.fire(1, TimerKind::Heartbeat);
    group.settle();
    is(&group, 0, Role::Follower, 1);
    assert_eq!(group.state(0).leader(), Some(&peer(1)));
}

#[test]
fn s4_21_one_dead_peer_of_five_does_not_matter() {
    let mut group = Group::new(5);
    group.crash(4, 0, false);
    group.elect(0);
    let task = group.propose(0, 1);
    group.settle();
    assert_eq!(group.ending(task), "committed");
}

#[test]
fn a_leader_that_is_found_ends_the_pre_vote() {
    let mut group = Group::new(3);
    group.pass(2000);
    group.fire(0, TimerKind::Election);
    group.deliver_if(Packet::is_request);
    group.heartbeat(2, 0, 0).accepted();
    group.settle();
    is(&group, 0, Role::Follower, 0);
    assert_eq!(group.state(0).leader(), Some(&peer(2)));
}

#[test]
fn s0_03_to_s0_05_a_group_goes_on_without_its_leader_and_takes_it_back() {
    for size in [3, 5] {
        let mut group = Group::new(size);
        group.elect(0);
        let kept = group.propose(0, 1);
        group.settle();
        group.isolate(0);
        let lost = group.propose(0, 2);
        group.settle();
        group.elect(1);
        // S0-04: the old leader resigns, and what it took in has an unknown end.
        group.fire(0, TimerKind::StepDown);
        is(&group, 0, Role::Follower, 1);
        assert_eq!((group.ending(kept), group.ending(lost)), ("committed", "unknown"));
        let stops = group.members[0].notices.iter();
        let stops = stops.filter(|notice| matches!(notice, FsmNotice::LeaderStop(_))).count();
        assert_eq!(stops, 1);
        group.heal();
        let new = group.propose(1, 1);
        group.settle();
        group.pass(200);
        group.fire(1, TimerKind::Heartbeat);
        group.settle();
        is(&group, 0, Role::Follower, 2);
        is(&group, 1, Role::Leader, 2);
        assert_eq!(group.ending(new), "committed");
        assert_eq!(group.disk(0).durable.log, group.disk(1).durable.log);
    }
}

#[test]
fn s0_02_two_candidates_of_one_term_wait_for_their_timers() {
    let mut group = Group::with(3, impatient());
    group.crash(2, 0, false);
    group.pass(2000);
    for i in [0, 1] {
        group.act(i, |state, now, fx| state.elect_self("test", now, fx));
    }
    group.settle();
    is(&group, 0, Role::Candidate, 1);
    is(&group, 1, Role::Candidate, 1);
    group.fire(1, TimerKind::Vote);
    group.settle();
    is(&group, 1, Role::Leader, 2);
    is(&group, 0, Role::Follower, 2);
}

#[test]
fn s0_08_a_wiped_node_never_leads_those_who_have_more() {
    let mut group = Group::new(3);
    group.elect(0);
    group.propose(0, 2);
    group.settle();
    group.wipe(2);
    group.crash(0, 0, false);
    group.pass(3000);
    group.act(2, |state, now, fx| state.elect_self("test", now, fx));
    group.settle();
    assert_eq!(group.state(2).role(), Role::Candidate);
}

#[test]
fn t_vote_10_a_joint_configuration_asks_both_majorities() {
    use jraft_spi::{EntryPeers, LogEntry};
    let peers = EntryPeers {
        peers: vec![peer(0), peer(3), peer(4)],
        old_peers: vec![peer(0), peer(1), peer(2)],
        ..EntryPeers::default()
    };
    let entry = LogEntry::configuration(at(2, 1), peers).with_checksum();
    let joint = [data(1, 1), entry];
    let image = || Image { meta: super::disk::voted(1, None), log: joint.to_vec() };
    for (grants, role) in [
        (vec![1, 2], Role::Candidate),
        (vec![3, 4], Role::Candidate),
        (vec![1, 3], Role::Leader),
        (vec![2, 4], Role::Leader),
    ] {
        let images = (0..5).map(|_| image()).collect();
        let mut group = Group::from(NodeOptions::default(), images, "a:1,b:1,c:1");
        group.pass(2000);
        group.act(0, |state, now, fx| state.elect_self("test", now, fx));
        let requests = group.take(|packet| packet.kind() == "Vote");
        assert_eq!(requests.len(), 4);
        for packet in requests.iter().filter(|packet| grants.contains(&packet.to)) {
            reply(&mut group, packet, 2, true);
        }
        assert_eq!(group.state(0).role(), role, "{grants:?}");
    }
    assert_eq!(log(&[1]), joint[..1]);
}

#[test]
fn a_disk_slower_than_the_vote_timeout_does_not_raise_the_term_for_ever() {
    for step_down in [true, false] {
        let mut options = NodeOptions::default();
        options.raft.step_down_when_vote_timedout = step_down;
        let mut group = Group::with(3, options);
        group.slow(0);
        group.pass(3000);
        group.act(0, |state, now, fx| state.elect_self("test", now, fx));
        for _ in 0..5 {
            group.fire(0, TimerKind::Vote);
        }
        let state = group.state(0);
        assert_eq!((state.role(), state.term().0), (Role::Candidate, 1), "{step_down}");
        group.quick(0);
        group.settle();
        assert_eq!(group.state(0).role(), Role::Leader, "{step_down}");
    }
}
