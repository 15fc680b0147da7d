//! I-12: a node says that it accepts entries when they are durable, and speaks in a term when that is durable.
//!
//! An answer may leave when its node is in a newer term already, if it was decided before. Then all it promises was durable
//! when the node went on to that term.

use std::collections::VecDeque;

use jraft_core::message::{AppendEntriesRequest, AppendEntriesResponse, RaftRequest, RaftResponse};
use jraft_core::{LogId, LogIndex, Term};

use super::facts::Facts;
use super::record::Mark;
use super::{Check, Seen, Verdict};

/// So many terms may pass while an answer is on its way out of its node.
const TERMS: usize = 16;

/// What was durable when a node went on to a term.
struct Rise {
    at: u64,
    to: Term,
    last: LogIndex,
    term: Term,
}

/// See the [module](self). For each node, its last terms.
pub struct Acceptance(Vec<VecDeque<Rise>>);

impl Acceptance {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self((0..nodes).map(|_| VecDeque::new()).collect())
    }

    fn rises(&mut self, node: usize, to: Term, facts: &Facts) {
        let (rises, mut record) = (&mut self.0[node], facts.nodes[node].record.lock());
        if rises.len() == TERMS {
            rises.pop_front();
        }
        let last = LogIndex(record.durable_log().len() as u64);
        rises.push_back(Rise { at: facts.now, to, last, term: record.durable_meta_term() });
    }

    /// What an answer promises was durable before its node went on to a newer term, and asked for before that.
    fn in_time(
        &self,
        node: usize,
        request: &AppendEntriesRequest,
        heard: u64,
        facts: &Facts,
    ) -> Verdict {
        let newer = self.0[node].iter().find(|rise| rise.to > request.term);
        let Some(rise) = newer else { return Ok(()) };
        let (asked, to) = (request.term, rise.to);
        if heard > rise.at {
            return Err(format!(
                "I-12: node {node} of term {to} accepts what term {asked} asked of it later"
            ));
        }
        let last = request.entries.entries().last().map(|entry| entry.id.index);
        let lacks = facts.is_answerable() && last.is_some_and(|last| last > rise.last);
        if rise.term >= request.term && !lacks {
            return Ok(());
        }
        Err(format!("I-12: node {node} of term {to} accepts in term {asked}, with {last:?}"))
    }
}

impl Check for Acceptance {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Started { node, .. } => self.0[*node].clear(),
            Seen::Looked { node, inside } if inside.term() > facts.nodes[*node].term => {
                self.rises(*node, inside.term(), facts);
            }
            Seen::Answers {
                node,
                request: RaftRequest::AppendEntries(request),
                heard,
                answer: RaftResponse::AppendEntries(answer),
            } if answer.success => {
                self.in_time(*node, request, *heard, facts)?;
                return accepts(*node, request, answer, facts);
            }
            _ => {}
        }
        Ok(())
    }
}

fn accepts(
    node: usize,
    request: &AppendEntriesRequest,
    answer: &AppendEntriesResponse,
    facts: &Facts,
) -> Verdict {
    if answer.term != request.term {
        let (asked, told) = (request.term, answer.term);
        return Err(format!("I-12: node {node} of term {told} accepts a request of term {asked}"));
    }
    let mut record = facts.nodes[node].record.lock();
    let durable = record.durable_meta_term();
    if durable < answer.term {
        let term = answer.term;
        return Err(format!("I-12: node {node} accepts in term {term}, durable is {durable}"));
    }
    // The answer was decided in its term. What a newer leader has had it truncate since, it did hold.
    if request.entries.is_empty() || durable > request.term || !facts.is_answerable() {
        return Ok(());
    }
    let log = record.durable_log();
    let entries = request.entries.entries().iter().map(|entry| entry.id);
    let lost = std::iter::once(request.prev).chain(entries).find(|&id| !has(log, id));
    let Some(LogId { index, term }) = lost else { return Ok(()) };
    let disk = record.describe();
    Err(format!("I-12: node {node} accepts {index}@{term} which it may lose: {disk}"))
}

