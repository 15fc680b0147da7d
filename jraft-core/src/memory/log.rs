//! `MemoryLogEngine`: logs in memory, "durable" as soon as they are written.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jraft_spi::storage::{
    Durable, LogEngine, LogReader, LogStorage, OpenedLog, ReadLimit, Recovered, StorageError,
};
use jraft_spi::{GroupId, LogEntry, LogIndex};

use crate::sync::Mutex;

/// Logs of this process. A group that is opened again finds what it had, as long as the engine lives.
#[derive(Debug, Default)]
pub struct MemoryLogEngine {
    logs: BTreeMap<GroupId, Arc<MemoryLog>>,
}

impl MemoryLogEngine {
    /// An engine without any log.
    pub fn new() -> Self {
        Self::default()
    }
}

impl LogEngine for MemoryLogEngine {
    fn open(&mut self, group: &GroupId) -> Result<OpenedLog, StorageError> {
        let log = Arc::clone(self.logs.entry(group.clone()).or_default());
        let recovered = log.recovered();
        Ok(OpenedLog::new(Box::new(Writer(Arc::clone(&log))), log, recovered))
    }

    fn sync(&mut self, done: Durable) {
        done.ok();
    }

    fn may_block(&self) -> bool {
        false
    }
}

#[derive(Debug, Default)]
struct MemoryLog(Mutex<Entries>);

#[derive(Debug)]
struct Entries {
    first: LogIndex,
    entries: VecDeque<LogEntry>,
}

impl Default for Entries {
    fn default() -> Self {
        Self { first: LogIndex(1), entries: VecDeque::new() }
    }
}

impl Entries {
    fn place(&self, index: LogIndex) -> usize {
        index.0.saturating_sub(self.first.0) as usize
    }
}

impl MemoryLog {
    fn recovered(&self) -> Recovered {
        let log = self.0.lock();
        let mut recovered = Recovered::empty();
        recovered.first = log.first;
        recovered.last = log.first.prev();
        log.entries.iter().for_each(|entry| recovered.push(entry));
        recovered
    }
}

struct Writer(Arc<MemoryLog>);

impl LogStorage for Writer {
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), StorageError> {
        let mut log = self.0.0.lock();
        for entry in entries {
            let next = LogIndex(log.first.0 + log.entries.len() as u64);
            if entry.id.index != next {
                let found = entry.id.index;
                return Err(StorageError::Other(format!(
                    "entry {found} appended where {next} belongs"
                )));
            }
            log.entries.push_back(entry.clone());
        }
        Ok(())
    }

    fn truncate_prefix(&mut self, first_kept: LogIndex) -> Result<(), StorageError> {
        let mut log = self.0.0.lock();
        let count = log.place(first_kept).min(log.entries.len());
        log.entries.drain(..count);
        log.first = log.first.max(first_kept);
        Ok(())
    }

    fn truncate_suffix(&mut self, last_kept: LogIndex) -> Result<(), StorageError> {
        let mut log = self.0.0.lock();
        let count = log.place(last_kept.next());
        log.entries.truncate(count);
        Ok(())
    }

    fn reset(&mut self, next: LogIndex) -> Result<(), StorageError> {
        *self.0.0.lock() = Entries { first: next, entries: VecDeque::new() };
        Ok(())
    }
}

impl LogReader for MemoryLog {
    fn read(
        &self,
        from: LogIndex,
        limit: ReadLimit,
        out: &mut Vec<LogEntry>,
    ) -> Result<(), StorageError> {
        let log = self.0.lock();
        if from < log.first {
            return Ok(());
        }
        let mut bytes = 0;
        for entry in log.entries.iter().skip(log.place(from)).take(limit.entries.max(1)) {
            out.push(entry.clone());
            bytes += entry.data.len();
            if bytes >= limit.bytes {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jraft_spi::{LogId, Term};

    use super::*;

    fn entry(index: u64) -> LogEntry {
        LogEntry::data(LogId::new(LogIndex(index), Term(1)), vec![1, 2, 3].into())
    }

    #[test]
    fn a_reopened_log_holds_what_it_was_left_with() {
        let (mut engine, group) = (MemoryLogEngine::new(), "g".try_into().unwrap());
        let mut opened = engine.open(&group).unwrap();
        opened.storage.append(&[entry(1), entry(2), entry(3)]).unwrap();
        opened.storage.truncate_suffix(LogIndex(2)).unwrap();
        assert!(opened.storage.append(&[entry(4)]).is_err(), "a hole");
        let again = engine.open(&group).unwrap();
        assert_eq!((again.recovered.first, again.recovered.last), (LogIndex(1), LogIndex(2)));
        let mut out = Vec::new();
        again.reader.read(LogIndex(2), ReadLimit { entries: 9, bytes: 99 }, &mut out).unwrap();
        assert_eq!(out, [entry(2)]);
    }
}
