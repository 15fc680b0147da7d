//! `SharedLogEngine`: one log engine, one lane, many groups.

use std::sync::{Arc, OnceLock};

use jraft_spi::GroupId;
use jraft_spi::env::Env;
use jraft_spi::storage::{Durable, LogEngine, OpenedLog, StorageError};

use super::runtime::Runtime;
use crate::log::lane::LogLane;
use crate::node::ReadLane;
use crate::sync::Mutex;

/// An engine that several groups may use. Its lane ends when the last clone is gone and the last group closed.
///
/// One that never blocks has no thread: it runs on a loop of the runtime that first used it, and keeps that runtime
/// going to its own end. (Unless that runtime was given an `Env`: then it ends with that.)
#[derive(Clone)]
pub struct SharedLogEngine(Arc<Inner>);

struct Inner {
    engine: Mutex<Option<Box<dyn LogEngine>>>,
    lanes: OnceLock<Lanes>,
}

#[derive(Clone)]
pub(crate) struct Lanes {
    pub(crate) log: Arc<LogLane>,
    pub(crate) read: Arc<ReadLane>,
}

impl SharedLogEngine {
    /// Shares an engine. Its thread starts with the first group.
    pub fn new(engine: impl LogEngine) -> Self {
        let engine: Box<dyn LogEngine> = Box::new(engine);
        Self(Arc::new(Inner { engine: Mutex::new(Some(engine)), lanes: OnceLock::new() }))
    }

    /// The lanes, started on `env`, a loop of `runtime`, if nobody did so before.
    pub(super) fn lanes(&self, runtime: &Runtime, env: &Env, name: &str) -> Lanes {
        let lanes = self.0.lanes.get_or_init(|| {
            let engine = self.0.engine.lock().take();
            let mut engine = engine.expect("the engine is taken once, when its lanes start");
            let blocks = engine.may_block();
            if !blocks {
                engine = Box::new(OnLoop { engine, _runtime: runtime.clone() });
            }
            let read = ReadLane::start(env, name, blocks);
            Lanes { log: LogLane::start(env, name, engine), read }
        });
        lanes.clone()
    }

    /// Gives a clone back. If it was the last one, resolves when the engine is closed and its directory unlocked.
    pub(super) async fn release(self) {
        let lanes = self.0.lanes.get().cloned();
        let last = Arc::into_inner(self.0);
        let was_last = last.is_some();
        // Closes the lanes.
        drop(last);
        if let Some(lanes) = lanes.filter(|_| was_last) {
            lanes.log.ended().await;
        }
    }

    #[cfg(feature = "wal")]
    pub(super) fn downgrade(&self) -> WeakEngine {
        WeakEngine(Arc::downgrade(&self.0))
    }
}

/// An engine on a loop, with the runtime of that loop: the groups that share it may be of other runtimes, and come later.
struct OnLoop {
    engine: Box<dyn LogEngine>,
    /// Goes last: with it the loop may end on which the engine was closed.
    _runtime: Runtime,
}

impl LogEngine for OnLoop {
    fn open(&mut self, group: &GroupId) -> Result<OpenedLog, StorageError> {
        self.engine.open(group)
    }

    fn sync(&mut self, done: Durable) {
        self.engine.sync(done);
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.engine.flush()
    }

    fn may_block(&self) -> bool {
        self.engine.may_block()
    }

    fn syncs(&self) -> u64 {
        self.engine.syncs()
    }

    fn close(&mut self) -> Result<(), StorageError> {
        self.engine.close()
    }
}

#[cfg(feature = "wal")]
pub(super) struct WeakEngine(std::sync::Weak<Inner>);

#[cfg(feature = "wal")]
impl WeakEngine {
    pub(super) fn upgrade(&self) -> Option<SharedLogEngine> {
        self.0.upgrade().map(SharedLogEngine)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(lanes) = self.lanes.get() {
            lanes.log.close();
            lanes.read.close();
        }
    }
}

impl std::fmt::Debug for SharedLogEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedLogEngine")
    }
}