fn has(log: &[Mark], id: LogId) -> bool {
    match id.index.0.checked_sub(1) {
        None => id == LogId::NONE,
        Some(place) => log.get(place as usize).is_some_and(|mark| mark.id == id),
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, accepted, append, assert_breaks};
    use super::*;

    /// Node 0 holds two entries, in term 3.
    fn world() -> World<Acceptance> {
        let world = World::new(Acceptance::new(3));
        world.meta(0, 3, None);
        world.durable(0, &[1, 3]);
        world
    }

    #[test]
    fn what_is_durable_may_be_promised() {
        let mut world = world();
        world.answers(0, &append(1, 3, (0, 0), &[1, 3]), &accepted(3)).unwrap();
        world.answers(0, &append(1, 3, (1, 1), &[3]), &accepted(3)).unwrap();
        world.answers(0, &append(1, 3, (5, 3), &[]), &accepted(3)).unwrap();
        world.meta(0, 4, None);
        world.answers(0, &append(1, 3, (2, 3), &[3]), &accepted(3)).unwrap();
    }

    #[test]
    fn entries_that_may_be_lost_are_found() {
        let mut world = world();
        for lost in [append(1, 3, (2, 3), &[3]), append(1, 3, (0, 0), &[1, 2])] {
            assert_breaks(&world.answers(0, &lost, &accepted(3)), "I-12");
        }
        assert_breaks(&world.answers(0, &append(1, 3, (1, 2), &[3]), &accepted(3)), "I-12");
    }

    #[test]
    fn a_truncation_on_its_way_may_take_entries() {
        let mut world = world();
        world.facts.nodes[0].record.lock().log_truncates(LogIndex(1));
        world.answers(0, &append(1, 3, (0, 0), &[1]), &accepted(3)).unwrap();
        assert_breaks(&world.answers(0, &append(1, 3, (1, 1), &[3]), &accepted(3)), "I-12");
    }

    #[test]
    fn terms_that_may_be_forgotten_are_found_in_heartbeats_too() {
        let mut world = world();
        assert_breaks(&world.answers(0, &append(1, 4, (2, 3), &[]), &accepted(4)), "I-12");
        assert_breaks(&world.answers(0, &append(1, 2, (2, 3), &[]), &accepted(3)), "I-12");
    }

    #[test]
    fn what_was_not_durable_before_a_newer_term_is_found() {
        let mut world = world();
        world.look(0, &Fake::new(Role::Follower, 3, &[1, 3, 3])).unwrap();
        world.look(0, &Fake::new(Role::Follower, 5, &[1, 3, 3])).unwrap();
        world.answers(0, &append(1, 3, (1, 1), &[3]), &accepted(3)).unwrap();
        world.durable(0, &[3]);
        assert_breaks(&world.answers(0, &append(1, 3, (2, 3), &[3]), &accepted(3)), "I-12");
        world.meta(0, 5, None);
        assert_breaks(&world.answers(0, &append(1, 4, (2, 3), &[]), &accepted(4)), "I-12");
        world.answers(0, &append(1, 5, (2, 3), &[3]), &accepted(5)).unwrap();
    }

    #[test]
    fn what_was_asked_after_a_newer_term_is_found() {
        let (mut world, old) = (world(), append(1, 3, (1, 1), &[3]));
        world.look(0, &Fake::new(Role::Follower, 3, &[1, 3])).unwrap();
        world.hears(0, &old).unwrap();
        world.look(0, &Fake::new(Role::Follower, 5, &[1, 3])).unwrap();
        world.wait(1);
        world.answers(0, &old, &accepted(3)).unwrap();
        world.hears(0, &old).unwrap();
        assert_breaks(&world.answers(0, &old, &accepted(3)), "I-12");
    }
}
