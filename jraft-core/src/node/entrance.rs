//! `Entrance`: the bounded queue of tasks that threads of the application push into.
//!
//! The reference's apply queue (a Disruptor).

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use jraft_spi::{RaftError, Status};

use crate::closure::{DoneQueue, Rejected, Task};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex};

/// Tasks on their way to the node.
pub(crate) struct Entrance {
    state: Mutex<Queue>,
    /// How many tasks wait, to be asked without the lock: it is wanted by all who propose.
    len: AtomicUsize,
    room: Condvar,
    capacity: usize,
    home: Arc<dyn DoneQueue>,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    /// Futures that wait for room.
    waiting: Vec<Waker>,
    sleepers: usize,
    closed: bool,
}

/// What a full queue means to the caller.
pub(crate) enum WhenFull<'a> {
    /// The task comes back.
    GiveBack,
    /// The task comes back, and the waker is told when there is room.
    Wake(&'a Waker),
    /// The caller's thread waits.
    Wait,
}

impl Entrance {
    pub(crate) fn new(capacity: usize, home: Arc<dyn DoneQueue>) -> Self {
        Self {
            state: Mutex::default(),
            len: AtomicUsize::new(0),
            room: Condvar::new(),
            capacity,
            home,
        }
    }

    /// Takes a task in. From here on its closure runs, exactly once.
    pub(crate) fn push(&self, mut task: Task, when_full: &WhenFull<'_>) -> Result<(), Rejected> {
        let mut queue = self.state.lock();
        while !queue.closed && queue.tasks.len() >= self.capacity {
            match when_full {
                WhenFull::Wait => {
                    queue.sleepers += 1;
                    self.room.wait(&mut queue);
                    queue.sleepers -= 1;
                }
                WhenFull::Wake(waker) => {
                    queue.waiting.push((*waker).clone());
                    return Err(full(task));
                }
                WhenFull::GiveBack => return Err(full(task)),
            }
        }
        if queue.closed {
            let status = Status::new(RaftError::ENODESHUTDOWN, "Node is shutting down.");
            return Err(Rejected { task: Box::new(task), status });
        }
        if let Some(done) = &mut task.done {
            done.taken_in(&self.home);
        }
        queue.tasks.push_back(task);
        self.len.store(queue.tasks.len(), Ordering::Release);
        Ok(())
    }

    /// The next tasks, at most `limit` of them.
    pub(crate) fn take(&self, limit: usize) -> Vec<Task> {
        let mut queue = self.state.lock();
        let count = queue.tasks.len().min(limit);
        if count == 0 {
            return Vec::new();
        }
        let tasks = queue.tasks.drain(..count).collect();
        self.len.store(queue.tasks.len(), Ordering::Release);
        let waiting = self.call(&mut queue);
        drop(queue);
        waiting.into_iter().for_each(Waker::wake);
        tasks
    }

    /// Takes nothing more in; what waits is told so.
    pub(crate) fn close(&self) {
        let mut queue = self.state.lock();
        queue.closed = true;
        let waiting = self.call(&mut queue);
        drop(queue);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// There is room, or there never will be. Who is to be woken then without the lock: wakers are somebody else's code.
    #[must_use]
    fn call(&self, queue: &mut Queue) -> Vec<Waker> {
        if queue.sleepers > 0 {
            self.room.notify_all();
        }
        std::mem::take(&mut queue.waiting)
    }
}

fn full(task: Task) -> Rejected {
    Rejected {
        task: Box::new(task),
        status: Status::new(RaftError::EBUSY, "Node is busy, has too many tasks."),
    }
}
