//! `Shared`: the one door to a node's state, and what stands beside it for other threads.
//!
//! Decide under the lock, enqueue under the lock, execute outside it. Nothing that can wait happens inside.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use jraft_spi::env::{Env, MonoTime};
use jraft_spi::rpc::RaftClientService;
use jraft_spi::storage::{LogReader, StorageError};
use jraft_spi::{LogEntry, NodeId, NodeOptions, PeerId, RaftError, Status, mutant};

use super::entrance::Entrance;
use super::state::{Effects, NodeState};
use super::view::ViewCell;
use crate::closure::DoneQueue;
use crate::fsm::FsmQueue;
use crate::log::LogTicket;
use crate::log::MetaTicket;
use crate::log::lane::{DiskListener, LogLane};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Bell, Mutex, RwLock, thread_local};

/// A lock held longer than this is reported with its purpose.
const LONG_HELD: Duration = Duration::from_millis(1);

/// What the disks and the readers have to tell, until the next turn.
#[derive(Debug, Default)]
pub(crate) struct DiskNews {
    pub(crate) log: Option<LogTicket>,
    pub(crate) meta: Option<MetaTicket>,
    pub(crate) failed: Option<StorageError>,
    pub(crate) read: Vec<LogRead>,
}

/// Entries read for a peer that is far behind.
#[derive(Debug)]
pub(crate) struct LogRead {
    pub(crate) peer: PeerId,
    pub(crate) version: u64,
    pub(crate) entries: Result<Vec<LogEntry>, StorageError>,
}

/// Where a node's log lives.
pub(crate) struct Disks {
    pub(crate) lane: Arc<LogLane>,
    pub(crate) slot: u64,
    pub(crate) reader: Arc<dyn LogReader>,
}

/// One node, as its loop, its lanes and its callers share it.
pub(crate) struct Shared {
    pub(crate) id: NodeId,
    pub(crate) options: Arc<NodeOptions>,
    pub(crate) env: Env,
    pub(crate) client: Arc<dyn RaftClientService>,
    pub(crate) disks: Disks,
    pub(crate) fsm: Arc<FsmQueue>,
    pub(crate) entrance: Entrance,
    pub(crate) view: Arc<ViewCell>,
    pub(crate) bell: Bell,
    state: RwLock<NodeState>,
    outbox: Mutex<Effects>,
    news: Mutex<DiskNews>,
    /// The turn has nothing to do any more.
    pub(crate) ended: AtomicBool,
    /// The turn has ended.
    closed: AtomicBool,
}

/// What [`Shared::new`] bundles.
pub(crate) struct Parts {
    pub(crate) options: Arc<NodeOptions>,
    pub(crate) env: Env,
    pub(crate) client: Arc<dyn RaftClientService>,
    pub(crate) disks: Disks,
    pub(crate) fsm: Arc<FsmQueue>,
    pub(crate) view: Arc<ViewCell>,
}

thread_local! {
    /// The purpose of the step that this thread is in: a step inside a step is a bug.
    static IN_STEP: Cell<Option<&'static str>> = const { Cell::new(None) };
}

