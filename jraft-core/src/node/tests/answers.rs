//! What a node makes of answers, and how long it waits for them: refusals, answers that come twice or too late, errors.

use std::time::Duration;

use jraft_spi::NodeOptions;
use jraft_spi::message::{AppendKind, RaftRequest};
use jraft_spi::status::Role;

use super::asks::{append_answer, vote_answer};
use super::kit::{Group, peer};
use super::net::Packet;
use crate::node::effect::{Effect, Note, TimerKind};

fn is_entries(packet: &Packet) -> bool {
    packet.append_kind() == Some(AppendKind::Entries)
}

/// Delivers an answer to a pre-vote or to a request of the leader.
fn reply(group: &mut Group, to: &Packet, answer: jraft_spi::message::RaftResponse) {
    group.answer(to.clone(), Ok(answer));
    group.deliver_if(|packet| !packet.is_request());
}

/// A pre-vote of node 0, in a group of five.
fn pre_votes() -> (Group, Vec<Packet>) {
    let mut group = Group::new(5);
    group.pass(2000);
    group.fire(0, TimerKind::Election);
    let asked = group.take(|packet| packet.kind() == "PreVote");
    assert_eq!(asked.len(), 4);
    (group, asked)
}

#[test]
fn a_pre_vote_needs_a_majority_of_grants() {
    let (mut group, asked) = pre_votes();
    reply(&mut group, &asked[0], vote_answer(0, true));
    assert_eq!(group.state(0).role(), Role::Follower, "two of five");
    reply(&mut group, &asked[0], vote_answer(0, true));
    assert_eq!(group.state(0).role(), Role::Follower, "one voter counts once");
    reply(&mut group, &asked[1], vote_answer(0, true));
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Candidate, 1));
}

#[test]
fn refusals_are_no_grants() {
    let (mut group, asked) = pre_votes();
    for packet in &asked {
        reply(&mut group, packet, vote_answer(0, false));
    }
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Follower, 0));
}

#[test]
fn grants_of_an_older_term_are_no_grants() {
    let (mut group, asked) = pre_votes();
    group.heartbeat(4, 0, 1).accepted();
    for packet in &asked {
        reply(&mut group, packet, vote_answer(0, true));
    }
    assert_eq!((group.state(0).role(), group.state(0).term().0), (Role::Follower, 1));
}

#[test]
fn an_error_after_the_answer_blocks_nobody() {
    let mut group = Group::new(3);
    group.elect(0);
    group.propose(0, 1);
    let sent = group.take(is_entries);
    group.hand_in(sent[0].clone());
    assert_eq!(group.deliver_if(|packet| !packet.is_request()), 1);
    group.lose(sent[0].clone());
    group.settle_but(is_entries);
    group.propose(0, 1);
    let again = group.take(is_entries);
    assert!(again.iter().any(|packet| packet.to == sent[0].to), "the next entry leaves at once");
}

#[test]
fn a_mismatch_of_a_heartbeat_from_before_a_reset_starts_no_probe() {
    let mut group = Group::new(3);
    group.elect(0);
    group.fire(0, TimerKind::Heartbeat);
    let beat = group.take(|packet| packet.kind() == "Heartbeat" && packet.to == 1);
    group.propose(0, 1);
    for packet in group.take(|packet| packet.to == 1) {
        group.lose(packet);
    }
    group.settle();
    group.pass(1000);
    // The turn finds the peer no longer blocked: a probe, then the entry.
    group.act(0, |_, _, _| ());
    group.settle();
    assert_eq!(group.disk(1).durable.log, group.disk(0).durable.log);
    reply(&mut group, &beat[0], append_answer(1, false, Some(0)));
    assert!(group.net.is_empty(), "{:?}", group.net.front().map(Packet::append_kind));
}

#[test]
fn a_log_that_cannot_be_read_ends_the_leader() {
    let mut group = Group::new(3);
    group.elect(0);
    let version = group.state(0).replicators[&peer(2)].version();
    group.act(0, |state, now, fx| state.on_log_read(&peer(2), version, Vec::new(), now, fx));
    assert_eq!(group.state(0).role(), Role::Error);
}

#[test]
fn every_tenth_failure_of_a_peer_is_told() {
    let mut group = Group::new(2);
    group.elect(0);
    let mut told = Vec::new();
    for failure in 1..=12 {
        group.queue(0, 1);
        group.pass(1000);
        group.turn(0);
        group.run_disks(0);
        let sent = group.take(|packet| packet.kind() == "Append");
        assert_eq!(sent.len(), 1, "failure {failure}");
        let (sent, error) = (&sent[0].sent, super::net::lost());
        group.step(0, |state, now, fx| state.on_answer(sent, Err(error), now, fx));
        let is_warning = |effect: &Effect| matches!(effect, Effect::Note(Note::Warn(_)));
        if group.members[0].outbox.iter().any(is_warning) {
            told.push(failure);
        }
    }
    assert_eq!(told, [1, 11]);
}

/// How long the leader waits for answers to requests of this kind, of those that it is about to send.
fn waits_for(group: &Group, kind: AppendKind) -> Vec<Duration> {
    let timeout = |effect: &Effect| match effect {
        Effect::Send { request: RaftRequest::AppendEntries(request), timeout, .. }
            if request.kind == kind =>
        {
            Some(*timeout)
        }
        _ => None,
    };
    group.members[0].outbox.iter().filter_map(timeout).collect()
}

#[test]
fn heartbeats_and_probes_are_not_waited_for_as_long_as_entries() {
    let options = NodeOptions::default();
    let (election, rpc) = (options.election_timeout_ms, options.rpc.rpc_default_timeout);
    let mut group = Group::with(2, options);
    group.pass(3000);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    group.deliver_if(|packet| packet.kind() == "Vote");
    let vote = group.take(|packet| packet.kind() == "Vote").remove(0);
    let super::net::Load::Answer(Ok(answer)) = vote.load else { panic!("it votes") };
    group.step(0, |state, now, fx| state.on_answer(&vote.sent, Ok(answer), now, fx));
    let applied = group.members[0].applied;
    group.step(0, |state, now, fx| state.on_turn_end(applied, now, fx));
    assert_eq!(waits_for(&group, AppendKind::Probe), [Duration::from_millis(election)]);
    group.turn(0);
    group.run_disks(0);
    group.deliver_if(Packet::is_request);
    let probe = group.take(|packet| packet.kind() == "Append").remove(0);
    let super::net::Load::Answer(Ok(answer)) = probe.load else { panic!("it matches") };
    group.step(0, |state, now, fx| state.on_answer(&probe.sent, Ok(answer), now, fx));
    group.step(0, |state, now, fx| state.on_turn_end(applied, now, fx));
    assert_eq!(waits_for(&group, AppendKind::Entries), [Duration::from_millis(rpc)]);
    group.turn(0);
    group.step(0, |state, now, fx| state.on_heartbeat_tick(now, fx));
    assert_eq!(waits_for(&group, AppendKind::Heartbeat), [Duration::from_millis(election / 2)]);
}
