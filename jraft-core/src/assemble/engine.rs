//! `SharedLogEngine`: one log engine, one lane, many groups.

use std::sync::{Arc, OnceLock};

use jraft_spi::env::Env;
use jraft_spi::storage::LogEngine;

use crate::log::lane::LogLane;
use crate::node::ReadLane;
use crate::sync::Mutex;

/// An engine that several groups may use. Its lane ends when the last clone is gone and the last group closed.
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

    pub(crate) fn lanes(&self, env: &Env, name: &str) -> Lanes {
        let lanes = self.0.lanes.get_or_init(|| {
            let engine = self.0.engine.lock().take();
            let engine = engine.expect("the engine is taken once, when its lanes start");
            let read = ReadLane::start(env, name, engine.may_block());
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
