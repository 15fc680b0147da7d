//! I-32: nobody stands for election who has just heard of a leader, unless that leader hands over.
//!
//! Judged by the time of the world. A node's clock may run 1.3 times as fast, so three quarters of an election timeout are what
//! it must have waited; if its clock jumped since, nothing is known.

use jraft_core::message::{RaftRequest, RaftResponse};

use super::facts::Facts;
use super::{Check, Seen, Verdict};

#[derive(Clone, Copy, Default)]
struct Life {
    /// When the newest request came that it accepted from a leader.
    contact: Option<u64>,
    /// When it was told to stand at once.
    told: Option<u64>,
}

/// See the [module](self).
pub struct FreshLeader(Vec<Life>);

impl FreshLeader {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self(vec![Life::default(); nodes])
    }

    fn stands(&self, node: usize, what: &str, facts: &Facts) -> Verdict {
        let Life { contact, told } = self.0[node];
        let timeout = facts.options.election_timeout_ms * 1_000_000;
        let told = told.is_some_and(|told| facts.now - told < 2 * timeout);
        let Some(contact) = contact.filter(|_| !told) else { return Ok(()) };
        if !is_fresh(node, contact, facts) {
            return Ok(());
        }
        let micros = (facts.now - contact) / 1000;
        Err(format!("I-32: node {node} sends a {what} {micros} us after it heard of a leader"))
    }
}

/// Whether a leader of whom a node heard then must still count as alive for it.
pub fn is_fresh(node: usize, contact: u64, facts: &Facts) -> bool {
    let timeout = facts.options.election_timeout_ms * 1_000_000;
    facts.now - contact < timeout / 4 * 3 && facts.nodes[node].jumped_at < Some(contact)
}

impl Check for FreshLeader {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Started { node, .. } => self.0[*node] = Life::default(),
            Seen::Hears { node, request: RaftRequest::TimeoutNow(_) } => {
                self.0[*node].told = Some(facts.now);
            }
            Seen::Answers { node, heard, answer: RaftResponse::AppendEntries(answer), .. }
                if answer.success =>
            {
                let contact = &mut self.0[*node].contact;
                *contact = Some(*heard).max(*contact);
            }
            Seen::Sends { node, request: request @ RaftRequest::RequestVote(_) } => {
                return self.stands(*node, request.name(), facts);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{World, accepted, append, assert_breaks, timeout_now, vote};
    use super::*;

    /// Node 0 has heard of a leader 100 ms ago, and has just answered.
    fn world() -> World<FreshLeader> {
        let (mut world, beat) = (World::new(FreshLeader::new(3)), append(1, 3, (0, 0), &[]));
        world.wait(5_000);
        world.hears(0, &beat).unwrap();
        world.wait(100);
        world.answers(0, &beat, &accepted(3)).unwrap();
        world
    }

    #[test]
    fn after_a_timeout_or_a_hint_a_node_may_stand() {
        let mut patient = world();
        patient.wait(650);
        patient.sends(0, &vote(0, 4, (0, 0), true)).unwrap();
        let mut told = world();
        told.hears(0, &timeout_now(1, 3)).unwrap();
        told.sends(0, &vote(0, 4, (0, 0), false)).unwrap();
        let mut other = world();
        other.sends(2, &vote(2, 4, (0, 0), true)).unwrap();
    }

    #[test]
    fn haste_is_found() {
        for pre_vote in [true, false] {
            let mut world = world();
            world.wait(649);
            let request = vote(0, 4, (0, 0), pre_vote);
            assert_breaks(&world.sends(0, &request), "I-32");
            world.see(&Seen::Jumps { node: 0 }).unwrap();
            world.sends(0, &request).unwrap();
        }
    }
}
