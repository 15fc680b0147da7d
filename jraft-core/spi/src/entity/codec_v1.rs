//! Log entries as bytes, version 1: written by old members only, no learners, no checksum.

use bytes::{BufMut, Bytes, BytesMut};

use super::codec::{DecodeEntryError, conf, head};
use super::{EntryPeers, LogEntry, PeerId};

/// An entry that version 1 cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeV1Error {
    /// It names learners.
    #[error("V1 log entry encoder doesn't support learners")]
    Learners,
    /// The text of a peer is longer than its length can say.
    #[error("V1 log entry encoder: a peer of {0} bytes is longer than 32767")]
    PeerTooLong(usize),
    /// More peers than their number can say.
    #[error("V1 log entry encoder: {0} peers are too many")]
    TooManyPeers(usize),
}

impl LogEntry {
    /// The entry as bytes, version 1, without its checksum.
    pub fn encode_v1(&self) -> Result<Bytes, EncodeV1Error> {
        let none = EntryPeers::default();
        let conf = self.conf.as_deref().unwrap_or(&none);
        if !conf.learners.is_empty() || !conf.old_learners.is_empty() {
            return Err(EncodeV1Error::Learners);
        }
        let mut out = BytesMut::with_capacity(EMPTY_LEN + self.data.len());
        out.put_u8(MAGIC);
        out.put_i32(self.kind.into());
        out.put_u64(self.id.index.0);
        out.put_u64(self.id.term.0);
        put_peers(&conf.peers, &mut out)?;
        put_peers(&conf.old_peers, &mut out)?;
        out.put_slice(&self.data);
        Ok(out.freeze())
    }
}

/// First byte of the encoding.
pub(super) const MAGIC: u8 = 0xB8;

/// Length of an entry that names no peer and has no data.
const EMPTY_LEN: usize = 29;

/// Reads an entry that starts with [`MAGIC`]; `take` makes its data of a part of `bytes`.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    take: impl FnOnce(&'a [u8]) -> Bytes,
) -> Result<LogEntry, DecodeEntryError> {
    let mut reader = Reader { rest: &bytes[1..], len: bytes.len() };
    let kind = i32::from_be_bytes(reader.array()?);
    let index = i64::from_be_bytes(reader.array()?);
    let term = i64::from_be_bytes(reader.array()?);
    let (kind, id) = head(kind, index, term)?;
    let peers = reader.peers()?;
    let old_peers = reader.peers()?;
    let peers = EntryPeers { peers, old_peers, ..EntryPeers::default() };
    let data = if reader.rest.is_empty() { Bytes::new() } else { take(reader.rest) };
    Ok(LogEntry { id, kind, conf: conf(kind, peers), data, checksum: None })
}

fn put_peers(peers: &[PeerId], out: &mut BytesMut) -> Result<(), EncodeV1Error> {
    let count = i32::try_from(peers.len()).map_err(|_| EncodeV1Error::TooManyPeers(peers.len()))?;
    out.put_i32(count);
    for peer in peers {
        let text = peer.to_bytes();
        out.put_i16(i16::try_from(text.len()).map_err(|_| EncodeV1Error::PeerTooLong(text.len()))?);
        out.put_slice(&text);
    }
    Ok(())
}

struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    fn peers(&mut self) -> Result<Vec<PeerId>, DecodeEntryError> {
        let count = i32::from_be_bytes(self.array()?);
        let count = natural("number of peers", count.into())?;
        // Grows with what is read, never with what the number says.
        let mut peers = Vec::new();
        for _ in 0..count {
            let len = i16::from_be_bytes(self.array()?);
            let len = natural("length of a peer", len.into())?;
            peers.push(PeerId::from_bytes(self.take(len)?)?);
        }
        Ok(peers)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeEntryError> {
        let (head, tail) =
            self.rest.split_first_chunk().ok_or(DecodeEntryError::TooShort(self.len))?;
        self.rest = tail;
        Ok(*head)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeEntryError> {
        let (head, tail) =
            self.rest.split_at_checked(len).ok_or(DecodeEntryError::TooShort(self.len))?;
        self.rest = tail;
        Ok(head)
    }
}

fn natural(what: &'static str, value: i64) -> Result<usize, DecodeEntryError> {
    usize::try_from(value).map_err(|_| DecodeEntryError::Negative { what, value })
}
