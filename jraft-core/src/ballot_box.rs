//! `BallotBox`: who has which entries on disk, and what is therefore committed.
//!
//! The reference keeps a ballot per entry; here one per range of one configuration, and per peer the last
//! acknowledged index, which says the same, since acknowledgements of one peer have no holes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jraft_spi::{Configuration, ConfigurationEntry, LogIndex, PeerId, Term, mutant};

/// Why an acknowledgement or a commit index was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BallotError {
    /// An acknowledgement past the last pending entry.
    #[error("acknowledged {0}, beyond the last pending entry {1}")]
    OutOfBounds(LogIndex, LogIndex),
    /// A commit index from a leader, for entries that this node proposes itself.
    #[error("told to commit {0} while entries from {1} on are its own")]
    HasPending(LogIndex, LogIndex),
}

/// Entries of one configuration that wait for their quorum.
#[derive(Debug)]
struct Range {
    last: LogIndex,
    conf: Arc<ConfigurationEntry>,
}

/// Pure data of the node.
#[derive(Debug, Default)]
pub(crate) struct BallotBox {
    committed: LogIndex,
    /// The first pending index; zero on a node that does not lead.
    pending: LogIndex,
    /// The term in which the pending entries were proposed.
    term: Term,
    ranges: VecDeque<Range>,
    acknowledged: BTreeMap<PeerId, LogIndex>,
}

impl BallotBox {
    pub(crate) fn new(committed: LogIndex) -> Self {
        Self { committed, ..Self::default() }
    }

    pub(crate) const fn committed(&self) -> LogIndex {
        self.committed
    }

    /// Starts counting for a leader of `term` whose first own entry is `pending`. False if it counts already.
    pub(crate) fn reset_pending_index(&mut self, term: Term, pending: LogIndex) -> bool {
        if self.pending != LogIndex::ZERO || pending <= self.committed {
            return false;
        }
        self.pending = pending;
        self.term = term;
        self.acknowledged.clear();
        true
    }

    /// Adds entries up to `last`, to be judged by `conf`. False on a node that does not lead.
    pub(crate) fn append_pending(
        &mut self,
        last: LogIndex,
        conf: &Arc<ConfigurationEntry>,
    ) -> bool {
        if self.pending == LogIndex::ZERO {
            return false;
        }
        match self.ranges.back_mut() {
            Some(range) if Arc::ptr_eq(&range.conf, conf) => range.last = last,
            _ => self.ranges.push_back(Range { last, conf: Arc::clone(conf) }),
        }
        true
    }

    /// Forgets the pending entries: this node leads no longer.
    pub(crate) fn clear_pending(&mut self) {
        self.pending = LogIndex::ZERO;
        self.ranges.clear();
        self.acknowledged.clear();
    }

    /// `peer` has everything up to `last` on its disk. The new commit index, if it rose.
    ///
    /// An acknowledgement of another term is ignored: it may speak of entries that were replaced since.
    pub(crate) fn commit_at(
        &mut self,
        term: Term,
        last: LogIndex,
        peer: &PeerId,
    ) -> Result<Option<LogIndex>, BallotError> {
        let is_old = term != self.term && !mutant!("M17");
        if self.pending == LogIndex::ZERO || is_old || last < self.pending {
            return Ok(None);
        }
        let end = self.ranges.back().map_or(LogIndex::ZERO, |range| range.last);
        if last > end {
            return Err(BallotError::OutOfBounds(last, end));
        }
        match self.acknowledged.get_mut(peer) {
            Some(known) if *known >= last => return Ok(None),
            Some(known) => *known = last,
            None => drop(self.acknowledged.insert(peer.clone(), last)),
        }
        Ok(self.advance())
    }

    /// The highest index that has its quorum commits everything up to it.
    fn advance(&mut self) -> Option<LogIndex> {
        let mut first = self.pending;
        let mut granted = None;
        for range in &self.ranges {
            let reached = self.quorum_index(&range.conf).min(range.last);
            if reached >= first {
                granted = Some(reached);
            }
            first = range.last.next();
        }
        // Above the commit index, as whatever is pending.
        let committed = granted?;
        self.committed = committed;
        self.pending = committed.next();
        while self.ranges.front().is_some_and(|range| range.last <= committed) {
            self.ranges.pop_front();
        }
        Some(committed)
    }

    /// The highest index that a majority of each part of the configuration has.
    fn quorum_index(&self, conf: &ConfigurationEntry) -> LogIndex {
        let new = self.majority_index(&conf.conf);
        if conf.is_stable() { new } else { new.min(self.majority_index(&conf.old_conf)) }
    }

    fn majority_index(&self, conf: &Configuration) -> LogIndex {
        let mut known = [LogIndex::ZERO; 15];
        let peers = conf.peers();
        let of = |peer| self.acknowledged.get(peer).copied().unwrap_or_default();
        if peers.is_empty() {
            return LogIndex::ZERO;
        }
        let too_few = usize::from(mutant!("M6") && peers.len() > 1);
        let place = peers.len() - conf.quorum() + too_few;
        if peers.len() <= known.len() {
            let known = &mut known[..peers.len()];
            known.iter_mut().zip(peers).for_each(|(slot, peer)| *slot = of(peer));
            known.sort_unstable();
            return known[place];
        }
        let mut known: Vec<LogIndex> = peers.iter().map(of).collect();
        known.sort_unstable();
        known[place]
    }

    /// A follower's commit index, as the leader gave it. The new one, if it rose.
    pub(crate) fn set_last_committed(
        &mut self,
        index: LogIndex,
    ) -> Result<Option<LogIndex>, BallotError> {
        if self.pending != LogIndex::ZERO {
            let own = index >= self.pending;
            return if own { Err(BallotError::HasPending(index, self.pending)) } else { Ok(None) };
        }
        if index <= self.committed {
            return Ok(None);
        }
        self.committed = index;
        Ok(Some(index))
    }
}

#[cfg(test)]
#[path = "ballot_box_tests.rs"]
mod tests;
