//! The gate for promises: what leaves when, with two disks that sync as they like.

use jraft_spi::status::Role;
use jraft_spi::{LogId, LogIndex, NodeOptions, RaftError, Status, Term};

use super::asks::append;
use super::disk::{Image, voted};
use super::kit::{Group, at, data, log};
use crate::log::LogTicket;
use crate::log::MetaTicket;
use crate::node::gate::GATE_LIMIT;

/// A follower with slow disks, in term 1, with a log of these terms.
fn follower(terms: &[u64]) -> Group {
    let image = Image { meta: voted(1, None), log: log(terms) };
    let mut group = Group::from(NodeOptions::default(), vec![image], "a:1,b:1,c:1");
    group.slow(0);
    group
}

const YES: Option<(u64, bool, Option<u64>)> = Some((1, true, None));

#[test]
pub(super) fn m7_entries_are_accepted_when_they_are_durable() {
    let mut group = follower(&[]);
    let mut asked = group.append(append((1, 0), 1, LogId::NONE, &[data(1, 1)], 0));
    assert_eq!(asked.accepted(), None);
    assert!(group.write(0));
    assert_eq!(asked.accepted(), None, "written is not durable");
    assert!(group.sync(0));
    assert_eq!(asked.accepted(), YES);
}

#[test]
pub(super) fn m41_every_word_of_a_new_term_waits_for_the_term() {
    let mut group = follower(&[1]);
    let mut raising = group.heartbeat(1, 0, 4);
    let mut heartbeat = group.heartbeat(1, 0, 4);
    let mut known = group.append(append((1, 0), 4, LogId::NONE, &[data(1, 1)], 0));
    let all = [raising.accepted(), heartbeat.accepted(), known.accepted()];
    assert_eq!(all, [None; 3]);
    assert!(group.save(0));
    assert_eq!(raising.accepted(), Some((4, true, Some(1))));
    assert_eq!(heartbeat.accepted(), Some((4, true, Some(1))));
    assert_eq!(known.accepted(), Some((4, true, None)));
}

#[test]
pub(super) fn m44_a_duplicate_waits_for_the_original() {
    let mut group = follower(&[]);
    let request = append((1, 0), 1, LogId::NONE, &[data(1, 1), data(2, 1)], 0);
    let (mut original, mut again) = (group.append(request.clone()), group.append(request));
    let mut part = group.append(append((1, 0), 1, LogId::NONE, &[data(1, 1)], 0));
    let mut heartbeat = group.append(append((1, 0), 1, at(2, 1), &[], 0));
    assert_eq!(heartbeat.accepted(), Some((1, true, Some(2))), "promises no entries");
    assert_eq!([original.accepted(), again.accepted(), part.accepted()], [None; 3]);
    group.quick(0);
    assert_eq!([original.accepted(), again.accepted(), part.accepted()], [YES; 3]);
}

#[test]
pub(super) fn m18_an_acceptance_of_an_older_term_becomes_a_refusal() {
    let mut group = follower(&[]);
    let mut old = group.append(append((1, 0), 1, LogId::NONE, &[data(1, 1)], 1));
    let mut new = group.append(append((2, 0), 3, LogId::NONE, &[data(1, 3)], 0));
    group.write(0);
    group.sync(0);
    assert_eq!(old.accepted(), Some((3, false, None)), "its entries were replaced");
    assert_eq!((new.accepted(), group.state(0).committed()), (None, LogIndex::ZERO));
    group.quick(0);
    assert_eq!(new.accepted(), Some((3, true, None)));
    assert_eq!(group.disk(0).durable.log, [data(1, 3)]);
}

#[test]
fn entries_reach_the_log_behind_their_term() {
    let mut group = follower(&[1]);
    group.append(append((1, 0), 6, at(1, 1), &[data(2, 6)], 0));
    assert!(!group.write(0) && !group.sync(0), "the term is not durable");
    group.save(0);
    assert!(group.write(0) && group.sync(0));
    // A crash at any moment leaves no entry above the saved term; the node starts again.
    for (reached, with_save) in [(0, false), (0, true), (1, true)] {
        let mut group = follower(&[1]);
        group.append(append((1, 0), 6, at(1, 1), &[data(2, 6)], 0));
        if reached > 0 {
            group.save(0);
            group.write(0);
        }
        group.crash(0, reached, with_save);
        let image = group.disk(0).durable.clone();
        assert!(image.log.last().unwrap().id.term <= image.meta.term);
        group.start(0);
    }
}

