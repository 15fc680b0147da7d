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
    /// The watches that wait, each once, in the order in which they came.
    waiting: Vec<(u64, Waker)>,
    /// Numbers watches.
    watches: u64,
}

/// Whoever waited for a change that has come. To be woken without a lock: wakers are somebody else's code.
#[must_use]
#[derive(Debug)]
pub(crate) struct Woken(Vec<(u64, Waker)>);

impl Woken {
    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl ViewCell {
    pub(crate) fn new(status: NodeStatus) -> Self {
        let cell = Cell { status, version: 0, waiting: Vec::new(), watches: 0 };
        Self { cell: Mutex::new(cell), applied: AtomicU64::new(0), watched: AtomicBool::new(false) }
    }

    /// Copies what changed. Called at the end of every step.
    pub(crate) fn publish(&self, state: &NodeState) -> Woken {
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
        if changed { Self::changed(&mut cell) } else { Woken(Vec::new()) }
    }

    fn changed(cell: &mut Cell) -> Woken {
        cell.version += 1;
        Woken(std::mem::take(&mut cell.waiting))
    }

    /// The state machine has applied everything up to `index`.
    pub(crate) fn set_applied(&self, index: LogIndex) {
        // With a watch that is being made, one of two sees the other: it the index, or this that it is there. That takes
        // one order of all four accesses, which weaker orderings do not give.
        self.applied.store(index.0, Ordering::SeqCst);
        if self.watched.load(Ordering::SeqCst) {
            let woken = Self::changed(&mut self.cell.lock());
            woken.wake();
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
    number: u64,
    seen: u64,
}

impl StatusWatch {
    pub(crate) fn new(cell: Arc<ViewCell>) -> Self {
        cell.watched.store(true, Ordering::SeqCst);
        let mut inner = cell.cell.lock();
        inner.watches += 1;
        let (number, seen) = (inner.watches, inner.version);
        drop(inner);
        Self { cell, number, seen }
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
        match cell.waiting.iter_mut().find(|(number, _)| *number == watch.number) {
            Some((_, waker)) => waker.clone_from(context.waker()),
            None => cell.waiting.push((watch.number, context.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Changed<'_> {
    /// Who asks for a change and gives up, again and again, must not leave a waker each time.
    fn drop(&mut self) {
        let watch = &self.0;
        let mut cell = watch.cell.cell.lock();
        let place = cell.waiting.iter().position(|(number, _)| *number == watch.number);
        let waker = place.map(|place| cell.waiting.remove(place));
        drop(cell);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_up_waits_no_longer() {
        let id = "g".parse().unwrap();
        let cell = Arc::new(ViewCell::new(NodeStatus::new(id, "a:1".parse().unwrap())));
        let (mut first, mut second) =
            (StatusWatch::new(Arc::clone(&cell)), StatusWatch::new(Arc::clone(&cell)));
        let mut context = Context::from_waker(Waker::noop());
        let waiting = || cell.cell.lock().waiting.len();
        for _ in 0..3 {
            let mut change = Box::pin(first.changed());
            assert!(change.as_mut().poll(&mut context).is_pending());
            assert!(change.as_mut().poll(&mut context).is_pending());
            let mut other = Box::pin(second.changed());
            assert!(other.as_mut().poll(&mut context).is_pending());
            assert_eq!(waiting(), 2);
            drop(change);
            assert_eq!(waiting(), 1, "the other one still waits");
        }
        assert_eq!(waiting(), 0);
        let mut change = Box::pin(first.changed());
        assert!(change.as_mut().poll(&mut context).is_pending());
        cell.set_applied(LogIndex(1));
        assert!(change.as_mut().poll(&mut context).is_ready());
    }
}
