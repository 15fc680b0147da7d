//! One Raft participant of one group (`com.alipay.sofa.jraft.core.NodeImpl`).
//!
//! [`Node`] is a handle. Behind it, `state` is what a node decides with, guarded by one lock with one door (`shared`);
//! each duty is a file of pure decisions (`election`, `vote`, `leadership`, `append`, `apply`, `replication`,
//! `promise`); `turn` carries out what was decided; `lifecycle` opens, starts and shuts down.

mod append;
mod apply;
pub(crate) mod effect;
mod election;
mod entrance;
mod gate;
#[cfg(feature = "sim")]
mod inspect;
mod leadership;
pub(crate) mod lifecycle;
mod manager;
mod promise;
mod proposal;
mod reader;
mod replication;
mod settle;
mod shared;
mod state;
mod timers;
mod turn;
mod view;
mod vote;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use jraft_spi::env::{BoxFuture, ready};
use jraft_spi::message::{RaftRequest, RaftResponse};
use jraft_spi::status::NodeStatus;
use jraft_spi::{ApplyTaskMode, GroupId, LogIndex, PeerId, RaftError, Status};
use tokio::sync::oneshot;

use self::append::check_request;
use self::effect::ReplyTo;
use self::entrance::WhenFull;
#[cfg(feature = "sim")]
pub use self::inspect::{Inside, PeerProgress};
use self::lifecycle::Core;
pub use self::manager::NodeManager;
pub use self::proposal::{Proposal, ProposeError};
pub(crate) use self::reader::ReadLane;
pub use self::view::StatusWatch;
use crate::closure::{Done, Rejected, Task};
use crate::fsm::FsmCommand;

/// A handle of a node: cheap to clone, any thread may use it, dropping it stops nothing.
#[derive(Clone)]
pub struct Node {
    core: Arc<Core>,
}

impl Node {
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    pub(crate) const fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Proposes. The task is queued when this returns, its closure tells how it ended.
    ///
    /// Never waits, unless `apply_task_mode` is `Blocking`: then a full queue is waited for.
    ///
    /// # Errors
    /// Gives the task back when the queue is full (EBUSY), the node shuts down (ENODESHUTDOWN), or the payload is
    /// larger than a frame may be (EINVAL): nothing happened.
    pub fn apply(&self, task: Task) -> Result<(), Rejected> {
        let blocking = self.core.shared.options.apply_task_mode == ApplyTaskMode::Blocking;
        // On a loop or a lane, waiting could be waiting for oneself.
        if blocking && !self.core.is_own_thread() {
            return self.push(task, &WhenFull::Wait);
        }
        self.push(task, &WhenFull::GiveBack)
    }

    pub(crate) fn try_apply(&self, task: Task, waker: Option<&Waker>) -> Result<(), Rejected> {
        self.push(task, &waker.map_or(WhenFull::GiveBack, WhenFull::Wake))
    }

    fn push(&self, task: Task, when_full: &WhenFull<'_>) -> Result<(), Rejected> {
        let shared = &self.core.shared;
        if let Err(status) = self.check_size(&task.data) {
            return Err(Rejected { task: Box::new(task), status });
        }
        shared.entrance.push(task, when_full)?;
        shared.bell.ring();
        Ok(())
    }

    /// No payload may be too long for the frames that take it to the peers.
    pub(crate) fn check_size(&self, payload: &[u8]) -> Result<(), Status> {
        let limit = self.core.shared.options.rpc.max_frame_bytes as usize / 2;
        if payload.len() <= limit {
            return Ok(());
        }
        let text = format!("a payload of {} bytes exceeds {limit}", payload.len());
        Err(Status::new(RaftError::EINVAL, text))
    }

    /// Proposes, as a future: what the state machine gave to `Entry::reply` for this entry. Queued when this returns.
    pub fn propose<R: Send + 'static>(&self, data: impl Into<Bytes>) -> Proposal<R> {
        let (sender, answer) = oneshot::channel();
        let task = Task::new(data).with_done(Done::wake(sender));
        match self.try_apply(task, None) {
            Ok(()) => Proposal::queued(self.clone(), answer),
            Err(Rejected { task, status }) => {
                let waits = self.core.shared.options.apply_task_mode == ApplyTaskMode::Blocking;
                if waits && status.is(RaftError::EBUSY) {
                    return Proposal::waiting(self.clone(), *task, answer);
                }
                Proposal::refused(self.clone(), status)
            }
        }
    }

    /// The group.
    pub fn group(&self) -> &GroupId {
        &self.core.shared.id.group
    }

    /// This node.
    pub fn id(&self) -> &PeerId {
        &self.core.shared.id.peer
    }

    /// Whether this node leads, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.core.shared.view.role() == jraft_spi::status::Role::Leader
    }

    /// The leader that this node knows.
    pub fn leader(&self) -> Option<PeerId> {
        self.core.shared.view.leader()
    }

    /// A copy of the published view.
    pub fn status(&self) -> NodeStatus {
        self.core.shared.view.status()
    }

    /// Follows the published view.
    pub fn watch(&self) -> StatusWatch {
        StatusWatch::new(Arc::clone(&self.core.shared.view))
    }

    /// Shuts the node down; all callers wait for the same end. Goes on in the background when dropped.
    pub async fn shutdown(&self) {
        self.core.shutdown().await;
    }

    /// Syncs that reached the disk of this node's log, term and vote; shared with the other groups of its directory.
    pub fn fsyncs(&self) -> u64 {
        self.core.shared.disks.lane.syncs()
    }

    /// Runs `call` on the lane once everything up to `index` is applied here.
    #[cfg_attr(not(feature = "app"), allow(dead_code))]
    pub(crate) fn when_applied(
        &self,
        index: LogIndex,
        call: impl FnOnce(Result<(), Status>) + Send + 'static,
    ) {
        self.core.shared.fsm.push(FsmCommand::WhenApplied(index, Box::new(call)));
    }

    /// A request of the protocol for this node.
    pub(crate) fn handle(
        &self,
        request: RaftRequest,
    ) -> BoxFuture<'static, Result<RaftResponse, Status>> {
        let (sender, answer) = oneshot::channel();
        let reply = ReplyTo(sender);
        let shared = &self.core.shared;
        match request {
            RaftRequest::Ping => return ready(Ok(RaftResponse::Ping)),
            RaftRequest::GetLeader(_) => return ready(self.get_leader()),
            RaftRequest::RequestVote(request) => shared.step("vote request", |state, now, fx| {
                state.on_request_vote(&request, reply, now, fx);
            }),
            RaftRequest::AppendEntries(request) => {
                let checksums = shared.options.raft.enable_log_entry_checksum;
                if let Err(status) = check_request(&request, checksums) {
                    return ready(Err(status));
                }
                shared.step("append", |state, now, fx| {
                    state.on_append_entries(&request, reply, now, fx);
                });
            }
            RaftRequest::TimeoutNow(request) => shared.step("timeout now", |state, now, fx| {
                state.on_timeout_now(&request, reply, now, fx);
            }),
        }
        Box::pin(async move {
            let gone = || Err(Status::new(RaftError::EINTERNAL, "the node dropped the request"));
            answer.await.unwrap_or_else(|_| gone())
        })
    }

    fn get_leader(&self) -> Result<RaftResponse, Status> {
        let unknown = || Status::new(RaftError::EAGAIN, "Unknown leader");
        self.leader().map(RaftResponse::GetLeader).ok_or_else(unknown)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node{}", self.core.shared.id)
    }
}
