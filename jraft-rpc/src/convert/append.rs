//! AppendEntries, by hand: the one message whose number and size decide how fast a group is (wire.md 4).

use std::ops::Range;

use bytes::Bytes;
use jraft_spi::message::{AppendEntriesRequest, AppendKind, EncodedBatch, EntryBatch};
use jraft_spi::{EntryPeers, EntryType, GroupId, LogEntry, LogId, LogIndex, PeerId};

use super::Refusal;
use super::request::{EncodedRequest, group, index, negative, peer, term};
use super::wire::{Reader, put_number, put_text, put_varint, varint_len};
use crate::bolt::Class;

/// The most entries of one request. A Java leader sends 1,024 at most.
pub const MAX_ENTRIES: usize = 65_536;
/// The most peers, all four lists together, of one entry.
pub const MAX_PEERS: usize = 4096;

const NAME: &str = "AppendEntriesRequest";

/// Encodes a request. Metas and payloads are encoded once for all peers and not copied here.
pub(super) fn encode(request: &AppendEntriesRequest) -> EncodedRequest {
    let mut first = Vec::with_capacity(256);
    put_text(&mut first, 0x0a, request.group.as_str());
    put_text(&mut first, 0x12, &request.server.to_string());
    put_text(&mut first, 0x1a, &request.peer.to_string());
    // The bolt header is the same three fields.
    let header_len = first.len();
    put_number(&mut first, 0x20, request.term.0);
    put_number(&mut first, 0x28, request.prev.term.0);
    put_number(&mut first, 0x30, request.prev.index.0);
    let split = first.len();
    put_number(&mut first, 0x40, request.committed.0);
    let (metas, data) = match request.kind {
        AppendKind::Heartbeat => (Bytes::new(), Bytes::new()),
        AppendKind::Probe => {
            put_number(&mut first, 0x4a, 0);
            (Bytes::new(), Bytes::new())
        }
        AppendKind::Entries => {
            let batch = request.entries.encoded(encode_batch);
            if !batch.data.is_empty() {
                put_number(&mut first, 0x4a, batch.data.len() as u64);
            }
            (batch.metas.clone(), batch.data.clone())
        }
    };
    let class = Class::AppendEntriesRequest.name().into();
    EncodedRequest { class, header_len, first, split, metas, data }
}

/// Encodes the parts of a request that do not depend on the peer.
pub fn encode_batch(entries: &[LogEntry]) -> EncodedBatch {
    let mut metas = Vec::with_capacity(16 * entries.len());
    let mut total = 0;
    let mut filled = entries.iter().filter(|entry| !entry.data.is_empty());
    for entry in entries {
        total += entry.data.len();
        put_meta(&mut metas, entry);
    }
    let data = match (filled.next(), filled.next()) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only.data.clone(),
        _ => {
            let mut data = Vec::with_capacity(total);
            entries.iter().for_each(|entry| data.extend_from_slice(&entry.data));
            data.into()
        }
    };
    EncodedBatch { metas: metas.into(), data }
}

fn put_meta(out: &mut Vec<u8>, entry: &LogEntry) {
    let (term, data_len) = (entry.id.term.0, entry.data.len() as u64);
    out.push(0x3a);
    if entry.conf.is_some() {
        let mut meta = Vec::with_capacity(256);
        put_meta_fields(&mut meta, entry);
        put_varint(out, meta.len() as u64);
        out.extend_from_slice(&meta);
        return;
    }
    let checksum = entry.checksum.map_or(0, |checksum| 1 + varint_len(checksum));
    let len = 1 + varint_len(term) + 2 + 1 + varint_len(data_len) + checksum;
    put_varint(out, len as u64);
    put_meta_fields(out, entry);
}

fn put_meta_fields(out: &mut Vec<u8>, entry: &LogEntry) {
    let list = |out: &mut Vec<u8>, tag, pick: fn(&EntryPeers) -> &[PeerId]| {
        let peers = entry.conf.as_deref().map_or(&[][..], pick);
        peers.iter().for_each(|peer| put_text(out, tag, &peer.to_string()));
    };
    put_number(out, 0x08, entry.id.term.0);
    put_number(out, 0x10, entry.kind as u64);
    list(out, 0x1a, |conf| &conf.peers);
    put_number(out, 0x20, entry.data.len() as u64);
    list(out, 0x2a, |conf| &conf.old_peers);
    if let Some(checksum) = entry.checksum {
        put_number(out, 0x30, checksum);
    }
    list(out, 0x3a, |conf| &conf.learners);
    list(out, 0x42, |conf| &conf.old_learners);
}

