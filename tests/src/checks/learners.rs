//! I-20, in part: a learner never stands for election and never leads. That it counts in no quorum is what
//! [`super::election_safety`] and [`super::commit_rule`] see: they count voters only.

use jraft_core::message::RaftRequest;
use jraft_core::{PeerId, Role};

use super::facts::Facts;
use super::look::Look;
use super::{Check, Seen, Verdict};

/// See the [module](self). For each node, whether it was a learner when it was last looked at.
pub struct Learners(Vec<bool>);

impl Learners {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self(vec![false; nodes])
    }

    fn looked(&mut self, node: usize, inside: &dyn Look, facts: &Facts) -> Verdict {
        self.0[node] = is_learner(&facts.peers[node], inside);
        let role = inside.role();
        if self.0[node] && (role == Role::Candidate || role.is_leader_like()) {
            return Err(format!("I-20: node {node}, a learner, is a {role} of {}", inside.term()));
        }
        Ok(())
    }
}

fn is_learner(peer: &PeerId, inside: &dyn Look) -> bool {
    let conf = inside.conf();
    let parts = || [&conf.conf, &conf.old_conf].into_iter();
    parts().any(|part| part.learners().contains(peer))
        && !parts().any(|part| part.peers().contains(peer))
}

impl Check for Learners {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Started { node, .. } => self.0[*node] = false,
            Seen::Looked { node, inside } => return self.looked(*node, *inside, facts),
            Seen::Sends { node, request: request @ RaftRequest::RequestVote(_) }
                if self.0[*node] =>
            {
                return Err(format!("I-20: node {node}, a learner, sends a {}", request.name()));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::{Configuration, ConfigurationEntry, LogId};

    use super::super::kit::{Fake, World, assert_breaks, peer, vote};
    use super::*;

    /// Of three nodes the first learns; or votes still, in the old configuration.
    fn fake(role: Role, votes_still: bool) -> Fake {
        let conf = Configuration::new(vec![peer(1), peer(2)], vec![peer(0)]);
        let old = if votes_still { vec![peer(0), peer(1)] } else { Vec::new() };
        let old = Configuration::new(old, Vec::new());
        let conf = ConfigurationEntry::new(LogId::NONE, conf, old);
        Fake { conf, ..Fake::new(role, 3, &[]) }
    }

    #[test]
    fn voters_stand_and_learners_follow() {
        let mut world = World::new(Learners::new(3));
        world.look(0, &fake(Role::Follower, false)).unwrap();
        world.look(1, &fake(Role::Leader, false)).unwrap();
        world.sends(1, &vote(1, 4, (0, 0), true)).unwrap();
        world.look(0, &fake(Role::Candidate, true)).unwrap();
        world.sends(0, &vote(0, 4, (0, 0), false)).unwrap();
    }

    #[test]
    fn learners_that_stand_are_found() {
        for role in [Role::Candidate, Role::Leader, Role::Transferring] {
            let mut world = World::new(Learners::new(3));
            assert_breaks(&world.look(0, &fake(role, false)), "I-20");
        }
        let mut world = World::new(Learners::new(3));
        world.look(0, &fake(Role::Follower, false)).unwrap();
        assert_breaks(&world.sends(0, &vote(0, 4, (0, 0), true)), "I-20");
    }
}
