//! The few things that threads outside a loop may touch: a bell with one flag, and the queue of a lane.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Wakes one task, at most once per drain however many ring.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    notify: Notify,
}

impl Bell {
    /// Wakes the listener, unless somebody has already done so since it last looked.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.notify.notify_one();
        }
    }

    /// Resolves when rung. What is left afterwards rings again: look at everything after this returns.
    pub(crate) async fn heard(&self) {
        self.notify.notified().await;
        self.rung.store(false, Ordering::SeqCst);
    }
}

/// Work for a lane: pushed from anywhere, taken all at once, in order.
///
/// Bounded by admission at the entrances of the node, not here: what is refused here could not be undone any more.
#[derive(Debug)]
pub(crate) struct LaneQueue<T> {
    state: Mutex<LaneState<T>>,
}

#[derive(Debug)]
struct LaneState<T> {
    work: Vec<T>,
    waiting: Option<Waker>,
    closed: bool,
}

impl<T> Default for LaneQueue<T> {
    fn default() -> Self {
        Self { state: Mutex::new(LaneState { work: Vec::new(), waiting: None, closed: false }) }
    }
}

impl<T> LaneQueue<T> {
    /// Adds one piece of work; gives it back when the lane has ended.
    pub(crate) fn push(&self, work: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(work);
        }
        state.work.push(work);
        let waker = state.waiting.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Swaps the waiting work into `out`, which must be empty. Resolves when there is some; false when closed and empty.
    pub(crate) async fn take(&self, out: &mut Vec<T>) -> bool {
        poll_fn(|context| {
            let mut state = self.state.lock();
            if !state.work.is_empty() {
                std::mem::swap(&mut state.work, out);
                return Poll::Ready(true);
            }
            if state.closed {
                return Poll::Ready(false);
            }
            state.waiting = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// No more work is taken in; the lane ends when it has done what is queued.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let waker = state.waiting.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    #[test]
    fn a_lane_takes_everything_in_order_and_ends_when_closed() {
        let queue = LaneQueue::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut out = Vec::new();
        assert!(pin!(queue.take(&mut out)).poll(&mut context).is_pending());
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        assert_eq!(pin!(queue.take(&mut out)).poll(&mut context), Poll::Ready(true));
        assert_eq!(out, [1, 2]);
        queue.push(3).unwrap();
        queue.close();
        assert_eq!(queue.push(4), Err(4));
        out.clear();
        assert_eq!(pin!(queue.take(&mut out)).poll(&mut context), Poll::Ready(true));
        assert_eq!(out, [3]);
        out.clear();
        assert_eq!(pin!(queue.take(&mut out)).poll(&mut context), Poll::Ready(false));
    }
}
