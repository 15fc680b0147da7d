//! `MemoryMetaStorage`: term and vote in memory.

use std::sync::Arc;

use jraft_spi::storage::{Durable, RaftMeta, RaftMetaStorage, StorageError};

use crate::sync::Mutex;

/// Term and vote of one node. A clone sees the same value, so that a test can start a node again.
#[derive(Clone, Debug, Default)]
pub struct MemoryMetaStorage(Arc<Mutex<Option<RaftMeta>>>);

impl MemoryMetaStorage {
    /// Nothing saved yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl RaftMetaStorage for MemoryMetaStorage {
    fn load(&mut self) -> Result<Option<RaftMeta>, StorageError> {
        Ok(self.0.lock().clone())
    }

    fn save(&mut self, meta: &RaftMeta, done: Durable) {
        *self.0.lock() = Some(meta.clone());
        done.ok();
    }
}
