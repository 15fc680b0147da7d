//! The one writer of a log: takes in records, writes groups, syncs, goes on to the next segment.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jraft_spi::entity::LogEntry;
use jraft_spi::storage::StorageError;
use slog::{Logger, debug};

use super::format::{ALIGN, DATA_START, GROUP_HEADER, Place};
use super::index::GroupIndex;
use super::pool::Pool;
use super::record::{Kind, entry_length, event_length};
use super::segment::Segment;
use super::shared::Shared;
use crate::disk::Context;

/// Everything but the opening and the reading of a log.
pub(super) struct Writer {
    pool: Pool,
    shared: Arc<Shared>,
    /// The segments in use, oldest first; the last one is written to.
    segments: VecDeque<Arc<Segment>>,
    /// Names of the groups by their number.
    names: BTreeMap<u32, String>,
    /// Up to here everything is in the files.
    written: Place,
    /// Up to here everything is durable.
    durable: Place,
    /// Where the segment before ended, and with which checksum.
    link: (Place, u32),
    /// Bytes written since the last housekeeping.
    fresh: u64,
    /// The first failure. Nothing is tried again after it: a second sync may succeed without having written anything.
    failed: Option<StorageError>,
    syncs: u64,
    log: Logger,
}

/// A change of a group's log that is no entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Prefix(u64),
    Suffix(u64),
    Reset(u64),
}

impl Writer {
    /// A writer that goes on at the end of the last of `segments`, where all is durable.
    pub(super) fn new(
        pool: Pool,
        shared: Arc<Shared>,
        segments: VecDeque<Arc<Segment>>,
        names: BTreeMap<u32, String>,
        end: Place,
        log: Logger,
    ) -> Self {
        Self {
            pool,
            shared,
            segments,
            names,
            written: end,
            durable: end,
            link: (Place::default(), 0),
            fresh: 0,
            failed: None,
            syncs: 0,
            log,
        }
    }

    /// Adds a group to the log.
    pub(super) fn declare(&mut self, number: u32, name: &str) -> Result<(), StorageError> {
        self.guarded(|this| {
            this.names.insert(number, name.to_owned());
            this.shared.lock().groups.insert(number, GroupIndex::new(1, 1));
            if this.begin_segment() {
                return Ok(()); // which names all groups
            }
            this.make_room(event_length(0, name.len()))?;
            let mut state = this.shared.lock();
            state.tail.event((Kind::State, number), (1, 1), (&[], name.as_bytes()));
            Ok(())
        })
    }

    /// Takes entries in.
    pub(super) fn append(&mut self, group: u32, entries: &[LogEntry]) -> Result<(), StorageError> {
        self.usable()?;
        self.check(group, entries)?;
        self.guarded(|this| {
            this.begin_segment();
            let mut rest = entries;
            while let Some(first) = rest.first() {
                let length = entry_length(first)?;
                let (done, pending) = {
                    let mut state = this.shared.lock();
                    (state.encode(group, rest, ENOUGH_PENDING)?, state.tail.pending())
                };
                rest = &rest[done..];
                if pending >= ENOUGH_PENDING {
                    this.write()?;
                } else if done == 0 {
                    this.make_room(length)?;
                }
            }
            Ok(())
        })
    }

    /// Forgets entries.
    pub(super) fn change(&mut self, group: u32, change: Change) -> Result<(), StorageError> {
        self.usable()?;
        if let Change::Reset(0 | u64::MAX) = change {
            return Err(StorageError::Other(
                "a log cannot start at index 0, or at the last there is".into(),
            ));
        }
        self.guarded(|this| {
            this.begin_segment();
            this.make_room(event_length(0, 0))?;
            let state = &mut *this.shared.lock();
            let index = state.groups.get_mut(&group).expect("a writer's group is known");
            let (changed, kind, number) = match change {
                Change::Prefix(first) => {
                    (index.truncate_prefix(first), Kind::TruncatePrefix, first)
                }
                Change::Suffix(last) => (index.truncate_suffix(last), Kind::TruncateSuffix, last),
                Change::Reset(next) => (true, Kind::Reset, next),
            };
            if let Change::Reset(next) = change {
                index.reset(next);
            }
            if changed {
                state.tail.event((kind, group), (number, 0), (&[], &[]));
            }
            Ok(())
        })
    }

    /// Makes everything that was taken in durable.
    pub(super) fn sync(&mut self) -> Result<(), StorageError> {
        self.guarded(|this| {
            this.write()?;
            this.sync_written()
        })
    }

    /// Hands everything that was taken in to the operating system.
    pub(super) fn flush(&mut self) -> Result<(), StorageError> {
        self.guarded(Self::write)
    }

    /// What can wait until a sync is reported: gives back old segments, makes the next one ready.
    pub(super) fn keep_house(&mut self) -> Result<(), StorageError> {
        self.guarded(|this| {
            this.give_back()?;
            let current = this.segments.back().expect("there is always a segment");
            let fresh = std::mem::take(&mut this.fresh);
            if this.written.offset > current.header.bytes / 2 && fresh > 0 {
                let piece = (fresh * 3).max(PIECE_BYTES);
                this.pool.prepare(current.sequence() + 1, piece)?;
            }
            Ok(())
        })
    }

