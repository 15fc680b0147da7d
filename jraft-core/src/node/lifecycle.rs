//! Opening, starting and shutting down a node (behaviour.md 6.1, 19.7).

use std::sync::Arc;

use jraft_spi::env::{Env, Place};
use jraft_spi::rpc::RaftClientService;
use jraft_spi::status::{NodeStatus, Role};
use jraft_spi::storage::{RaftMeta, RaftMetaStorage, StorageError};
use jraft_spi::{ApplyPlace, Configuration, LogIndex, NodeId, NodeOptions, Status, sim_point};
use tokio::sync::oneshot;

use super::reader::ReadLane;
use super::shared::{Disks, Parts, Shared};
use super::state::{NodeState, Opened};
use super::timers::NodeTimers;
use super::turn::Turn;
use super::view::{StatusWatch, ViewCell};
use crate::fsm::{FsmCommand, FsmHost, FsmQueue, FsmRoom, StateMachine};
use crate::log::lane::{DiskListener, LogLane, OpenGroup, OpenedGroup};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, ThreadId};
use crate::timer::Timer;

/// What a node is made of.
pub(crate) struct NodeParts {
    pub(crate) id: NodeId,
    pub(crate) options: NodeOptions,
    pub(crate) initial_conf: Configuration,
    pub(crate) env: Env,
    pub(crate) timer: Timer,
    pub(crate) client: Arc<dyn RaftClientService>,
    pub(crate) lane: Arc<LogLane>,
    pub(crate) reader: Arc<ReadLane>,
    pub(crate) meta: Box<dyn RaftMetaStorage>,
    pub(crate) machine: Box<dyn StateMachine>,
}

/// A node with everything that runs for it.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    timers: Arc<NodeTimers>,
    turn: Mutex<TurnPlace>,
    stopping: AtomicBool,
    own_threads: Arc<Mutex<Vec<ThreadId>>>,
}

/// Where the turn of a node is.
enum TurnPlace {
    /// Not started yet.
    Here(Box<Turn>),
    /// On the loop, with what resolves when it has ended.
    Loop(oneshot::Receiver<()>),
    /// The node is shut down: nothing starts any more.
    Gone,
}

impl Core {
    /// Opens the storages and builds the node. It takes no part yet.
    pub(crate) async fn open(parts: NodeParts) -> Result<Arc<Self>, StorageError> {
        let NodeParts { id, options, initial_conf, env, timer, client, lane, reader, .. } = parts;
        let open = OpenGroup { group: id.group.clone(), meta: parts.meta, sync: options.raft.sync };
        let opened = lane.open(open).await?;
        let meta = match checked_meta(&id, &opened) {
            Ok(meta) => meta,
            Err(error) => {
                lane.close_group(opened.slot).await;
                return Err(error);
            }
        };
        let options = Arc::new(options);
        let mut env = env;
        env.log = env.log.new(slog::o!("node" => id.to_string()));
        let fsm = Arc::new(FsmQueue::new(options.raft.disruptor_buffer_size as usize));
        let status = NodeStatus::new(id.group.clone(), id.peer.clone());
        let disks = Disks {
            lane: Arc::clone(&lane),
            slot: opened.slot,
            reader: Arc::clone(&opened.reader),
        };
        let state = Opened { meta, recovered: opened.recovered, initial_conf };
        let state = NodeState::new(id, Arc::clone(&options), state, env.clock.now());
        let view = Arc::new(ViewCell::new(status));
        let shared =
            Shared::new(state, Parts { options, env, client, disks, fsm: Arc::clone(&fsm), view });
        let shared = Arc::new(shared);
        lane.attach(opened.slot, Arc::clone(&shared) as Arc<dyn DiskListener>);
        let timers = Arc::new(NodeTimers::new(&shared, &timer));
        let turn = Turn::new(Arc::clone(&shared), Arc::clone(&timers), reader);
        let core = Self {
            shared,
            timers,
            turn: Mutex::new(TurnPlace::Here(Box::new(turn))),
            stopping: AtomicBool::new(false),
            own_threads: Arc::default(),
        };
        core.start_fsm(parts.machine, opened.reader);
        sim_point!("node opened");
        Ok(Arc::new(core))
    }

    fn start_fsm(
        &self,
        machine: Box<dyn StateMachine>,
        reader: Arc<dyn jraft_spi::storage::LogReader>,
    ) {
        let room = FsmRoom {
            machine,
            host: Arc::clone(&self.shared) as Arc<dyn FsmHost>,
            queue: Arc::clone(&self.shared.fsm),
            reader,
            applied: LogIndex::ZERO,
            error: None,
            waiting: Default::default(),
            ended: false,
        };
        let place = match self.shared.options.apply_place {
            ApplyPlace::Inline => Place::Loop,
            _ => Place::Lane(format!("fsm {}", self.shared.id.group)),
        };
        let threads = Arc::clone(&self.own_threads);
        let run = async move {
            threads.lock().push(thread::current().id());
            room.run().await;
        };
        drop(self.shared.env.spawn.spawn("fsm", &place, Box::pin(run)));
    }

