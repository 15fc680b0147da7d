//! A data directory: its lock, its identity, and the log and metadata in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jraft_spi::entity::GroupId;
use jraft_spi::option::RaftOptions;
use jraft_spi::storage::{LogEngine, OpenedLog, StorageError};
use slog::Logger;

use crate::disk::{Context, Disk, DiskLock, RealDisk, make_dir, read_small, replace_small};
use crate::meta::FileMetaStorage;
use crate::wal::{WalEngine, WalOptions};

/// A locked data directory. The lock is held as long as this lives: longer than the log and the metadata.
///
/// ```text
/// LOCK       held by the process that has it open
/// FORMAT     version of the layout, number of the directory
/// log/       the write-ahead log
/// raft_meta/ term and vote
/// ```
pub struct DataDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    identity: u64,
    _lock: Box<dyn DiskLock>,
}

/// The storage of one node.
#[non_exhaustive]
pub struct OpenedStorage {
    /// The engine, to sync and to close.
    pub engine: WalEngine,
    /// The log of the group.
    pub log: OpenedLog,
    /// Term and vote.
    pub meta: FileMetaStorage,
    /// The directory, with the lock; last, so that it is dropped last.
    pub dir: DataDir,
}

impl DataDir {
    /// Opens and locks a directory, or makes one.
    pub fn open(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let path = path.into();
        make_dir(&*disk, &path)?;
        let lock = disk.lock(&path.join(LOCK))?;
        let identity = identify(&*disk, &path)?;
        Ok(Self { disk, path, identity, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number that tells it from all others.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Opens the log, which all groups of the directory share.
    pub fn wal(&self, options: WalOptions, log: Logger) -> Result<WalEngine, StorageError> {
        let options = WalOptions { directory: self.identity, ..options };
        WalEngine::open(Arc::clone(&self.disk), self.path.join(LOG), options, log)
    }

    /// The metadata of a group. There is one group, as long as the log has one.
    pub fn meta(&self, group: &GroupId) -> FileMetaStorage {
        FileMetaStorage::new(Arc::clone(&self.disk), Self::meta_path(&self.path, group))
    }

    /// Where the metadata of a group lies in a data directory.
    pub fn meta_path(directory: &Path, _group: &GroupId) -> PathBuf {
        directory.join(META)
    }

    /// Opens log and metadata of `group`.
    ///
    /// A log without metadata is refused: the node has forgotten its term and its vote, and could vote a second time.
    pub fn storage(
        self,
        group: &GroupId,
        options: WalOptions,
        log: Logger,
    ) -> Result<OpenedStorage, StorageError> {
        let mut engine = self.wal(options, log)?;
        let meta = self.meta(group);
        if !engine.is_new() && !meta.exists()? {
            return Err(StorageError::Other(format!(
                "{} is missing, but the log beside it is not empty: term and vote are lost, and with them the promise \
                 not to vote twice; do not start this node. Restore the file from a backup, or remove {} and let the \
                 node join again empty",
                meta.path().display(),
                self.path.display()
            )));
        }
        let log = engine.open(group)?;
        Ok(OpenedStorage { dir: self, engine, log, meta })
    }
}

/// Opens the storage of a node of `group` in the directory `path` of the machine's file system.
pub fn open(
    path: impl Into<PathBuf>,
    group: &GroupId,
    options: &RaftOptions,
    log: Logger,
) -> Result<OpenedStorage, StorageError> {
    let wal = WalOptions { segment_bytes: options.wal_segment_bytes, ..WalOptions::default() };
    DataDir::open(Arc::new(RealDisk::new()), path)?.storage(group, wal, log)
}

/// Reads the identity of a directory, or gives it one.
fn identify(disk: &dyn Disk, path: &Path) -> Result<u64, StorageError> {
    let file = path.join(FORMAT);
    if !disk.exists(&file).context("look for", &file)? {
        if disk.exists(&path.join(LOG)).context("look for", path)? {
            return Err(StorageError::Other(format!(
                "{} is missing, but a log is there: this is no data directory of ours, or it lost files",
                file.display()
            )));
        }
        let identity = disk.unique();
        replace_small(disk, &file, format!("{FORMAT_1}{identity:016x}\n").as_bytes())?;
        return Ok(identity);
    }
    let bytes = read_small(disk, &file, 4096)?;
    // A process that was killed may have given it this name, and not made the name durable.
    disk.sync_dir(path).context("sync", path)?;
    let text = String::from_utf8_lossy(&bytes);
    let identity = text.strip_prefix(FORMAT_1).and_then(|rest| rest.strip_suffix('\n'));
    let identity = identity.filter(|hex| hex.len() == 16);
    identity.and_then(|hex| u64::from_str_radix(hex, 16).ok()).ok_or_else(|| {
        StorageError::Other(format!(
            "{} holds {:?}; this program knows {FORMAT_1:?} and a number",
            file.display(),
            text.chars().take(80).collect::<String>()
        ))
    })
}

const LOCK: &str = "LOCK";
const FORMAT: &str = "FORMAT";
const LOG: &str = "log";
const META: &str = "raft_meta";
const FORMAT_1: &str = "jraft data directory, format 1, number ";

#[cfg(test)]
mod tests;
