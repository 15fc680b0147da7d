//! Log entries as bytes, version 2: six bytes of header and a `PBLogEntry`. Reads version 1 as well.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

use super::{EntryPeers, EntryType, LogEntry, LogId, LogIndex, ParseError, PeerId, Term, codec_v1};
use crate::pb;

/// Bytes that are no log entry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeEntryError {
    /// The bytes end too early.
    #[error("log entry: {0} bytes are too few")]
    TooShort(usize),
    /// The first bytes are those of no known encoding.
    #[error("log entry: starts with {0:02x?}, which is no known encoding")]
    BadMagic([u8; 2]),
    /// A version 2 header with another version.
    #[error("log entry: version {0} is unknown")]
    UnknownVersion(u8),
    /// The message is malformed.
    #[error("log entry: {0}")]
    BadMessage(String),
    /// The message lacks a required field.
    #[error("log entry: {0}")]
    MissingField(#[from] pb::MissingField),
    /// A type of entry or a peer that is none.
    #[error("log entry: {0}")]
    BadValue(#[from] ParseError),
    /// A number that cannot be negative is.
    #[error("log entry: {what} is {value}, a negative number")]
    Negative {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: i64,
    },
}

impl LogEntry {
    /// The entry as bytes, version 2.
    pub fn encode(&self) -> Bytes {
        let message = self.to_pb();
        let mut out = BytesMut::with_capacity(HEADER.len() + message.encoded_len());
        out.put_slice(&HEADER);
        message.encode_raw(&mut out);
        out.freeze()
    }

    /// Appends the bytes of [`Self::encode`] to `out`, which grows as needed, and returns how many they are.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> usize {
        let message = self.to_pb();
        let len = HEADER.len() + message.encoded_len();
        out.reserve(len);
        out.put_slice(&HEADER);
        message.encode_raw(out);
        len
    }

    /// Reads an entry of version 2 or 1, copying its data.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeEntryError> {
        match bytes {
            [codec_v1::MAGIC, ..] => codec_v1::decode(bytes, Bytes::copy_from_slice),
            _ => from_pb(parse(message_part(bytes)?)?),
        }
    }

    /// Reads an entry of version 2 or 1; its data stays in `bytes`.
    pub fn decode_bytes(bytes: &Bytes) -> Result<Self, DecodeEntryError> {
        match bytes[..] {
            [codec_v1::MAGIC, ..] => codec_v1::decode(bytes, |data| bytes.slice_ref(data)),
            _ => from_pb(parse(bytes.slice_ref(message_part(bytes)?))?),
        }
    }

    fn to_pb(&self) -> pb::PbLogEntry {
        let list = |of: fn(&EntryPeers) -> &Vec<PeerId>| match &self.conf {
            Some(conf) => of(conf).iter().map(|peer| Bytes::from(peer.to_bytes())).collect(),
            None => Vec::new(),
        };
        pb::PbLogEntry {
            r#type: self.kind.into(),
            term: self.id.term.0.cast_signed(),
            index: self.id.index.0.cast_signed(),
            peers: list(|conf| &conf.peers),
            old_peers: list(|conf| &conf.old_peers),
            data: self.data.clone(),
            checksum: self.checksum.map(u64::cast_signed),
            learners: list(|conf| &conf.learners),
            old_learners: list(|conf| &conf.old_learners),
        }
    }
}

/// Bytes before the message: magic, version, three reserved ones.
const HEADER: [u8; 6] = [0xBB, 0xD2, 1, 0, 0, 0];

/// The message after the header, with all its required fields.
fn message_part(bytes: &[u8]) -> Result<&[u8], DecodeEntryError> {
    let Some(([magic0, magic1, version, ..], message)) = bytes.split_first_chunk::<6>() else {
        return Err(DecodeEntryError::TooShort(bytes.len()));
    };
    if [*magic0, *magic1] != HEADER[..2] {
        return Err(DecodeEntryError::BadMagic([*magic0, *magic1]));
    }
    if *version != HEADER[2] {
        return Err(DecodeEntryError::UnknownVersion(*version));
    }
    match pb::PB_LOG_ENTRY.missing(message) {
        Some(missing) => Err(missing.into()),
        None => Ok(message),
    }
}

fn parse(message: impl Buf) -> Result<pb::PbLogEntry, DecodeEntryError> {
    let bad = |error: prost::DecodeError| DecodeEntryError::BadMessage(error.to_string());
    pb::PbLogEntry::decode(message).map_err(bad)
}

fn from_pb(message: pb::PbLogEntry) -> Result<LogEntry, DecodeEntryError> {
    let list = |texts: &[Bytes]| {
        texts.iter().map(|text| PeerId::from_bytes(text)).collect::<Result<Vec<_>, _>>()
    };
    let peers = EntryPeers {
        peers: list(&message.peers)?,
        old_peers: list(&message.old_peers)?,
        learners: list(&message.learners)?,
        old_learners: list(&message.old_learners)?,
    };
    let (kind, id) = head(message.r#type, message.index, message.term)?;
    Ok(LogEntry {
        id,
        kind,
        conf: conf(kind, peers),
        data: message.data,
        checksum: message.checksum.map(i64::cast_unsigned),
    })
}

/// The kind and the id of an entry, from the numbers of an encoding.
pub(super) fn head(
    kind: i32,
    index: i64,
    term: i64,
) -> Result<(EntryType, LogId), DecodeEntryError> {
    let natural =
        |what, value| u64::try_from(value).map_err(|_| DecodeEntryError::Negative { what, value });
    let id = LogId::new(LogIndex(natural("index", index)?), Term(natural("term", term)?));
    Ok((EntryType::try_from(kind)?, id))
}

/// The members of an entry. None if it names none, unless naming them is what it is for.
pub(super) fn conf(kind: EntryType, peers: EntryPeers) -> Option<Arc<EntryPeers>> {
    let names = kind == EntryType::Configuration || peers.iter().next().is_some();
    names.then(|| Arc::new(peers))
}
