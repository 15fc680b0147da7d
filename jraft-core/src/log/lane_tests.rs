//! A worker whose disk takes its time: a sync ends when the test says so.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jraft_spi::message::EntryBatch;
use jraft_spi::storage::{LogStorage, ReadLimit};
use jraft_spi::{LogEntry, LogId, Term};

use super::*;
use crate::memory::MemoryMetaStorage;

/// What the engine was asked for: entries written, syncs that have not ended.
#[derive(Default)]
struct Asked {
    written: usize,
    syncs: Vec<Durable>,
    /// Syncs in all.
    synced: u64,
    closed: bool,
    flushes: usize,
    flush_fails: bool,
}

#[derive(Clone, Default)]
struct SlowEngine(Arc<Mutex<Asked>>);

impl SlowEngine {
    /// How many flushes and syncs it was asked for; of syncs those that have not ended.
    fn asked(&self) -> (usize, usize) {
        let asked = self.0.lock();
        (asked.flushes, asked.syncs.len())
    }
}

impl LogEngine for SlowEngine {
    fn open(&mut self, _: &GroupId) -> Result<OpenedLog, StorageError> {
        let (storage, reader) = (Box::new(self.clone()), Arc::new(self.clone()));
        Ok(OpenedLog::new(storage, reader, Recovered::empty()))
    }

    fn sync(&mut self, done: Durable) {
        let mut asked = self.0.lock();
        asked.synced += 1;
        asked.syncs.push(done);
    }

    fn syncs(&self) -> u64 {
        self.0.lock().synced
    }

    fn close(&mut self) -> Result<(), StorageError> {
        self.0.lock().closed = true;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        let mut asked = self.0.lock();
        asked.flushes += 1;
        if asked.flush_fails { Err(StorageError::Other("told to fail".to_owned())) } else { Ok(()) }
    }
}

impl LogStorage for SlowEngine {
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), StorageError> {
        self.0.lock().written += entries.len();
        Ok(())
    }

    fn truncate_prefix(&mut self, _: LogIndex) -> Result<(), StorageError> {
        Ok(())
    }

    fn truncate_suffix(&mut self, _: LogIndex) -> Result<(), StorageError> {
        Ok(())
    }

    fn reset(&mut self, _: LogIndex) -> Result<(), StorageError> {
        Ok(())
    }
}

impl LogReader for SlowEngine {
    fn read(&self, _: LogIndex, _: ReadLimit, _: &mut Vec<LogEntry>) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Tickets that became durable, and how many failures were heard.
#[derive(Default)]
struct Ear(Mutex<(Vec<LogTicket>, usize)>);

impl DiskListener for Ear {
    fn log_durable(&self, ticket: LogTicket, result: Result<(), StorageError>) {
        let mut heard = self.0.lock();
        match result {
            Ok(()) => heard.0.push(ticket),
            Err(_) => heard.1 += 1,
        }
    }