/// Decodes a request and compares it with its bolt header. Payloads are slices of `content`.
pub(super) fn decode(header: &[u8], content: &Bytes) -> Result<AppendEntriesRequest, Refusal> {
    let body = Body::read(content)?;
    let missing = |field| Refusal::missing(NAME, field);
    let group_id = body.ids[0].ok_or_else(|| missing("group_id"))?;
    let server_id = body.ids[1].ok_or_else(|| missing("server_id"))?;
    let peer_id = body.ids[2].ok_or_else(|| missing("peer_id"))?;
    let message_term = body.term.ok_or_else(|| missing("term"))?;
    let prev_term = body.prev_term.ok_or_else(|| missing("prev_log_term"))?;
    let prev_index = body.prev_index.ok_or_else(|| missing("prev_log_index"))?;
    let committed = body.committed.ok_or_else(|| missing("committed_index"))?;
    body.compare_header(header)?;

    let peer = peer("peer_id", peer_id)?;
    let group: GroupId = group(group_id)?;
    let server = self::peer("server_id", server_id)?;
    let message_term = term("term", message_term)?;
    let prev = LogId::new(index("prev_log_index", prev_index)?, term("prev_log_term", prev_term)?);
    let committed = index("committed_index", committed)?;
    let kind = match (body.entries.is_empty(), &body.data) {
        (false, _) => AppendKind::Entries,
        (true, Some(_)) => AppendKind::Probe,
        (true, None) => AppendKind::Heartbeat,
    };
    let data = body.data.map_or_else(Bytes::new, |range| content.slice(range));
    let mut entries = body.entries;
    place(&mut entries, &body.lens, prev, &data)?;
    Ok(AppendEntriesRequest {
        group,
        server,
        peer,
        term: message_term,
        prev,
        committed,
        kind,
        entries: EntryBatch::new(entries),
    })
}

/// Gives each entry its index and its slice of the data.
fn place(
    entries: &mut [LogEntry],
    lens: &[usize],
    prev: LogId,
    data: &Bytes,
) -> Result<(), Refusal> {
    if prev.index.0 + entries.len() as u64 > i64::MAX as u64 {
        return Err(Refusal::invalid("prev_log_index and the entries pass the last index"));
    }
    let mut at = 0_usize;
    let mut next = prev.index;
    for (entry, len) in entries.iter_mut().zip(lens) {
        next = next.next();
        entry.id.index = next;
        if *len > 0 {
            let end = at.checked_add(*len).filter(|end| *end <= data.len());
            let end =
                end.ok_or_else(|| Refusal::invalid("data is shorter than the sum of data_len"))?;
            entry.data = data.slice(at..end);
            at = end;
        }
    }
    if at != data.len() {
        return Err(Refusal::invalid("data is longer than the sum of data_len"));
    }
    Ok(())
}

/// What stands in the content, with the metas already read.
#[derive(Default)]
struct Body<'a> {
    ids: [Option<&'a str>; 3],
    term: Option<i64>,
    prev_term: Option<i64>,
    prev_index: Option<i64>,
    committed: Option<i64>,
    /// The entries, without index and data.
    entries: Vec<LogEntry>,
    /// The data_len of each.
    lens: Vec<usize>,
    data: Option<Range<usize>>,
}

impl<'a> Body<'a> {
    fn read(content: &'a [u8]) -> Result<Self, Refusal> {
        let mut body = Self::default();
        let mut reader = Reader::new(content);
        while let Some(key) = reader.key()? {
            match key.field {
                1 => body.ids[0] = Some(reader.text(key)?),
                2 => body.ids[1] = Some(reader.text(key)?),
                3 => body.ids[2] = Some(reader.text(key)?),
                4 => body.term = Some(reader.int64(key)?),
                5 => body.prev_term = Some(reader.int64(key)?),
                6 => body.prev_index = Some(reader.int64(key)?),
                7 => {
                    let range = reader.range(key)?;
                    body.add_meta(reader.inner(&range), reader.left())?;
                }
                8 => body.committed = Some(reader.int64(key)?),
                9 => body.data = Some(reader.range(key)?),
                _ => reader.skip(key)?,
            }
        }
        Ok(body)
    }

