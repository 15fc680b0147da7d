//! `ReadLane`: reads entries that are no longer in memory, for peers that are far behind.

use std::sync::Arc;

use jraft_spi::env::Env;
use jraft_spi::storage::ReadLimit;
use jraft_spi::{LogIndex, PeerId};

use super::shared::{LogRead, Shared};
use crate::sync::LaneQueue;

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
        let worker = Arc::clone(&lane);
        let task = async move {
            let mut jobs = Vec::new();
            while worker.0.take(&mut jobs).await {
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
        // A lane that has ended serves no node any more.
        drop(self.0.push(Job { shared: Arc::clone(shared), peer, version, from, limit }));
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }
}

impl Job {
    fn run(self) {
        let mut entries = Vec::new();
        let result = self.shared.disks.reader.read(self.from, self.limit, &mut entries);
        let entries = result.map(|()| entries);
        self.shared.tell_read(LogRead { peer: self.peer, version: self.version, entries });
    }
}
