//! What a node wants done, in order. Decisions push effects; the turn of the loop carries them out.

use std::time::Duration;

use jraft_spi::env::MonoTime;
use jraft_spi::message::{RaftRequest, RaftResponse};
use jraft_spi::status::Role;
use jraft_spi::storage::{RaftMeta, ReadLimit};
use jraft_spi::{LogIndex, PeerId, Status, Term};
use tokio::sync::oneshot;

use crate::closure::AcceptedTask;
use crate::fsm::FsmNotice;
use crate::log::{EntrySlice, LogTicket, MetaTicket};

/// Where the answer to a request goes.
#[derive(Debug)]
pub(crate) struct ReplyTo(pub(crate) oneshot::Sender<Result<RaftResponse, Status>>);

/// Something to do.
#[derive(Debug)]
#[must_use]
pub(crate) enum Effect {
    /// Save term and vote; then say `MetaDurable(ticket)`.
    PersistMeta { meta: RaftMeta, ticket: MetaTicket },
    /// Write to the log, but not before `after` is durable; then say `LogDurable(ticket)`.
    WriteLog { write: LogWrite, ticket: LogTicket, after: MetaTicket },
    /// Read entries for a peer that is far behind; then say `on_log_read`.
    ReadLog { peer: PeerId, version: u64, from: LogIndex, limit: ReadLimit },
    /// Send a request; then say how it ended.
    Send { to: PeerId, request: RaftRequest, timeout: Duration, sent: Sent },
    /// Answer a request.
    Reply { to: ReplyTo, answer: Result<RaftResponse, Status> },
    /// Apply entries that are committed: first those on the disk, then those in memory.
    Commit { from_disk: Option<(LogIndex, LogIndex)>, slices: Vec<EntrySlice>, upto: LogIndex },
    /// Tell the state machine.
    Fsm(FsmNotice),
    /// Remember whom to tell of entries from `first` on.
    Accepted { first: LogIndex, tasks: Vec<AcceptedTask> },
    /// Tell that a task was not written.
    Refused { task: AcceptedTask, status: Status },
    /// Tell everybody whose entry is not known to be committed that its outcome is unknown.
    GiveUpPending { status: Status },
    /// Start, stop or restart a timer.
    Timer(TimerKind, TimerAction),
    /// Write a log line.
    Note(Note),
}

impl Effect {
    /// The points before and after it.
    #[cfg(feature = "sim")]
    pub(crate) const fn points(&self) -> (&'static str, &'static str) {
        match self {
            Self::PersistMeta { .. } => ("before persist meta", "after persist meta"),
            Self::WriteLog { .. } => ("before write log", "after write log"),
            Self::ReadLog { .. } => ("before read log", "after read log"),
            Self::Send { .. } => ("before send", "after send"),
            Self::Reply { .. } => ("before reply", "after reply"),
            Self::Commit { .. } => ("before commit", "after commit"),
            Self::Fsm(_) => ("before notice", "after notice"),
            Self::Accepted { .. } => ("before accepted", "after accepted"),
            Self::Refused { .. } => ("before refused", "after refused"),
            Self::GiveUpPending { .. } => ("before give up", "after give up"),
            Self::Timer(..) => ("before timer", "after timer"),
            Self::Note(_) => ("before note", "after note"),
        }
    }
}

/// A change of the log on disk.
#[derive(Debug)]
pub(crate) enum LogWrite {
    /// Entries behind the last one.
    Append(EntrySlice),
    /// Forget everything after this index.
    TruncateSuffix(LogIndex),
}

/// What was sent, to recognise its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) peer: PeerId,
    pub(crate) term: Term,
    pub(crate) at: MonoTime,
    pub(crate) what: SentWhat,
}

/// See [`Sent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentWhat {
    PreVote { round: u64 },
    Vote,
    Heartbeat { version: u64 },
    Append { version: u64, seq: u64 },
}

/// The timers of a node: one role, one timer (behaviour.md 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKind {
    /// Followers: no leader was heard.
    Election,
    /// Candidates: no majority was found.
    Vote,
    /// Leaders: is the majority alive.
    StepDown,
    /// Leaders: say that they live.
    Heartbeat,
}

impl TimerKind {
    pub(crate) const ALL: [Self; 4] = [Self::Election, Self::Vote, Self::StepDown, Self::Heartbeat];
}

/// See [`Effect::Timer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerAction {
    Stop,
    Restart,
}

/// A line for the log, formatted outside the lock.
#[derive(Debug)]
pub(crate) enum Note {
    /// The role or the term changed.
    Role { from: (Role, Term), to: (Role, Term), why: String },
    /// Something worth knowing.
    Info(String),
    /// Something that should not happen.
    Warn(String),
}
