//! I-1: at most one node ever leads a term, and it has the durable votes of a majority of each configuration.

use std::collections::BTreeMap;

use jraft_core::{Configuration, Term};

use super::facts::{self, Facts};
use super::look::Look;
use super::{Check, Seen, Verdict};

/// Who led which term.
#[derive(Default)]
pub struct ElectionSafety(BTreeMap<Term, usize>);

impl Check for ElectionSafety {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        let Seen::Looked { node, inside } = seen else { return Ok(()) };
        if !inside.role().is_leader_like() {
            return Ok(());
        }
        let term = inside.term();
        match self.0.get(&term) {
            Some(first) if first == node => Ok(()),
            Some(first) => Err(format!("I-1: {first} and {node} both lead term {term}")),
            None => {
                self.0.insert(term, *node);
                is_elected(*node, *inside, facts)
            }
        }
    }
}

fn is_elected(node: usize, inside: &dyn Look, facts: &Facts) -> Verdict {
    let (term, conf) = (inside.term(), inside.conf());
    for part in [&conf.conf, &conf.old_conf] {
        let count = voters(part, node, term, facts);
        if !part.is_empty() && !facts::is_majority(count, part) {
            return Err(format!(
                "I-1: node {node} leads term {term} with durable votes of {count} of {part}"
            ));
        }
    }
    Ok(())
}

fn voters(part: &Configuration, leader: usize, term: Term, facts: &Facts) -> usize {
    let leader = &facts.peers[leader];
    let voted = |&node: &usize| facts.nodes[node].record.lock().was_durable(term, leader);
    part.peers().iter().filter_map(|peer| facts.node_of(peer)).filter(voted).count()
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks};
    use super::*;

    fn leader(term: u64) -> Fake {
        Fake::new(Role::Leader, term, &[])
    }

    #[test]
    fn a_leader_has_a_majority_which_may_go_on() {
        let mut world = World::new(ElectionSafety::default());
        world.meta(0, 3, Some(0));
        world.meta(2, 3, Some(0));
        world.meta(2, 4, None);
        world.look(0, &leader(3)).unwrap();
        world.look(0, &leader(3)).unwrap();
        world.meta(1, 4, Some(1));
        world.meta(2, 4, Some(1));
        world.look(1, &leader(4)).unwrap();
    }

    #[test]
    fn two_leaders_are_found() {
        let mut world = World::new(ElectionSafety::default());
        world.meta(0, 3, Some(0));
        world.meta(2, 3, Some(0));
        world.look(0, &leader(3)).unwrap();
        assert_breaks(&world.look(1, &leader(3)), "I-1");
    }

    #[test]
    fn a_leader_of_a_minority_is_found() {
        let mut world = World::new(ElectionSafety::default());
        world.meta(0, 3, Some(0));
        world.meta(2, 3, Some(1));
        assert_breaks(&world.look(0, &leader(3)), "I-1");
    }
}
