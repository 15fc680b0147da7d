//! What must hold, whatever happens: one small file for each invariant (or few that belong together), asked after every
//! poll of a node and at the instant a promise leaves it.

pub mod acceptance;
pub mod append_only;
pub mod bounds;
pub mod commit_rule;
pub mod completeness;
pub mod coverage;
pub mod election_safety;
pub mod facts;
pub mod failure;
pub mod fresh_leader;
#[cfg(test)]
mod kit;
pub mod learners;
pub mod linear;
pub mod log_matching;
pub mod look;
pub mod machine_safety;
pub mod membership;
pub mod order;
pub mod pre_votes;
pub mod progress;
pub mod record;
pub mod recovery;
pub mod replication;
pub mod truncation;
pub mod votes;
pub mod write_order;

use jraft_core::message::{RaftRequest, RaftResponse};
use jraft_core::{LogEntry, LogIndex, Term};

use self::coverage::Scout;
use self::facts::Facts;
use self::look::Look;
use self::record::Mark;

/// Something that the checks see. What it says of a node is not yet in the [`Facts`]: those show the moment before.
pub enum Seen<'a> {
    /// A process of a node starts.
    Started {
        /// The node.
        node: usize,
        /// Its how-manieth life.
        epoch: u64,
    },
    /// The process of a node ended, however.
    Died {
        /// The node.
        node: usize,
    },
    /// A node was looked at: after a poll, or before a promise leaves.
    Looked {
        /// The node.
        node: usize,
        /// What it decides with now.
        inside: &'a dyn Look,
    },
    /// A request leaves a node.
    Sends {
        /// The node.
        node: usize,
        /// The request.
        request: &'a RaftRequest,
    },
    /// A request reaches a node.
    Hears {
        /// The node.
        node: usize,
        /// The request.
        request: &'a RaftRequest,
    },
    /// The answer to a request leaves a node.
    Answers {
        /// The node.
        node: usize,
        /// The request.
        request: &'a RaftRequest,
        /// When it reached the node, in the time of the world: an answer may leave long after what it promises was decided.
        heard: u64,
        /// The answer.
        answer: &'a RaftResponse,
    },
    /// Entries are handed to the disk of a node.
    Appends {
        /// The node.
        node: usize,
        /// The term of the entry before the first, if it is known.
        before: Option<Term>,
        /// The entries.
        entries: &'a [LogEntry],
    },
    /// A node forgets the end of its log.
    Truncates {
        /// The node.
        node: usize,
        /// The last entry that stays.
        last_kept: LogIndex,
    },
    /// The state machine of a node applies an entry of a user.
    Applies {
        /// The node.
        node: usize,
        /// The entry.
        mark: Mark,
    },
    /// The clock of a node shows suddenly more.
    Jumps {
        /// The node.
        node: usize,
    },
    /// The faults are over for some nodes, a majority of the voters: they are well, and connected to each other.
    Core {
        /// Those nodes.
        members: &'a [usize],
    },
    /// What was left of the faults is over there, too, and they have a leader.
    Calm,
    /// The faults are over.
    Healed,
}

/// What a check says.
pub type Verdict = Result<(), String>;

/// One thing that must hold.
pub trait Check {
    /// Judges what was seen, with the facts of before.
    ///
    /// # Errors
    /// What is wrong, beginning with the name of the invariant, as in `I-1: two leaders ...`.
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict;
}

/// All checks, and the facts that they share.
pub struct Judge {
    /// The facts.
    pub facts: Facts,
    /// Counts the dangerous states that were reached.
    pub scout: Scout,
    checks: Vec<Box<dyn Check + Send>>,
}

impl Judge {
    /// All checks.
    pub fn new(facts: Facts) -> Self {
        Self { scout: Scout::default(), checks: all(facts.nodes.len()), facts }
    }

    /// Shows something to all checks, then takes it over into the facts.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn see(&mut self, seen: &Seen<'_>) -> Verdict {
        for check in &mut self.checks {
            check.see(seen, &self.facts)?;
        }
        self.scout.see(seen, &self.facts);
        self.facts.take_over(seen);
        Ok(())
    }
}

/// A check of every kind, for so many nodes. Those that find the cause come before those that find the damage.
fn all(nodes: usize) -> Vec<Box<dyn Check + Send>> {
    vec![
        Box::new(recovery::Recovery::new(nodes)),
        Box::new(failure::Failure::new(nodes)),
        Box::new(membership::Membership),
        Box::new(votes::Votes::default()),
        Box::new(acceptance::Acceptance::new(nodes)),
        Box::new(write_order::WriteOrder),
        Box::new(order::Order::new(nodes)),
        Box::new(truncation::Truncation::new(nodes)),
        Box::new(log_matching::LogMatching::default()),
        Box::new(election_safety::ElectionSafety::default()),
        Box::new(learners::Learners::new(nodes)),
        Box::new(append_only::AppendOnly),
        Box::new(replication::Replication::new(nodes)),
        Box::new(commit_rule::CommitRule),
        Box::new(completeness::Completeness::new(nodes)),
        Box::new(machine_safety::MachineSafety),
        Box::new(bounds::Bounds::default()),
        Box::new(fresh_leader::FreshLeader::new(nodes)),
        Box::new(pre_votes::PreVotes::new(nodes)),
        Box::new(progress::Progress::default()),
    ]
}
