//! A record: an entry of a group, or an event of its log. Head, extra fields, payload, checksum.

use std::sync::Arc;

use bytes::Bytes;
use jraft_spi::entity::{EntryPeers, EntryType, LogEntry, LogId, LogIndex, PeerId, Term};
use jraft_spi::mutant;
use jraft_spi::storage::StorageError;

use super::format::{crc32, get_u32, get_u64, put_u32, put_u64};

/// Bytes before the extra fields.
pub(super) const HEAD: usize = 32;
/// Bytes of the checksum behind the payload.
pub(super) const TRAILER: usize = 4;
/// The largest record that is written or believed.
pub(super) const MAX_RECORD: usize = 1 << 30;

const VERSION: u8 = 1;
const HAS_CHECKSUM: u8 = 1;
const HAS_PEERS: u8 = 2;

/// What a record is. Entries have the number of their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry.
    Entry(EntryType),
    /// First in a segment: where the one before ended (`index`), with which checksum (`term`), its number in the extra fields.
    Link,
    /// A group's log as it is here: first index in `index`, the next to be appended in `term`, name in the payload.
    State,
    /// Entries before `index` are forgotten.
    TruncatePrefix,
    /// Entries after `index` are forgotten.
    TruncateSuffix,
    /// All entries are forgotten; the next one is `index`.
    Reset,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Entry(kind) => kind as u8,
            Self::Link => 16,
            Self::State => 17,
            Self::TruncatePrefix => 18,
            Self::TruncateSuffix => 19,
            Self::Reset => 20,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0..16 => Self::Entry(EntryType::try_from(i32::from(code)).ok()?),
            16 => Self::Link,
            17 => Self::State,
            18 => Self::TruncatePrefix,
            19 => Self::TruncateSuffix,
            20 => Self::Reset,
            _ => return None,
        })
    }
}

/// A verified record, without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// Number of the group in this log.
    pub(super) group: u32,
    pub(super) index: u64,
    pub(super) term: u64,
    /// Bytes of the whole record.
    pub(super) length: usize,
    /// Its checksum: what the next one goes on from.
    pub(super) crc: u32,
    extra: usize,
    flags: u8,
}

impl Record {
    /// Reads the record at the start of `bytes`, which may go on behind it, and verifies that it follows `chain`.
    pub(super) fn parse(bytes: &[u8], chain: u32) -> Result<Self, &'static str> {
        let head = bytes.first_chunk::<HEAD>().ok_or("a record that is cut off")?;
        let length = get_u32(head, 0) as usize;
        let extra = get_u32(head, 12) as usize;
        if !(HEAD + TRAILER..=MAX_RECORD).contains(&length) || extra > length - HEAD - TRAILER {
            return Err("a record of impossible length");
        }
        let record = bytes.get(..length).ok_or("a record that is cut off")?;
        let crc = get_u32(record, length - TRAILER);
        if crc32(chain, &record[..length - TRAILER]) != crc && !mutant!("M38") {
            return Err("a record whose checksum is wrong");
        }
        if head[4] != VERSION {
            return Err("a record of unknown version");
        }
        let kind = Kind::from_code(head[5]).ok_or("a record of unknown kind")?;
        let (group, index, term) = (get_u32(head, 8), get_u64(head, 16), get_u64(head, 24));
        Ok(Self { kind, group, index, term, length, crc, extra, flags: head[6] })
    }

    /// The bytes between head and payload; `record` begins with the record.
    pub(super) fn extra<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        &record[HEAD..HEAD + self.extra]
    }

    /// The payload; `record` begins with the record.
    pub(super) fn payload<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        &record[HEAD + self.extra..self.length - TRAILER]
    }

    /// The entry, sharing `bytes`, in which the record stands at `at`.
    pub(super) fn entry(&self, bytes: &Bytes, at: usize) -> Result<LogEntry, &'static str> {
        let Kind::Entry(kind) = self.kind else { return Err("a record that is no entry") };
        let payload = at + HEAD + self.extra..at + self.length - TRAILER;
        let id = LogId::new(LogIndex(self.index), Term(self.term));
        let mut entry = LogEntry::data(id, bytes.slice(payload));
        entry.kind = kind;
        let mut extra = self.extra(&bytes[at..]);
        if self.flags & HAS_CHECKSUM != 0 {
            let (checksum, rest) = extra.split_first_chunk().ok_or(BAD_EXTRA)?;
            entry.checksum = Some(u64::from_le_bytes(*checksum));
            extra = rest;
        }
        if self.flags & HAS_PEERS != 0 {
            entry.conf = Some(Arc::new(decode_peers(extra)?));
        } else if !extra.is_empty() {
            return Err(BAD_EXTRA);
        }
        Ok(entry)
    }
}

