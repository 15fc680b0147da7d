//! `LaneQueue`: work for a lane, from anywhere, in order.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::Mutex;

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

    /// The lane is gone, whatever it leaves undone: nobody may wait for it.
    pub(crate) fn abandon(&self) -> Vec<T> {
        let mut state = self.state.lock();
        state.closed = true;
        std::mem::take(&mut state.work)
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

    #[test]
    fn an_abandoned_lane_gives_everything_back() {
        let queue = LaneQueue::default();
        queue.push(1).unwrap();
        assert_eq!(queue.abandon(), [1]);
        assert_eq!(queue.push(2), Err(2));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(queue.take(&mut Vec::new())).poll(&mut context), Poll::Ready(false));
    }
}
