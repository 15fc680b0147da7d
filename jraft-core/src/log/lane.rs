//! `LogLane`: the owner of a data directory's disk. One per engine, one sync for all its groups.
//!
//! The disk thread of the reference's `LogManagerImpl`. It takes what is queued, writes it in order, syncs once, says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jraft_spi::env::{Env, Place};
use jraft_spi::storage::{
    Durable, LogEngine, LogReader, LogStorage, OpenedLog, RaftMeta, RaftMetaStorage, Recovered,
    StorageError,
};
use jraft_spi::{GroupId, LogIndex, sim_point};
use tokio::sync::oneshot;

use super::{EntrySlice, LogTicket, MetaTicket};
use crate::sync::{LaneQueue, Mutex};

/// One sync covers at most about this many payload bytes, so that nobody waits for a huge group.
const GROUP_BYTES: usize = 4 << 20;

/// Told by the lane what reached the disk. Called on the lane: must only note it down.
pub(crate) trait DiskListener: Send + Sync {
    fn log_durable(&self, ticket: LogTicket, result: Result<(), StorageError>);
    fn meta_durable(&self, ticket: MetaTicket, result: Result<(), StorageError>);
}

/// A group to be opened.
pub(crate) struct OpenGroup {
    pub(crate) group: GroupId,
    pub(crate) meta: Box<dyn RaftMetaStorage>,
    /// False: in the hands of the operating system is enough (the option `sync`).
    pub(crate) sync: bool,
}

/// What was found on the disk.
pub(crate) struct OpenedGroup {
    pub(crate) slot: u64,
    pub(crate) reader: Arc<dyn LogReader>,
    pub(crate) recovered: Recovered,
    pub(crate) meta: Option<RaftMeta>,
}

/// A change of one group's log.
#[derive(Debug)]
pub(crate) enum LogOp {
    Append(EntrySlice),
    TruncateSuffix(LogIndex),
}

enum Command {
    Open(OpenGroup, oneshot::Sender<Result<OpenedGroup, StorageError>>),
    /// From here on `listener` hears what became durable.
    Attach {
        slot: u64,
        listener: Arc<dyn DiskListener>,
    },
    Write {
        slot: u64,
        ops: Vec<LogOp>,
        ticket: LogTicket,
    },
    SaveMeta {
        slot: u64,
        meta: RaftMeta,
        ticket: MetaTicket,
    },
    CloseGroup {
        slot: u64,
        closed: oneshot::Sender<()>,
    },
}

/// The queue of a lane, and what it counts.
pub(crate) struct LogLane {
    queue: LaneQueue<Command>,
    syncs: AtomicU64,
    meta_saves: Arc<AtomicU64>,
    /// Dropped by the worker with its engine.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl LogLane {
    /// Starts the lane of an engine: a thread, or a task of the loop if nothing there ever blocks.
    pub(crate) fn start(env: &Env, name: &str, engine: Box<dyn LogEngine>) -> Arc<Self> {
        let place =
            if engine.may_block() { Place::Lane(format!("log {name}")) } else { Place::Loop };
        let worker = Worker::new(engine);
        let lane = Arc::clone(&worker.lane);
        drop(env.spawn.spawn("log", &place, Box::pin(worker.run())));
        lane
    }

    /// Opens a group's log and metadata.
    pub(crate) async fn open(&self, group: OpenGroup) -> Result<OpenedGroup, StorageError> {
        let (sender, opened) = oneshot::channel();
        self.queue.push(Command::Open(group, sender)).map_err(|_| gone())?;
        opened.await.map_err(|_| gone())?
    }

    pub(crate) fn attach(&self, slot: u64, listener: Arc<dyn DiskListener>) {
        if let Err(refused) = self.queue.push(Command::Attach { slot, listener }) {
            refused.give_up();
        }
    }

    /// Writes and syncs `ops`, then reports `ticket`.
    pub(crate) fn write(&self, slot: u64, ops: Vec<LogOp>, ticket: LogTicket) {
        self.push(Command::Write { slot, ops, ticket });
    }

    /// Saves term and vote, then reports `ticket`.
    pub(crate) fn save_meta(&self, slot: u64, meta: RaftMeta, ticket: MetaTicket) {
        self.push(Command::SaveMeta { slot, meta, ticket });
    }

