//! A `Done` runs exactly once, whatever becomes of it and whenever the lane ends.

use std::sync::Arc;

use jraft_spi::storage::LogEngine;
use jraft_spi::{LogIndex, RaftError, Status};
use shuttle::future::block_on;
use tokio::sync::oneshot;

use crate::closure::{AcceptedTask, Done, DoneQueue, Outcome};
use crate::fsm::{
    ApplyError, ApplyRange, Entries, FsmCommand, FsmHost, FsmQueue, FsmRoom, StateMachine,
};
use crate::memory::MemoryLogEngine;
use crate::sync::tests::kit::{Call, Count, at_once, explore};
use crate::sync::thread;

struct Nothing;

impl StateMachine for Nothing {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        entries.for_each(drop);
        Ok(())
    }
}

impl FsmHost for Nothing {
    fn applied(&self, _: LogIndex) {}

    fn failed(&self, status: &Status) {
        panic!("{status}");
    }

    fn ends(&self) -> bool {
        false
    }

    fn has_room(&self) {}

    fn warn(&self, text: &str) {
        panic!("{text}");
    }
}

fn room(queue: &Arc<FsmQueue>) -> FsmRoom {
    FsmRoom {
        machine: Box::new(Nothing),
        host: Arc::new(Nothing),
        queue: Arc::clone(queue),
        reader: MemoryLogEngine::new().open(&"g".parse().unwrap()).unwrap().reader,
        applied: LogIndex::ZERO,
        error: None,
        waiting: Default::default(),
        ended: false,
    }
}

/// Committed entries that somebody waits for. There are none, so that he hears when the range is dropped.
fn range(done: Done) -> ApplyRange {
    let task = AcceptedTask { done: Some(done), context: None };
    let tasks = vec![(LogIndex(1), vec![task])];
    ApplyRange { from_disk: None, slices: Vec::new(), upto: LogIndex::ZERO, tasks }
}

fn refused() -> Outcome {
    Outcome::Refused(Status::new(RaftError::EPERM, "no"))
}

/// Shuts the lane down as a node does.
fn end(queue: &FsmQueue) {
    let (sender, done) = oneshot::channel();
    queue.push(FsmCommand::Shutdown(sender));
    block_on(done).unwrap();
    queue.close();
}

#[test]
fn a_done_runs_once_run_dropped_or_enqueued_while_the_lane_ends() {
    explore(1_500, || {
        let queue = Arc::new(FsmQueue::new(1));
        let runs: [Count; 3] = Default::default();
        let home = Arc::clone(&queue) as Arc<dyn DoneQueue>;
        let done = |i: usize| {
            let count = runs[i].clone();
            let mut done = Done::new(move |_| count.add(1));
            done.taken_in(&home);
            done
        };
        let (sender, answer) = oneshot::channel();
        let mut waiting = Done::wake(sender);
        waiting.taken_in(&home);
        let (dropped, ended, applied) = (done(0), done(1), done(2));
        let lane = thread::spawn({
            let room = room(&queue);
            move || block_on(room.run())
        });
        let of = |call: fn(&FsmQueue, Done), done: Done| -> Call {
            let queue = Arc::clone(&queue);
            Box::new(move || call(&queue, done))
        };
        at_once([
            of(|_, done| drop(done), dropped),
            of(|queue, done| queue.push(FsmCommand::End(done, refused())), ended),
            of(|queue, done| queue.push(FsmCommand::Apply(range(done))), applied),
            of(|_, done| drop(done), waiting),
            Box::new(move || assert!(matches!(block_on(answer), Ok(Outcome::Unknown(_))))),
            Box::new({
                let queue = Arc::clone(&queue);
                move || end(&queue)
            }),
        ]);
        lane.join().unwrap();
        assert_eq!(runs.map(|count| count.get()), [1, 1, 1]);
    });
}
