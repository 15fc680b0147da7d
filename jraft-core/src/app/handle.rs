//! `AppHandle`: proposes to an `App` and reads it, on any member.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use jraft_spi::{LogIndex, PeerId, RaftError, Status};
use tokio::sync::oneshot;

use super::App;
use super::codec::{Ending, as_sent, encode_barrier, encode_readable};
use super::forward::route;
use super::machine::Answer;
use crate::node::{Node, Proposal, ProposeError};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Why a read brought no result. Always safe to repeat.
#[non_exhaustive]
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The read was not served.
    #[error("the read was not served: {status}")]
    Refused {
        /// Why.
        status: Status,
        /// The leader that this node knows.
        leader: Option<PeerId>,
    },
}

impl From<ReadError> for Status {
    fn from(error: ReadError) -> Self {
        let ReadError::Refused { status, .. } = error;
        status
    }
}

/// A typed handle. Cheap to clone; dropping it stops nothing.
pub struct AppHandle<A> {
    node: Node,
    state: Arc<Mutex<A>>,
}

impl<A> Clone for AppHandle<A> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), state: Arc::clone(&self.state) }
    }
}

impl<A> fmt::Debug for AppHandle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppHandle({:?})", self.node)
    }
}

impl<A: App> AppHandle<A> {
    pub(super) const fn new(node: Node, state: Arc<Mutex<A>>) -> Self {
        Self { node, state }
    }

    /// The node. What is proposed to it directly has to be the encoding of a command: anything else, once committed,
    /// ends every member.
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Proposes a command, through the leader whoever that is. Queued when this returns.
    ///
    /// A *refused* command is sent again until `rpc_default_timeout` is over, unless it is the command that is wrong
    /// (EINVAL: too large, or unreadable) or this node is shut down (ENODESHUTDOWN). One of unknown outcome never is.
    ///
    /// The command is encoded here, and decoded once to see that it can be read: on the caller's thread, at about the
    /// price of a second encoding. What cannot be read, more than 128 lists and maps within each
    /// other for example, is refused with EINVAL, for it would end every member that has to apply it.
    pub fn propose(&self, cmd: A::Cmd) -> AppProposal<A> {
        let state = match encode_readable(&cmd) {
            Ok(payload) => AppProposal::start(&self.node, payload.into()),
            Err(error) => State::Failed(Status::new(RaftError::EINVAL, error.to_string())),
        };
        AppProposal { state, node: self.node.clone() }
    }

    /// Reads the state as it is after everything that was acknowledged before the call: linearizable, on any member.
    ///
    /// # Errors
    /// No leader was found in time, or this node is going down.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&A) -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let payload = Bytes::from(encode_barrier());
        let state = AppProposal::<A>::start(&self.node, payload);
        let barrier = Answered { proposal: AppProposal::<A> { state, node: self.node.clone() } };
        let refused = |status| ReadError::Refused { status, leader: self.node.leader() };
        let at = barrier.await.map_err(|error| refused(error.into()))?.at;
        self.read_at(at, f).await.map_err(refused)
    }

    async fn read_at<T: Send + 'static>(
        &self,
        at: LogIndex,
        f: impl FnOnce(&A) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let (sender, result) = oneshot::channel();
        let state = Arc::clone(&self.state);
        self.node.when_applied(at, move |applied| {
            // Nobody waits any more: the result is dropped.
            drop(sender.send(applied.map(|()| f(&state.lock()))));
        });
        let gone =
            |_| Status::new(RaftError::ESHUTDOWN, "the node is gone, or the closure panicked");
        result.await.map_err(gone)?
    }

    /// Reads what this node has applied so far: at once, possibly stale.
    pub fn read_local<T>(&self, f: impl FnOnce(&A) -> T) -> T {
        f(&self.state.lock())
    }
}

/// A command under way.
#[must_use = "the command is queued, but nobody will hear how it ended"]
pub struct AppProposal<A: App> {
    state: State<A>,
    node: Node,
}

enum State<A: App> {
    /// Proposed here. Refused, it goes to the leader.
    Here(Proposal<Answer<A::Out>>, Bytes),
    There(Routed<A>),
    Failed(Status),
}

