//! A log of one's own over any ordered store with blocking calls, one engine for all groups.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, PoisonError};

use jraft_core::memory::MemoryMetaStorage;
use jraft_core::storage::{
    Durable, LogEngine, LogReader, LogStorage, OpenedLog, ReadLimit, Recovered, StorageError,
};
use jraft_core::{
    ApplyError, Entries, GroupId, LogEntry, LogIndex, RaftGroupService, SharedLogEngine,
    StateMachine,
};

struct KvEngine(Arc<Kv>);

impl LogEngine for KvEngine {
    fn open(&mut self, group: &GroupId) -> Result<OpenedLog, StorageError> {
        let log = KvLog { kv: Arc::clone(&self.0), group: group.clone() };
        let (first, last) = self.0.bounds(group);
        let recovered = Recovered::scan(&log, first, last)?;
        Ok(OpenedLog::new(Box::new(log.clone()), Arc::new(log), recovered))
    }

    fn sync(&mut self, done: Durable) {
        done.finish(self.0.fsync()); // blocking is fine: the thread is the engine's
    }
}

#[derive(Clone)]
struct KvLog {
    kv: Arc<Kv>,
    group: GroupId,
}

impl LogStorage for KvLog {
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), StorageError> {
        for entry in entries {
            self.kv.put(&self.group, entry.id.index, &entry.encode())?;
        }
        Ok(())
    }

    fn truncate_prefix(&mut self, first_kept: LogIndex) -> Result<(), StorageError> {
        Ok(self.kv.remove(&self.group, ..first_kept)?)
    }

    fn truncate_suffix(&mut self, last_kept: LogIndex) -> Result<(), StorageError> {
        Ok(self.kv.remove(&self.group, last_kept.next()..)?)
    }

    fn reset(&mut self, _next: LogIndex) -> Result<(), StorageError> {
        Ok(self.kv.remove(&self.group, ..)?)
    }
}

impl LogReader for KvLog {
    fn read(
        &self,
        from: LogIndex,
        limit: ReadLimit,
        out: &mut Vec<LogEntry>,
    ) -> Result<(), StorageError> {
        for bytes in self.kv.scan(&self.group, from, limit.entries) {
            out.push(LogEntry::decode(&bytes)?);
        }
        Ok(())
    }
}

/// The store. This one forgets everything; yours has a file.
#[derive(Default)]
struct Kv(Mutex<BTreeMap<(GroupId, LogIndex), Vec<u8>>>);

impl Kv {
    fn put(&self, group: &GroupId, index: LogIndex, bytes: &[u8]) -> io::Result<()> {
        self.entries().insert((group.clone(), index), bytes.to_vec());
        Ok(())
    }

    fn remove(&self, group: &GroupId, range: impl RangeBounds<LogIndex>) -> io::Result<()> {
        self.entries().retain(|(of, index), _| of != group || !range.contains(index));
        Ok(())
    }

    fn scan(&self, group: &GroupId, from: LogIndex, most: usize) -> Vec<Vec<u8>> {
        let from = Bound::Included((group.clone(), from));
        let to = Bound::Included((group.clone(), LogIndex(u64::MAX)));
        self.entries().range((from, to)).take(most).map(|(_, bytes)| bytes.clone()).collect()
    }

    /// The first and the last index, or 1 and 0.
    fn bounds(&self, group: &GroupId) -> (LogIndex, LogIndex) {
        let entries = self.entries();
        let mut indices = entries.keys().filter(|(of, _)| of == group).map(|(_, index)| *index);
        match indices.next() {
            Some(first) => (first, indices.next_back().unwrap_or(first)),
            None => (LogIndex(1), LogIndex(0)),
        }
    }

    fn fsync(&self) -> io::Result<()> {
        Ok(())
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<(GroupId, LogIndex), Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Lines(usize);

impl StateMachine for Lines {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        for entry in entries {
            self.0 += 1;
            entry.reply(self.0);
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let kv = Arc::new(Kv::default());
    let me = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let service = RaftGroupService::builder("lines", me.as_str())
        .initial_conf(me.as_str())
        .log_engine(&SharedLogEngine::new(KvEngine(Arc::clone(&kv))))
        .meta_storage(MemoryMetaStorage::new())
        .start(Lines::default())
        .await?;
    service.node().watch().until(|status| status.leader.is_some()).await;
    for line in ["one", "two", "three"] {
        let count: usize = service.node().propose(line).await?;
        println!("{line} is line {count}");
    }
    service.shutdown().await;
    let (first, last) = kv.bounds(&"lines".parse()?);
    println!("the store holds the entries {first} to {last}");
    Ok(())
}
