//! I-10: a leader commits an entry of its own term, once it is durable on a majority of each configuration in force; all
//! others only follow.

use jraft_core::{Configuration, LogId, Term};

use super::facts::{self, Facts};
use super::look::Look;
use super::{Check, Seen, Verdict};

/// See the [module](self).
pub struct CommitRule;

impl Check for CommitRule {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        let Seen::Looked { node, inside } = seen else { return Ok(()) };
        let (before, committed) = (&facts.nodes[*node], inside.committed());
        if committed <= before.committed {
            return Ok(());
        }
        let Some(term) = inside.term_of(committed) else {
            return Err(format!("I-10: node {node} commits {committed}, which it does not have"));
        };
        let id = LogId::new(committed, term);
        agrees(*node, *inside, facts)?;
        let leads = if inside.role().is_leader_like() {
            inside.term()
        } else if before.role.is_leader_like() {
            // It resigned in the same poll.
            before.term
        } else if facts.truth(committed).is_some() {
            return Ok(());
        } else {
            return Err(format!("I-10: node {node} commits {id}, which no leader has committed"));
        };
        by_counting(*node, id, leads, *inside, facts)
    }
}

/// What was known to be committed is what this node commits. One entry stands for all before it (I-3).
fn agrees(node: usize, inside: &dyn Look, facts: &Facts) -> Verdict {
    let known = (inside.committed().0 as usize).min(facts.committed.len());
    let Some(truth) = known.checked_sub(1).map(|place| facts.committed[place].id) else {
        return Ok(());
    };
    match inside.term_of(truth.index) {
        Some(term) if term == truth.term => Ok(()),
        other => Err(format!("I-10: node {node} commits {other:?} where {truth} is committed")),
    }
}

fn by_counting(node: usize, id: LogId, term: Term, inside: &dyn Look, facts: &Facts) -> Verdict {
    if id.term != term {
        return Err(format!("I-10: leader {node} of term {term} commits {id} by counting"));
    }
    let conf = inside.conf();
    for part in [&conf.conf, &conf.old_conf] {
        let count = holders(part, id, facts);
        if !part.is_empty() && !facts::is_majority(count, part) {
            let own = facts.nodes[node].record.lock().describe();
            return Err(format!(
                "I-10: leader {node} commits {id}, durable on {count} of {part}; itself: {own}"
            ));
        }
    }
    Ok(())
}

fn holders(part: &Configuration, id: LogId, facts: &Facts) -> usize {
    let nodes = part.peers().iter().filter_map(|peer| facts.node_of(peer));
    nodes.filter(|&node| facts.holds(node, id)).count()
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks};
    use super::*;

    fn leader(term: u64, log: &[u64], committed: u64) -> Fake {
        Fake::new(Role::Leader, term, log).committed(committed)
    }

    /// Two of three hold entries of these terms.
    fn world(terms: &[u64]) -> World<CommitRule> {
        let world = World::new(CommitRule);
        world.durable(0, terms);
        world.durable(2, terms);
        world
    }

    #[test]
    fn a_majority_commits_and_others_follow() {
        let mut world = world(&[1, 3]);
        world.look(0, &leader(3, &[1, 3, 3], 0)).unwrap();
        world.look(0, &leader(3, &[1, 3, 3], 2)).unwrap();
        world.look(1, &Fake::new(Role::Follower, 3, &[1, 3]).committed(2)).unwrap();
    }

    #[test]
    fn a_leader_that_resigns_at_once_has_committed() {
        let mut world = world(&[1, 3]);
        world.look(0, &leader(3, &[1, 3, 3], 0)).unwrap();
        world.look(0, &Fake::new(Role::Error, 3, &[1, 3]).committed(2)).unwrap();
    }

    #[test]
    fn a_minority_is_found() {
        let mut world = world(&[1]);
        world.durable(0, &[3]);
        assert_breaks(&world.look(0, &leader(3, &[1, 3], 2)), "I-10");
        world.facts.nodes[1].forgetful = true;
        world.look(0, &leader(3, &[1, 3], 2)).unwrap();
    }

    #[test]
    fn older_terms_and_followers_that_run_ahead_are_found() {
        assert_breaks(&world(&[1, 2]).look(0, &leader(3, &[1, 2], 2)), "I-10");
        let ahead = Fake::new(Role::Follower, 3, &[1, 3]).committed(2);
        assert_breaks(&world(&[1, 3]).look(1, &ahead), "I-10");
    }

    #[test]
    fn two_truths_are_found() {
        let mut world = world(&[1, 3]);
        world.look(0, &leader(3, &[1, 3], 2)).unwrap();
        let other = Fake::new(Role::Follower, 4, &[1, 2]).committed(2);
        assert_breaks(&world.look(1, &other), "I-10");
    }
}
