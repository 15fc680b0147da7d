//! The log and the metadata of a data directory, opened on their own lane, since recovery blocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jraft_spi::GroupId;
use jraft_spi::storage::{Durable, LogEngine, OpenedLog, RaftMeta, RaftMetaStorage, StorageError};

use crate::sync::Mutex;
use jraft_storage::{DataDir, FileMetaStorage, RealDisk, WalEngine, WalOptions};

/// A directory that is opened, and locked, with its first group.
pub(super) struct DataDirEngine {
    path: PathBuf,
    options: WalOptions,
    log: slog::Logger,
    opened: Arc<Mutex<Option<DataDir>>>,
    wal: Option<WalEngine>,
}

impl DataDirEngine {
    pub(super) fn new(path: &Path, options: WalOptions, log: slog::Logger) -> Self {
        Self { path: path.to_owned(), options, log, opened: Arc::default(), wal: None }
    }
}

impl LogEngine for DataDirEngine {
    fn open(&mut self, group: &GroupId) -> Result<OpenedLog, StorageError> {
        let wal = match &mut self.wal {
            Some(wal) => wal,
            none => {
                let dir = DataDir::open(Arc::new(RealDisk::new()), &self.path)?;
                let wal = dir.wal(self.options.clone(), self.log.clone())?;
                *self.opened.lock() = Some(dir);
                none.insert(wal)
            }
        };
        wal.open(group)
    }

    fn sync(&mut self, done: Durable) {
        match &mut self.wal {
            Some(wal) => wal.sync(done),
            None => done.ok(),
        }
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.wal.as_mut().map_or(Ok(()), LogEngine::flush)
    }

    fn syncs(&self) -> u64 {
        self.wal.as_ref().map_or(0, LogEngine::syncs)
    }

    fn close(&mut self) -> Result<(), StorageError> {
        let closed = self.wal.take().map_or(Ok(()), |mut wal| wal.close());
        // Last: nobody may open the directory before everything in it is closed.
        self.opened.lock().take();
        closed
    }
}

/// Term and vote of one group in a directory.
pub(super) struct DataDirMeta(FileMetaStorage);

impl DataDirMeta {
    pub(super) fn new(path: &Path, group: &GroupId) -> Self {
        Self(FileMetaStorage::new(Arc::new(RealDisk::new()), DataDir::meta_path(path, group)))
    }
}

impl RaftMetaStorage for DataDirMeta {
    fn load(&mut self) -> Result<Option<RaftMeta>, StorageError> {
        self.0.load()
    }

    fn save(&mut self, meta: &RaftMeta, done: Durable) {
        self.0.save(meta, done);
    }
}
