//! The messages of the protocol as plain values. Adapters turn them into bytes and refuse bytes that make no message.
//!
//! Not `non_exhaustive` on purpose: an adapter must handle every message, so a new one must not compile silently.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::entity::{GroupId, LogEntry, LogId, LogIndex, PeerId, Term};

/// A request from one node, or one tool, to another.
#[derive(Clone, Debug, PartialEq)]
pub enum RaftRequest {
    /// Is anybody there; part of the reference's connection procedure.
    Ping,
    /// Vote or pre-vote.
    RequestVote(RequestVoteRequest),
    /// Heartbeat, probe or entries.
    AppendEntries(AppendEntriesRequest),
    /// Start an election at once.
    TimeoutNow(TimeoutNowRequest),
    /// Who leads this group.
    GetLeader(GetLeaderRequest),
}

/// The answer to the request of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RaftResponse {
    /// Alive.
    Ping,
    /// Answer to a vote or a pre-vote.
    RequestVote(RequestVoteResponse),
    /// Answer to a heartbeat, a probe or entries.
    AppendEntries(AppendEntriesResponse),
    /// Answer to TimeoutNow.
    TimeoutNow(TimeoutNowResponse),
    /// The leader.
    GetLeader(PeerId),
}

impl RaftRequest {
    /// The name of the message, for log lines and errors.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ping => "Ping",
            Self::RequestVote(request) if request.pre_vote => "PreVote",
            Self::RequestVote(_) => "RequestVote",
            Self::AppendEntries(_) => "AppendEntries",
            Self::TimeoutNow(_) => "TimeoutNow",
            Self::GetLeader(_) => "GetLeader",
        }
    }

    /// The group and the addressed node, where the request names them.
    pub const fn target(&self) -> Option<(&GroupId, Option<&PeerId>)> {
        match self {
            Self::Ping => None,
            Self::RequestVote(request) => Some((&request.group, Some(&request.peer))),
            Self::AppendEntries(request) => Some((&request.group, Some(&request.peer))),
            Self::TimeoutNow(request) => Some((&request.group, Some(&request.peer))),
            Self::GetLeader(request) => Some((&request.group, request.peer.as_ref())),
        }
    }
}

/// RequestVote, and pre-vote (wire.md 3.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestVoteRequest {
    /// The group.
    pub group: GroupId,
    /// The candidate.
    pub server: PeerId,
    /// The addressed node.
    pub peer: PeerId,
    /// The candidate's term; for a pre-vote its current term plus one.
    pub term: Term,
    /// The candidate's last log id.
    pub last_log: LogId,
    /// Whether this only asks.
    pub pre_vote: bool,
}

/// Answer to [`RequestVoteRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestVoteResponse {
    /// The responder's own current term.
    pub term: Term,
    /// Whether the vote is granted.
    pub granted: bool,
}

/// The three forms of AppendEntries, told apart by shape on the wire (wire.md 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendKind {
    /// No entries: the leader is alive. Never waits behind entries.
    Heartbeat,
    /// No entries: does the previous log id match.
    Probe,
    /// At least one entry.
    Entries,
}

/// AppendEntries in all its forms.
#[derive(Clone, Debug, PartialEq)]
pub struct AppendEntriesRequest {
    /// The group.
    pub group: GroupId,
    /// The leader.
    pub server: PeerId,
    /// The addressed node.
    pub peer: PeerId,
    /// The leader's term.
    pub term: Term,
    /// The log id before the first entry.
    pub prev: LogId,
    /// The leader's commit index.
    pub committed: LogIndex,
    /// The form.
    pub kind: AppendKind,
    /// The entries, in order, the first at `prev.index + 1`; empty unless `kind` is `Entries`.
    pub entries: EntryBatch,
}

/// Answer to [`AppendEntriesRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendEntriesResponse {
    /// The responder's term.
    pub term: Term,
    /// Whether the request fitted and, for entries, is on the responder's disk.
    pub success: bool,
    /// The responder's last log index: with a mismatch, and with an accepted request without entries.
    pub last_log_index: Option<LogIndex>,
}

/// TimeoutNow (wire.md 3.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeoutNowRequest {
    /// The group.
    pub group: GroupId,
    /// The leader that hands over.
    pub server: PeerId,
    /// The addressed node.
    pub peer: PeerId,
    /// The leader's term.
    pub term: Term,
}

/// Answer to [`TimeoutNowRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutNowResponse {
    /// The responder's term, or the term of its coming election.
    pub term: Term,
    /// Whether it starts an election.
    pub success: bool,
}

/// GetLeader, a CLI request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetLeaderRequest {
    /// The group.
    pub group: GroupId,
    /// Which node to ask, if several nodes of the group live in the process.
    pub peer: Option<PeerId>,
}

/// Entries that several peers and the disk share: cloning it clones a pointer.
///
/// An adapter may leave its encoded form in it, so that entries sent to several peers are encoded once.
#[derive(Clone, Debug, Default)]
pub struct EntryBatch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    entries: Vec<LogEntry>,
    encoded: OnceLock<EncodedBatch>,
}

/// The parts of a request that do not depend on the peer.
#[derive(Clone, Debug)]
pub struct EncodedBatch {
    /// The metas, each with its tag and length.
    pub metas: Bytes,
    /// The payloads, concatenated.
    pub data: Bytes,
}

impl EntryBatch {
    /// A batch of these entries.
    pub fn new(entries: Vec<LogEntry>) -> Self {
        Self(Arc::new(Shared { entries, encoded: OnceLock::new() }))
    }

    /// The entries.
    pub fn entries(&self) -> &[LogEntry] {
        &self.0.entries
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// The encoded form, made by `encode` the first time.
    pub fn encoded(&self, encode: impl FnOnce(&[LogEntry]) -> EncodedBatch) -> &EncodedBatch {
        self.0.encoded.get_or_init(|| encode(&self.0.entries))
    }
}

impl PartialEq for EntryBatch {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
    }
}