    fn meta_durable(&self, _: MetaTicket, _: Result<(), StorageError>) {}
}

/// A worker with two groups that are synced, or not, and who listens for them.
fn worker_of(engine: &SlowEngine, synced: [bool; 2]) -> (Worker, [Arc<Ear>; 2]) {
    let mut worker = Worker::new(Box::new(engine.clone()));
    let ears = [Arc::<Ear>::default(), Arc::default()];
    for (slot, ear) in ears.iter().enumerate() {
        let group = format!("g{slot}").parse().unwrap();
        let meta = Box::new(MemoryMetaStorage::new());
        worker.open(OpenGroup { group, meta, sync: synced[slot] }).unwrap();
        let listener: Arc<dyn DiskListener> = Arc::clone(ear) as _;
        worker.carry_out(Command::Attach { slot: slot as u64, listener });
    }
    (worker, ears)
}

fn worker(engine: &SlowEngine) -> (Worker, [Arc<Ear>; 2]) {
    worker_of(engine, [true, true])
}

fn write(worker: &mut Worker, slot: u64, index: u64) {
    let entry = LogEntry::data(LogId::new(LogIndex(index), Term(1)), vec![1].into());
    let slice = EntrySlice::whole(EntryBatch::new(vec![entry]));
    worker.write(slot, &[LogOp::Append(slice)], LogTicket(index));
    worker.sync();
}

#[test]
fn a_sync_that_ends_late_counts_when_it_ends() {
    let engine = SlowEngine::default();
    let (mut worker, [first, _]) = worker(&engine);
    write(&mut worker, 0, 1);
    write(&mut worker, 0, 2);
    assert_eq!(first.0.lock().0, []);
    let syncs = std::mem::take(&mut engine.0.lock().syncs);
    syncs.into_iter().for_each(Durable::ok);
    assert_eq!(first.0.lock().0, [LogTicket(1), LogTicket(2)]);
}

/// After any error an engine is only closed, and nobody of its groups may believe it any more.
#[test]
fn s4_07_a_sync_that_fails_late_ends_the_engine_for_all_groups() {
    let engine = SlowEngine::default();
    let (mut worker, [first, second]) = worker(&engine);
    write(&mut worker, 0, 1);
    let sync = engine.0.lock().syncs.remove(0);
    sync.fail(StorageError::Other("told to fail".to_owned()));
    assert_eq!((first.0.lock().1, second.0.lock().1), (1, 0));
    write(&mut worker, 1, 1);
    assert_eq!(engine.0.lock().written, 1, "nothing is written any more");
    assert!(engine.0.lock().syncs.is_empty(), "and nothing synced");
    assert!(first.0.lock().1 >= 1 && second.0.lock().1 == 1, "all are told");
    let again = OpenGroup {
        group: "late".parse().unwrap(),
        meta: Box::new(MemoryMetaStorage::new()),
        sync: true,
    };
    assert!(worker.open(again).is_err());
}

/// What is still in the memory of the process is lost with it.
#[test]
fn who_needs_no_sync_hears_of_a_flush() {
    let engine = SlowEngine::default();
    let (mut worker, [synced, flushed]) = worker_of(&engine, [true, false]);
    write(&mut worker, 1, 1);
    assert_eq!(engine.asked(), (1, 0));
    assert_eq!(flushed.0.lock().0, [LogTicket(1)]);
    // A sync is for all, and is more.
    let entry = |index| LogEntry::data(LogId::new(LogIndex(index), Term(1)), vec![1].into());
    let slice = |index| EntrySlice::whole(EntryBatch::new(vec![entry(index)]));
    worker.write(1, &[LogOp::Append(slice(2))], LogTicket(2));
    write(&mut worker, 0, 1);
    assert_eq!(engine.asked(), (1, 1));
    let sync = engine.0.lock().syncs.remove(0);
    sync.ok();
    assert_eq!(synced.0.lock().0, [LogTicket(1)]);
    assert_eq!(flushed.0.lock().0, [LogTicket(1), LogTicket(2)]);
}

#[test]
fn a_flush_that_fails_ends_the_engine() {
    let engine = SlowEngine::default();
    let (mut worker, [first, second]) = worker_of(&engine, [false, false]);
    engine.0.lock().flush_fails = true;
    write(&mut worker, 1, 1);
    assert!(second.0.lock().0.is_empty());
    assert!(first.0.lock().1 >= 1 && second.0.lock().1 >= 1, "all are told");
}

#[test]
fn a_worker_that_is_gone_leaves_nobody_waiting_and_nobody_trusting() {
    let engine = SlowEngine::default();
    let (worker, [first, second]) = worker(&engine);
    let lane = Arc::clone(&worker.lane);
    let late = Arc::<Ear>::default();
    lane.attach(7, Arc::clone(&late) as Arc<dyn DiskListener>);
    let (closed, mut done) = oneshot::channel();
    lane.push(Command::CloseGroup { slot: 0, closed });
    drop(worker);
    assert_eq!((first.0.lock().1, second.0.lock().1, late.0.lock().1), (1, 1, 1));
    assert!(done.try_recv().is_err(), "it ends without an answer");
    let later = Arc::<Ear>::default();
    lane.attach(8, Arc::clone(&later) as Arc<dyn DiskListener>);
    assert_eq!(later.0.lock().1, 1);
}

fn write_of(slot: u64, index: u64, bytes: usize) -> Command {
    let entry = LogEntry::data(LogId::new(LogIndex(index), Term(1)), vec![1; bytes].into());
    let ops = vec![LogOp::Append(EntrySlice::whole(EntryBatch::new(vec![entry])))];
    Command::Write { slot, ops, ticket: LogTicket(index) }
}

/// Runs a worker whose queue is closed, to its end.
fn finish(worker: Worker) {
    worker.lane.close();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(pin!(worker.run()).poll(&mut context), Poll::Ready(()));
}

#[test]
fn what_waits_together_is_synced_together_up_to_four_mib() {
    let syncs_of = |sizes: &[usize]| {
        let engine = SlowEngine::default();
        let (worker, _) = worker(&engine);
        for (index, &bytes) in (1..).zip(sizes) {
            worker.lane.push(write_of(0, index, bytes));
        }
        finish(worker);
        engine.syncs()
    };
    assert_eq!(syncs_of(&[]), 0, "nothing is synced if nothing was written");
    assert_eq!(syncs_of(&[1, 1, 1]), 1);
    assert_eq!(syncs_of(&[2 << 20, 2 << 20]), 1, "exactly full, and nothing is left");
    assert_eq!(syncs_of(&[2 << 20, 2 << 20, 1]), 2);
    assert_eq!(syncs_of(&[4 << 20, (4 << 20) - 1, 1, 1]), 3);
}

#[test]
fn a_group_is_closed_after_its_last_write_and_a_lane_has_ended_after_its_engine() {
    let engine = SlowEngine::default();
    let (mut worker, _) = worker(&engine);
    let lane = Arc::clone(&worker.lane);
    let mut context = Context::from_waker(Waker::noop());
    lane.push(write_of(0, 1, 1));
    let mut closed = pin!(lane.close_group(0));
    assert!(closed.as_mut().poll(&mut context).is_pending());
    let mut commands = Vec::new();
    assert_eq!(pin!(lane.queue.take(&mut commands)).poll(&mut context), Poll::Ready(true));
    for command in commands {
        worker.carry_out(command);
    }
    assert!(closed.poll(&mut context).is_ready() && engine.syncs() == 1);
    let mut ended = pin!(lane.ended());
    assert!(ended.as_mut().poll(&mut context).is_pending() && !engine.0.lock().closed);
    finish(worker);
    assert!(ended.poll(&mut context).is_ready() && engine.0.lock().closed);
}

#[test]
fn syncs_of_the_log_and_saves_are_counted_together() {
    let engine = SlowEngine::default();
    let (mut worker, _) = worker(&engine);
    write(&mut worker, 0, 1);
    write(&mut worker, 0, 2);
    assert_eq!(worker.lane.syncs(), 2);
    let meta = RaftMeta { term: Term(1), voted_for: None };
    (1..=3).for_each(|ticket| worker.save_meta(0, &meta, MetaTicket(ticket)));
    assert_eq!(worker.lane.syncs(), 5);
}

#[test]
fn nothing_is_asked_of_an_engine_that_has_failed() {
    let engine = SlowEngine::default();
    let (mut worker, _) = worker(&engine);
    worker.carry_out(write_of(0, 1, 1));
    worker.failed.lock().replace(gone());
    worker.sync();
    assert_eq!(engine.syncs(), 0);
}
