//! I-27 and I-28: once the faults are over, something is committed again and again, and elections come to an end.
//!
//! Nothing is owed while a leader has committed all that it has: nobody proposes then. Nor by a minority. If the faults are
//! over for a core only, clients go on working, and the terms of the rest are its own affair; once the core is calm, its
//! leader is deposed by nobody.

use jraft_core::{LogId, LogIndex, Term};

use super::facts::{Facts, NodeFacts};
use super::{Check, Seen, Verdict};

/// So many terms may pass after the faults.
const TERMS: u64 = 10;
/// So many election timeouts may pass until something is committed.
const TIMEOUTS: u64 = 10;

/// Since when nothing was committed.
struct Since {
    at: u64,
    /// How much was committed then.
    committed: usize,
    /// The newest term when the faults ended.
    term: Term,
    /// Those for whom they ended; all, if it is empty.
    core: Vec<usize>,
    /// The newest term of the core when it became calm.
    calm: Option<Term>,
}

/// See the [module](self).
#[derive(Default)]
pub struct Progress(Option<Since>);

impl Since {
    fn now(facts: &Facts, core: &[usize]) -> Self {
        Self {
            at: facts.now,
            committed: facts.committed.len(),
            term: newest(facts, |_| true),
            core: core.to_vec(),
            calm: None,
        }
    }

    /// I-28.
    fn judge_term(&self, node: usize, term: Term) -> Verdict {
        if !self.core.is_empty() && !self.core.contains(&node) {
            return Ok(());
        }
        if let Some(calm) = self.calm.filter(|calm| term > *calm) {
            let what = "a leader is deposed that all had followed";
            return Err(format!("I-28: {what}: node {node} is in term {term}, was in {calm}"));
        }
        if term.0 > self.term.0 + TERMS {
            let was = self.term;
            return Err(format!("I-28: no end of elections: term {term}, after the faults {was}"));
        }
        Ok(())
    }
}

/// The newest term of some nodes.
fn newest(facts: &Facts, of: impl Fn(usize) -> bool) -> Term {
    let nodes = facts.nodes.iter().enumerate().filter(|(node, _)| of(*node));
    nodes.map(|(_, node)| node.term).max().unwrap_or_default()
}

impl Check for Progress {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match (seen, &mut self.0) {
            (Seen::Healed, since) => *since = Some(Since::now(facts, &[])),
            (Seen::Core { members }, since) => *since = Some(Since::now(facts, members)),
            (Seen::Calm, Some(since)) => {
                since.calm = Some(newest(facts, |node| since.core.contains(&node)));
            }
            _ => {}
        }
        let (Seen::Looked { node, inside }, Some(since)) = (seen, &mut self.0) else {
            return Ok(());
        };
        since.judge_term(*node, inside.term())?;
        let voters = &facts.nodes[..facts.voters];
        let majority = voters.iter().filter(|node| node.up).count() > voters.len() / 2;
        let satisfied =
            inside.role().is_leader_like() && inside.committed() == inside.last_log().index;
        let idle = !majority || satisfied && since.core.is_empty();
        if idle || facts.committed.len() > since.committed {
            (since.at, since.committed) = (facts.now, facts.committed.len());
            return Ok(());
        }
        let waited = facts.now - since.at;
        if waited <= patience(facts) {
            return Ok(());
        }
        let millis = waited / 1_000_000;
        Err(format!(
            "I-27: nothing is committed for {millis} ms behind {}: {}",
            since.committed,
            picture(facts)
        ))
    }
}

/// How long it may take, in nanoseconds: election timeouts, and the time in which a request counts as unanswered.
fn patience(facts: &Facts) -> u64 {
    let options = &facts.options;
    let timeout = options.election_timeout_ms + options.raft.max_election_delay_ms;
    // Whoever lost the answer to its last request learns that only then.
    let request = options.rpc.rpc_default_timeout;
    (TIMEOUTS * timeout + request) * 1_000_000
}

fn picture(facts: &Facts) -> String {
    let node = |(number, node): (usize, &NodeFacts)| {
        let (role, term, last, committed) = (node.role, node.term, node.last, node.committed);
        let role = if node.up { role.to_string() } else { "down".to_owned() };
        format!(
            "{number} {role} of {term}, last {}@{}, committed {committed}",
            last.index, last.term
        )
    };
    facts.nodes.iter().enumerate().map(node).collect::<Vec<_>>().join("; ")
}

