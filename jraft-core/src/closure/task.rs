//! `Task`: one proposal on its way into the log.

use std::any::Any;
use std::fmt;

use bytes::Bytes;
use jraft_spi::{Status, Term};

use super::done::{Done, Outcome};

/// One proposal. Dropped before a node took it in, nothing was promised and its closure does not run.
#[must_use = "a task does nothing until it is given to Node::apply"]
pub struct Task {
    pub(crate) data: Bytes,
    pub(crate) done: Option<Done>,
    pub(crate) expected_term: Option<Term>,
    pub(crate) context: Option<Box<dyn Any + Send>>,
}

impl Task {
    /// A task with this payload.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self { data: data.into(), done: None, expected_term: None, context: None }
    }

    /// Told, once, how the task ended. Runs on the lane of the state machine: keep it short.
    pub fn done(mut self, call: impl FnOnce(Outcome) + Send + 'static) -> Self {
        self.done = Some(Done::new(call));
        self
    }

    /// Refuses the task unless the node leads exactly this term.
    pub const fn expected_term(mut self, term: Term) -> Self {
        self.expected_term = Some(term);
        self
    }

    /// A value that `Entry::context` hands to the state machine of this node, and of this node only.
    pub fn context<T: Send + 'static>(mut self, value: T) -> Self {
        self.context = Some(Box::new(value));
        self
    }

    pub(crate) fn with_done(mut self, done: Done) -> Self {
        self.done = Some(done);
        self
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({} bytes)", self.data.len())
    }
}

/// What is left of a task once its payload is in the log: whom to tell, and what to show the state machine.
pub(crate) struct AcceptedTask {
    pub(crate) done: Option<Done>,
    pub(crate) context: Option<Box<dyn Any + Send>>,
}

impl fmt::Debug for AcceptedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AcceptedTask")
    }
}

/// A task that was not taken in, and why. Nothing happened, the task can be tried again.
#[must_use = "a rejected task is lost unless it is tried again or refused"]
pub struct Rejected {
    /// The task, as it was.
    pub task: Box<Task>,
    /// Why.
    pub status: Status,
}

impl Rejected {
    /// Runs the closure with [`Outcome::Refused`], here and now: the reference's behaviour.
    pub fn refuse(self) {
        if let Some(done) = self.task.done {
            done.run(Outcome::Refused(self.status));
        }
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejected({})", self.status)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task was not taken in: {}", self.status)
    }
}

impl std::error::Error for Rejected {}
