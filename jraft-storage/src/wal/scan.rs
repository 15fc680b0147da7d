//! Reads the groups of a segment at recovery, and looks for groups behind a place where the log stops.

use std::sync::Arc;

use jraft_spi::storage::StorageError;

use super::format::{ALIGN, GROUP_HEADER, GROUP_MAGIC, GroupHeader, Place};
use super::pool::ZEROS;
use super::record::Record;
use super::segment::Segment;
use crate::disk::Context;

/// A sliding view of a segment's bytes.
pub(super) struct Window {
    segment: Arc<Segment>,
    start: u64,
    bytes: Vec<u8>,
}

/// A group that verified.
pub(super) struct Group {
    pub(super) header: GroupHeader,
    /// Its records, each with its offset in the segment.
    pub(super) records: Vec<(u64, Record)>,
    /// The checksum of the last one.
    pub(super) chain: u32,
}

/// What was found behind the place where the log stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    /// The latest place any group there says was durable.
    pub(super) durable: Option<Place>,
    /// Where the last of these groups ends, or the place itself.
    pub(super) groups_end: u64,
    /// Where the last byte that is not zero ends, or the place itself.
    pub(super) bytes_end: u64,
}

impl Window {
    pub(super) fn new(segment: Arc<Segment>) -> Self {
        Self { segment, start: 0, bytes: Vec::new() }
    }

    /// The bytes from `at` on: `length` of them, or fewer at the end of the segment.
    pub(super) fn slice(&mut self, at: u64, length: u64) -> Result<&[u8], StorageError> {
        let size = self.segment.header.bytes;
        let end = at.saturating_add(length).min(size);
        let held = self.start..self.start + self.bytes.len() as u64;
        if at < held.start || end > held.end {
            let wanted = (end.saturating_sub(at)).max(WINDOW).min(size.saturating_sub(at));
            self.bytes.resize(usize::try_from(wanted).expect("within a segment"), 0);
            let path = &self.segment.path;
            let read = self.segment.file()?.read_at(at, &mut self.bytes).context("read", path)?;
            self.bytes.truncate(read);
            self.start = at;
        }
        let inside = |place: u64| ((place - self.start) as usize).min(self.bytes.len());
        Ok(&self.bytes[inside(at)..inside(end.max(at))])
    }

    /// The group at `at`, all of it verified, if it goes on from `chain`; else what is wrong.
    pub(super) fn group(
        &mut self,
        at: u64,
        chain: u32,
    ) -> Result<Result<Group, &'static str>, StorageError> {
        let seed = self.segment.seed;
        let head = self.slice(at, GROUP_HEADER as u64)?;
        let Some(header) = GroupHeader::decode(head, at, seed) else {
            return Ok(Err("there is no valid group"));
        };
        if header.end() > self.segment.header.bytes {
            return Ok(Err("a group that goes beyond its segment"));
        }
        if header.chain != chain {
            return Ok(Err("a group that does not follow the one before"));
        }
        let body = self.slice(at + GROUP_HEADER as u64, header.end() - at - GROUP_HEADER as u64)?;
        Ok(verify(&header, body))
    }

    /// The bytes of a record of a group that verified.
    pub(super) fn record(&mut self, at: u64, record: &Record) -> Result<&[u8], StorageError> {
        self.slice(at, record.length as u64)
    }

    /// Looks at all places from `from` on where a group could begin.
    pub(super) fn behind(&mut self, from: u64) -> Result<Behind, StorageError> {
        let (size, seed) = (self.segment.header.bytes, self.segment.seed);
        let mut found = Behind { durable: None, groups_end: from, bytes_end: from };
        let mut at = from.next_multiple_of(ALIGN);
        while at < size {
            let bytes = self.slice(at, CHUNK)?;
            let step = bytes.len().min(CHUNK as usize - GROUP_HEADER);
            if step == 0 {
                break;
            }
            if bytes != &ZEROS[..bytes.len()] {
                found.look(bytes, at, seed);
            }
            // The next look begins early enough to see a header that this one saw only a part of.
            at += (step as u64).next_multiple_of(ALIGN);
        }
        found.groups_end = found.groups_end.min(size);
        Ok(found)
    }
}

impl Behind {
    fn look(&mut self, bytes: &[u8], at: u64, seed: u32) {
        let last = bytes.iter().rposition(|&byte| byte != 0);
        self.bytes_end = self.bytes_end.max(last.map_or(0, |last| at + last as u64 + 1));
        for inside in (0..bytes.len()).step_by(ALIGN as usize) {
            if !bytes[inside..].starts_with(&GROUP_MAGIC) {
                continue;
            }
            if let Some(header) = GroupHeader::decode(&bytes[inside..], at + inside as u64, seed) {
                self.durable = self.durable.max(Some(header.durable));
                self.groups_end = self.groups_end.max(header.end());
            }
        }
    }
}

fn verify(header: &GroupHeader, body: &[u8]) -> Result<Group, &'static str> {
    let length = header.length as usize;
    let (mut rest, padding) = body.split_at_checked(length).ok_or("a group that is cut off")?;
    if padding.iter().any(|&byte| byte != 0) {
        return Err("a group whose padding is not zero");
    }
    let mut chain = header.chain;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let record = Record::parse(rest, chain)?;
        let at = header.records_end() - rest.len() as u64;
        chain = record.crc;
        rest = &rest[record.length..];
        records.push((at, record));
    }
    if records.len() as u64 != u64::from(header.records) {
        return Err("a group of another number of records");
    }
    Ok(Group { header: *header, records, chain })
}

/// How much is read at once: several groups of the usual size at most.
const WINDOW: u64 = 4 << 20;
/// How much is looked at at once.
const CHUNK: u64 = ZEROS.len() as u64;
