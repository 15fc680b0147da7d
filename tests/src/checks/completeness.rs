//! I-4: a leader holds every entry that was committed in a term below its own.
//!
//! Not everything that is committed: a leader of an older term may be elected late.

use jraft_core::Term;

use super::facts::Facts;
use super::{Check, Seen, Verdict};

/// For each node: the term that it led when it was seen, and how much of the truth it was asked for then.
pub struct Completeness(Vec<(Term, usize)>);

impl Completeness {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self(vec![(Term::ZERO, 0); nodes])
    }
}

impl Check for Completeness {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        let Seen::Looked { node, inside } = seen else { return Ok(()) };
        if !inside.role().is_leader_like() {
            return Ok(());
        }
        let (term, asked) = &mut self.0[*node];
        if *term != inside.term() {
            (*term, *asked) = (inside.term(), 0);
        }
        for truth in &facts.committed[*asked..] {
            let (id, by) = (truth.id, truth.by);
            if by < *term && inside.term_of(id.index) != Some(id.term) {
                return Err(format!(
                    "I-4: node {node} leads term {term} without {id}, committed in term {by}"
                ));
            }
        }
        *asked = facts.committed.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks};
    use super::*;

    /// Entries 1 and 2 are committed, in term 3.
    fn world() -> World<Completeness> {
        let mut world = World::new(Completeness::new(3));
        world.look(0, &Fake::new(Role::Leader, 3, &[1, 3]).committed(2)).unwrap();
        world
    }

    #[test]
    fn a_newer_leader_has_it_and_an_older_one_need_not() {
        let mut world = world();
        world.look(1, &Fake::new(Role::Leader, 4, &[1, 3, 4])).unwrap();
        world.look(2, &Fake::new(Role::Leader, 2, &[1, 2])).unwrap();
        world.look(2, &Fake::new(Role::Follower, 5, &[1, 2])).unwrap();
    }

    #[test]
    fn a_newer_leader_without_it_is_found() {
        assert_breaks(&world().look(1, &Fake::new(Role::Leader, 4, &[1, 2, 4])), "I-4");
        assert_breaks(&world().look(1, &Fake::new(Role::Leader, 4, &[1])), "I-4");
    }

    #[test]
    fn a_leader_is_asked_again_when_more_becomes_known() {
        let mut world = World::new(Completeness::new(3));
        world.look(1, &Fake::new(Role::Leader, 4, &[1, 2, 4])).unwrap();
        world.look(0, &Fake::new(Role::Leader, 3, &[1, 3]).committed(2)).unwrap();
        assert_breaks(&world.look(1, &Fake::new(Role::Leader, 4, &[1, 2, 4])), "I-4");
    }
}
