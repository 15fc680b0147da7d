//! What raft talks about: terms and indices, peers and groups, log entries, ballots.

mod ballot;
mod checksum;
mod codec;
mod codec_v1;
mod endpoint;
mod entry;
mod group_id;
mod log_id;
mod parse;
mod peer_id;

pub use ballot::Ballot;
pub use checksum::{ChecksumMismatch, crc64};
pub use codec::DecodeEntryError;
pub use codec_v1::EncodeV1Error;
pub use endpoint::Endpoint;
pub use entry::{EntryPeers, EntryType, LogEntry};
pub use group_id::{GroupId, NodeId};
pub use log_id::{LogId, LogIndex, Term};
pub use parse::ParseError;
pub use peer_id::PeerId;

pub(crate) use parse::text_conversions;
