//! I-14: a node whose disk failed says so, and promises nothing and commits nothing any more.
//!
//! What it had decided before may still be on its way out: an answer counts if its request came after the failure.

use jraft_core::Role;
use jraft_core::message::{RaftRequest, RaftResponse};

use super::facts::Facts;
use super::look::Look;
use super::{Check, Seen, Verdict};

/// So long may a node run, in nanoseconds, between being told that its disk failed and having failed itself.
const LIMIT: u64 = 300_000_000;
/// A node that is not looked at for longer does not run.
const LONGEST_STEP: u64 = 50_000_000;

#[derive(Clone, Default)]
struct Life {
    /// When it was first seen to have failed.
    failed_at: Option<u64>,
    /// How long it has run since it was told that its disk failed.
    unaware: u64,
    looked_at: u64,
}

/// See the [module](self).
pub struct Failure(Vec<Life>);

impl Failure {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self(vec![Life::default(); nodes])
    }

    fn looked(&mut self, node: usize, inside: &dyn Look, facts: &Facts) -> Verdict {
        let life = &mut self.0[node];
        if inside.role() == Role::Error {
            let before = facts.nodes[node].committed;
            if life.failed_at.is_some() && inside.committed() > before {
                let now = inside.committed();
                return Err(format!(
                    "I-14: node {node} has failed, and commits {now} after {before}"
                ));
            }
            life.failed_at.get_or_insert(facts.now);
        } else if inside.role().is_active() && facts.nodes[node].record.lock().told() {
            if life.failed_at.is_some() {
                return Err(format!("I-14: node {node} lives again after it had failed"));
            }
            life.unaware += (facts.now - life.looked_at.min(facts.now)).min(LONGEST_STEP);
            if life.unaware > LIMIT {
                return Err(format!("I-14: node {node} goes on with a disk that failed"));
            }
        }
        life.looked_at = facts.now;
        Ok(())
    }

    /// A promise leaves, whose request came then; its own request, if it is no answer.
    fn promises(&self, node: usize, came: u64, what: &str) -> Verdict {
        match self.0[node].failed_at {
            Some(failed) if came > failed => {
                Err(format!("I-14: node {node} has failed, and sends {what}"))
            }
            _ => Ok(()),
        }
    }
}

impl Check for Failure {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Started { node, .. } => {
                self.0[*node] = Life { looked_at: facts.now, ..Life::default() };
                Ok(())
            }
            Seen::Looked { node, inside } => self.looked(*node, *inside, facts),
            Seen::Sends { node, request: RaftRequest::RequestVote(request) }
                if !request.pre_vote =>
            {
                self.promises(*node, facts.now, "a RequestVote")
            }
            Seen::Answers { node, heard, answer: RaftResponse::RequestVote(answer), .. }
                if answer.granted =>
            {
                self.promises(*node, *heard, "a vote")
            }
            Seen::Answers { node, heard, answer: RaftResponse::AppendEntries(answer), .. }
                if answer.success =>
            {
                self.promises(*node, *heard, "an acceptance")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::storage::StorageError;

    use super::super::kit::{Fake, World, accepted, append, assert_breaks, vote, voted};
    use super::*;

    fn follower() -> Fake {
        Fake::new(Role::Follower, 3, &[])
    }

    fn failed() -> Fake {
        Fake::new(Role::Error, 3, &[])
    }

    fn break_disk(world: &World<Failure>) {
        let mut record = world.facts.nodes[0].record.lock();
        let broken = Err(StorageError::Other("broken".into()));
        record.log_synced(1, &broken);
        record.tells(&broken);
    }

    #[test]
    fn what_was_decided_before_may_leave() {
        let (mut world, request) = (World::new(Failure::new(3)), append(1, 3, (0, 0), &[]));
        world.start(0).unwrap();
        world.hears(0, &request).unwrap();
        world.look(0, &failed()).unwrap();
        world.wait(1);
        world.answers(0, &request, &accepted(3)).unwrap();
        world.answers(0, &append(1, 3, (0, 0), &[3]), &accepted(3)).unwrap();
    }

    #[test]
    fn promises_of_the_failed_are_found() {
        let mut world = World::new(Failure::new(3));
        let (beat, ask) = (append(1, 3, (0, 0), &[]), vote(1, 4, (0, 0), false));
        world.look(0, &failed()).unwrap();
        world.wait(1);
        world.hears(0, &beat).unwrap();
        world.hears(0, &ask).unwrap();
        assert_breaks(&world.answers(0, &beat, &accepted(3)), "I-14");
        assert_breaks(&world.answers(0, &ask, &voted(4, true)), "I-14");
        assert_breaks(&world.sends(0, &vote(0, 4, (0, 0), false)), "I-14");
        world.answers(0, &ask, &voted(4, false)).unwrap();
        world.start(0).unwrap();
        world.hears(0, &beat).unwrap();
        world.answers(0, &beat, &accepted(3)).unwrap();
    }

    #[test]
    fn who_does_not_notice_is_found_but_not_who_sleeps() {
        let mut world = World::new(Failure::new(3));
        world.start(0).unwrap();
        break_disk(&world);
        world.wait(60_000);
        world.look(0, &follower()).unwrap();
        for _ in 0..5 {
            world.wait(50);
            world.look(0, &follower()).unwrap();
        }
        world.wait(50);
        assert_breaks(&world.look(0, &follower()), "I-14");
    }

    #[test]
    fn who_commits_after_a_failure_is_found() {
        let mut world = World::new(Failure::new(3));
        world.look(0, &Fake::new(Role::Leader, 3, &[3; 9]).committed(4)).unwrap();
        let failed = Fake::new(Role::Error, 3, &[3; 9]);
        world.look(0, &failed.clone().committed(5)).unwrap();
        world.look(0, &failed.clone().committed(5)).unwrap();
        assert_breaks(&world.look(0, &failed.committed(6)), "I-14");
    }

    #[test]
    fn who_lives_again_is_found() {
        let mut world = World::new(Failure::new(3));
        break_disk(&world);
        world.look(0, &failed()).unwrap();
        assert_breaks(&world.look(0, &follower()), "I-14");
    }
}