    /// Resolves when the group's last write is done. Nothing is reported afterwards.
    pub(crate) async fn close_group(&self, slot: u64) {
        let (closed, done) = oneshot::channel();
        self.push(Command::CloseGroup { slot, closed });
        // The lane is gone: so is the group.
        drop(done.await);
    }

    /// Ends the lane when its queue is empty.
    pub(crate) fn close(&self) {
        self.queue.close();
    }

    /// Resolves when the engine is closed. Waited for once, by whoever closed the lane.
    pub(crate) async fn ended(&self) {
        let ended = self.ended.lock().take();
        if let Some(ended) = ended {
            // An error is what is waited for: the worker is gone.
            drop(ended.await);
        }
    }

    /// Syncs of the log and of term and vote that reached the disk so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed) + self.meta_saves.load(Ordering::Relaxed)
    }

    fn push(&self, command: Command) {
        // A command for a lane that has ended is dropped: its group is closed, or knows.
        drop(self.queue.push(command));
    }
}

fn gone() -> StorageError {
    StorageError::Other("the log is closed: its thread has ended, or never began".into())
}

impl Command {
    /// Nobody will carry it out. Whoever waits for an answer learns that from the end of its channel.
    fn give_up(self) {
        if let Self::Attach { listener, .. } = self {
            listener.log_durable(LogTicket(0), Err(gone()));
        }
    }
}

struct Group {
    storage: Box<dyn LogStorage>,
    meta: Box<dyn RaftMetaStorage>,
    listener: Option<Arc<dyn DiskListener>>,
    sync: bool,
    /// Written, and not yet known to be durable, or flushed.
    written: Option<LogTicket>,
}

struct Worker {
    lane: Arc<LogLane>,
    engine: Box<dyn LogEngine>,
    groups: BTreeMap<u64, Group>,
    next_slot: u64,
    /// After any error the engine is only closed. A sync may end, and fail, long after it was asked for.
    failed: Arc<Mutex<Option<StorageError>>>,
    /// Whether the groups know.
    told: bool,
    /// Whether it came to its end.
    ended: bool,
    /// The last field: dropped when everything else is closed.
    _running: oneshot::Sender<()>,
}

impl Worker {
    /// The worker of a new lane.
    fn new(engine: Box<dyn LogEngine>) -> Self {
        let (running, ended) = oneshot::channel();
        let lane = LogLane {
            queue: LaneQueue::default(),
            syncs: AtomicU64::new(0),
            meta_saves: Arc::default(),
            ended: Mutex::new(Some(ended)),
        };
        Self {
            lane: Arc::new(lane),
            engine,
            groups: BTreeMap::new(),
            next_slot: 0,
            failed: Arc::default(),
            told: false,
            ended: false,
            _running: running,
        }
    }

    async fn run(mut self) {
        let (lane, mut work) = (Arc::clone(&self.lane), Vec::new());
        while lane.queue.take(&mut work).await {
            let mut bytes = 0;
            for command in work.drain(..) {
                bytes += self.carry_out(command);
                if bytes >= GROUP_BYTES {
                    self.sync();
                    bytes = 0;
                }
            }
            self.sync();
        }
        drop(self.engine.close());
        self.ended = true;
    }

    /// Returns the bytes that a sync will have to move.
    fn carry_out(&mut self, command: Command) -> usize {
        match command {
            Command::Open(group, answer) => drop(answer.send(self.open(group))),
            Command::Attach { slot, listener } => self.attach(slot, listener),
            Command::Write { slot, ops, ticket } => return self.write(slot, &ops, ticket),
            Command::SaveMeta { slot, meta, ticket } => {
                // What was written before belongs to terms before: it must not wait for this one.
                self.sync();
                self.save_meta(slot, &meta, ticket);
            }
            Command::CloseGroup { slot, closed } => {
                self.sync();
                self.groups.remove(&slot);
                sim_point!("group closed");
                let _ = closed.send(());
            }
        }
        0
    }

