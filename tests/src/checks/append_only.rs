//! I-2: as long as a node leads a term, its log only grows.
//!
//! That no entry of it is replaced by another one of the same term is what [`super::log_matching`] sees.

use super::facts::Facts;
use super::{Check, Seen, Verdict};

/// See the [module](self).
pub struct AppendOnly;

impl Check for AppendOnly {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        let Seen::Looked { node, inside } = seen else { return Ok(()) };
        let before = &facts.nodes[*node];
        if inside.last_log() == before.last
            || !before.role.is_leader_like()
            || !inside.role().is_leader_like()
            || before.term != inside.term()
            || inside.term_of(before.last.index) == Some(before.last.term)
        {
            return Ok(());
        }
        let (term, had, has) = (inside.term(), before.last, inside.last_log());
        Err(format!("I-2: node {node} leads term {term} and had {had}, now it ends in {has}"))
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks};
    use super::*;

    #[test]
    fn a_leader_appends_and_a_follower_may_truncate() {
        let mut world = World::new(AppendOnly);
        world.start(0).unwrap();
        world.look(0, &Fake::new(Role::Follower, 2, &[1, 1, 1])).unwrap();
        world.look(0, &Fake::new(Role::Follower, 2, &[1, 1])).unwrap();
        world.look(0, &Fake::new(Role::Leader, 3, &[1, 1, 3])).unwrap();
        world.look(0, &Fake::new(Role::Leader, 3, &[1, 1, 3, 3])).unwrap();
        world.look(0, &Fake::new(Role::Follower, 4, &[1, 1, 4])).unwrap();
    }

    #[test]
    fn a_leader_that_truncates_is_found() {
        for wrong in [&[1, 1][..], &[1, 1, 2, 3]] {
            let mut world = World::new(AppendOnly);
            world.look(0, &Fake::new(Role::Leader, 3, &[1, 1, 3])).unwrap();
            assert_breaks(&world.look(0, &Fake::new(Role::Leader, 3, wrong)), "I-2");
        }
    }
}