#[test]
pub(super) fn a_truncation_takes_back_what_writes_under_way_would_promise() {
    let mut group = follower(&[1]);
    // Entries 2 and 3 are on their way when a new leader replaces them; its entries take longer.
    group.append(append((1, 0), 1, at(1, 1), &[data(2, 1), data(3, 1)], 0));
    let mut new = group.append(append((2, 0), 2, at(1, 1), &[data(2, 2), data(3, 2)], 0));
    group.write(0);
    group.sync(0);
    assert_eq!(group.state(0).log.durable(), LogIndex(1), "what is durable is not what is there");
    group.save(0);
    group.write(0);
    group.sync(0);
    assert_eq!(group.state(0).log.durable(), LogIndex(1), "the truncation alone");
    assert_eq!(new.accepted(), None);
    group.write(0);
    group.sync(0);
    assert_eq!(
        (group.state(0).log.durable(), new.accepted()),
        (LogIndex(3), Some((2, true, None)))
    );
    // And a leader counts itself for durable entries of its own only.
    assert_eq!(group.state(0).log.last(), at(3, 2));
}

#[test]
fn m34_after_an_error_nothing_that_waited_leaves() {
    let mut group = follower(&[]);
    let mut vote = group.vote(1, 0, 2, LogId::NONE);
    let mut entries = group.append(append((1, 0), 2, LogId::NONE, &[data(1, 2)], 1));
    let error = Status::new(RaftError::EIO, "fsync failed");
    group.act(0, |state, now, fx| state.on_error(&error, now, fx));
    assert!(vote.get().unwrap().is_err() && entries.get().unwrap().is_err());
    // The disk may come back; this node does not.
    group.act(0, |state, now, fx| {
        state.on_meta_durable(MetaTicket(1), now, fx);
        state.on_log_durable(LogTicket(1), now, fx);
    });
    assert_eq!((group.state(0).role(), group.state(0).committed()), (Role::Error, LogIndex::ZERO));
    assert!(group.append(append((1, 0), 2, LogId::NONE, &[], 0)).get().unwrap().is_err());
}

#[test]
fn m34_a_leader_whose_disk_fails_acknowledges_nothing_more() {
    let mut group = Group::new(3);
    group.elect(0);
    group.slow(0);
    let task = group.propose(0, 1);
    let error = Status::new(RaftError::EIO, "fsync failed");
    group.act(0, |state, now, fx| state.on_error(&error, now, fx));
    group.settle();
    group.act(0, |state, now, fx| state.on_log_durable(LogTicket(2), now, fx));
    assert_eq!((group.ending(task), group.state(0).role()), ("unknown", Role::Error));
}

#[test]
fn a_full_gate_gives_up_its_oldest_promise() {
    let mut group = follower(&[]);
    let mut asks: Vec<_> = (0..=GATE_LIMIT).map(|_| group.heartbeat(1, 0, 2)).collect();
    assert!(asks[0].get().unwrap().is_err(), "asked to come again");
    assert!(asks[1].get().is_none());
    group.save(0);
    let answered = asks[1..].iter_mut().filter_map(|ask| ask.accepted());
    assert_eq!(answered.filter(|&(term, success, _)| success && term == 2).count(), GATE_LIMIT);
}

#[test]
fn a_shutdown_answers_whoever_waits() {
    let mut group = follower(&[]);
    let mut vote = group.vote(1, 0, 2, LogId::NONE);
    group.act(0, |state, now, fx| state.on_shutdown(now, fx));
    assert!(vote.get().unwrap().is_err());
    assert_eq!(group.state(0).gate.held(), 0);
    assert_eq!(group.state(0).term(), Term(2));
}
