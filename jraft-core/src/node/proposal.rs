//! `Proposal`: a task as a future. Queued when it is made; dropping it gives up the answer, not the task.

use std::any::TypeId;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use jraft_spi::{LogId, PeerId, RaftError, Status};
use tokio::sync::oneshot;

use super::Node;
use crate::closure::{Outcome, Task};

/// Why a proposal brought no reply.
#[non_exhaustive]
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProposeError {
    /// Certainly not written: safe to try again, best with the leader.
    #[error("refused: {status}")]
    Refused {
        /// Why.
        status: Status,
        /// The leader that this node knows.
        leader: Option<PeerId>,
    },
    /// Perhaps written.
    #[error("outcome unknown: {status}")]
    Unknown {
        /// Why.
        status: Status,
    },
    /// Committed and applied, but the state machine gave no reply of the wanted type.
    #[error("committed at {at}, but without a reply of type {wanted}")]
    NoReply {
        /// Where it stands in the log.
        at: LogId,
        /// The type that was asked for.
        wanted: &'static str,
    },
}

impl ProposeError {
    /// Whether the proposal was certainly not written, so that it may be repeated blindly.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl From<ProposeError> for Status {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Refused { status, .. } | ProposeError::Unknown { status } => status,
            ProposeError::NoReply { .. } => Self::new(RaftError::EINTERNAL, error.to_string()),
        }
    }
}

/// A proposal under way.
#[must_use = "the proposal is queued, but nobody will hear how it ended"]
#[derive(Debug)]
pub struct Proposal<R> {
    step: Step,
    node: Node,
    reply: PhantomData<fn() -> R>,
}

#[derive(Debug)]
enum Step {
    /// Blocking mode, and the queue is full: waits for room.
    Waiting { task: Option<Task>, answer: oneshot::Receiver<Outcome> },
    /// Taken in.
    Queued(oneshot::Receiver<Outcome>),
    /// Refused at once.
    Refused(Option<Status>),
}

impl<R: Send + 'static> Proposal<R> {
    pub(crate) fn queued(node: Node, answer: oneshot::Receiver<Outcome>) -> Self {
        Self { step: Step::Queued(answer), node, reply: PhantomData }
    }

    pub(crate) fn refused(node: Node, status: Status) -> Self {
        Self { step: Step::Refused(Some(status)), node, reply: PhantomData }
    }

    pub(crate) fn waiting(node: Node, task: Task, answer: oneshot::Receiver<Outcome>) -> Self {
        Self { step: Step::Waiting { task: Some(task), answer }, node, reply: PhantomData }
    }

    fn finish(&self, outcome: Outcome) -> Result<R, ProposeError> {
        match outcome {
            Outcome::Committed(mut committed) => {
                let (at, wanted) = (committed.id, std::any::type_name::<R>());
                let reply = committed.reply.take::<R>().or_else(unit);
                reply.ok_or(ProposeError::NoReply { at, wanted })
            }
            Outcome::Refused(status) => {
                Err(ProposeError::Refused { status, leader: self.node.leader() })
            }
            Outcome::Unknown(status) => Err(ProposeError::Unknown { status }),
        }
    }
}

/// `R = ()` accepts any reply, and none.
fn unit<R: 'static>() -> Option<R> {
    if TypeId::of::<R>() != TypeId::of::<()>() {
        return None;
    }
    let unit: Box<dyn std::any::Any> = Box::new(());
    unit.downcast::<R>().ok().map(|unit| *unit)
}

impl<R: Send + 'static> Future for Proposal<R> {
    type Output = Result<R, ProposeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let this = &mut *self;
            match &mut this.step {
                Step::Refused(status) => {
                    let status = status.take().unwrap_or_else(Status::ok);
                    return Poll::Ready(this.finish(Outcome::Refused(status)));
                }
                Step::Queued(answer) => {
                    let outcome = std::task::ready!(Pin::new(answer).poll(context));
                    let outcome = outcome.unwrap_or_else(|_| {
                        let text = "the node is gone";
                        Outcome::Unknown(Status::new(RaftError::ESHUTDOWN, text))
                    });
                    return Poll::Ready(this.finish(outcome));
                }
                Step::Waiting { task, answer } => {
                    let Some(waiting) = task.take() else { return Poll::Pending };
                    match this.node.try_apply(waiting, Some(context.waker())) {
                        Ok(()) => {
                            let (_, unused) = oneshot::channel();
                            this.step = Step::Queued(std::mem::replace(answer, unused));
                        }
                        Err(rejected) if rejected.status.is(RaftError::EBUSY) => {
                            *task = Some(*rejected.task);
                            return Poll::Pending;
                        }
                        Err(rejected) => this.step = Step::Refused(Some(rejected.status)),
                    }
                }
            }
        }
    }
}