    /// Takes part from now on, unless it is shut down already: who knows a node may do so before its start.
    pub(crate) fn start(&self) {
        // Held to the end: a shutdown comes before all of this, or after it.
        let mut place = self.turn.lock();
        let (sender, ended) = oneshot::channel();
        let turn = match std::mem::replace(&mut *place, TurnPlace::Gone) {
            TurnPlace::Here(turn) => turn,
            other => return *place = other,
        };
        *place = TurnPlace::Loop(ended);
        let threads = Arc::clone(&self.own_threads);
        let run = async move {
            threads.lock().push(thread::current().id());
            turn.run().await;
            drop(sender);
        };
        drop(self.shared.env.on_loop("node", run));
        self.shared.step("start", NodeState::on_start);
        sim_point!("node started");
    }

    /// Whether the caller is the loop or the lane of this node: it must not wait for it then.
    pub(crate) fn is_own_thread(&self) -> bool {
        self.own_threads.lock().contains(&thread::current().id())
    }

    /// Resolves when the node is down. The first call starts it, all wait for the same end.
    pub(crate) async fn shutdown(self: &Arc<Self>) {
        self.start_shutdown();
        StatusWatch::new(Arc::clone(&self.shared.view))
            .until(|status| status.role == Role::Shutdown)
            .await;
    }

    /// The same, without waiting.
    pub(crate) fn start_shutdown(self: &Arc<Self>) {
        if !self.stopping.swap(true, Ordering::SeqCst) {
            let core = Arc::clone(self);
            drop(self.shared.env.on_loop("shutdown", async move { core.shut_down().await }));
        }
    }

    async fn shut_down(&self) {
        let shared = &self.shared;
        shared.entrance.close();
        let turn = std::mem::replace(&mut *self.turn.lock(), TurnPlace::Gone);
        shared.step("shutdown", NodeState::on_shutdown);
        sim_point!("shutdown decided");
        shared.end();
        match turn {
            // It never started. Its only turn tells those whose tasks were taken in nevertheless.
            TurnPlace::Here(turn) => turn.run().await,
            // An error means that the task has ended, which is what is waited for.
            TurnPlace::Loop(ended) => drop(ended.await),
            TurnPlace::Gone => {}
        }
        sim_point!("turn ended");
        shared.close();
        self.timers.destroy();
        shared.disks.lane.close_group(shared.disks.slot).await;
        sim_point!("log closed");
        let (sender, done) = oneshot::channel();
        shared.fsm.push(FsmCommand::Shutdown(sender));
        drop(done.await);
        sim_point!("machine stopped");
        shared.fsm.close();
        shared.step("closed", |state, _, _| state.on_closed());
        sim_point!("node closed");
    }

    /// Resolves when the node takes no part any more, with the reason: OK after a shutdown.
    pub(crate) async fn stopped(&self) -> Status {
        let mut watch = StatusWatch::new(Arc::clone(&self.shared.view));
        let gone = |status: &NodeStatus| matches!(status.role, Role::Error | Role::Shutdown);
        watch.until(gone).await.error.unwrap_or_else(Status::ok)
    }
}

/// Term and vote, if they can belong to the log beside them.
fn checked_meta(id: &NodeId, opened: &OpenedGroup) -> Result<RaftMeta, StorageError> {
    let last = opened.recovered.last;
    let meta = match &opened.meta {
        Some(meta) => meta.clone(),
        None if last == LogIndex::ZERO => Default::default(),
        None => {
            let text = format!(
                "term and vote of {id} are missing beside a log of {last} entries: this node could vote twice in a \
                 term; restore its metadata, or remove its data and let it join again empty"
            );
            return Err(StorageError::Other(text));
        }
    };
    let last_term = opened.recovered.terms.last().map(|&(_, term)| term).unwrap_or_default();
    if last_term > meta.term {
        let text = format!(
            "the log of {id} ends in term {last_term}, its metadata in term {}: metadata was lost",
            meta.term
        );
        return Err(StorageError::Other(text));
    }
    Ok(meta)
}

impl FsmHost for Shared {
    fn applied(&self, index: LogIndex) {
        self.view.set_applied(index);
    }

    fn failed(&self, status: &Status) {
        self.fail(status);
    }

    fn ends(&self) -> bool {
        self.view.role() >= Role::Shutting
    }

    fn has_room(&self) {
        self.bell.ring();
    }

    fn warn(&self, text: &str) {
        slog::warn!(self.env.log, "{}", text);
    }
}
