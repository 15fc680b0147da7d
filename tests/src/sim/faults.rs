//! What is armed against a node: deaths that wait for a moment, and failures of its disk.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use jraft_storage::sim_disk::{Hook, Op, Verdict, When};
use parking_lot::Mutex;

use super::plan::Death;

/// What is armed against one node.
#[derive(Debug, Default)]
pub struct Armed {
    /// Passing a point: its name, how many times are left, and what then.
    pub points: Vec<(String, u64, Death)>,
    /// Operations of the disk left before it dies.
    pub at_op: Option<(u64, Death)>,
    /// The next sync fails, and loses what it should have written, or not.
    pub fail_sync: Option<bool>,
    /// The next write fails.
    pub fail_write: bool,
    /// Something failed in this life of the node, as it was told to.
    failed: bool,
    /// The disk has little room: it may fail at any time.
    full: bool,
}

impl Armed {
    /// The node passes a point: whether it dies there.
    pub fn pass(&mut self, name: &str) -> Option<Death> {
        let place = self.points.iter_mut().position(|(point, left, _)| {
            *left -= u64::from(point == name);
            *left == 0
        })?;
        Some(self.points.remove(place).2)
    }

    /// Whether something failed in this life of the node, as it was told to.
    pub const fn has_failed(&self) -> bool {
        self.failed || self.full
    }

    /// A new life begins.
    pub const fn restarted(&mut self) {
        self.failed = false;
    }

    /// The disk has little room from now on: it may fail at any time.
    pub const fn may_fail(&mut self) {
        self.full = true;
    }

    /// Nothing more happens; what has failed in this life of the node, has.
    pub fn disarm(&mut self) {
        *self = Self { failed: self.has_failed(), ..Self::default() };
    }

    fn op(&mut self, op: &Op) -> Blow {
        if let Some((left, death)) = &mut self.at_op {
            *left = left.saturating_sub(1);
            if *left == 0 {
                let death = *death;
                self.at_op = None;
                return Blow::Death(death);
            }
        }
        let blow = match op {
            Op::Sync(_) => match self.fail_sync.take() {
                Some(true) => {
                    Blow::Failure("sync fails and loses", Verdict::FailLosing(ErrorKind::Other))
                }
                Some(false) => Blow::Failure("sync fails", Verdict::Fail(ErrorKind::Other)),
                None => Blow::None,
            },
            Op::Write(..) if std::mem::take(&mut self.fail_write) => {
                Blow::Failure("write fails", Verdict::Fail(ErrorKind::StorageFull))
            }
            _ => Blow::None,
        };
        self.failed |= matches!(blow, Blow::Failure(..));
        blow
    }
}

/// What hits an operation of a disk.
enum Blow {
    None,
    /// A fault of this kind.
    Failure(&'static str, Verdict),
    Death(Death),
}

/// What was done to nodes, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultCount(pub BTreeMap<&'static str, u64>);

impl FaultCount {
    /// One more of this kind.
    pub fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// Those of another run, too.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(kind).or_default() += count;
        }
    }
}

/// What the hook of a disk tells the world.
pub trait Struck: Send + Sync {
    /// The node ends, in the middle of what it does.
    fn dies(&self, how: Death);

    /// A fault of this kind has hit an operation.
    fn fails(&self, kind: &'static str);
}

/// The hook of a node's disk.
pub fn hook(armed: Arc<Mutex<Armed>>, struck: impl Struck + 'static) -> Hook {
    Arc::new(move |op, when| {
        if when == When::After {
            return Verdict::Go;
        }
        let blow = armed.lock().op(op);
        match blow {
            Blow::None => Verdict::Go,
            Blow::Failure(kind, verdict) => {
                struck.fails(kind);
                verdict
            }
            Blow::Death(how) => {
                struck.dies(how);
                Verdict::Go
            }
        }
    })
}