/// Bytes an entry takes, or why it cannot be stored.
pub(super) fn entry_length(entry: &LogEntry) -> Result<usize, StorageError> {
    let checksum = if entry.checksum.is_some() { 8 } else { 0 };
    let peers = entry.conf.as_deref().map_or(0, peers_length);
    let length = HEAD + checksum + peers + entry.data.len() + TRAILER;
    if length > MAX_RECORD || peers > MAX_PEERS {
        let (index, bytes) = (entry.id.index, entry.data.len());
        return Err(StorageError::Other(format!(
            "entry {index} of {bytes} bytes is too large for the log"
        )));
    }
    Ok(length)
}

/// Appends an entry of `length` bytes, which follows `chain`; returns its checksum.
#[inline]
pub(super) fn encode_entry(
    out: &mut Vec<u8>,
    chain: u32,
    group: u32,
    length: usize,
    entry: &LogEntry,
) -> u32 {
    let start = out.len();
    let extra = length - HEAD - TRAILER - entry.data.len();
    let mut flags = 0;
    if entry.checksum.is_some() {
        flags |= HAS_CHECKSUM;
    }
    if entry.conf.is_some() {
        flags |= HAS_PEERS;
    }
    let id = (entry.id.index.0, entry.id.term.0);
    out.reserve(length);
    out.extend_from_slice(&head(Kind::Entry(entry.kind), flags, group, id, length, extra));
    if let Some(checksum) = entry.checksum {
        out.extend_from_slice(&checksum.to_le_bytes());
    }
    if let Some(peers) = &entry.conf {
        encode_peers(out, peers);
    }
    out.extend_from_slice(&entry.data);
    seal(out, start, chain)
}

/// Appends a record that is no entry; returns its checksum.
pub(super) fn encode_event(
    out: &mut Vec<u8>,
    chain: u32,
    (kind, group): (Kind, u32),
    (index, term): (u64, u64),
    (extra, payload): (&[u8], &[u8]),
) -> u32 {
    let start = out.len();
    let length = event_length(extra.len(), payload.len());
    out.extend_from_slice(&head(kind, 0, group, (index, term), length, extra.len()));
    out.extend_from_slice(extra);
    out.extend_from_slice(payload);
    seal(out, start, chain)
}

/// Bytes such a record takes.
pub(super) const fn event_length(extra: usize, payload: usize) -> usize {
    HEAD + extra + payload + TRAILER
}

fn head(
    kind: Kind,
    flags: u8,
    group: u32,
    (index, term): (u64, u64),
    length: usize,
    extra: usize,
) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    put_u32(&mut head, 0, u32::try_from(length).expect("limited by MAX_RECORD"));
    head[4] = VERSION;
    head[5] = kind.code();
    head[6] = flags;
    put_u32(&mut head, 8, group);
    put_u32(&mut head, 12, u32::try_from(extra).expect("less than the length"));
    put_u64(&mut head, 16, index);
    put_u64(&mut head, 24, term);
    head
}

fn seal(out: &mut Vec<u8>, start: usize, chain: u32) -> u32 {
    let crc = crc32(chain, &out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    crc
}

fn lists(peers: &EntryPeers) -> [&Vec<PeerId>; 4] {
    [&peers.peers, &peers.old_peers, &peers.learners, &peers.old_learners]
}

fn peers_length(peers: &EntryPeers) -> usize {
    let text: usize = peers.iter().map(|peer| 4 + peer.to_string().len()).sum();
    4 * 4 + text
}

/// Four lists: count, then each peer's text behind its length.
fn encode_peers(out: &mut Vec<u8>, peers: &EntryPeers) {
    let number = |n: usize| u32::try_from(n).expect("limited by MAX_PEERS").to_le_bytes();
    for list in lists(peers) {
        out.extend_from_slice(&number(list.len()));
        for peer in list {
            let text = peer.to_string();
            out.extend_from_slice(&number(text.len()));
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn decode_peers(mut bytes: &[u8]) -> Result<EntryPeers, &'static str> {
    let mut next = || -> Result<Vec<PeerId>, &'static str> {
        let (count, rest) = bytes.split_first_chunk().ok_or(BAD_EXTRA)?;
        bytes = rest;
        let mut list = Vec::new();
        for _ in 0..u32::from_le_bytes(*count) {
            let (length, rest) = bytes.split_first_chunk().ok_or(BAD_EXTRA)?;
            let length = u32::from_le_bytes(*length) as usize;
            let (text, rest) = rest.split_at_checked(length).ok_or(BAD_EXTRA)?;
            bytes = rest;
            let text = str::from_utf8(text).map_err(|_| BAD_EXTRA)?;
            list.push(text.parse().map_err(|_| BAD_EXTRA)?);
        }
        Ok(list)
    };
    let peers =
        EntryPeers { peers: next()?, old_peers: next()?, learners: next()?, old_learners: next()? };
    if bytes.is_empty() { Ok(peers) } else { Err(BAD_EXTRA) }
}

const BAD_EXTRA: &str = "an entry whose checksum or members are malformed";
/// Bytes of all members of an entry.
const MAX_PEERS: usize = 16 << 20;
