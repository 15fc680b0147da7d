//! `LogBuffer`: the entries that somebody still needs in memory, in the batches in which they came.
//!
//! The in-memory half of the reference's `LogManagerImpl`. Batches are shared with the disk, the peers and the state
//! machine by pointer, so an entry is stored once however many use it.

use std::collections::VecDeque;

use jraft_spi::message::EntryBatch;
use jraft_spi::{LogEntry, LogIndex, mutant};

/// A run of entries inside a shared batch.
#[derive(Clone, Debug)]
pub(crate) struct EntrySlice {
    batch: EntryBatch,
    from: usize,
    to: usize,
}

impl EntrySlice {
    /// The whole of a batch, which must not be empty.
    pub(crate) fn whole(batch: EntryBatch) -> Self {
        assert!(!batch.is_empty(), "a slice holds at least one entry");
        let to = batch.len();
        Self { batch, from: 0, to }
    }

    pub(crate) fn entries(&self) -> &[LogEntry] {
        &self.batch.entries()[self.from..self.to]
    }

    pub(crate) fn first(&self) -> LogIndex {
        self.entries()[0].id.index
    }

    pub(crate) fn last(&self) -> LogIndex {
        self.entries()[self.to - self.from - 1].id.index
    }

    /// The part with indexes in `first..=last`, if there is one.
    pub(crate) fn between(&self, first: LogIndex, last: LogIndex) -> Option<Self> {
        let (start, end) = (self.first().max(first), self.last().min(last));
        if start > end {
            return None;
        }
        let from = self.from + (start.0 - self.first().0) as usize;
        let to = from + (end.0 - start.0) as usize + 1;
        Some(Self { batch: self.batch.clone(), from, to })
    }

    /// The batch itself, if the slice is all of it.
    fn as_batch(&self) -> Option<&EntryBatch> {
        (self.from == 0 && self.to == self.batch.len()).then_some(&self.batch)
    }

    pub(crate) fn estimated_bytes(&self) -> usize {
        self.entries().iter().map(LogEntry::estimated_bytes).sum()
    }
}

/// How much one batch may hold; at least one entry is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimit {
    pub(crate) entries: usize,
    /// Payload bytes, soft: no entry is added once this much is collected.
    pub(crate) bytes: usize,
    /// Bytes of everything, as estimated, hard: no entry is added that would make it more. A request that does not fit
    /// into a frame is never sent, however often it is tried.
    pub(crate) frame: usize,
}

/// A batch in the making.
pub(crate) struct Filling {
    limit: BatchLimit,
    count: usize,
    bytes: usize,
    frame: usize,
}

impl Filling {
    pub(crate) const fn new(limit: BatchLimit) -> Self {
        Self { limit, count: 0, bytes: 0, frame: 0 }
    }

    /// Whether the next entry goes into the batch; if so, it counts.
    pub(crate) fn takes(&mut self, entry: &LogEntry) -> bool {
        let (limit, frame) = (self.limit, self.frame + entry.estimated_bytes());
        let full = self.count >= limit.entries || self.bytes >= limit.bytes || frame > limit.frame;
        if self.count > 0 && full {
            return false;
        }
        self.count += 1;
        self.bytes += entry.data.len();
        self.frame = frame;
        true
    }
}

/// The newest part of the log, contiguous up to the last entry.
#[derive(Debug, Default)]
pub(crate) struct LogBuffer {
    slices: VecDeque<(EntrySlice, usize)>,
    bytes: usize,
    /// The batch that was cut last, so that the next peer gets the same one.
    cut: Option<EntryBatch>,
}

impl LogBuffer {
    /// The first index in memory.
    pub(crate) fn first(&self) -> Option<LogIndex> {
        self.slices.front().map(|(slice, _)| slice.first())
    }

    /// The estimated memory held.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds entries behind the last.
    pub(crate) fn push(&mut self, slice: EntrySlice) {
        if let Some((last, _)) = self.slices.back() {
            assert_eq!(last.last().next(), slice.first(), "the buffer has no holes");
        }
        let bytes = slice.estimated_bytes();
        self.bytes += bytes;
        self.slices.push_back((slice, bytes));
    }