/// On its way to the leader.
struct Routed<A: App> {
    answer: oneshot::Receiver<Result<Answer<A::Out>, ProposeError>>,
    /// Whether somebody may be about to write it.
    sent: Arc<AtomicBool>,
}

impl<A: App> fmt::Debug for AppProposal<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppProposal({:?})", self.node)
    }
}

impl<A: App> AppProposal<A> {
    fn start(node: &Node, payload: Bytes) -> State<A> {
        if let Err(status) = node.check_size(&payload) {
            State::Failed(status)
        } else if node.is_leader() {
            let proposal = node.propose(payload.clone());
            State::Here(proposal, payload)
        } else {
            State::There(Self::forward(node, payload))
        }
    }

    fn forward(node: &Node, payload: Bytes) -> Routed<A> {
        let (sender, answer) = oneshot::channel();
        let (env, node) = (node.core().shared.env.clone(), node.clone());
        let sent = Arc::new(AtomicBool::new(false));
        let routed = Routed { answer, sent: Arc::clone(&sent) };
        drop(env.on_loop("routed proposal", async move {
            // Whoever proposed may have given up; the command goes on.
            drop(sender.send(route::<A>(node, payload, sent).await));
        }));
        routed
    }

    fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Answer<A::Out>, ProposeError>> {
        loop {
            match &mut self.state {
                State::Here(proposal, payload) => match ready!(Pin::new(proposal).poll(context)) {
                    Err(ProposeError::Refused { status, .. }) if is_final(&status) => {
                        return Poll::Ready(Err(self.refused(status)));
                    }
                    Err(ProposeError::Refused { .. }) => {
                        let routed = Self::forward(&self.node, payload.clone());
                        self.state = State::There(routed);
                    }
                    Ok(Answer { at, out }) => {
                        let sent = as_sent(Ending::Committed(at, out));
                        return Poll::Ready(self.ended(sent));
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                },
                State::There(Routed { answer, sent }) => {
                    let answer = ready!(Pin::new(answer).poll(context));
                    let sent = sent.load(Ordering::Acquire);
                    return Poll::Ready(answer.unwrap_or_else(|_| Err(self.loop_ended(sent))));
                }
                State::Failed(status) => {
                    let status = status.clone();
                    return Poll::Ready(Err(self.refused(status)));
                }
            }
        }
    }

    /// The task that had the command is gone.
    fn loop_ended(&self, sent: bool) -> ProposeError {
        let text = "the node's loop has ended";
        if sent {
            return ProposeError::Unknown { status: Status::new(RaftError::ESHUTDOWN, text) };
        }
        self.refused(Status::new(RaftError::ENODESHUTDOWN, text))
    }

    fn ended(&self, ending: Ending<A::Out>) -> Result<Answer<A::Out>, ProposeError> {
        match ending {
            Ending::Committed(at, out) => Ok(Answer { at, out }),
            Ending::Refused(status) => Err(self.refused(status)),
            Ending::Unknown(status) => Err(ProposeError::Unknown { status }),
        }
    }

    fn refused(&self, status: Status) -> ProposeError {
        ProposeError::Refused { status, leader: self.node.leader() }
    }
}

/// Refused for a reason that another member would name, too.
fn is_final(status: &Status) -> bool {
    status.is(RaftError::EINVAL) || status.is(RaftError::ENODESHUTDOWN)
}

impl<A: App> Future for AppProposal<A> {
    type Output = Result<A::Out, ProposeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.poll_answer(context));
        Poll::Ready(answer.and_then(|Answer { at, out }| {
            let text = || Status::new(RaftError::EINTERNAL, format!("a barrier stands at {at}"));
            out.ok_or_else(|| ProposeError::Unknown { status: text() })
        }))
    }
}

/// The same, with the place in the log.
struct Answered<A: App> {
    proposal: AppProposal<A>,
}

impl<A: App> Future for Answered<A> {
    type Output = Result<Answer<A::Out>, ProposeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.proposal.poll_answer(context)
    }
}
