//! `ReadLane`: reads entries that are no longer in memory, for peers that are far behind.

use std::sync::Arc;

use std::panic::{AssertUnwindSafe, catch_unwind};

use jraft_spi::env::Env;
use jraft_spi::storage::{ReadLimit, StorageError};
use jraft_spi::{LogEntry, LogIndex, PeerId};

use super::shared::{LogRead, Shared};
use crate::sync::{LaneQueue, panic_text};

struct Job {
    shared: Arc<Shared>,
    peer: PeerId,
    version: u64,
    from: LogIndex,
    limit: ReadLimit,
}

/// The queue of the lane; one per engine.
pub(crate) struct ReadLane(LaneQueue<Job>);

impl ReadLane {
    /// Starts the lane: a thread, or a task of the loop where reading never blocks.
    pub(crate) fn start(env: &Env, name: &str, blocks: bool) -> Arc<Self> {
        let lane = Arc::new(Self(LaneQueue::default()));
        let worker = Worker(Arc::clone(&lane));
        let task = async move {
            let mut jobs = Vec::new();
            while worker.0.0.take(&mut jobs).await {
                jobs.drain(..).for_each(Job::run);
            }
        };
        if blocks {
            drop(env.on_lane("log reader", format!("read {name}"), task));
        } else {
            drop(env.on_loop("log reader", task));
        }
        lane
    }

    pub(crate) fn read(
        &self,
        shared: &Arc<Shared>,
        peer: PeerId,
        version: u64,
        from: LogIndex,
        limit: ReadLimit,
    ) {
        let job = Job { shared: Arc::clone(shared), peer, version, from, limit };
        if let Err(refused) = self.0.push(job) {
            refused.give_up();
        }
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }
}

/// Held by the lane: when it is gone, nobody may wait for it.
struct Worker(Arc<ReadLane>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.0.abandon().into_iter().for_each(Job::give_up);
    }
}

impl Job {
    fn run(self) {
        // The reader may be somebody else's code.
        let read = catch_unwind(AssertUnwindSafe(|| {
            let mut entries = Vec::new();
            self.shared.disks.reader.read(self.from, self.limit, &mut entries).map(|()| entries)
        }));
        self.tell(read.unwrap_or_else(|panic| {
            let text = panic_text(&*panic);
            Err(StorageError::Other(format!("reading the log panicked: {text}")))
        }));
    }

    fn give_up(self) {
        let text = "the thread that reads the log has ended, or never began";
        self.tell(Err(StorageError::Other(text.into())));
    }

    fn tell(self, entries: Result<Vec<LogEntry>, StorageError>) {
        self.shared.tell_read(LogRead { peer: self.peer, version: self.version, entries });
    }
}