    /// Forgets everything after `last_kept`.
    pub(crate) fn truncate_suffix(&mut self, last_kept: LogIndex) {
        if !mutant!("M65") {
            self.cut = None;
        }
        while self.slices.back().is_some_and(|(slice, _)| slice.last() > last_kept) {
            let Some((slice, bytes)) = self.slices.pop_back() else { return };
            self.bytes -= bytes;
            if let Some(kept) = slice.between(slice.first(), last_kept) {
                self.push(kept);
            }
        }
    }

    /// Forgets whole batches up to `upto`.
    pub(crate) fn release(&mut self, upto: LogIndex) {
        while self.slices.front().is_some_and(|(slice, _)| slice.last() <= upto) {
            if let Some((_, bytes)) = self.slices.pop_front() {
                self.bytes -= bytes;
            }
        }
        if self.slices.is_empty() {
            self.cut = None;
        }
    }

    /// The slices of `first..=last`, all of which must be in memory.
    pub(crate) fn slices(&self, first: LogIndex, last: LogIndex) -> Vec<EntrySlice> {
        let at = self.position(first);
        let from_here = self.slices.range(at..);
        from_here
            .take_while(|(slice, _)| slice.first() <= last)
            .filter_map(|(slice, _)| slice.between(first, last))
            .collect()
    }

    /// A batch from `from` on, which must be in memory: the stored one where that is what fits, else a new one.
    pub(crate) fn batch(&mut self, from: LogIndex, limit: BatchLimit) -> EntryBatch {
        let at = self.position(from);
        let (slice, _) = &self.slices[at];
        let count = self.count(at, from, limit);
        if let Some(whole) = slice.as_batch().filter(|whole| whole.len() == count)
            && slice.first() == from
        {
            return whole.clone();
        }
        let cut = self.cut.as_ref().filter(|cut| cut.len() == count);
        if let Some(cut) = cut.filter(|cut| cut.entries()[0].id.index == from) {
            return cut.clone();
        }
        let batch = EntryBatch::new(self.from(at, from).take(count).cloned().collect());
        self.cut = Some(batch.clone());
        batch
    }

    /// The entries from `from` on, which lies in slice `at`.
    fn from(&self, at: usize, from: LogIndex) -> impl Iterator<Item = &LogEntry> {
        let skipped = (from.0 - self.slices[at].0.first().0) as usize;
        self.slices.range(at..).flat_map(|(slice, _)| slice.entries()).skip(skipped)
    }

    /// How many of them fit into one batch.
    fn count(&self, at: usize, from: LogIndex, limit: BatchLimit) -> usize {
        let mut filling = Filling::new(limit);
        self.from(at, from).take_while(|entry| filling.takes(entry)).count()
    }

