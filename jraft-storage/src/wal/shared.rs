//! What the writer and the readers share: the places of the entries, and the bytes that are not written yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use jraft_spi::entity::LogEntry;
use jraft_spi::storage::StorageError;
use parking_lot::{Mutex, MutexGuard};

use super::format::{ALIGN, GROUP_HEADER, GroupHeader, Place};
use super::index::GroupIndex;
use super::record::{self, Kind};
use super::segment::Segment;

/// Behind one lock, which is never held across a call to the disk.
pub(super) struct Shared {
    state: Mutex<State>,
}

pub(super) struct State {
    /// The groups by their number.
    pub(super) groups: BTreeMap<u32, GroupIndex>,
    pub(super) tail: Tail,
    /// Set once the engine failed or was closed.
    pub(super) failed: Option<StorageError>,
}

/// The group that is being filled, and where it will stand.
pub(super) struct Tail {
    pub(super) segment: Arc<Segment>,
    /// Where the pending group begins.
    at: u64,
    /// The group, with room for its header; empty if nothing is pending.
    bytes: Vec<u8>,
    records: u32,
    /// The checksum the group goes on from.
    before: u32,
    /// The checksum of the last record.
    chain: u32,
    /// The group that is on its way to the file.
    writing: Option<(u64, Arc<Vec<u8>>)>,
}

impl Shared {
    pub(super) fn new(groups: BTreeMap<u32, GroupIndex>, tail: Tail) -> Self {
        Self { state: Mutex::new(State { groups, tail, failed: None }) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Takes in entries until one does not fit into the segment, or enough is pending; says how many.
    pub(super) fn encode(
        &mut self,
        group: u32,
        entries: &[LogEntry],
        enough: usize,
    ) -> Result<usize, StorageError> {
        let index = self.groups.get_mut(&group).expect("a writer's group is known");
        let tail = &mut self.tail;
        let limit = tail.segment.limit();
        for (done, entry) in entries.iter().enumerate() {
            let length = record::entry_length(entry)?;
            let (offset, end) = (tail.end(), tail.end() + length as u64);
            if end > limit || tail.bytes.len() >= enough {
                return Ok(done);
            }
            tail.open();
            tail.chain = record::encode_entry(&mut tail.bytes, tail.chain, group, length, entry);
            tail.records += 1;
            index.push(&tail.segment, entry.id.index.0, offset, end);
        }
        Ok(entries.len())
    }
}

impl Tail {
    /// A tail at `place` of `segment`, going on from `chain`.
    pub(super) fn new(segment: Arc<Segment>, at: u64, chain: u32) -> Self {
        let bytes = Vec::new();
        Self { segment, at, bytes, records: 0, before: chain, chain, writing: None }
    }

    /// Where the next record stands.
    pub(super) fn end(&self) -> u64 {
        let pending = self.bytes.len().max(GROUP_HEADER);
        self.at + pending as u64
    }

    /// Bytes that wait to be written.
    pub(super) fn pending(&self) -> usize {
        self.bytes.len()
    }

    /// Begins a group, if none is pending.
    pub(super) fn open(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.resize(GROUP_HEADER, 0);
            // Where it will be in the header: a reader of the first record goes on from it.
            self.bytes[GROUP_HEADER - 4..].copy_from_slice(&self.chain.to_le_bytes());
            (self.before, self.records) = (self.chain, 0);
        }
    }

    /// Takes in a record that is no entry.
    pub(super) fn event(&mut self, what: (Kind, u32), numbers: (u64, u64), rest: (&[u8], &[u8])) {
        self.open();
        self.chain = record::encode_event(&mut self.bytes, self.chain, what, numbers, rest);
        self.records += 1;
    }

    /// Goes on in another segment; returns the last checksum of the one before.
    pub(super) fn enter(&mut self, segment: Arc<Segment>, at: u64) -> u32 {
        assert!(self.bytes.is_empty(), "what was pending belongs to the segment before");
        self.at = at;
        let seed = segment.seed;
        self.segment = segment;
        std::mem::replace(&mut self.chain, seed)
    }

    /// Completes the pending group and hands it out to be written; readers go on seeing it.
    pub(super) fn seal(&mut self, durable: Place) -> Option<(u64, Arc<Vec<u8>>)> {
        if self.bytes.is_empty() {
            return None;
        }
        let (offset, chain) = (self.at, self.before);
        let length = u32::try_from(self.bytes.len() - GROUP_HEADER).expect("fits a segment");
        let header = GroupHeader { offset, length, records: self.records, durable, chain };
        self.bytes[..GROUP_HEADER].copy_from_slice(&header.encode(self.segment.seed));
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN as usize), 0);
        self.at += self.bytes.len() as u64;
        let group = (offset, Arc::new(std::mem::take(&mut self.bytes)));
        self.writing = Some(group.clone());
        Some(group)
    }

    /// The group is in the file: readers find it there, its memory is used again.
    pub(super) fn written(&mut self, group: Arc<Vec<u8>>) {
        self.writing = None;
        if let Ok(mut bytes) = Arc::try_unwrap(group)
            && bytes.capacity() <= KEEP_BYTES
            && self.bytes.is_empty()
        {
            bytes.clear();
            self.bytes = bytes;
        }
    }

    /// The bytes `from..to` of `segment` if they are not in the file yet; else up to where it has them.
    pub(super) fn unwritten(&self, segment: &Arc<Segment>, from: u64, to: u64) -> Unwritten {
        if !Arc::ptr_eq(segment, &self.segment) {
            return Unwritten::InFile(to);
        }
        let mut boundary = self.at;
        if from >= self.at {
            return Unwritten::Here(cut(&self.bytes, self.at, from, to));
        }
        if let Some((at, bytes)) = &self.writing {
            if from >= *at {
                return Unwritten::Here(cut(bytes, *at, from, to));
            }
            boundary = *at;
        }
        Unwritten::InFile(to.min(boundary))
    }
}

/// See [`Tail::unwritten`].
pub(super) enum Unwritten {
    Here(Vec<u8>),
    InFile(u64),
}

fn cut(bytes: &[u8], at: u64, from: u64, to: u64) -> Vec<u8> {
    let inside = |place: u64| (place - at).min(bytes.len() as u64) as usize;
    bytes[inside(from)..inside(to)].to_vec()
}

/// How much memory is kept for the next group: that of a usual one, not of a huge entry.
const KEEP_BYTES: usize = 8 << 20;
