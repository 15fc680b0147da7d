//! The storage of a node: the real write-ahead log and the real `raft_meta` on a simulated disk, with a disk thread that
//! takes its time, and with a record of what was written and what of it is durable.
//!
//! The record asks the disk, not the log: an entry counts as durable when no power loss could undo it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use jraft_core::storage::{
    Durable, LogEngine, LogReader, LogStorage, OpenedLog, RaftMeta, RaftMetaStorage, ReadLimit,
    StorageError,
};
use jraft_core::{GroupId, LogEntry, LogIndex, Term};
use jraft_storage::sim_disk::SimDisk;
use jraft_storage::{DataDir, FileMetaStorage, WalEngine, WalOptions};
use parking_lot::Mutex;

use super::dice::Key;
use super::env::Sleep;
use super::hub::{Hub, Life};
use super::watch::Watch;
use crate::checks::Seen;
use crate::checks::record::{Mark, Record};

/// Where the data directory of every node lies on its own disk.
pub const DATA: &str = "/data";

/// How long the disks of a node take, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskPace {
    /// Before a sync of the log reaches the disk, and again before the node hears of it: from, to.
    pub log: (u64, u64),
    /// The same for term and vote.
    pub meta: (u64, u64),
}

/// What the storage of one process is made of.
#[derive(Clone)]
pub struct StoreParts {
    /// The world.
    pub hub: Arc<Hub>,
    /// Who watches.
    pub watch: Arc<Watch>,
    /// The process.
    pub life: Life,
    /// Its disk.
    pub disk: SimDisk,
    /// What is known of it.
    pub record: Arc<Mutex<Record>>,
    /// How fast it is; may change while the node runs.
    pub pace: Arc<Mutex<DiskPace>>,
    /// The size of segments.
    pub segment_bytes: u64,
}

impl StoreParts {
    fn wait(&self, purpose: u64, number: u64, pace: (u64, u64)) -> Sleep {
        let key = Key::new(self.hub.seed, purpose).with(self.life.node as u64);
        let micros = key.with(self.life.epoch).with(number).within(pace.0, pace.1);
        self.hub.sleep(Some(self.life.node), Duration::from_micros(micros))
    }
}

/// The part of the data directory that holds the log.
pub fn log_dir() -> PathBuf {
    Path::new(DATA).join("log")
}

/// The part that holds term and vote.
pub fn meta_dir() -> PathBuf {
    Path::new(DATA).join("raft_meta")
}

/// Work for the disk thread.
struct Jobs<T>(Mutex<(VecDeque<T>, Option<Waker>)>);

impl<T> Default for Jobs<T> {
    fn default() -> Self {
        Self(Mutex::new((VecDeque::new(), None)))
    }
}