    fn attach(&mut self, slot: u64, listener: Arc<dyn DiskListener>) {
        if let Some(error) = self.failed.lock().clone() {
            listener.log_durable(LogTicket(0), Err(error));
        }
        if let Some(group) = self.groups.get_mut(&slot) {
            group.listener = Some(listener);
        }
    }

    fn open(&mut self, open: OpenGroup) -> Result<OpenedGroup, StorageError> {
        if let Some(failed) = self.failed.lock().clone() {
            return Err(failed);
        }
        let OpenedLog { storage, reader, recovered, .. } = self.engine.open(&open.group)?;
        let mut meta_storage = open.meta;
        let meta = meta_storage.load()?;
        sim_point!("group opened");
        let slot = self.next_slot;
        self.next_slot += 1;
        let group =
            Group { storage, meta: meta_storage, listener: None, sync: open.sync, written: None };
        self.groups.insert(slot, group);
        Ok(OpenedGroup { slot, reader, recovered, meta })
    }

    fn write(&mut self, slot: u64, ops: &[LogOp], ticket: LogTicket) -> usize {
        if self.has_failed() {
            return 0;
        }
        let Some(group) = self.groups.get_mut(&slot) else { return 0 };
        let mut bytes = 0;
        for op in ops {
            sim_point!("before log write");
            let result = match op {
                LogOp::Append(slice) => {
                    bytes += slice.entries().iter().map(|entry| entry.data.len()).sum::<usize>();
                    group.storage.append(slice.entries())
                }
                LogOp::TruncateSuffix(last_kept) => group.storage.truncate_suffix(*last_kept),
            };
            if let Err(error) = result {
                self.failed.lock().get_or_insert(error);
                self.has_failed();
                return 0;
            }
        }
        sim_point!("after log write");
        group.written = Some(ticket);
        bytes
    }

    /// One sync for whatever all groups have written; or a flush, if that is enough for all of them.
    fn sync(&mut self) {
        let mut written = self.groups.values().filter(|group| group.written.is_some());
        let must_last = written.any(|group| group.sync);
        let told: Vec<(Arc<dyn DiskListener>, LogTicket)> = (self.groups.values_mut())
            .filter_map(|group| group.written.take().zip(group.listener.clone()))
            .map(|(ticket, listener)| (listener, ticket))
            .collect();
        if told.is_empty() || self.has_failed() {
            return;
        }
        sim_point!("before log sync");
        let failed = Arc::clone(&self.failed);
        let done = Durable::new(move |result| {
            for (listener, ticket) in told {
                listener.log_durable(ticket, result.clone());
            }
            if let Err(error) = result {
                failed.lock().get_or_insert(error);
            }
        });
        if must_last {
            self.engine.sync(done);
        } else {
            done.finish(self.engine.flush());
        }
        sim_point!("after log sync");
        self.lane.syncs.store(self.engine.syncs(), Ordering::Relaxed);
        self.has_failed();
    }

    fn save_meta(&mut self, slot: u64, meta: &RaftMeta, ticket: MetaTicket) {
        let Some(group) = self.groups.get_mut(&slot) else { return };
        let Some(listener) = group.listener.clone() else { return };
        let saves = Arc::clone(&self.lane.meta_saves);
        sim_point!("before meta save");
        group.meta.save(
            meta,
            Durable::new(move |result| {
                saves.fetch_add(1, Ordering::Relaxed);
                listener.meta_durable(ticket, result);
            }),
        );
        sim_point!("after meta save");
    }

    /// All groups of the engine fail together, and all are told once: nobody can say what is on the disk.
    fn has_failed(&mut self) -> bool {
        let Some(error) = self.failed.lock().clone() else { return false };
        if !std::mem::replace(&mut self.told, true) {
            for listener in self.groups.values().filter_map(|group| group.listener.as_ref()) {
                listener.log_durable(LogTicket(0), Err(error.clone()));
            }
        }
        true
    }
}

impl Drop for Worker {
    /// A thread that panicked, in the code of an engine, or that never began: nobody may wait for it, or believe in it.
    fn drop(&mut self) {
        self.lane.queue.abandon().into_iter().for_each(Command::give_up);
        if !self.ended {
            self.failed.lock().get_or_insert_with(gone);
            self.has_failed();
        }
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