/// I-27 at the very end, when nobody proposes any more and all had time to catch up: one leader, and all that run are as far
/// as it is.
///
/// # Errors
/// What differs.
pub fn settled(facts: &Facts) -> Verdict {
    let up = || facts.nodes.iter().filter(|node| node.up);
    let state =
        |node: &NodeFacts| -> (Term, LogId, LogIndex) { (node.term, node.last, node.committed) };
    let mut leaders = up().filter(|node| node.role.is_leader_like());
    let (Some(leader), None) = (leaders.next(), leaders.next()) else {
        return Err(format!("I-27: not one leader at the end: {}", picture(facts)));
    };
    let all =
        leader.committed == leader.last.index && up().all(|node| state(node) == state(leader));
    if all { Ok(()) } else { Err(format!("I-27: not equal at the end: {}", picture(facts))) }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks};
    use super::*;

    fn leader(committed: u64) -> Fake {
        Fake::new(Role::Leader, 3, &[3; 9]).committed(committed)
    }

    fn healed() -> World<Progress> {
        let mut world = World::new(Progress::default());
        (0..2).for_each(|node| world.start(node).unwrap());
        world.wait(100_000);
        world.look(0, &leader(1)).unwrap();
        world.see(&Seen::Healed).unwrap();
        world
    }

    #[test]
    fn a_minority_owes_nothing() {
        let mut world = healed();
        world.see(&Seen::Died { node: 1 }).unwrap();
        world.wait(25_001);
        world.look(0, &leader(1)).unwrap();
    }

    #[test]
    fn slow_progress_is_progress() {
        let mut world = healed();
        for committed in 2..6 {
            world.wait(19_999);
            world.look(0, &leader(committed)).unwrap();
            world.look(0, &leader(committed)).unwrap();
        }
    }

    #[test]
    fn an_idle_leader_owes_nothing() {
        let mut world = healed();
        for _ in 0..3 {
            world.wait(19_000);
            world.look(0, &leader(9)).unwrap();
            world.look(1, &Fake { role: Role::Follower, ..leader(8) }).unwrap();
        }
    }

    #[test]
    fn standing_still_is_found_but_only_after_the_faults() {
        let mut world = World::new(Progress::default());
        world.wait(100_000);
        world.look(0, &leader(1)).unwrap();
        let mut world = healed();
        world.wait(25_001);
        assert_breaks(&world.look(0, &leader(1)), "I-27");
    }

    #[test]
    fn endless_elections_are_found() {
        let mut world = healed();
        world.look(1, &Fake::new(Role::Candidate, 13, &[])).unwrap();
        assert_breaks(&world.look(1, &Fake::new(Role::Candidate, 14, &[])), "I-28");
    }

    /// Nodes 0 and 1 are well, 2 is not.
    fn core() -> World<Progress> {
        let mut world = World::new(Progress::default());
        (0..3).for_each(|node| world.start(node).unwrap());
        world.look(0, &leader(1)).unwrap();
        world.look(1, &Fake { role: Role::Follower, ..leader(1) }).unwrap();
        world.see(&Seen::Core { members: &[0, 1] }).unwrap();
        world
    }

    #[test]
    fn a_core_owes_progress_even_under_an_idle_leader() {
        let mut world = core();
        world.wait(24_999);
        (0..2).for_each(|_| world.look(0, &leader(9)).unwrap());
        world.wait(25_000);
        world.look(0, &leader(9)).unwrap();
        world.wait(1);
        assert_breaks(&world.look(0, &leader(9)), "I-27");
    }

    #[test]
    fn terms_outside_of_the_core_are_their_own_affair() {
        let mut world = core();
        world.look(2, &Fake::new(Role::Candidate, 99, &[])).unwrap();
        world.look(1, &Fake::new(Role::Candidate, 13, &[])).unwrap();
        assert_breaks(&world.look(1, &Fake::new(Role::Candidate, 14, &[])), "I-28");
    }

    #[test]
    fn the_leader_of_a_calm_core_is_deposed_by_nobody() {
        let mut world = core();
        world.look(2, &Fake::new(Role::Candidate, 7, &[])).unwrap();
        world.see(&Seen::Calm).unwrap();
        world.look(0, &leader(2)).unwrap();
        world.look(2, &Fake::new(Role::Candidate, 8, &[])).unwrap();
        assert_breaks(&world.look(1, &Fake::new(Role::Follower, 4, &[3; 9])), "I-28");
        // Whoever comes back may bring a newer term.
        world.see(&Seen::Core { members: &[0, 1, 2] }).unwrap();
        world.look(1, &Fake::new(Role::Follower, 8, &[3; 9])).unwrap();
    }

    #[test]
    fn an_end_has_one_leader_and_equal_logs() {
        let mut world = World::new(Progress::default());
        let follower = Fake { role: Role::Follower, ..leader(9) };
        world.start(0).unwrap();
        world.start(1).unwrap();
        world.look(0, &leader(9)).unwrap();
        world.look(1, &follower).unwrap();
        settled(&world.facts).unwrap();
        world.look(1, &follower.committed(8)).unwrap_or_default();
        assert_breaks(&settled(&world.facts), "I-27");
        world.look(0, &Fake { role: Role::Follower, ..leader(9) }).unwrap();
        assert_breaks(&settled(&world.facts), "I-27");
    }
}
