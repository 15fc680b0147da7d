//! I-30: what grows with work has a limit.

use jraft_core::NodeOptions;

use super::facts::Facts;
use super::look::Look;
use super::{Check, Seen, Verdict};

/// Two queues of promises, each with this limit.
const PROMISES: usize = 2 * 8192;
/// What is estimated, beside its payload, for an entry.
const OVERHEAD: usize = 1024;

/// See the [module](self).
pub struct Bounds {
    /// The payload of the largest entry that a disk was given, or may be given soon.
    largest: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { largest: 64 << 10 }
    }
}

impl Check for Bounds {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Looked { node, inside } => within(*inside, &facts.options, self.largest)
                .map_err(|wrong| format!("I-30: node {node}: {wrong}")),
            Seen::Appends { entries, .. } => {
                let largest = entries.iter().map(|entry| entry.data.len()).max();
                self.largest = self.largest.max(largest.unwrap_or_default());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn within(inside: &dyn Look, options: &NodeOptions, largest: usize) -> Verdict {
    let (held, bytes) = (inside.held_promises(), inside.bytes_in_memory());
    if held > PROMISES {
        return Err(format!("{held} promises wait for a disk"));
    }
    let limit = most_bytes(options, largest);
    if bytes > limit {
        return Err(format!("{bytes} bytes of entries in memory, more than {limit}"));
    }
    if !inside.role().is_leader_like() {
        return Ok(());
    }
    let raft = &options.raft;
    let window = if raft.replicator_pipeline { raft.max_replicator_inflight_msgs } else { 1 };
    let mut verdict = Ok(());
    inside.each_peer(&mut |peer| {
        if peer.inflight > window as usize {
            verdict = Err(format!("{} requests under way to {}", peer.inflight, peer.peer));
        }
    });
    verdict
}

/// No entries are taken when the budget is used up, but the last ones may come in one batch, of tasks or from a leader.
fn most_bytes(options: &NodeOptions, largest: usize) -> usize {
    let raft = &options.raft;
    let Ok(budget) = usize::try_from(raft.max_logs_in_memory_bytes) else { return usize::MAX };
    let count = raft.max_entries_size.max(raft.apply_batch) as usize;
    let payload = (raft.max_body_size as usize).max(raft.apply_batch as usize * largest);
    budget + payload + largest + count * OVERHEAD
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks, peer};
    use super::*;

    fn leader(inflight: usize) -> Fake {
        let peers = vec![(peer(1), 0, 1, 0), (peer(2), 0, 1, inflight)];
        Fake { peers, ..Fake::new(Role::Leader, 3, &[]) }
    }

    #[test]
    fn up_to_the_limits_all_is_well() {
        let mut world = World::new(Bounds::default());
        world.look(0, &Fake { held: PROMISES, bytes: 256 << 20, ..leader(256) }).unwrap();
        world.facts.options.raft.max_logs_in_memory_bytes = -1;
        world.look(0, &Fake { bytes: usize::MAX, ..leader(0) }).unwrap();
    }

    #[test]
    fn more_is_found() {
        let mut world = World::new(Bounds::default());
        assert_breaks(&world.look(0, &leader(257)), "I-30");
        assert_breaks(&world.look(0, &Fake { held: PROMISES + 1, ..leader(0) }), "I-30");
        assert_breaks(&world.look(0, &Fake { bytes: 260 << 20, ..leader(0) }), "I-30");
        world.facts.options.raft.replicator_pipeline = false;
        world.look(0, &leader(1)).unwrap();
        assert_breaks(&world.look(0, &leader(2)), "I-30");
    }
}
