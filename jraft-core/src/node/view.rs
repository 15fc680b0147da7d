//! The published view: what other threads read of a node, without its lock.
//!
//! A cell of ours with FIFO wakers: `tokio::sync::watch` wakes in an order that depends on a random seed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jraft_spi::status::{NodeStatus, Role};
use jraft_spi::{LogIndex, PeerId};

use super::state::NodeState;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The newest view.
#[derive(Debug)]
pub(crate) struct ViewCell {
    cell: Mutex<Cell>,
    applied: AtomicU64,
    /// Whether somebody waits for a change.
    watched: AtomicBool,
}

#[derive(Debug)]
struct Cell {
    status: NodeStatus,
    version: u64,
    waiting: Vec<Waker>,
}

impl ViewCell {
    pub(crate) fn new(status: NodeStatus) -> Self {
        let cell = Cell { status, version: 0, waiting: Vec::new() };
        Self { cell: Mutex::new(cell), applied: AtomicU64::new(0), watched: AtomicBool::new(false) }
    }

    /// Copies what changed. Called at the end of every step.
    pub(crate) fn publish(&self, state: &NodeState) {
        let mut cell = self.cell.lock();
        let view = &mut cell.status;
        let mut changed = view.role != state.role()
            || view.term != state.term()
            || view.last_log != state.last_log()
            || view.committed != state.committed();
        view.role = state.role();
        view.term = state.term();
        view.last_log = state.last_log();
        view.committed = state.committed();
        if view.leader.as_ref() != state.leader() {
            view.leader = state.leader().cloned();
            changed = true;
        }
        if view.conf != state.conf().conf {
            view.conf = state.conf().conf.clone();
            changed = true;
        }
        if view.error.as_ref() != state.error() {
            view.error = state.error().cloned();
            changed = true;
        }
        if changed {
            Self::changed(&mut cell);
        }
    }

    fn changed(cell: &mut Cell) {
        cell.version += 1;
        cell.waiting.drain(..).for_each(Waker::wake);
    }

    /// The state machine has applied everything up to `index`.
    pub(crate) fn set_applied(&self, index: LogIndex) {
        // With a watch that is being made, one of two sees the other: it the index, or this that it is there. That takes
        // one order of all four accesses, which weaker orderings do not give.
        self.applied.store(index.0, Ordering::SeqCst);
        if self.watched.load(Ordering::SeqCst) {
            Self::changed(&mut self.cell.lock());
        }
    }

    pub(crate) fn applied(&self) -> LogIndex {
        LogIndex(self.applied.load(Ordering::SeqCst))
    }

    pub(crate) fn status(&self) -> NodeStatus {
        self.fill(&self.cell.lock())
    }

    fn fill(&self, cell: &Cell) -> NodeStatus {
        let mut status = cell.status.clone();
        status.applied = self.applied();
        status
    }

    pub(crate) fn role(&self) -> Role {
        self.cell.lock().status.role
    }

    pub(crate) fn leader(&self) -> Option<PeerId> {
        self.cell.lock().status.leader.clone()
    }
}

/// Follows the view of a node. Skips what happened between two looks, never the last change.
#[derive(Debug)]
pub struct StatusWatch {
    cell: Arc<ViewCell>,
    seen: u64,
}

impl StatusWatch {
    pub(crate) fn new(cell: Arc<ViewCell>) -> Self {
        cell.watched.store(true, Ordering::SeqCst);
        let seen = cell.cell.lock().version;
        Self { cell, seen }
    }

    /// The view now.
    pub fn status(&self) -> NodeStatus {
        self.cell.status()
    }

    /// Resolves with the view when it has changed since this was asked last, or since the watch was made.
    pub async fn changed(&mut self) -> NodeStatus {
        Changed(self).await
    }

    /// Resolves with the first view that satisfies `wanted`; at once if the present one does.
    pub async fn until(&mut self, mut wanted: impl FnMut(&NodeStatus) -> bool) -> NodeStatus {
        let mut status = self.status();
        while !wanted(&status) {
            status = self.changed().await;
        }
        status
    }
}

struct Changed<'a>(&'a mut StatusWatch);

impl Future for Changed<'_> {
    type Output = NodeStatus;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<NodeStatus> {
        let watch = &mut self.0;
        let mut cell = watch.cell.cell.lock();
        if cell.version != watch.seen {
            watch.seen = cell.version;
            return Poll::Ready(watch.cell.fill(&cell));
        }
        if !cell.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            cell.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}