impl<T> Jobs<T> {
    fn push(&self, job: T) {
        let mut jobs = self.0.lock();
        jobs.0.push_back(job);
        let waker = jobs.1.take();
        drop(jobs);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn take(&self) -> Vec<T> {
        std::future::poll_fn(|context| {
            let mut jobs = self.0.lock();
            if jobs.0.is_empty() {
                jobs.1 = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(jobs.0.drain(..).collect())
        })
        .await
    }
}

/// The log engine of a process.
pub struct SimLogEngine {
    parts: StoreParts,
    opened: Option<Opened>,
    syncs: Arc<Jobs<Durable>>,
    /// Whether the library was told that a sync failed.
    told: Arc<AtomicBool>,
}

struct Opened {
    wal: Arc<Mutex<WalEngine>>,
    /// Held as long as the log is open.
    _dir: DataDir,
}

impl SimLogEngine {
    /// An engine that opens the data directory with its first group.
    pub fn new(parts: StoreParts) -> Self {
        Self { parts, opened: None, syncs: Arc::default(), told: Arc::default() }
    }

    fn open_dir(&self) -> Result<Opened, StorageError> {
        let parts = &self.parts;
        let dir = DataDir::open(Arc::new(parts.disk.clone()), DATA)?;
        let options = WalOptions { segment_bytes: parts.segment_bytes, ..WalOptions::default() };
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let wal = Arc::new(Mutex::new(dir.wal(options, log)?));
        let (jobs, worker) = (Arc::clone(&self.syncs), parts.clone());
        let engine = Arc::clone(&wal);
        let task = Box::pin(run_syncs(worker, engine, jobs, Arc::clone(&self.told)));
        parts.hub.spawn(Some(parts.life), "log disk", task);
        Ok(Opened { wal, _dir: dir })
    }
}

/// The thread of the disk: one sync at a time, for everybody who waits.
async fn run_syncs(
    parts: StoreParts,
    wal: Arc<Mutex<WalEngine>>,
    jobs: Arc<Jobs<Durable>>,
    told: Arc<AtomicBool>,
) {
    let mut number = 0;
    loop {
        let waiting = jobs.take().await;
        number += 1;
        let pace = parts.pace.lock().log;
        parts.wait(0x109, number, pace).await;
        let (result, op) = ended(&parts.disk, |done| wal.lock().sync(done));
        if !parts.hub.is_alive(parts.life) {
            return;
        }
        parts.record.lock().log_synced(op, &result);
        parts.wait(0x10a, number, pace).await;
        parts.record.lock().tells(&result);
        for done in waiting {
            done.finish(result.clone());
        }
        told.fetch_or(result.is_err(), Ordering::Relaxed);
    }
}

/// Hands a token to `start` and returns how it ended, and the last operation of the disk by then: the log keeps house after
/// that. The storage of this repository ends its tokens before it returns.
fn ended(disk: &SimDisk, start: impl FnOnce(Durable)) -> (Result<(), StorageError>, u64) {
    let told = Arc::new(Mutex::new((Ok(()), 0)));
    let (tell, disk) = (Arc::clone(&told), disk.clone());
    start(Durable::new(move |end| *tell.lock() = (end, disk.last_op())));
    let told = told.lock();
    told.clone()
}

impl LogEngine for SimLogEngine {
    fn open(&mut self, group: &GroupId) -> Result<OpenedLog, StorageError> {
        if self.opened.is_none() {
            self.opened = Some(self.open_dir()?);
        }
        let Some(opened) = &self.opened else { unreachable!("just opened") };
        let inner = opened.wal.lock().open(group)?;
        let found = read_all(&*inner.reader, inner.recovered.first, inner.recovered.last)?;
        let record = Arc::clone(&self.parts.record);
        record.lock().log_opened(&found, self.parts.disk.last_op());
        let newest = inner.recovered.terms.last().map(|&(_, term)| term).unwrap_or_default();
        let storage = SimLog {
            inner: inner.storage,
            parts: self.parts.clone(),
            newest: Some(newest),
            told: Arc::clone(&self.told),
        };
        Ok(OpenedLog::new(Box::new(storage), inner.reader, inner.recovered))
    }

    fn sync(&mut self, done: Durable) {
        self.syncs.push(done);
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        let Some(opened) = &self.opened else { return Ok(()) };
        let result = opened.wal.lock().flush();
        if self.parts.hub.is_alive(self.parts.life) {
            self.parts.record.lock().log_flushed(self.parts.disk.last_op(), &result);
        }
        result
    }

    fn close(&mut self) -> Result<(), StorageError> {
        let closed = self.opened.as_ref().map_or(Ok(()), |opened| opened.wal.lock().close());
        self.opened = None;
        closed
    }
}

fn read_all(
    reader: &dyn LogReader,
    first: LogIndex,
    last: LogIndex,
) -> Result<Vec<Mark>, StorageError> {
    const ALL: ReadLimit = ReadLimit { entries: 4096, bytes: 1 << 22 };
    let (mut marks, mut next, mut some) = (Vec::new(), first, Vec::new());
    while next <= last {
        some.clear();
        reader.read(next, ALL, &mut some)?;
        let Some(newest) = some.last() else { break };
        next = newest.id.index.next();
        marks.extend(some.iter().map(Mark::of));
    }
    Ok(marks)
}

struct SimLog {
    inner: Box<dyn LogStorage>,
    parts: StoreParts,
    /// The term of the last entry, if it is known.
    newest: Option<Term>,
    told: Arc<AtomicBool>,
}

impl SimLog {
    /// What has failed may be there in part, and never counts as durable; the log must not be used again.
    fn judged(&self, result: Result<(), StorageError>) -> Result<(), StorageError> {
        if result.is_err() && self.parts.hub.is_alive(self.parts.life) {
            let mut record = self.parts.record.lock();
            record.log_failed();
            record.tells(&result);
            self.told.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl LogStorage for SimLog {
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), StorageError> {
        if self.told.load(Ordering::Relaxed) {
            self.parts.hub.fail("I-14: a log that has failed is used again");
        }
        let (node, before) = (self.parts.life.node, self.newest);
        self.parts.watch.see(&Seen::Appends { node, before, entries });
        self.newest = entries.last().map(|entry| entry.id.term).or(before);
        self.parts.record.lock().log_appends(entries);
        let result = self.inner.append(entries);
        self.judged(result)
    }

    fn truncate_prefix(&mut self, first_kept: LogIndex) -> Result<(), StorageError> {
        self.inner.truncate_prefix(first_kept)
    }

    fn truncate_suffix(&mut self, last_kept: LogIndex) -> Result<(), StorageError> {
        let node = self.parts.life.node;
        self.parts.watch.see(&Seen::Truncates { node, last_kept });
        self.newest = None;
        self.parts.record.lock().log_truncates(last_kept);
        let result = self.inner.truncate_suffix(last_kept);
        self.judged(result)
    }

    fn reset(&mut self, next: LogIndex) -> Result<(), StorageError> {
        self.inner.reset(next)
    }
}

/// Term and vote of a process.
pub struct SimMeta {
    parts: StoreParts,
    file: Arc<Mutex<FileMetaStorage>>,
    saves: Arc<Jobs<(RaftMeta, Durable)>>,
}

impl SimMeta {
    /// The metadata of `group` in the data directory.
    pub fn new(parts: StoreParts, group: &GroupId) -> Self {
        let path = DataDir::meta_path(Path::new(DATA), group);
        let file = FileMetaStorage::new(Arc::new(parts.disk.clone()), path);
        let (file, saves) = (Arc::new(Mutex::new(file)), Arc::<Jobs<_>>::default());
        let task = run_saves(parts.clone(), Arc::clone(&file), Arc::clone(&saves));
        parts.hub.spawn(Some(parts.life), "meta disk", Box::pin(task));
        Self { parts, file, saves }
    }
}

async fn run_saves(
    parts: StoreParts,
    file: Arc<Mutex<FileMetaStorage>>,
    jobs: Arc<Jobs<(RaftMeta, Durable)>>,
) {
    let mut number = 0;
    loop {
        for (meta, done) in jobs.take().await {
            number += 1;
            let pace = parts.pace.lock().meta;
            parts.wait(0x3e7a, number, pace).await;
            parts.record.lock().meta_saving(&meta);
            let (result, op) = ended(&parts.disk, |done| file.lock().save(&meta, done));
            if !parts.hub.is_alive(parts.life) {
                return;
            }
            parts.record.lock().meta_saved(op, &result);
            parts.wait(0x3e7b, number, pace).await;
            parts.record.lock().tells(&result);
            done.finish(result);
        }
    }
}

impl RaftMetaStorage for SimMeta {
    fn load(&mut self) -> Result<Option<RaftMeta>, StorageError> {
        let meta = self.file.lock().load()?;
        self.parts.record.lock().meta_loaded(meta.as_ref(), self.parts.disk.last_op());
        Ok(meta)
    }

    fn save(&mut self, meta: &RaftMeta, done: Durable) {
        self.saves.push((meta.clone(), done));
    }
}
