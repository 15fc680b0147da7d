//! What the lane of a state machine is told, in order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jraft_spi::status::LeaderChange;
use jraft_spi::{LogIndex, Status, Term};
use tokio::sync::oneshot;

use crate::closure::{AcceptedTask, Done, DoneQueue, Ending, Outcome};
use crate::log::EntrySlice;
use crate::sync::LaneQueue;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Entries that are committed.
pub(crate) struct ApplyRange {
    /// The part that is only on the disk, first.
    pub(crate) from_disk: Option<(LogIndex, LogIndex)>,
    pub(crate) slices: Vec<EntrySlice>,
    pub(crate) upto: LogIndex,
    /// Whom to tell, by first index.
    pub(crate) tasks: Vec<(LogIndex, Vec<AcceptedTask>)>,
}

/// Runs when an index is applied, or when that will never happen.
pub(crate) type WhenApplied = Box<dyn FnOnce(Result<(), Status>) + Send>;

/// What the state machine hears between batches.
#[derive(Debug)]
pub(crate) enum FsmNotice {
    LeaderStart(Term),
    LeaderStop(Status),
    StartFollowing(LeaderChange),
    StopFollowing(LeaderChange),
    Error(Status),
}

/// One thing to do.
pub(crate) enum FsmCommand {
    Apply(ApplyRange),
    Notice(FsmNotice),
    /// A task has ended otherwise than by being applied.
    End(Done, Outcome),
    /// A task was dropped somewhere.
    Dropped(Ending, Outcome),
    /// Run `call` once everything up to the index is applied.
    WhenApplied(LogIndex, WhenApplied),
    Shutdown(oneshot::Sender<()>),
}

impl FsmCommand {
    /// The lane has ended: whoever waits is told here, since nobody else will. What a closure panics with is its own affair,
    /// and the hook for panics has heard of it; the next one must be told nevertheless.
    fn give_up(self) {
        let tell = || match self {
            Self::End(done, outcome) => done.run(outcome),
            Self::Dropped(ending, outcome) => ending.run(outcome),
            // Their closures come back as `Dropped`.
            Self::Apply(_) | Self::Notice(_) | Self::WhenApplied(..) | Self::Shutdown(_) => {}
        };
        drop(catch_unwind(AssertUnwindSafe(tell)));
    }
}

/// The queue of the lane.
pub(crate) struct FsmQueue {
    queue: LaneQueue<FsmCommand>,
    /// How many endings are queued or under way.
    endings: AtomicUsize,
    /// So many are enough.
    enough: usize,
    /// The lane has ended, and counts no more.
    abandoned: AtomicBool,
}

impl FsmQueue {
    /// A queue that has enough with so many endings.
    pub(crate) fn new(enough: usize) -> Self {
        let (endings, abandoned) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { queue: LaneQueue::default(), endings, enough, abandoned }
    }

    pub(crate) fn push(&self, command: FsmCommand) {
        let ending = usize::from(matches!(command, FsmCommand::End(..)));
        self.endings.fetch_add(ending, Ordering::SeqCst);
        if let Err(refused) = self.queue.push(command) {
            self.endings.fetch_sub(ending, Ordering::SeqCst);
            refused.give_up();
        }
    }

    /// Whether so many endings wait for a busy state machine that no tasks should be taken that might only be refused: what
    /// is committed is bounded by the log in memory, but refusals are not. Without a lane they are told at once.
    pub(crate) fn has_enough(&self) -> bool {
        self.endings.load(Ordering::SeqCst) >= self.enough && !self.abandoned.load(Ordering::SeqCst)
    }

    /// The lane has told somebody how a task ended. Whether it had enough until then.
    pub(crate) fn one_ended(&self) -> bool {
        self.endings.fetch_sub(1, Ordering::SeqCst) == self.enough
    }

    /// The lane is gone: whoever waits for it is told.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        self.queue.abandon().into_iter().for_each(FsmCommand::give_up);
    }

    pub(crate) async fn take(&self, out: &mut Vec<FsmCommand>) -> bool {
        self.queue.take(out).await
    }

    pub(crate) fn close(&self) {
        self.queue.close();
    }
}

impl DoneQueue for FsmQueue {
    fn enqueue(&self, ending: Ending, outcome: Outcome) {
        self.push(FsmCommand::Dropped(ending, outcome));
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use jraft_spi::RaftError;

    use super::*;
    use crate::closure::Task;

    fn end(call: impl FnOnce(Outcome) + Send + 'static) -> FsmCommand {
        let done = Task::new(Vec::new()).done(call).done.expect("it was given");
        FsmCommand::End(done, Outcome::Refused(Status::new(RaftError::EPERM, "no")))
    }

    #[test]
    fn closures_that_panic_without_a_lane_hurt_nobody() {
        let (queue, told) = (FsmQueue::new(8), std::sync::Arc::new(AtomicUsize::new(0)));
        let tell = || {
            let told = std::sync::Arc::clone(&told);
            end(move |_| {
                told.fetch_add(1, Ordering::SeqCst);
                panic!("of the user");
            })
        };
        (0..3).for_each(|_| queue.push(tell()));
        queue.abandon();
        (0..2).for_each(|_| queue.push(tell()));
        assert_eq!(told.load(Ordering::SeqCst), 5);
    }

    #[test]
    fn a_queue_with_enough_endings_says_so_until_one_is_told() {
        let queue = FsmQueue::new(2);
        queue.push(end(drop));
        assert!(!queue.has_enough());
        queue.push(end(drop));
        queue.push(end(drop));
        assert!(queue.has_enough() && !queue.one_ended());
        assert!(queue.has_enough() && queue.one_ended(), "the loop is told once, at the limit");
        assert!(!queue.has_enough() && !queue.one_ended());
    }

    #[test]
    fn a_queue_without_a_lane_never_has_enough() {
        let queue = FsmQueue::new(2);
        (0..3).for_each(|_| queue.push(end(drop)));
        assert!(queue.has_enough());
        queue.abandon();
        assert!(!queue.has_enough(), "or tasks would wait for ever to be refused");
    }
}
