//! I-18, in part: as long as members cannot be changed, the configuration in force is the one that the group began with. All
//! that counts majorities can then be held against that.

use jraft_core::PeerId;

use super::facts::Facts;
use super::{Check, Seen, Verdict};

/// See the [module](self).
pub struct Membership;

impl Check for Membership {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        let Seen::Looked { node, inside } = seen else { return Ok(()) };
        let (conf, (voters, learners)) = (inside.conf(), facts.peers.split_at(facts.voters));
        let (now, before) = (&conf.conf, &conf.old_conf);
        let unchanged = before.is_empty() && before.learners().is_empty();
        if unchanged && is_equal(now.peers(), voters) && is_equal(now.learners(), learners) {
            return Ok(());
        }
        Err(format!("I-18: node {node} counts with {now}, and before {before}"))
    }
}

/// Whatever the order.
fn is_equal(some: &[PeerId], others: &[PeerId]) -> bool {
    let is_permuted = || others.iter().all(|other| some.contains(other));
    some == others || some.len() == others.len() && is_permuted()
}

#[cfg(test)]
mod tests {
    use jraft_core::{Configuration, ConfigurationEntry, LogId, Role};

    use super::super::kit::{Fake, World, assert_breaks, peer};
    use super::*;

    fn fake(voters: &[usize], learners: &[usize], old: &[usize]) -> Fake {
        let of = |nodes: &[usize]| nodes.iter().map(|&node| peer(node)).collect();
        let conf = Configuration::new(of(voters), of(learners));
        let old = Configuration::new(of(old), Vec::new());
        Fake {
            conf: ConfigurationEntry::new(LogId::NONE, conf, old),
            ..Fake::new(Role::Follower, 3, &[])
        }
    }

    #[test]
    fn the_first_configuration_stays() {
        let mut world = World::new(Membership);
        world.look(0, &fake(&[2, 0, 1], &[], &[])).unwrap();
        world.facts.voters = 2;
        world.look(0, &fake(&[0, 1], &[2], &[])).unwrap();
    }

    #[test]
    fn any_other_is_found() {
        let mut world = World::new(Membership);
        for other in [fake(&[], &[], &[]), fake(&[0], &[1, 2], &[]), fake(&[0, 1, 2], &[], &[0, 1])]
        {
            assert_breaks(&world.look(0, &other), "I-18");
        }
        world.facts.voters = 2;
        assert_breaks(&world.look(0, &fake(&[0, 1, 2], &[], &[])), "I-18");
    }
}
