//! `Entrance`: the bounded queue of tasks that threads of the application push into.
//!
//! The reference's apply queue (a Disruptor).

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use jraft_spi::{RaftError, Status};

use crate::closure::{DoneQueue, Rejected, Task};
use crate::sync::{Condvar, Mutex, thread};

/// How often a growing queue is looked at again: about 100 us, a look with a yield being about 1 us.
const LOOKS: usize = 64;
/// So often without a new task, and it has settled.
const QUIET_LOOKS: usize = 4;
/// So many are a good batch.
const ENOUGH: usize = 1024;

/// Tasks on their way to the node.
pub(crate) struct Entrance {
    state: Mutex<Queue>,
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
        Self { state: Mutex::default(), room: Condvar::new(), capacity, home }
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
        Ok(())
    }

    /// Looks again while the queue still grows: tasks of other threads arrive one by one after a batch of completions, and
    /// one turn for all of them is cheaper than one for each. Never waits for a single task.
    pub(crate) fn settle(&self) -> usize {
        let (mut seen, mut quiet) = (self.len(), 0);
        if seen == 0 {
            return 0;
        }
        for _ in 0..LOOKS {
            thread::yield_now();
            let now = self.len();
            quiet = if now > seen { 0 } else { quiet + 1 };
            seen = now;
            if quiet >= QUIET_LOOKS || now >= ENOUGH {
                break;
            }
        }
        seen
    }

    /// The next tasks, at most `limit` of them.
    pub(crate) fn take(&self, limit: usize) -> Vec<Task> {
        let mut queue = self.state.lock();
        let count = queue.tasks.len().min(limit);
        if count == 0 {
            return Vec::new();
        }
        let tasks = queue.tasks.drain(..count).collect();
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
        self.state.lock().tasks.len()
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
