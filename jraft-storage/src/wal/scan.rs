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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Behind {
    /// The latest place any group there says was durable.
    pub(super) durable: Option<Place>,
    /// Where the last of these groups ends; 0 if there is none.
    pub(super) end: u64,
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
            let read = self.segment.file.read_at(at, &mut self.bytes).context("read", path)?;
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
        let mut found = Behind::default();
        let mut at = from.next_multiple_of(ALIGN);
        while at + (GROUP_HEADER as u64) <= size {
            let bytes = self.slice(at, WINDOW)?;
            let last = bytes.len().saturating_sub(GROUP_HEADER);
            for inside in (0..=last).step_by(ALIGN as usize) {
                if !bytes[inside..].starts_with(&GROUP_MAGIC) {
                    continue;
                }
                let place = at + inside as u64;
                if let Some(header) = GroupHeader::decode(&bytes[inside..], place, seed) {
                    found.durable = found.durable.max(Some(header.durable));
                    found.end = found.end.max(header.end().min(size));
                }
            }
            if bytes.len() < GROUP_HEADER {
                break;
            }
            at += (last as u64 + ALIGN) / ALIGN * ALIGN;
        }
        Ok(found)
    }

    /// Where the last byte that is not zero ends, from `from` on.
    pub(super) fn last_nonzero(&mut self, from: u64) -> Result<u64, StorageError> {
        let size = self.segment.header.bytes;
        let (mut at, mut end) = (from, from);
        while at < size {
            let bytes = self.slice(at, (size - at).min(ZEROS.len() as u64))?;
            if bytes.is_empty() {
                break;
            }
            if bytes != &ZEROS[..bytes.len()]
                && let Some(last) = bytes.iter().rposition(|&byte| byte != 0)
            {
                end = at + last as u64 + 1;
            }
            at += bytes.len() as u64;
        }
        Ok(end)
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

const WINDOW: u64 = 1 << 20;
