//! I-15 and I-16: a node finds on its disk what a crash can leave there, byte for byte. The [`Record`](super::record::Record)
//! compares; here it is asked.

use super::facts::Facts;
use super::{Check, Seen, Verdict};

/// For each node, whether it was looked at in this life.
pub struct Recovery(Vec<bool>);

impl Recovery {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self(vec![false; nodes])
    }
}

impl Check for Recovery {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        let node = match seen {
            Seen::Started { node, .. } | Seen::Died { node } => {
                self.0[*node] = false;
                *node
            }
            // Disks are read before the first look.
            Seen::Looked { node, .. } if !self.0[*node] => {
                self.0[*node] = true;
                *node
            }
            _ => return Ok(()),
        };
        let trouble = facts.nodes[node].record.lock().take_trouble();
        trouble.map_or(Ok(()), |trouble| Err(format!("{trouble} (node {node})")))
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks, mark};
    use super::*;

    fn opens(world: &World<Recovery>, found: &[super::super::record::Mark]) {
        world.facts.nodes[0].record.lock().log_opened(found, 9);
    }

    #[test]
    fn a_log_that_lost_nothing_is_well() {
        let mut world = World::new(Recovery::new(3));
        world.durable(0, &[1, 1]);
        world.start(0).unwrap();
        opens(&world, &[mark(1, 1, "x"), mark(2, 1, "x")]);
        world.look(0, &Fake::new(Role::Follower, 1, &[1, 1])).unwrap();
        world.see(&Seen::Died { node: 0 }).unwrap();
    }

    #[test]
    fn lost_and_changed_entries_are_found() {
        let logs = [vec![mark(1, 1, "x")], vec![mark(1, 1, "x"), mark(2, 1, "y")]];
        for found in logs {
            let mut world = World::new(Recovery::new(3));
            world.durable(0, &[1, 1]);
            world.start(0).unwrap();
            opens(&world, &found);
            assert_breaks(&world.look(0, &Fake::new(Role::Follower, 1, &[1])), "I-15");
        }
    }

    #[test]
    fn a_node_that_dies_at_once_is_asked_too() {
        let mut world = World::new(Recovery::new(3));
        world.durable(0, &[1]);
        world.start(0).unwrap();
        opens(&world, &[]);
        assert_breaks(&world.see(&Seen::Died { node: 0 }), "I-15");
    }
}
