//! Kit of the tests: entries, a log without words, a simulated disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use jraft_spi::entity::{LogEntry, LogId, LogIndex, Term};
use jraft_spi::storage::{Durable, LogEngine, LogReader, ReadLimit, StorageError};
use parking_lot::Mutex;

pub(crate) use crate::sim_disk::{Crash, Op, SimDisk};

/// A disk that remembers its calls.
pub(crate) fn new_disk() -> SimDisk {
    let disk = SimDisk::new(0x9e37_79b9);
    disk.record();
    disk
}

impl SimDisk {
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.files().into_iter().map(|(path, _)| path).collect()
    }

    /// Runs something in the middle of the next read, before it gets its bytes.
    pub(crate) fn on_read(&self, run: impl FnOnce() + Send + 'static) {
        let run = Mutex::new(Some(run));
        self.set_read_fault(Some(Arc::new(move |_, _, _| {
            let run = run.lock().take();
            if let Some(run) = run {
                run();
            }
            None
        })));
    }
}

pub(crate) fn silent() -> slog::Logger {
    slog::Logger::root(slog::Discard, slog::o!())
}

/// The entry `index` of `term`, whose payload is told by both.
pub(crate) fn entry(index: u64, term: u64) -> LogEntry {
    sized(index, term, 4 + (index % 5) as usize * 3)
}

pub(crate) fn sized(index: u64, term: u64, length: usize) -> LogEntry {
    let pattern = (index * 31 + term * 7) as u8;
    let data: Vec<u8> = (0..length).map(|at| pattern.wrapping_add(at as u8) | 1).collect();
    LogEntry::data(LogId::new(LogIndex(index), Term(term)), Bytes::from(data))
}

pub(crate) fn entries(range: std::ops::RangeInclusive<u64>, term: u64) -> Vec<LogEntry> {
    range.map(|index| entry(index, term)).collect()
}

/// Syncs and waits for the token.
pub(crate) fn sync(engine: &mut dyn LogEngine) -> Result<(), StorageError> {
    let (done, result) = mpsc::channel();
    engine.sync(Durable::new(move |end| done.send(end).expect("the test waits")));
    result.recv().expect("a token always ends")
}

pub(crate) fn read(reader: &dyn LogReader, from: u64, count: usize) -> Vec<LogEntry> {
    let mut out = Vec::new();
    let limit = ReadLimit { entries: count, bytes: usize::MAX };
    reader.read(LogIndex(from), limit, &mut out).expect("a readable log");
    out
}

pub(crate) fn shared<D: crate::Disk>(disk: D) -> Arc<dyn crate::Disk> {
    Arc::new(disk)
}
