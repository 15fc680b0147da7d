//! Where each entry of a group stands: four bytes an entry, in one run per segment.

use std::collections::VecDeque;
use std::sync::Arc;

use super::segment::Segment;

/// The extent of a group's log, and the place of each entry.
pub(super) struct GroupIndex {
    /// The first index; equal to `next` if the log is empty.
    first: u64,
    /// The index behind the last.
    next: u64,
    runs: VecDeque<Run>,
    /// Grows whenever entries are forgotten: what was read meanwhile may come from files used anew.
    generation: u64,
}

/// Entries that follow one another in one segment.
pub(super) struct Run {
    pub(super) segment: Arc<Segment>,
    first: u64,
    offsets: Vec<u32>,
    /// Not before the end of the last entry.
    end: u64,
}

impl GroupIndex {
    /// A log that holds `first..next` as far as is known, without the places.
    pub(super) fn new(first: u64, next: u64) -> Self {
        Self { first, next, runs: VecDeque::new(), generation: 0 }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first == self.next
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The first index whose place is known. At the end of a recovery it must not lie behind `first`.
    pub(super) fn held(&self) -> u64 {
        self.runs.front().map_or(self.next, |run| run.first)
    }

    /// Whether an entry of this index may follow. An empty log takes any: it is placed behind a snapshot.
    pub(super) fn accepts(&self, index: u64) -> bool {
        index != 0 && index != u64::MAX && (index == self.next || self.is_empty())
    }

    /// Takes in an entry that [`Self::accepts`] allowed, standing in `segment` from `offset` to `end`.
    #[inline]
    pub(super) fn push(&mut self, segment: &Arc<Segment>, index: u64, offset: u64, end: u64) {
        if self.is_empty() {
            self.first = index;
        }
        self.next = index + 1;
        let offset = u32::try_from(offset).expect("segments are smaller than 4 GiB");
        if let Some(run) = self.runs.back_mut()
            && Arc::ptr_eq(&run.segment, segment)
        {
            run.offsets.push(offset);
            run.end = end;
            return;
        }
        let segment = Arc::clone(segment);
        self.runs.push_back(Run { segment, first: index, offsets: vec![offset], end });
    }

    /// Forgets what lies before `first_kept`. False if that is nothing.
    pub(super) fn truncate_prefix(&mut self, first_kept: u64) -> bool {
        if first_kept <= self.first {
            return false;
        }
        self.generation += 1;
        self.first = first_kept;
        self.next = self.next.max(first_kept);
        while self.runs.front().is_some_and(|run| run.last() < first_kept) {
            self.runs.pop_front();
        }
        true
    }

    /// Forgets what lies behind `last_kept`. False if that is nothing.
    pub(super) fn truncate_suffix(&mut self, last_kept: u64) -> bool {
        let next = last_kept.saturating_add(1).max(self.first);
        if next >= self.next {
            return false;
        }
        self.generation += 1;
        self.next = next;
        while let Some(run) = self.runs.back_mut() {
            if run.first < next {
                run.cut(next);
                break;
            }
            self.runs.pop_back();
        }
        true
    }

    /// Forgets everything; the next entry is `next`.
    pub(super) fn reset(&mut self, next: u64) {
        let generation = self.generation + 1;
        *self = Self { generation, ..Self::new(next, next) };
    }

    /// The oldest segment that holds an entry.
    pub(super) fn oldest_segment(&self) -> Option<u64> {
        self.runs.front().map(|run| run.segment.sequence())
    }

    /// The run that holds entry `index`, and where in it.
    pub(super) fn find(&self, index: u64) -> Option<(&Run, usize)> {
        if index < self.first || index >= self.next {
            return None;
        }
        let at = self.runs.partition_point(|run| run.last() < index);
        let run = self.runs.get(at)?;
        let inside = usize::try_from(index.checked_sub(run.first)?).ok()?;
        Some((run, inside))
    }
}

impl Run {
    fn last(&self) -> u64 {
        self.first + self.offsets.len() as u64 - 1
    }

    fn cut(&mut self, next: u64) {
        let keep = usize::try_from(next - self.first).expect("fewer than it has");
        if let Some(&end) = self.offsets.get(keep) {
            self.end = u64::from(end);
            self.offsets.truncate(keep);
        }
    }

    /// The offsets of the entries from the `from`-th on.
    pub(super) fn offsets(&self, from: usize) -> &[u32] {
        &self.offsets[from..]
    }

    /// A place behind the `at`-th entry, and not behind the one that follows it.
    pub(super) fn end_of(&self, at: usize) -> u64 {
        self.offsets.get(at + 1).map_or(self.end, |&offset| u64::from(offset))
    }
}
