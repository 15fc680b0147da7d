//! I-7: nobody forgets what is committed.
//!
//! Judged when a node decides it, not when its disk follows: a node may learn, by a heartbeat, that an entry is committed
//! whose predecessor at that index its slow disk still holds.
//!
//! A node may truncate an entry that is committed, if the leader that tells it to is of an older term than the one that
//! committed it: that node was not among those who made the majority, and will be given the entry again.

use jraft_core::{LogIndex, Term};

use super::facts::Facts;
use super::look::Look;
use super::{Check, Seen, Verdict};

/// For each node, the terms of its entries as it decides with them.
pub struct Truncation(Vec<Vec<Term>>);

impl Truncation {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self(vec![Vec::new(); nodes])
    }

    fn looked(&mut self, node: usize, inside: &dyn Look, facts: &Facts) -> Verdict {
        let (log, last) = (&mut self.0[node], inside.last_log());
        if log.len() as u64 == last.index.0 && log.last().is_none_or(|&term| term == last.term) {
            return Ok(());
        }
        let before = &facts.nodes[node];
        // Whoever told it to truncate led a term that is not older than this.
        let leader = before.term.max(last.term);
        while let Some(&term) = log.last() {
            let index = LogIndex(log.len() as u64);
            if inside.term_of(index) == Some(term) {
                break;
            }
            log.pop();
            if index <= before.committed {
                return Err(format!(
                    "I-7: node {node} forgets {index}@{term}, and knew {} to be committed",
                    before.committed
                ));
            }
            let needed = facts.truth(index).filter(|truth| truth.id.term == term);
            if let Some(truth) = needed.filter(|truth| truth.by <= leader) {
                return Err(format!(
                    "I-7: node {node} forgets {} in term {leader}, committed in term {}",
                    truth.id, truth.by
                ));
            }
        }
        let more = (log.len() as u64 + 1..=last.index.0).map(LogIndex);
        log.extend(more.map(|index| inside.term_of(index).unwrap_or_default()));
        Ok(())
    }
}

impl Check for Truncation {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Started { node, .. } => self.0[*node].clear(),
            Seen::Looked { node, inside } => return self.looked(*node, *inside, facts),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks};
    use super::*;

    /// Entry 2 of term 1 is committed, in term 3.
    fn world() -> World<Truncation> {
        let mut world = World::new(Truncation::new(3));
        world.look(0, &Fake::new(Role::Leader, 3, &[1, 1, 3]).committed(2)).unwrap();
        world
    }

    fn follower(term: u64, log: &[u64]) -> Fake {
        Fake::new(Role::Follower, term, log)
    }

    #[test]
    fn what_is_not_committed_or_not_the_truth_may_go() {
        let mut world = world();
        world.look(1, &follower(3, &[1, 2, 2])).unwrap();
        world.look(1, &follower(3, &[1, 1])).unwrap();
        world.look(0, &Fake::new(Role::Follower, 4, &[1, 1, 4]).committed(2)).unwrap();
    }

    #[test]
    fn a_leader_of_before_may_have_it_truncated() {
        let mut world = world();
        world.look(1, &follower(1, &[1, 1])).unwrap();
        world.look(1, &follower(2, &[1, 2])).unwrap();
    }

    #[test]
    fn another_life_has_another_log() {
        let mut world = world();
        world.look(1, &follower(3, &[1, 1])).unwrap();
        world.start(1).unwrap();
        world.look(1, &follower(3, &[1])).unwrap();
    }

    #[test]
    fn forgetting_what_is_committed_is_found() {
        let mut one = world();
        one.look(1, &follower(3, &[1, 1])).unwrap();
        assert_breaks(&one.look(1, &follower(3, &[1])), "I-7");
        let mut other = world();
        other.look(1, &follower(2, &[1, 1])).unwrap();
        assert_breaks(&other.look(1, &follower(4, &[1, 4])), "I-7");
        let mut own = World::new(Truncation::new(3));
        own.look(0, &follower(2, &[1, 1]).committed(2)).unwrap();
        own.facts.committed.clear();
        assert_breaks(&own.look(0, &follower(2, &[1]).committed(2)), "I-7");
    }
}
