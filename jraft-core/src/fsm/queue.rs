//! What the lane of a state machine is told, in order.

use jraft_spi::status::LeaderChange;
use jraft_spi::{LogIndex, Status, Term};
use tokio::sync::oneshot;

use crate::closure::{AcceptedTask, Done, DoneQueue, Ending, Outcome};
use crate::log::EntrySlice;
use crate::sync::LaneQueue;

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
    /// The lane has ended: whoever waits is told here, since nobody else will.
    fn give_up(self) {
        match self {
            Self::End(done, outcome) => done.run(outcome),
            Self::Dropped(ending, outcome) => ending.run(outcome),
            // Their closures come back as `Dropped`.
            Self::Apply(_) | Self::Notice(_) | Self::WhenApplied(..) | Self::Shutdown(_) => {}
        }
    }
}

/// The queue of the lane.
#[derive(Default)]
pub(crate) struct FsmQueue(LaneQueue<FsmCommand>);

impl FsmQueue {
    pub(crate) fn push(&self, command: FsmCommand) {
        if let Err(refused) = self.0.push(command) {
            refused.give_up();
        }
    }

    /// The lane is gone: whoever waits for it is told.
    pub(crate) fn abandon(&self) {
        self.0.abandon().into_iter().for_each(FsmCommand::give_up);
    }

    pub(crate) async fn take(&self, out: &mut Vec<FsmCommand>) -> bool {
        self.0.take(out).await
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }
}

impl DoneQueue for FsmQueue {
    fn enqueue(&self, ending: Ending, outcome: Outcome) {
        self.push(FsmCommand::Dropped(ending, outcome));
    }
}
