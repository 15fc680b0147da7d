//! Which dangerous states were reached: a green run says something only if there were some.

use std::collections::BTreeMap;

use jraft_core::message::{AppendKind, RaftRequest, RaftResponse};
use jraft_core::{LogIndex, Role, Term};

use super::Seen;
use super::facts::{Facts, NodeFacts};
use super::look::Look;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// How often something happened.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Coverage {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Coverage {
            /// Adds what another run counted.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }

            /// Each counter with its name.
            pub fn rows(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

counters! {
    /// Nodes that became leader.
    elections,
    /// Nodes that stood for election.
    candidacies,
    /// Terms with two candidates or more and no leader, once a later term has one.
    split_votes,
    /// Leaders of a term below that of another leader before them.
    late_leaders,
    /// Leaders that begin with entries of older terms that are not known to be committed.
    leaders_with_open_entries,
    /// Pre-votes refused.
    pre_votes_refused,
    /// Those refused only because a leader was heard of.
    pre_votes_refused_for_a_leader,
    /// Votes refused.
    votes_refused,
    /// Votes granted.
    votes_granted,
    /// Entries refused, or a heartbeat, because the log before them differs or is shorter.
    mismatches,
    /// Times that a disk had to forget the end of a log.
    truncations,
    /// Those of more than one entry.
    long_truncations,
    /// Vote requests of a term that had passed.
    stale_votes,
    /// Pre-votes for a term that had passed.
    stale_pre_votes,
    /// AppendEntries with entries, of a term that had passed.
    stale_appends,
    /// Heartbeats and probes of a term that had passed.
    stale_heartbeats,
    /// Entries of the present leader that the node had already.
    duplicate_appends,
    /// Leaders that resigned because too few answered.
    check_quorum_step_downs,
    /// Leaders that resigned to a newer term.
    deposed_leaders,
    /// Starts after the first.
    restarts,
    /// Starts that found less than all that had been written.
    torn_starts,
    /// Times that promises began to wait for a disk.
    held_promises,
    /// Those that waited for term and vote.
    meta_waits,
    /// Nodes that failed.
    failed_nodes,
    /// TimeoutNow that made a node stand.
    handovers,
    /// Times that a leader's commit index rose.
    commits,
    /// Entries that leaders committed.
    committed_entries,
    /// Entries that learners saw committed.
    learned_entries,
    /// Operations of clients that were committed.
    committed,
    /// Closures that said that their operation was refused.
    refused,
    /// Closures that said that nobody knows what became of their operation.
    unknown,
}

/// A term that has no leader yet.
#[derive(Default)]
struct Contest {
    candidates: Vec<usize>,
}

/// What is remembered of a node, beside the facts.
#[derive(Clone, Copy, Default)]
struct Trail {
    /// It was looked at in this life.
    seen: bool,
    /// How long the log is that was handed to its disk.
    written: LogIndex,
    held: usize,
}

/// Counts, from the same events that the checks see.
#[derive(Default)]
pub struct Scout {
    /// What was counted so far. The outcomes are counted by whoever knows the clients.
    pub coverage: Coverage,
    contests: BTreeMap<Term, Contest>,
    newest_leader: Term,
    trails: Vec<Trail>,
}

impl Scout {
    /// Counts, with the facts of before.
    pub fn see(&mut self, seen: &Seen<'_>, facts: &Facts) {
        self.trails.resize(facts.nodes.len(), Trail::default());
        match seen {
            Seen::Started { node, epoch } => {
                self.trails[*node] = Trail::default();
                self.coverage.restarts += u64::from(*epoch > 1);
            }
            Seen::Looked { node, inside } => self.looked(*node, *inside, facts),
            Seen::Hears { node, request } => self.hears(request, &facts.nodes[*node]),
            Seen::Answers { node, request, answer, .. } => {
                self.answers(request, answer, &facts.nodes[*node]);
            }
            Seen::Appends { node, entries, .. } => {
                let last = entries.last().map(|entry| entry.id.index);
                self.trails[*node].written = last.unwrap_or(self.trails[*node].written);
            }
            Seen::Truncates { node, last_kept } => {
                let written = std::mem::replace(&mut self.trails[*node].written, *last_kept);
                self.coverage.truncations += 1;
                self.coverage.long_truncations += u64::from(written.0 > last_kept.0 + 1);
            }
            Seen::Died { .. } | Seen::Sends { .. } | Seen::Applies { .. } => {}
            Seen::Jumps { .. } | Seen::Core { .. } | Seen::Calm | Seen::Healed => {}
        }
    }

    fn looked(&mut self, node: usize, inside: &dyn Look, facts: &Facts) {
        let (before, trail) = (&facts.nodes[node], &mut self.trails[node]);
        if !trail.seen {
            (trail.seen, trail.written) = (true, inside.last_log().index);
            self.coverage.torn_starts += u64::from(before.record.lock().torn());
        }
        let held = std::mem::replace(&mut trail.held, inside.held_promises());
        if held == 0 && trail.held > 0 {
            self.coverage.held_promises += 1;
            let waits = before.record.lock().durable_meta_term() < inside.term();
            self.coverage.meta_waits += u64::from(waits);
        }
        if (before.role, before.term) != (inside.role(), inside.term()) {
            self.changed(node, inside, facts);
        }
        let rise = inside.committed().0.saturating_sub(before.committed.0);
        if rise > 0 && inside.role().is_leader_like() {
            self.coverage.commits += 1;
            self.coverage.committed_entries += rise;
        }
        if node >= facts.voters {
            self.coverage.learned_entries += rise;
        }
    }

    /// Role or term did.
    fn changed(&mut self, node: usize, inside: &dyn Look, facts: &Facts) {
        let (before, role, term) = (&facts.nodes[node], inside.role(), inside.term());
        let led = before.role.is_leader_like();
        match role {
            Role::Candidate => {
                self.coverage.candidacies += 1;
                let candidates = &mut self.contests.entry(term).or_default().candidates;
                if !candidates.contains(&node) {
                    candidates.push(node);
                }
            }
            Role::Follower if led && term == before.term => {
                self.coverage.check_quorum_step_downs += 1;
            }
            Role::Follower if led => self.coverage.deposed_leaders += 1,
            Role::Error if before.role != Role::Error => self.coverage.failed_nodes += 1,
            _ => {}
        }
        if role.is_leader_like() && !(led && term == before.term) {
            self.elected(inside, facts);
        }
    }

    fn elected(&mut self, inside: &dyn Look, facts: &Facts) {
        let term = inside.term();
        self.coverage.elections += 1;
        if term < self.newest_leader {
            self.coverage.late_leaders += 1;
        }
        // Its own first entry is there already.
        let open = facts.committed.len() as u64 + 1 < inside.last_log().index.0;
        self.coverage.leaders_with_open_entries += u64::from(open);
        self.newest_leader = self.newest_leader.max(term);
        self.contests.remove(&term);
        let later = self.contests.split_off(&term);
        let over = std::mem::replace(&mut self.contests, later);
        let split = over.values().filter(|contest| contest.candidates.len() > 1).count();
        self.coverage.split_votes += split as u64;
    }

    fn hears(&mut self, request: &RaftRequest, node: &NodeFacts) {
        let counted = &mut self.coverage;
        match request {
            RaftRequest::RequestVote(request) if request.term < node.term => {
                let pre_vote = request.pre_vote;
                *(if pre_vote {
                    &mut counted.stale_pre_votes
                } else {
                    &mut counted.stale_votes
                }) += 1;
            }
            RaftRequest::AppendEntries(request) if request.term < node.term => {
                let entries = request.kind == AppendKind::Entries;
                *(if entries {
                    &mut counted.stale_appends
                } else {
                    &mut counted.stale_heartbeats
                }) += 1;
            }
            RaftRequest::AppendEntries(request) if request.term == node.term => {
                let last = request.entries.entries().last();
                let known = last.is_some_and(|last| last.id.index <= node.last.index);
                counted.duplicate_appends += u64::from(known);
            }
            _ => {}
        }
    }

    fn answers(&mut self, request: &RaftRequest, answer: &RaftResponse, node: &NodeFacts) {
        let counted = &mut self.coverage;
        match (request, answer) {
            (RaftRequest::RequestVote(request), RaftResponse::RequestVote(answer)) => {
                match (request.pre_vote, answer.granted) {
                    (true, true) => {}
                    (true, false) => {
                        counted.pre_votes_refused += 1;
                        let else_fit = request.term >= node.term && request.last_log >= node.last;
                        let led = node.leader.is_some();
                        counted.pre_votes_refused_for_a_leader += u64::from(else_fit && led);
                    }
                    (false, true) => counted.votes_granted += 1,
                    (false, false) => counted.votes_refused += 1,
                }
            }
            (RaftRequest::AppendEntries(request), RaftResponse::AppendEntries(answer)) => {
                let differs = !answer.success && answer.term == request.term;
                counted.mismatches += u64::from(differs);
            }
            (RaftRequest::TimeoutNow(_), RaftResponse::TimeoutNow(answer)) => {
                counted.handovers += u64::from(answer.success);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{Fake, World, accepted, append, entries, vote, voted};
    use super::super::{Check, Verdict};
    use super::*;

    impl Check for Scout {
        fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
            Self::see(self, seen, facts);
            Ok(())
        }
    }

    fn world() -> World<Scout> {
        World::new(Scout::default())
    }

    fn looks(world: &mut World<Scout>, node: usize, role: Role, term: u64, log: &[u64]) {
        world.look(node, &Fake::new(role, term, log)).unwrap();
    }

    #[test]
    fn elections_and_split_votes() {
        let mut world = world();
        for (term, nodes) in [(2, &[0, 1][..]), (3, &[1]), (4, &[0, 2])] {
            for &node in nodes {
                looks(&mut world, node, Role::Candidate, term, &[1]);
            }
        }
        looks(&mut world, 2, Role::Leader, 4, &[1, 4]);
        looks(&mut world, 0, Role::Follower, 4, &[1, 4]);
        looks(&mut world, 1, Role::Leader, 3, &[1, 3]);
        looks(&mut world, 1, Role::Follower, 4, &[1, 3]);
        looks(&mut world, 2, Role::Follower, 4, &[1, 4]);
        let counted = &world.check.coverage;
        assert_eq!((counted.elections, counted.candidacies, counted.split_votes), (2, 5, 1));
        assert_eq!((counted.late_leaders, counted.leaders_with_open_entries), (1, 2));
        assert_eq!((counted.deposed_leaders, counted.check_quorum_step_downs), (1, 1));
    }

    #[test]
    fn requests_that_are_stale_or_known() {
        let mut world = world();
        looks(&mut world, 0, Role::Follower, 3, &[1, 3]);
        for request in [
            vote(1, 2, (0, 0), false),
            vote(1, 2, (0, 0), true),
            append(1, 2, (0, 0), &[1]),
            append(1, 2, (0, 0), &[]),
            append(1, 3, (1, 1), &[3]),
            append(1, 3, (2, 3), &[3]),
        ] {
            world.hears(0, &request).unwrap();
        }
        let counted = &world.check.coverage;
        let stale = (counted.stale_votes, counted.stale_pre_votes, counted.stale_appends);
        assert_eq!(stale, (1, 1, 1));
        assert_eq!((counted.stale_heartbeats, counted.duplicate_appends), (1, 1));
    }

    #[test]
    fn answers() {
        let mut world = world();
        let leader = Some(super::super::kit::peer(1));
        let follower = Fake { leader, ..Fake::new(Role::Follower, 3, &[1, 3]) };
        world.look(0, &follower).unwrap();
        world.answers(0, &vote(2, 4, (2, 3), true), &voted(3, false)).unwrap();
        world.answers(0, &vote(2, 4, (1, 1), true), &voted(3, false)).unwrap();
        world.answers(0, &vote(2, 4, (2, 3), false), &voted(4, true)).unwrap();
        world.answers(0, &append(1, 3, (2, 3), &[]), &accepted(3)).unwrap();
        let counted = &world.check.coverage;
        let refused = (counted.pre_votes_refused, counted.pre_votes_refused_for_a_leader);
        assert_eq!(refused, (2, 1));
        assert_eq!((counted.votes_granted, counted.mismatches), (1, 0));
    }

    #[test]
    fn disks_and_lives() {
        let mut world = world();
        world.start(0).unwrap();
        looks(&mut world, 0, Role::Follower, 1, &[1]);
        let more = entries(1, &[1, 1]);
        world.see(&Seen::Appends { node: 0, before: None, entries: &more }).unwrap();
        for last_kept in [2, 0] {
            world.see(&Seen::Truncates { node: 0, last_kept: LogIndex(last_kept) }).unwrap();
        }
        let waits = Fake { held: 2, ..Fake::new(Role::Follower, 1, &[]) };
        world.look(0, &waits).unwrap();
        world.start(0).unwrap();
        world.look(0, &waits).unwrap();
        let counted = &world.check.coverage;
        assert_eq!((counted.truncations, counted.long_truncations), (2, 1));
        assert_eq!((counted.held_promises, counted.meta_waits, counted.restarts), (2, 2, 1));
    }

    #[test]
    fn sums_and_rows() {
        let mut sum = Coverage { commits: 2, ..Coverage::default() };
        sum.add(&Coverage { commits: 3, elections: 1, ..Coverage::default() });
        assert_eq!((sum.commits, sum.elections), (5, 1));
        assert!(sum.rows().contains(&("commits", 5)));
    }
}
