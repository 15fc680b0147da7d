//! An entry of the log (`LogEntry`), its kind and the members it names.

use std::sync::Arc;

use bytes::Bytes;

use super::{LogId, ParseError, PeerId};

/// What an entry is for. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum EntryType {
    /// Written by nobody; read from a log that is not ours.
    #[default]
    Unknown = 0,
    /// Takes an index and says nothing.
    NoOp = 1,
    /// A command for the state machine.
    Data = 2,
    /// A change of the members.
    Configuration = 3,
}

/// The members an entry of kind [`EntryType::Configuration`] names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryPeers {
    /// Voters.
    pub peers: Vec<PeerId>,
    /// Voters before the change, while it lasts.
    pub old_peers: Vec<PeerId>,
    /// Learners.
    pub learners: Vec<PeerId>,
    /// Learners before the change.
    pub old_learners: Vec<PeerId>,
}

/// An entry of the log. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogEntry {
    /// Where it is, and which leader wrote it.
    pub id: LogId,
    /// What it is for.
    pub kind: EntryType,
    /// The members it names, if it names any.
    pub conf: Option<Arc<EntryPeers>>,
    /// The command. Empty and absent are the same, as on the wire.
    pub data: Bytes,
    /// The checksum it carries, if any.
    pub checksum: Option<u64>,
}

impl TryFrom<i32> for EntryType {
    type Error = ParseError;

    fn try_from(number: i32) -> Result<Self, ParseError> {
        match number {
            0 => Ok(Self::Unknown),
            1 => Ok(Self::NoOp),
            2 => Ok(Self::Data),
            3 => Ok(Self::Configuration),
            _ => Err(ParseError::new("entry type", &number.to_string(), "0 to 3 are known")),
        }
    }
}

impl From<EntryType> for i32 {
    fn from(kind: EntryType) -> Self {
        Self::from(kind as u8)
    }
}

impl EntryPeers {
    /// All ids of the four lists.
    pub fn iter(&self) -> impl Iterator<Item = &PeerId> {
        let lists = [&self.peers, &self.old_peers, &self.learners, &self.old_learners];
        lists.into_iter().flatten()
    }
}

impl LogEntry {
    /// A command for the state machine.
    pub fn data(id: LogId, data: Bytes) -> Self {
        Self { id, kind: EntryType::Data, conf: None, data, checksum: None }
    }

    /// An entry that says nothing.
    pub fn no_op(id: LogId) -> Self {
        Self { id, kind: EntryType::NoOp, conf: None, data: Bytes::new(), checksum: None }
    }

    /// A change of the members.
    pub fn configuration(id: LogId, peers: EntryPeers) -> Self {
        let conf = Some(Arc::new(peers));
        Self { id, kind: EntryType::Configuration, conf, data: Bytes::new(), checksum: None }
    }

    /// Roughly the memory the entry holds. What limits compare with, so that it must not depend on the machine.
    pub fn estimated_bytes(&self) -> usize {
        let ids = self.conf.as_ref().map_or(0, |conf| conf.iter().count());
        ENTRY_BYTES + self.data.len() + PEER_BYTES * ids
    }
}

const ENTRY_BYTES: usize = 196;
const PEER_BYTES: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_numbers() {
        for number in 0..4 {
            assert_eq!(i32::from(EntryType::try_from(number).unwrap()), number);
        }
        let error = EntryType::try_from(4).unwrap_err();
        assert_eq!(error.to_string(), "entry type \"4\": 0 to 3 are known");
        assert!(EntryType::try_from(-1).is_err());
    }

    #[test]
    fn estimate_counts_data_and_every_id() {
        assert_eq!(
            LogEntry::data(LogId::NONE, Bytes::from_static(b"hello")).estimated_bytes(),
            201
        );
        let peer = PeerId::empty();
        let peers = EntryPeers {
            peers: vec![peer.clone(), peer.clone()],
            old_peers: vec![peer.clone()],
            learners: vec![peer.clone()],
            old_learners: vec![peer],
        };
        assert_eq!(LogEntry::configuration(LogId::NONE, peers).estimated_bytes(), 196 + 5 * 120);
    }
}
