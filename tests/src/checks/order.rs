//! I-6 and I-11: what only rises, and what is never greater than what.
//!
//! A node may forget a term that was not durable and that it had promised nothing in; then its term falls with a restart.

use jraft_core::message::{RaftRequest, RaftResponse};
use jraft_core::{LogIndex, Term};

use super::facts::Facts;
use super::look::Look;
use super::{Check, Seen, Verdict};

#[derive(Clone, Default)]
struct Life {
    /// It was looked at already.
    seen: bool,
    /// Over all lives: the newest term of a promise.
    promised: Term,
}

/// See the [module](self).
pub struct Order(Vec<Life>);

impl Order {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self(vec![Life::default(); nodes])
    }

    fn looked(&mut self, node: usize, inside: &dyn Look, facts: &Facts) -> Verdict {
        let before = &facts.nodes[node];
        let life = &mut self.0[node];
        let least = if std::mem::replace(&mut life.seen, true) {
            before.term
        } else {
            before.record.lock().durable_meta_term().max(life.promised)
        };
        let (term, committed) = (inside.term(), inside.committed());
        if term < least {
            return Err(format!("I-6: the term of node {node} falls from {least} to {term}"));
        }
        if committed < before.committed {
            let was = before.committed;
            return Err(format!(
                "I-6: the commit index of node {node} falls from {was} to {committed}"
            ));
        }
        in_order(node, inside)
    }

    fn promises(&mut self, node: usize, term: Term) {
        let promised = &mut self.0[node].promised;
        *promised = term.max(*promised);
    }
}

fn in_order(node: usize, inside: &dyn Look) -> Verdict {
    let (first, last, committed) = (inside.first_log(), inside.last_log(), inside.committed());
    if committed > last.index {
        return Err(format!("I-11: node {node} committed {committed}, its log ends in {last}"));
    }
    if first == LogIndex::ZERO || first > last.index.next() || first > committed.next() {
        return Err(format!(
            "I-11: the log of node {node} begins with {first}, committed is {committed}, last {last}"
        ));
    }
    if last.term > inside.term() {
        return Err(format!("I-11: node {node} of term {} has {last}", inside.term()));
    }
    Ok(())
}

impl Check for Order {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Looked { node, inside } => return self.looked(*node, *inside, facts),
            Seen::Started { node, .. } => self.0[*node].seen = false,
            Seen::Sends { node, request: RaftRequest::RequestVote(request) }
                if !request.pre_vote =>
            {
                self.promises(*node, request.term);
            }
            Seen::Answers { node, request: RaftRequest::RequestVote(request), answer, .. } => {
                let grants = matches!(answer, RaftResponse::RequestVote(vote) if vote.granted);
                if grants && !request.pre_vote {
                    self.promises(*node, request.term);
                }
            }
            Seen::Answers { node, answer: RaftResponse::AppendEntries(answer), .. }
                if answer.success =>
            {
                self.promises(*node, answer.term);
            }
            Seen::Applies { node, mark }
                if self.0[*node].seen && mark.id.index > facts.nodes[*node].committed =>
            {
                let (applied, committed) = (mark.id.index, facts.nodes[*node].committed);
                return Err(format!("I-11: node {node} applies {applied}, committed {committed}"));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, accepted, append, assert_breaks, mark};
    use super::*;

    fn follower(term: u64, log: &[u64], committed: u64) -> Fake {
        Fake::new(Role::Follower, term, log).committed(committed)
    }

    #[test]
    fn what_rises_is_well_and_a_start_counts_from_the_disk() {
        let mut world = World::new(Order::new(3));
        world.start(0).unwrap();
        world.look(0, &follower(2, &[1, 2], 1)).unwrap();
        world.see(&Seen::Applies { node: 0, mark: mark(1, 1, "x") }).unwrap();
        world.look(0, &follower(5, &[1, 2, 3], 3)).unwrap();
        world.meta(0, 4, None);
        world.start(0).unwrap();
        world.look(0, &follower(4, &[1, 2, 3], 0)).unwrap();
    }

    #[test]
    fn falling_values_are_found() {
        let world = || {
            let mut world = World::new(Order::new(3));
            world.look(0, &follower(3, &[1, 2], 2)).unwrap();
            world
        };
        assert_breaks(&world().look(0, &follower(2, &[1, 2], 2)), "I-6");
        assert_breaks(&world().look(0, &follower(3, &[1, 2], 1)), "I-6");
    }

    #[test]
    fn a_promised_term_survives_a_restart() {
        let mut world = World::new(Order::new(3));
        world.look(0, &follower(3, &[1], 0)).unwrap();
        world.answers(0, &append(1, 3, (1, 1), &[]), &accepted(3)).unwrap();
        world.start(0).unwrap();
        assert_breaks(&world.look(0, &follower(2, &[1], 0)), "I-6");
    }

    #[test]
    fn disorder_is_found() {
        let mut world = World::new(Order::new(3));
        assert_breaks(&world.look(0, &follower(3, &[1, 2], 3)), "I-11");
        assert_breaks(&world.look(0, &follower(1, &[1, 2], 0)), "I-11");
        let compacted = Fake { first: 4, ..follower(3, &[1, 2], 2) };
        assert_breaks(&world.look(0, &compacted), "I-11");
        world.look(1, &follower(3, &[1, 2], 1)).unwrap();
        let applies = Seen::Applies { node: 1, mark: mark(2, 2, "x") };
        assert_breaks(&world.see(&applies), "I-11");
    }
}
