//! A look inside a node, for the checks of a simulator (feature `sim`).

use jraft_spi::status::Role;
use jraft_spi::{ConfigurationEntry, LogId, LogIndex, PeerId, Term};

use super::Node;
use super::state::NodeState;

/// What a node decides with, between two steps. Nothing here is a promise: see [`Node::status`] for what users may know.
pub struct Inside<'a>(&'a NodeState);

/// What a leader knows of a peer.
#[derive(Clone, Copy, Debug)]
pub struct PeerProgress<'a> {
    /// The peer.
    pub peer: &'a PeerId,
    /// What it has acknowledged.
    pub matched: LogIndex,
    /// What it is sent next.
    pub next: LogIndex,
    /// Requests whose answers are outstanding.
    pub inflight: usize,
}

impl Node {
    /// Looks inside.
    pub fn inspect<R>(&self, look: impl FnOnce(&Inside<'_>) -> R) -> R {
        self.core.shared.peek(|state| look(&Inside(state)))
    }
}

impl Inside<'_> {
    /// The role.
    pub const fn role(&self) -> Role {
        self.0.role()
    }

    /// The current term.
    pub const fn term(&self) -> Term {
        self.0.term()
    }

    /// Whom it voted for in this term.
    pub const fn voted_for(&self) -> Option<&PeerId> {
        self.0.voted_for.as_ref()
    }

    /// The leader that it knows.
    pub const fn leader(&self) -> Option<&PeerId> {
        self.0.leader()
    }

    /// The first index of the log.
    pub const fn first_log(&self) -> LogIndex {
        self.0.log.first()
    }

    /// The last entry, durable or not.
    pub fn last_log(&self) -> LogId {
        self.0.last_log()
    }

    /// The term of an entry, durable or not.
    pub fn term_of(&self, index: LogIndex) -> Option<Term> {
        self.0.log.term_of(index)
    }

    /// The commit index.
    pub const fn committed(&self) -> LogIndex {
        self.0.committed()
    }

    /// The configuration in force.
    pub fn conf(&self) -> &ConfigurationEntry {
        self.0.conf()
    }

    /// Estimated bytes of entries in memory.
    pub const fn bytes_in_memory(&self) -> usize {
        self.0.log.bytes_in_memory()
    }

    /// Promises that wait for a disk.
    pub fn held_promises(&self) -> usize {
        self.0.gate.held()
    }

    /// The peers that a leader replicates to.
    pub fn peers(&self) -> impl Iterator<Item = PeerProgress<'_>> {
        self.0.replicators.values().map(|replicator| PeerProgress {
            peer: &replicator.peer,
            matched: replicator.matched(),
            next: replicator.next_index(),
            inflight: replicator.inflight(),
        })
    }
}
