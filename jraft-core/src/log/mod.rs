//! The log: what is in memory (pure) and the lane that owns the disk.
//!
//! The reference's `LogManagerImpl` in three pieces: `TermIndex`, `LogBuffer`, `LogLane`.

mod buffer;
pub(crate) mod lane;
mod terms;

use std::collections::VecDeque;

use jraft_spi::message::EntryBatch;
use jraft_spi::storage::Recovered;
use jraft_spi::{
    ConfigurationEntry, ConfigurationManager, LogEntry, LogId, LogIndex, Term, mutant,
};

use buffer::LogBuffer;
pub(crate) use buffer::{BatchLimit, EntrySlice, Filling};
use terms::TermIndex;

/// The order of what is handed to the disk of the log; ticket n is durable when all up to n are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogTicket(pub(crate) u64);

/// The order of what is handed to the disk of term and vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MetaTicket(pub(crate) u64);

/// What a node knows of its log without asking the disk. Pure; the disk follows through effects.
#[derive(Debug)]
pub(crate) struct Log {
    terms: TermIndex,
    buffer: LogBuffer,
    confs: ConfigurationManager,
    /// Entries up to here have been handed to the disk.
    written: LogIndex,
    /// What was handed to the disk and is not known to be there: the newest ticket, the last entry.
    writes: VecDeque<(LogTicket, LogIndex)>,
    /// Entries up to here are on the disk.
    durable: LogIndex,
}

impl Log {
    /// The log that a storage has recovered; all of it is durable.
    pub(crate) fn new(recovered: &Recovered) -> Self {
        let mut confs = ConfigurationManager::default();
        for conf in &recovered.configurations {
            assert!(confs.add(conf.clone()), "configurations are recovered in order");
        }
        Self {
            terms: TermIndex::new(recovered.first, recovered.last, &recovered.terms),
            buffer: LogBuffer::default(),
            confs,
            written: recovered.last,
            writes: VecDeque::new(),
            durable: recovered.last,
        }
    }

    pub(crate) const fn first(&self) -> LogIndex {
        self.terms.first()
    }

    pub(crate) fn last(&self) -> LogId {
        self.terms.last()
    }

    pub(crate) const fn durable(&self) -> LogIndex {
        self.durable
    }

    pub(crate) fn term_of(&self, index: LogIndex) -> Option<Term> {
        self.terms.term_of(index)
    }

    /// The newest configuration in the log.
    pub(crate) fn last_conf(&self) -> Option<&ConfigurationEntry> {
        Some(self.confs.last()).filter(|conf| conf.id != LogId::NONE)
    }

    /// Estimated bytes in memory.
    pub(crate) const fn bytes_in_memory(&self) -> usize {
        self.buffer.bytes()
    }

    /// The first index that is in memory; one past the last if none is.
    pub(crate) fn first_in_memory(&self) -> LogIndex {
        self.buffer.first().unwrap_or_else(|| self.last().index.next())
    }

    /// Adds entries behind the last one. They are on the disk only when `on_durable` has said so.
    pub(crate) fn append(&mut self, slice: EntrySlice) {
        assert_eq!(slice.first(), self.last().index.next(), "the log has no holes");
        for entry in slice.entries() {
            self.terms.push(entry.id.term, 1);
            self.confs_of(entry);
        }
        self.buffer.push(slice);
    }

    fn confs_of(&mut self, entry: &LogEntry) {
        if let Some(conf) = ConfigurationEntry::from_entry(entry) {
            assert!(self.confs.add(conf), "configurations are appended in order");
        }
    }

    /// What was appended since this was asked last: to be handed to the disk now.
    pub(crate) fn take_unwritten(&mut self) -> Vec<EntrySlice> {
        let last = self.last().index;
        if self.written >= last {
            return Vec::new();
        }
        let slices = self.buffer.slices(self.written.next(), last);
        self.written = last;
        slices
    }

    /// Remembers that the log up to `last` is on its way to the disk under `ticket`.
    pub(crate) fn wrote(&mut self, ticket: LogTicket, last: LogIndex) {
        self.writes.push_back((ticket, last));
    }

    /// Everything handed to the disk under `ticket` and before is there.
    pub(crate) fn on_durable(&mut self, ticket: LogTicket) {
        while self.writes.front().is_some_and(|&(written, _)| written <= ticket) {
            if let Some((_, last)) = self.writes.pop_front() {
                self.durable = self.durable.max(last);
            }
        }
        assert!(self.durable <= self.last().index, "nothing is on the disk that is not in the log");
    }

    /// Forgets everything after `last_kept`.
    ///
    /// Writes under way are cut, too: what they will have made durable by then are the replaced entries, not those
    /// that take their indexes.
    pub(crate) fn truncate_suffix(&mut self, last_kept: LogIndex) {
        self.terms.truncate_suffix(last_kept);
        self.buffer.truncate_suffix(last_kept);
        self.confs.truncate_suffix(last_kept);
        self.written = self.written.min(last_kept);
        self.durable = self.durable.min(last_kept);
        for (_, last) in self.writes.iter_mut().filter(|_| !mutant!("M62")) {
            *last = (*last).min(last_kept);
        }
    }

    /// Lets go of what is on the disk and not needed up to `upto`.
    pub(crate) fn release(&mut self, upto: LogIndex) {
        self.buffer.release(upto.min(self.durable));
    }

    /// A batch from `from` on, if it is in memory.
    pub(crate) fn batch(&mut self, from: LogIndex, limit: BatchLimit) -> Option<EntryBatch> {
        let there = from >= self.first_in_memory() && from <= self.last().index;
        there.then(|| self.buffer.batch(from, limit))
    }

    /// The entries of `first..=last` that are in memory; those before must be read from the disk.
    pub(crate) fn slices(&self, first: LogIndex, last: LogIndex) -> Vec<EntrySlice> {
        let first = first.max(self.first_in_memory());
        if first > last { Vec::new() } else { self.buffer.slices(first, last) }
    }
}
