//! What can be seen of a node from outside: plain data, copied from its published view.

use std::fmt;

use crate::conf::Configuration;
use crate::entity::{GroupId, LogId, LogIndex, PeerId, Term};
use crate::error::Status;

/// What a node is at the moment. The order is the reference's: leader-like first, active before `Error`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Leads its term.
    Leader,
    /// Leads, and hands leadership over.
    Transferring,
    /// Asks for votes.
    Candidate,
    /// Follows a leader, or waits for one.
    Follower,
    /// Failed for good; only a restart helps.
    Error,
    /// Not started.
    Uninitialized,
    /// Going down.
    Shutting,
    /// Down.
    Shutdown,
}

impl Role {
    /// Whether the node takes part in the protocol.
    pub fn is_active(self) -> bool {
        self < Self::Error
    }

    /// Whether the node leads, handing over or not.
    pub fn is_leader_like(self) -> bool {
        self <= Self::Transferring
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Leader => "leader",
            Self::Transferring => "transferring leader",
            Self::Candidate => "candidate",
            Self::Follower => "follower",
            Self::Error => "failed",
            Self::Uninitialized => "not started",
            Self::Shutting => "shutting down",
            Self::Shutdown => "shut down",
        };
        f.write_str(text)
    }
}

/// A copy of a node's published view; may lag the node by one step.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct NodeStatus {
    /// The group.
    pub group: GroupId,
    /// This node.
    pub id: PeerId,
    /// What it is.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// The leader it knows.
    pub leader: Option<PeerId>,
    /// The configuration in force.
    pub conf: Configuration,
    /// The last entry of its log, durable or not.
    pub last_log: LogId,
    /// The last entry that it knows to be committed.
    pub committed: LogIndex,
    /// The last entry that its state machine has applied.
    pub applied: LogIndex,
    /// Why it failed, in the role `Error`.
    pub error: Option<Status>,
}

impl NodeStatus {
    /// The view of a node that has not started.
    pub fn new(group: GroupId, id: PeerId) -> Self {
        Self {
            group,
            id,
            role: Role::Uninitialized,
            term: Term::ZERO,
            leader: None,
            conf: Configuration::default(),
            last_log: LogId::NONE,
            committed: LogIndex::ZERO,
            applied: LogIndex::ZERO,
            error: None,
        }
    }
}

/// Told to the state machine when a follower gains or loses a leader.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderChange {
    /// The leader gained or lost.
    pub leader: PeerId,
    /// The term.
    pub term: Term,
    /// Why.
    pub why: Status,
}

impl LeaderChange {
    /// A change.
    pub const fn new(leader: PeerId, term: Term, why: Status) -> Self {
        Self { leader, term, why }
    }
}
