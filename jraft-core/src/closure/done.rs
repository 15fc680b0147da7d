//! `Done`: what an application wants to hear of a task. It runs exactly once, on the lane of the state machine.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use jraft_spi::{LogId, RaftError, Status};
use tokio::sync::oneshot;

/// How a task ended. Closed on purpose: a fourth ending would be a new contract.
#[derive(Debug)]
pub enum Outcome {
    /// Committed, and applied by this node's state machine.
    Committed(Committed),
    /// Certainly not written: safe to try again.
    Refused(Status),
    /// In the log of this node, and perhaps committed, now or later: do not repeat blindly.
    Unknown(Status),
}

/// A task that was committed.
#[derive(Debug)]
pub struct Committed {
    /// Where it stands in the log.
    pub id: LogId,
    /// What the state machine answered.
    pub reply: Reply,
}

impl Outcome {
    /// The status: OK when committed.
    pub fn status(&self) -> &Status {
        const OK: &Status = &Status::ok();
        match self {
            Self::Committed(_) => OK,
            Self::Refused(status) | Self::Unknown(status) => status,
        }
    }

    /// Whether it was committed.
    pub const fn is_committed(&self) -> bool {
        matches!(self, Self::Committed(_))
    }

    /// Whether it was certainly not written.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// What the state machine gave to `Entry::reply`, of any type.
#[derive(Default)]
pub struct Reply(Option<Box<dyn Any + Send>>);

impl Reply {
    pub(crate) fn new(value: Option<Box<dyn Any + Send>>) -> Self {
        Self(value)
    }

    /// The value, if there is one of this type that was not taken yet.
    pub fn take<T: 'static>(&mut self) -> Option<T> {
        match self.0.take()?.downcast() {
            Ok(value) => Some(*value),
            Err(other) => {
                self.0 = Some(other);
                None
            }
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", if self.0.is_some() { "a value" } else { "none" })
    }
}

/// Where a `Done` that was dropped unrun goes, so that it runs nevertheless.
pub(crate) trait DoneQueue: Send + Sync {
    /// Runs `ending` with `outcome` on the lane, after what is queued there.
    fn enqueue(&self, ending: Ending, outcome: Outcome);
}

/// Something to be told of an outcome.
pub(crate) enum Ending {
    /// A closure of the application.
    Call(Box<dyn FnOnce(Outcome) + Send>),
    /// A waiting proposal.
    Wake(oneshot::Sender<Outcome>),
}

impl Ending {
    pub(crate) fn run(self, outcome: Outcome) {
        match self {
            Self::Call(call) => call(outcome),
            // Nobody waits any more: the answer is lost, the task is not.
            Self::Wake(sender) => drop(sender.send(outcome)),
        }
    }
}

/// Runs exactly once. Dropped unrun, once a node has taken it in, it runs with [`Outcome::Unknown`] on the lane.
pub struct Done {
    ending: Option<Ending>,
    home: Option<Arc<dyn DoneQueue>>,
}

impl Done {
    /// A closure to be told.
    pub fn new(call: impl FnOnce(Outcome) + Send + 'static) -> Self {
        Self { ending: Some(Ending::Call(Box::new(call))), home: None }
    }

    pub(crate) fn wake(sender: oneshot::Sender<Outcome>) -> Self {
        Self { ending: Some(Ending::Wake(sender)), home: None }
    }

    /// From here on it runs, whatever happens.
    pub(crate) fn taken_in(&mut self, home: &Arc<dyn DoneQueue>) {
        self.home = Some(Arc::clone(home));
    }

    /// Runs it, here and now.
    pub(crate) fn run(mut self, outcome: Outcome) {
        if let Some(ending) = self.ending.take() {
            ending.run(outcome);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let (Some(ending), Some(home)) = (self.ending.take(), self.home.take()) {
            let text = "the node gave the task up without an answer";
            home.enqueue(ending, Outcome::Unknown(Status::new(RaftError::ECANCELED, text)));
        }
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}
