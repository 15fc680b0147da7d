//! What a check sees of a node between two steps. A trait, so that tests of the checks can show them nodes that never
//! were.

use jraft_core::{ConfigurationEntry, Inside, LogId, LogIndex, PeerId, PeerProgress, Role, Term};

/// The inside of a node.
pub trait Look {
    /// The role.
    fn role(&self) -> Role;
    /// The current term.
    fn term(&self) -> Term;
    /// Whom it voted for in this term.
    fn voted_for(&self) -> Option<&PeerId>;
    /// The leader that it knows.
    fn leader(&self) -> Option<&PeerId>;
    /// The first index of the log.
    fn first_log(&self) -> LogIndex;
    /// The last entry, durable or not.
    fn last_log(&self) -> LogId;
    /// The term of an entry, durable or not.
    fn term_of(&self, index: LogIndex) -> Option<Term>;
    /// The commit index.
    fn committed(&self) -> LogIndex;
    /// The configuration in force.
    fn conf(&self) -> &ConfigurationEntry;
    /// Estimated bytes of entries in memory.
    fn bytes_in_memory(&self) -> usize;
    /// Promises that wait for a disk.
    fn held_promises(&self) -> usize;
    /// Shows each peer that a leader replicates to, always in the same order.
    fn each_peer(&self, show: &mut dyn FnMut(PeerProgress<'_>));
}

impl Look for Inside<'_> {
    fn role(&self) -> Role {
        Inside::role(self)
    }

    fn term(&self) -> Term {
        Inside::term(self)
    }

    fn voted_for(&self) -> Option<&PeerId> {
        Inside::voted_for(self)
    }

    fn leader(&self) -> Option<&PeerId> {
        Inside::leader(self)
    }

    fn first_log(&self) -> LogIndex {
        Inside::first_log(self)
    }

    fn last_log(&self) -> LogId {
        Inside::last_log(self)
    }

    fn term_of(&self, index: LogIndex) -> Option<Term> {
        Inside::term_of(self, index)
    }

    fn committed(&self) -> LogIndex {
        Inside::committed(self)
    }

    fn conf(&self) -> &ConfigurationEntry {
        Inside::conf(self)
    }

    fn bytes_in_memory(&self) -> usize {
        Inside::bytes_in_memory(self)
    }

    fn held_promises(&self) -> usize {
        Inside::held_promises(self)
    }

    fn each_peer(&self, show: &mut dyn FnMut(PeerProgress<'_>)) {
        self.peers().for_each(show);
    }
}
