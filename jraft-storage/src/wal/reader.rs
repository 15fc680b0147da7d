//! Reads entries of a group, from any thread, written or pending.

use std::sync::Arc;

use bytes::Bytes;
use jraft_spi::entity::{GroupId, LogEntry, LogIndex};
use jraft_spi::storage::{LogReader, ReadLimit, StorageError};

use super::format::get_u32;
use super::record::{HEAD, Record, TRAILER};
use super::segment::{Segment, damage};
use super::shared::{Shared, Unwritten};

/// The reader of one group.
pub(super) struct GroupReader {
    pub(super) shared: Arc<Shared>,
    pub(super) group: u32,
    pub(super) name: GroupId,
}

/// Entries that stand in one stretch of a segment.
struct Stretch {
    segment: Arc<Segment>,
    /// Where the stretch begins: four bytes before the first entry, which is what its checksum goes on from.
    start: u64,
    end: u64,
    offsets: Vec<u32>,
    /// The bytes, if they are still in memory.
    bytes: Option<Vec<u8>>,
    generation: u64,
}

impl LogReader for GroupReader {
    fn read(
        &self,
        from: LogIndex,
        limit: ReadLimit,
        out: &mut Vec<LogEntry>,
    ) -> Result<(), StorageError> {
        let begin = out.len();
        let mut generation = None;
        loop {
            let (have, bytes) = self.so_far(&out[begin..]);
            if have > 0 && (have >= limit.entries || bytes >= limit.bytes) {
                return Ok(());
            }
            let rest = ReadLimit {
                entries: limit.entries.saturating_sub(have),
                bytes: limit.bytes.saturating_sub(bytes),
            };
            let next = from.0.saturating_add(have as u64);
            let Some(stretch) = self.plan(next, rest)? else { return Ok(()) };
            let expected = *generation.get_or_insert(stretch.generation);
            let read = self.decode(stretch, next, rest, out);
            // What was forgotten meanwhile may have been overwritten; and parts from before and after do not fit.
            if self.generation() != expected {
                out.truncate(begin);
                generation = None;
                continue;
            }
            read?;
        }
    }
}

impl GroupReader {
    fn so_far(&self, read: &[LogEntry]) -> (usize, usize) {
        (read.len(), read.iter().map(|entry| entry.data.len()).sum())
    }

    fn generation(&self) -> u64 {
        let state = self.shared.lock();
        state.groups.get(&self.group).map_or(0, super::index::GroupIndex::generation)
    }

    /// Looks up what to read next, and takes along what is not in a file.
    fn plan(&self, from: u64, limit: ReadLimit) -> Result<Option<Stretch>, StorageError> {
        let state = self.shared.lock();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        let index = state.groups.get(&self.group).expect("a reader's group is known");
        let Some((run, at)) = index.find(from) else { return Ok(None) };
        let offsets = run.offsets(at);
        let first = u64::from(offsets[0]);
        let reach = first + (limit.bytes.min(CHUNK_BYTES) + HEAD + TRAILER) as u64;
        let wanted = limit.entries.clamp(1, CHUNK_ENTRIES);
        let count = offsets[..wanted.min(offsets.len())]
            .partition_point(|&offset| u64::from(offset) <= reach)
            .max(1);
        let (start, end) = (first - TRAILER as u64, run.end_of(at + count - 1));
        let (bytes, end) = match state.tail.unwritten(&run.segment, start, end) {
            Unwritten::Here(bytes) => (Some(bytes), end),
            Unwritten::InFile(end) => (None, end),
        };
        let held = bytes.as_ref().map_or(end, |bytes| start + bytes.len() as u64);
        let offsets = offsets[..count].iter().copied().filter(|&at| u64::from(at) < held).collect();
        let (segment, generation) = (Arc::clone(&run.segment), index.generation());
        Ok(Some(Stretch { segment, start, end, offsets, bytes, generation }))
    }

    fn decode(
        &self,
        mut stretch: Stretch,
        first: u64,
        limit: ReadLimit,
        out: &mut Vec<LogEntry>,
    ) -> Result<(), StorageError> {
        let bytes = Bytes::from(stretch.bytes()?);
        let mut payload = 0;
        for (index, &offset) in (first..).zip(&stretch.offsets) {
            let at = (u64::from(offset) - stretch.start) as usize;
            let entry = self.entry(&bytes, at, index).map_err(|what| {
                damage(&stretch.segment.path, u64::from(offset), self.name.as_str(), index, what)
            })?;
            payload += entry.data.len();
            out.push(entry);
            if payload >= limit.bytes {
                break;
            }
        }
        Ok(())
    }

    fn entry(&self, bytes: &Bytes, at: usize, index: u64) -> Result<LogEntry, &'static str> {
        let record = bytes.get(at..).ok_or("an entry that is cut off")?;
        let record = Record::parse(record, get_u32(bytes, at - TRAILER))?;
        if (record.group, record.index) != (self.group, index) {
            return Err("the entry of another place");
        }
        record.entry(bytes, at)
    }
}

impl Stretch {
    fn bytes(&mut self) -> Result<Vec<u8>, StorageError> {
        if let Some(bytes) = self.bytes.take() {
            return Ok(bytes);
        }
        let length = usize::try_from(self.end - self.start).expect("within a segment");
        let mut bytes = vec![0; length];
        let path = &self.segment.path;
        let read = self.segment.file()?.read_at(self.start, &mut bytes);
        let read =
            read.map_err(|error| StorageError::io(format!("read {}", path.display()), error))?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// How much is read at once.
const CHUNK_BYTES: usize = 4 << 20;
const CHUNK_ENTRIES: usize = 16 * 1024;
