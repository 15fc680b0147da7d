//! The entrance: what is pushed is taken once or comes back, and nobody waits for ever.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use jraft_spi::RaftError;
use shuttle::future::block_on;

use crate::closure::{Rejected, Task};
use crate::fsm::FsmQueue;
use crate::node::entrance::{Entrance, WhenFull};
use crate::node::settle::Settling;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::tests::kit::{Call, HandClock, at_once, explore};
use crate::sync::{Bell, thread};

/// An entrance with the part of a node that empties it.
struct Door {
    entrance: Entrance,
    bell: Bell,
    ended: AtomicBool,
}

/// So that many wait.
const CAPACITY: usize = 1;

#[derive(Clone, Copy)]
enum How {
    GiveBack,
    Sleep,
    Await,
}

impl Door {
    fn new() -> Arc<Self> {
        let entrance = Entrance::new(CAPACITY, Arc::new(FsmQueue::new(1)));
        Arc::new(Self { entrance, bell: Bell::default(), ended: AtomicBool::new(false) })
    }

    /// Whether the task was taken in. If not, it has come back.
    fn push(&self, number: u8, how: How) -> bool {
        let task = Task::new(vec![number]);
        let result = match how {
            How::GiveBack => self.entrance.push(task, &WhenFull::GiveBack),
            How::Sleep => self.entrance.push(task, &WhenFull::Wait),
            How::Await => self.push_when_there_is_room(task),
        };
        match result {
            Ok(()) => self.bell.ring(),
            Err(ref rejected) => {
                let full = rejected.status.is(RaftError::EBUSY);
                assert!(full != rejected.status.is(RaftError::ENODESHUTDOWN));
                assert!(!full || matches!(how, How::GiveBack), "it does not wait");
                assert_eq!(*rejected.task.data, [number]);
            }
        }
        result.is_ok()
    }

    /// As a proposal does.
    fn push_when_there_is_room(&self, task: Task) -> Result<(), Rejected> {
        let mut task = Some(task);
        block_on(poll_fn(|context| {
            let pushed = task.take().unwrap();
            match self.entrance.push(pushed, &WhenFull::Wake(context.waker())) {
                Err(rejected) if rejected.status.is(RaftError::EBUSY) => {
                    task = Some(*rejected.task);
                    Poll::Pending
                }
                result => Poll::Ready(result),
            }
        }))
    }

    /// Takes tasks as a turn does, to the last.
    fn take_all(&self) -> Vec<u8> {
        let (mut taken, mut settling, clock) =
            (Vec::new(), Settling::default(), HandClock::default());
        loop {
            let ended = self.ended.load(Ordering::SeqCst);
            settling.settle(&clock, || self.entrance.len());
            loop {
                assert!(self.entrance.len() <= CAPACITY);
                let tasks = self.entrance.take(2);
                if tasks.is_empty() {
                    break;
                }
                taken.extend(tasks.iter().map(|task| task.data[0]));
            }
            if ended {
                return taken;
            }
            block_on(self.bell.heard());
        }
    }

    fn close(&self) {
        self.entrance.close();
        self.ended.store(true, Ordering::SeqCst);
        self.bell.ring();
    }
}

/// Pushes tasks with these numbers, and says which were taken in.
fn push(door: &Arc<Door>, numbers: [u8; 2], how: How) -> Call<Vec<u8>> {
    let door = Arc::clone(door);
    Box::new(move || numbers.into_iter().filter(|number| door.push(*number, how)).collect())
}

#[test]
fn every_task_is_taken_once_or_comes_back_when_the_node_ends() {
    explore(1_000, || {
        let door = Door::new();
        let turn = Arc::clone(&door);
        let turn = thread::spawn(move || turn.take_all());
        let close = {
            let door = Arc::clone(&door);
            Box::new(move || {
                door.close();
                Vec::new()
            })
        };
        let accepted = at_once([
            push(&door, [1, 2], How::GiveBack),
            push(&door, [3, 4], How::Sleep),
            push(&door, [5, 6], How::Await),
            close,
        ]);
        let taken = turn.join().unwrap();
        for accepted in &accepted {
            let mine: Vec<u8> = taken.iter().copied().filter(|n| accepted.contains(n)).collect();
            assert_eq!(mine, *accepted, "all, once and in order");
        }
        assert_eq!(taken.len(), accepted.iter().map(Vec::len).sum::<usize>());
    });
}

#[test]
fn whoever_waits_for_room_gets_it() {
    explore(1_000, || {
        let door = Door::new();
        let turn = Arc::clone(&door);
        let turn = thread::spawn(move || turn.take_all());
        let accepted = at_once([
            push(&door, [1, 2], How::Sleep),
            push(&door, [3, 4], How::Sleep),
            push(&door, [5, 6], How::Await),
        ]);
        assert!(accepted.iter().all(|accepted| accepted.len() == 2));
        door.close();
        assert_eq!(turn.join().unwrap().len(), 6);
    });
}

#[test]
fn whoever_waits_for_room_is_told_that_there_will_be_none() {
    explore(1_000, || {
        let door = Door::new();
        assert!(door.push(0, How::GiveBack));
        let closing = Arc::clone(&door);
        let closing = thread::spawn(move || closing.close());
        let accepted = at_once([push(&door, [1, 2], How::Sleep), push(&door, [3, 4], How::Await)]);
        assert!(accepted.iter().all(Vec::is_empty));
        closing.join().unwrap();
    });
}
