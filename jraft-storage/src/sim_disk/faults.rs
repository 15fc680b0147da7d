//! What the disk is told to do wrong.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Op;

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing of the call is done.
    Before,
    /// All of it is done, or what it did before it failed; the caller does not know yet.
    After,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Go,
    /// It fails with an error of this kind: before it did anything, or after it did everything.
    Fail(io::ErrorKind),
    /// A [`Op::Sync`] fails, and what it should have made durable counts as clean: a later sync succeeds without
    /// writing it. Anything else, and after the call, as [`Verdict::Fail`].
    FailLosing(io::ErrorKind),
    /// A [`Op::Write`] writes so many bytes at most, then fails with [`io::ErrorKind::StorageFull`]. Anything else,
    /// and after the call, fails so.
    Short(usize),
    /// The process dies here, as with [`Crash::Kill`](super::Crash::Kill): this and all later calls of it are refused.
    Dead,
}

/// Decides about each changing call, before and after it. No lock is held: it may call the disk, and crash it.
pub type Hook = Arc<dyn Fn(&Op, When) -> Verdict + Send + Sync>;

/// Decides about each read (file, offset, bytes wanted), before it: an error, or none. No lock is held.
pub type ReadFault = Arc<dyn Fn(&Path, u64, usize) -> Option<io::ErrorKind> + Send + Sync>;

/// All of it.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) hook: Option<Hook>,
    pub(super) read: Option<ReadFault>,
    /// Fails calls of a kind.
    fail: Option<Failure>,
    pub(super) lose_sync: bool,
}

struct Failure {
    kind: fn(&Op) -> bool,
    /// So many more of the kind are let through; then everything fails.
    left: usize,
    begun: bool,
}

impl Faults {
    /// Forgets what was told for one life of a process.
    pub(super) fn crash(&mut self) {
        (self.fail, self.lose_sync) = (None, false);
    }

    pub(super) fn fail(&mut self, n: usize, kind: fn(&Op) -> bool) {
        self.fail = Some(Failure { kind, left: n, begun: false });
    }

    /// What was told about the next call; else the hook is asked.
    pub(super) fn told(&mut self, op: &Op) -> Option<Verdict> {
        if let Some(failure) = &mut self.fail
            && failure.hits(op)
        {
            return Some(Verdict::Fail(io::ErrorKind::Other));
        }
        let lose = matches!(op, Op::Sync(_)) && std::mem::take(&mut self.lose_sync);
        lose.then_some(Verdict::FailLosing(io::ErrorKind::Other))
    }
}

impl Failure {
    fn hits(&mut self, op: &Op) -> bool {
        if !self.begun && (self.kind)(op) {
            self.begun = self.left == 0;
            self.left = self.left.saturating_sub(1);
        }
        self.begun
    }
}

impl Verdict {
    /// What it means for this call.
    pub(super) fn about(self, op: &Op, when: When) -> Self {
        match (self, op, when) {
            (Self::FailLosing(_), Op::Sync(_), When::Before) => self,
            (Self::FailLosing(kind), ..) => Self::Fail(kind),
            (Self::Short(_), Op::Write(..), When::Before) => self,
            (Self::Short(_), ..) => Self::Fail(io::ErrorKind::StorageFull),
            _ => self,
        }
    }
}

pub(super) fn told_to_fail(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, "told to fail")
}

pub(super) fn dead() -> io::Error {
    io::Error::other("this process is dead")
}