    fn position(&self, index: LogIndex) -> usize {
        let after = self.slices.partition_point(|(slice, _)| slice.first() <= index);
        assert!(after > 0, "index {index} is in memory");
        after - 1
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jraft_spi::{LogId, Term};

    use super::*;

    const WIDE: BatchLimit = BatchLimit { entries: 100, bytes: 1 << 20, frame: 1 << 20 };

    fn slice(first: u64, count: u64) -> EntrySlice {
        let entry =
            |index| LogEntry::data(LogId::new(LogIndex(index), Term(1)), Bytes::from(vec![7; 10]));
        EntrySlice::whole(EntryBatch::new((first..first + count).map(entry).collect()))
    }

    fn buffer(parts: &[(u64, u64)]) -> LogBuffer {
        let mut buffer = LogBuffer::default();
        for &(first, count) in parts {
            buffer.push(slice(first, count));
        }
        buffer
    }

    fn indexes(batch: &EntryBatch) -> Vec<u64> {
        batch.entries().iter().map(|entry| entry.id.index.0).collect()
    }

    #[test]
    fn batches_cross_slices_and_stop_at_the_limits() {
        let mut buffer = buffer(&[(1, 2), (3, 3), (6, 1)]);
        assert_eq!(indexes(&buffer.batch(LogIndex(2), WIDE)), [2, 3, 4, 5, 6]);
        let two = BatchLimit { entries: 2, ..WIDE };
        assert_eq!(indexes(&buffer.batch(LogIndex(4), two)), [4, 5]);
        let soft = BatchLimit { bytes: 15, ..WIDE };
        assert_eq!(indexes(&buffer.batch(LogIndex(1), soft)), [1, 2]);
        let frame = BatchLimit { frame: 3 * (196 + 10), ..WIDE };
        assert_eq!(indexes(&buffer.batch(LogIndex(2), frame)), [2, 3, 4], "exactly full");
        let frame = BatchLimit { frame: frame.frame - 1, ..WIDE };
        assert_eq!(indexes(&buffer.batch(LogIndex(2), frame)), [2, 3]);
        let tiny = BatchLimit { entries: 1, bytes: 0, frame: 0 };
        assert_eq!(indexes(&buffer.batch(LogIndex(6), tiny)), [6], "one at least");
    }

    #[test]
    fn the_bytes_follow_what_is_held() {
        let mut buffer = buffer(&[(1, 2), (3, 4)]);
        let each = 196 + 10;
        assert_eq!(buffer.bytes(), 6 * each);
        buffer.truncate_suffix(LogIndex(4));
        assert_eq!(buffer.bytes(), 4 * each);
        buffer.release(LogIndex(2));
        assert_eq!((buffer.bytes(), buffer.first()), (2 * each, Some(LogIndex(3))));
        buffer.release(LogIndex(3));
        assert_eq!(buffer.first(), Some(LogIndex(3)), "whole batches only");
        buffer.truncate_suffix(LogIndex(2));
        assert_eq!((buffer.bytes(), buffer.first()), (0, None));
    }

    #[test]
    fn a_cut_batch_is_shared_until_the_log_changes_under_it() {
        let mut buffer = buffer(&[(1, 2), (3, 2)]);
        let shared = |a: &EntryBatch, b: &EntryBatch| std::ptr::eq(a.entries(), b.entries());
        let (a, b) = (buffer.batch(LogIndex(1), WIDE), buffer.batch(LogIndex(1), WIDE));
        assert!(shared(&a, &b));
        buffer.truncate_suffix(LogIndex(3));
        assert_eq!(indexes(&buffer.batch(LogIndex(1), WIDE)), [1, 2, 3]);
    }

    #[test]
    fn a_stored_batch_is_handed_out_itself_if_all_of_it_is_wanted() {
        let mut buffer = buffer(&[(1, 2), (3, 3)]);
        let stored = |buffer: &LogBuffer, first: u64| {
            let slice = buffer.slices(LogIndex(first), LogIndex(first)).remove(0);
            std::ptr::from_ref(slice.batch.entries())
        };
        for (first, count) in [(1, 2), (3, 3)] {
            let limit = BatchLimit { entries: count, ..WIDE };
            let whole = buffer.batch(LogIndex(first), limit);
            assert!(std::ptr::eq(whole.entries(), stored(&buffer, first)), "{first}");
        }
        // What was cut off at either side is not handed out again.
        buffer.truncate_suffix(LogIndex(4));
        let part = buffer.batch(LogIndex(3), WIDE);
        assert_eq!(indexes(&part), [3, 4]);
        assert!(!std::ptr::eq(part.entries(), stored(&buffer, 3)));
        let slice = slice(1, 4);
        for (first, last) in [(1, 3), (2, 4), (2, 3)] {
            let part = slice.between(LogIndex(first), LogIndex(last)).unwrap();
            assert!(part.as_batch().is_none(), "{first} to {last}");
        }
        let all = slice.between(LogIndex(1), LogIndex(4)).unwrap();
        assert_eq!(all.as_batch().map(EntryBatch::len), Some(4));
    }

    #[test]
    fn slices_cover_exactly_the_asked_range() {
        let buffer = buffer(&[(1, 2), (3, 3), (6, 2)]);
        let found = buffer.slices(LogIndex(2), LogIndex(6));
        let ranges: Vec<(u64, u64)> =
            found.iter().map(|part| (part.first().0, part.last().0)).collect();
        assert_eq!(ranges, [(2, 2), (3, 5), (6, 6)]);
    }
}
