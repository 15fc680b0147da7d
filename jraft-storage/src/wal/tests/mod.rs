//! Tests of the log: through its ports, on the real disk and on one that forgets.

mod concurrent;
mod contract;
mod crash;
mod damage;
mod failure;
mod files;
mod model;
mod segments;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jraft_spi::entity::LogEntry;
use jraft_spi::storage::{LogEngine, LogReader, LogStorage, Recovered, StorageError};

use super::{WalEngine, WalOptions};
use crate::testing::{SimDisk, read, silent, sync};

/// Two pages of header and 12 KiB of records: a few dozen small entries.
const SMALL: u64 = 16 * 1024;

/// An engine with its one group open.
struct Log {
    engine: WalEngine,
    storage: Box<dyn LogStorage>,
    reader: Arc<dyn LogReader>,
    recovered: Recovered,
}

fn dir() -> PathBuf {
    PathBuf::from("/data/log")
}

fn segment(sequence: u64) -> PathBuf {
    dir().join(format!("{sequence:020}.wal"))
}

fn open(disk: &SimDisk) -> Result<Log, StorageError> {
    open_at(Arc::new(disk.clone()), &dir(), SMALL)
}

fn open_at(
    disk: Arc<dyn crate::Disk>,
    dir: &Path,
    segment_bytes: u64,
) -> Result<Log, StorageError> {
    let options = WalOptions { segment_bytes, ..WalOptions::default() };
    let mut engine = WalEngine::open(disk, dir, options, silent())?;
    let opened = engine.open(&"g".parse().expect("a name"))?;
    let (storage, reader, recovered) = (opened.storage, opened.reader, opened.recovered);
    Ok(Log { engine, storage, reader, recovered })
}

impl Log {
    fn sync(&mut self) -> Result<(), StorageError> {
        sync(&mut self.engine)
    }

    /// All that the log held when it was opened.
    fn all(&self) -> Vec<LogEntry> {
        let (first, last) = (self.recovered.first.0, self.recovered.last.0);
        let all = read(&*self.reader, first, usize::MAX);
        assert_eq!(all.len() as u64, last + 1 - first, "{:?}", self.recovered);
        all
    }
}