    fn add_meta(&mut self, meta: Reader<'_>, left: usize) -> Result<(), Refusal> {
        if self.entries.len() == MAX_ENTRIES {
            return Err(Refusal::invalid(format!("more than {MAX_ENTRIES} entries")));
        }
        if self.entries.is_empty() {
            // All of about the length of the first. A guess must not cost more than what was received.
            let guess = (left / (meta.left() + 2) + 1).min(1024);
            self.entries.reserve(guess);
            self.lens.reserve(guess);
        }
        let (entry, len) = read_meta(meta)?;
        self.entries.push(entry);
        self.lens.push(len);
        Ok(())
    }

    /// The header must name what the body names (wire.md 4.1).
    fn compare_header(&self, header: &[u8]) -> Result<(), Refusal> {
        let mut ids = [None; 3];
        let mut reader = Reader::new(header);
        while let Some(key) = reader.key()? {
            match key.field {
                1..=3 => ids[key.field as usize - 1] = Some(reader.text(key)?),
                _ => reader.skip(key)?,
            }
        }
        if ids == self.ids {
            return Ok(());
        }
        Err(Refusal::invalid(
            "the bolt header names another group, sender or peer than the request",
        ))
    }
}

fn read_meta(mut reader: Reader<'_>) -> Result<(LogEntry, usize), Refusal> {
    let (mut entry_term, mut kind, mut data_len, mut checksum) = (None, None, 0, None);
    let mut conf: Option<EntryPeers> = None;
    let mut peers = 0;
    while let Some(key) = reader.key()? {
        match key.field {
            1 => entry_term = Some(reader.int64(key)?),
            // An unknown number in a required enum field counts as missing, as in Java.
            2 => kind = known_kind(reader.int64(key)?).or(kind),
            4 => data_len = reader.int64(key)?,
            6 => checksum = Some(reader.int64(key)?.cast_unsigned()),
            field @ (3 | 5 | 7 | 8) => {
                peers += 1;
                if peers > MAX_PEERS {
                    return Err(Refusal::invalid(format!(
                        "more than {MAX_PEERS} peers in an entry"
                    )));
                }
                add_peer(conf.get_or_insert_default(), field, reader.text(key)?)?;
            }
            _ => reader.skip(key)?,
        }
    }
    let entry_term = entry_term.ok_or_else(|| Refusal::missing("EntryMeta", "term"))?;
    let kind = kind.ok_or_else(|| Refusal::missing("EntryMeta", "type"))?;
    let data_len = usize::try_from(data_len).map_err(|_| negative("data_len", data_len))?;
    let id = LogId::new(LogIndex::ZERO, term("the term of an entry", entry_term)?);
    let mut entry = entry_of(kind, id, conf)?;
    entry.checksum = checksum;
    Ok((entry, data_len))
}

fn entry_of(kind: EntryType, id: LogId, conf: Option<EntryPeers>) -> Result<LogEntry, Refusal> {
    match (kind, conf) {
        (EntryType::Data, None) => Ok(LogEntry::data(id, Bytes::new())),
        (EntryType::NoOp, None) => Ok(LogEntry::no_op(id)),
        (EntryType::Configuration, Some(conf)) if !conf.peers.is_empty() => {
            Ok(LogEntry::configuration(id, conf))
        }
        (EntryType::Configuration, _) => {
            Err(Refusal::invalid("a configuration entry without peers"))
        }
        (EntryType::Data | EntryType::NoOp, Some(_)) => {
            Err(Refusal::invalid("peers in an entry that is no configuration"))
        }
        (EntryType::Unknown, _) => Err(Refusal::invalid("an entry of type UNKNOWN")),
    }
}

fn known_kind(number: i64) -> Option<EntryType> {
    i32::try_from(number).ok().and_then(|number| EntryType::try_from(number).ok())
}

fn add_peer(conf: &mut EntryPeers, field: u64, text: &str) -> Result<(), Refusal> {
    let list = match field {
        3 => &mut conf.peers,
        5 => &mut conf.old_peers,
        7 => &mut conf.learners,
        _ => &mut conf.old_learners,
    };
    list.push(peer("a peer of an entry", text)?);
    Ok(())
}