impl Shared {
    pub(crate) fn new(state: NodeState, parts: Parts) -> Self {
        let home: Arc<dyn DoneQueue> = Arc::clone(&parts.fsm) as Arc<dyn DoneQueue>;
        let raft = &parts.options.raft;
        Self {
            id: state.id().clone(),
            entrance: Entrance::new(raft.disruptor_buffer_size as usize, home),
            options: parts.options,
            env: parts.env,
            client: parts.client,
            disks: parts.disks,
            fsm: parts.fsm,
            view: parts.view,
            bell: Bell::default(),
            state: RwLock::new(state),
            outbox: Mutex::default(),
            news: Mutex::default(),
            ended: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// The door: decides and enqueues, then wakes the turn that carries it out. `decide` is pure and never waits.
    pub(crate) fn step<R>(
        &self,
        purpose: &'static str,
        decide: impl FnOnce(&mut NodeState, MonoTime, &mut Effects) -> R,
    ) -> R {
        let answer = self.step_quietly(purpose, decide);
        self.bell.ring();
        if self.closed.load(Ordering::Acquire) {
            // Nobody carries it out any more; who waits for an answer learns that when it is dropped.
            self.outbox.lock().clear();
        }
        answer
    }

    /// The same from within the turn, which looks at the outbox anyway.
    pub(crate) fn step_quietly<R>(
        &self,
        purpose: &'static str,
        decide: impl FnOnce(&mut NodeState, MonoTime, &mut Effects) -> R,
    ) -> R {
        let outer = IN_STEP.with(|step| step.replace(Some(purpose)));
        assert!(outer.is_none(), "step {purpose:?} inside step {outer:?}");
        let mut state = self.state.write();
        // Read inside the door, so that time never runs backwards between two decisions.
        let now = self.env.clock.now();
        let mut outbox = self.outbox.lock();
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let answer = decide(&mut state, now, &mut outbox);
            state.finish_step(&mut outbox);
            answer
        }));
        if answer.is_err() {
            state.break_down(purpose, &mut outbox);
        }
        let woken = self.view.publish(&state);
        drop(outbox);
        drop(state);
        IN_STEP.with(|step| step.set(None));
        woken.wake();
        let answer = answer.unwrap_or_else(|panic| {
            self.bell.ring();
            resume_unwind(panic)
        });
        let held = self.env.clock.now().since(now);
        if held > LONG_HELD {
            slog::debug!(self.env.log, "the node's lock was held long";
                "purpose" => purpose, "us" => held.as_micros() as u64);
        }
        answer
    }

    /// Looks, and changes nothing.
    #[cfg(feature = "sim")]
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&NodeState) -> R) -> R {
        look(&self.state.read())
    }

    /// Takes what was decided since the last turn.
    pub(crate) fn take_outbox(&self, into: &mut Effects) {
        std::mem::swap(&mut *self.outbox.lock(), into);
    }

    /// Takes what the disks told since the last turn.
    pub(crate) fn take_news(&self) -> DiskNews {
        std::mem::take(&mut *self.news.lock())
    }

    pub(crate) fn tell_read(&self, read: LogRead) {
        self.news.lock().read.push(read);
        self.bell.ring();
    }

    /// Something outside the decisions failed.
    pub(crate) fn fail(&self, error: &Status) {
        self.step("error", |state, now, fx| state.on_error(error, now, fx));
    }

    /// Whether the node is on its way down. Asked by those who try again.
    #[cfg(feature = "app")]
    pub(crate) fn stopping(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// The turn has ended: from here on decisions lead nowhere.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.outbox.lock().clear();
    }

    fn note<T: Ord>(
        &self,
        ticket: T,
        result: Result<(), StorageError>,
        slot: impl FnOnce(&mut DiskNews) -> &mut Option<T>,
    ) {
        let mut news = self.news.lock();
        match result.or_else(|error| if mutant!("M34") { Ok(()) } else { Err(error) }) {
            Ok(()) => {
                let known = slot(&mut news);
                if known.as_ref().is_none_or(|known| *known < ticket) {
                    *known = Some(ticket);
                }
            }
            Err(error) => news.failed = news.failed.take().or(Some(error)),
        }
        drop(news);
        self.bell.ring();
    }
}

impl DiskListener for Shared {
    fn log_durable(&self, ticket: LogTicket, result: Result<(), StorageError>) {
        self.note(ticket, result, |news| &mut news.log);
    }

    fn meta_durable(&self, ticket: MetaTicket, result: Result<(), StorageError>) {
        self.note(ticket, result, |news| &mut news.meta);
    }
}

/// What a failed disk looks like to the node.
pub(crate) fn disk_status(error: &StorageError) -> Status {
    Status::new(RaftError::EIO, error.to_string())
}