    /// Writes a last group that says that all before it is durable: damage in it is then never taken for a torn tail.
    pub(super) fn close(&mut self) -> Result<(), StorageError> {
        self.sync()?;
        self.guarded(|this| {
            this.sync_written()?;
            let segment = this.segments.back().expect("there is always a segment");
            let end = this.written.offset + GROUP_HEADER as u64;
            if this.written.offset > DATA_START && end <= segment.header.bytes {
                this.shared.lock().tail.open();
                this.write()?;
                this.sync_written()?;
            }
            Ok(())
        })?;
        let closed = StorageError::Other("the log is closed".into());
        self.shared.lock().failed = Some(closed.clone());
        self.failed = Some(closed);
        Ok(())
    }

    pub(super) fn syncs(&self) -> u64 {
        self.syncs
    }

    fn check(&self, group: u32, entries: &[LogEntry]) -> Result<(), StorageError> {
        let state = self.shared.lock();
        let index = state.groups.get(&group).expect("a writer's group is known");
        let mut expected = None;
        for entry in entries {
            let found = entry.id.index.0;
            if !expected.map_or_else(|| index.accepts(found), |expected| expected == found) {
                let expected = expected.unwrap_or_else(|| index.next());
                return Err(StorageError::Other(format!(
                    "entry {found} cannot follow: {expected} is next"
                )));
            }
            entry_length(entry)?;
            expected = Some(found.saturating_add(1));
        }
        Ok(())
    }

    fn usable(&self) -> Result<(), StorageError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Runs `call` unless something failed before, and remembers if it fails.
    fn guarded<T>(
        &mut self,
        call: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.usable()?;
        let result = call(self);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.shared.lock().failed = Some(error.clone());
        }
        result
    }

    /// Writes what is pending, as one group.
    fn write(&mut self) -> Result<(), StorageError> {
        let sealed = self.shared.lock().tail.seal(self.durable);
        let Some((at, bytes)) = sealed else { return Ok(()) };
        let segment = self.segments.back().expect("there is always a segment");
        segment.file()?.write_at(at, &bytes).context("write", &segment.path)?;
        self.written.offset = at + bytes.len() as u64;
        self.fresh += bytes.len() as u64;
        self.shared.lock().tail.written(bytes);
        Ok(())
    }

    fn sync_written(&mut self) -> Result<(), StorageError> {
        if self.durable < self.written {
            let segment = self.segments.back().expect("there is always a segment");
            segment.file()?.sync_data().context("sync", &segment.path)?;
            self.syncs += 1;
            self.durable = self.written;
        }
        Ok(())
    }

    /// Lets go of old segments, when what says that they are not needed is durable.
    fn give_back(&mut self) -> Result<(), StorageError> {
        let needed = self.oldest_needed();
        for _ in 0..RECYCLED_AT_ONCE {
            let front = Arc::clone(self.segments.front().expect("there is always a segment"));
            if front.sequence() >= needed {
                break;
            }
            self.sync_written()?;
            debug!(self.log, "log segment is free"; "segment" => front.sequence());
            self.pool.give_back(&front)?;
            self.segments.pop_front();
        }
        Ok(())
    }

    /// Goes on in the next segment until a record of `length` bytes fits.
    fn make_room(&mut self, length: usize) -> Result<(), StorageError> {
        loop {
            let end = self.shared.lock().tail.end() + length as u64;
            let current = Arc::clone(self.segments.back().expect("there is always a segment"));
            if end <= current.limit() {
                return Ok(());
            }
            self.write()?;
            // Nothing of a segment may reach the disk before all of the one before it.
            self.sync_written()?;
            let needed = self.preamble_length() + length as u64;
            let bytes = Segment::bytes_for(needed).next_multiple_of(DATA_START);
            let next = self.pool.take(current.sequence() + 1, bytes)?;
            debug!(self.log, "next log segment"; "segment" => next.sequence());
            self.written = Place::new(next.sequence(), DATA_START);
            self.segments.push_back(Arc::clone(&next));
            let chain = self.shared.lock().tail.enter(next, DATA_START);
            self.link = (self.durable, chain);
            self.begin_segment();
        }
    }

    /// At the beginning of a segment: says where the one before ended, and how the groups' logs are here.
    fn begin_segment(&mut self) -> bool {
        let state = &mut *self.shared.lock();
        if self.written.offset != DATA_START || state.tail.pending() > 0 {
            return false;
        }
        let (end, chain) = self.link;
        let sequence = end.segment.to_le_bytes();
        let numbers = (end.offset, u64::from(chain));
        state.tail.event((Kind::Link, 0), numbers, (&sequence, &[]));
        for (&number, name) in &self.names {
            let index = &state.groups[&number];
            let numbers = (index.first(), index.next());
            state.tail.event((Kind::State, number), numbers, (&[], name.as_bytes()));
        }
        true
    }

    fn preamble_length(&self) -> u64 {
        let states = self.names.values().map(|name| event_length(0, name.len()));
        (event_length(8, 0) + states.sum::<usize>()) as u64 + ALIGN
    }

    /// The oldest segment that holds something needed.
    fn oldest_needed(&self) -> u64 {
        let state = self.shared.lock();
        let held = state.groups.values().filter_map(GroupIndex::oldest_segment).min();
        held.unwrap_or(self.written.segment).min(self.written.segment)
    }
}

/// What is pending is written when it comes to this, even if nobody syncs.
const ENOUGH_PENDING: usize = 1 << 20;
/// Zeros written for the next segment at a time, at least.
const PIECE_BYTES: u64 = 256 << 10;
/// Segments given back at a time: each costs a sync of the directory.
const RECYCLED_AT_ONCE: usize = 4;
