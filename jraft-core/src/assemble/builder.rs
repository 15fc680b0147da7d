//! `RaftGroupBuilder`: everything that can be said of a membership before it starts.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use jraft_spi::env::Env;
use jraft_spi::rpc::{RaftRpcFactory, RaftServerService, UserMessage, UserProcessor, UserRequest};
use jraft_spi::storage::RaftMetaStorage;
use jraft_spi::{Configuration, GroupId, NodeId, NodeOptions, ParseError, PeerId, Status};
use tokio::sync::oneshot;

use super::engine::SharedLogEngine;
use super::error::StartError;
use super::listeners::Transport;
use super::processors::FnProcessor;
use super::runtime::{Runtime, default_factory};
use super::service::{Member, RaftGroupService};
use crate::fsm::StateMachine;
use crate::memory::{MemoryLogEngine, MemoryMetaStorage, Network};
use crate::node::Node;
use crate::node::lifecycle::{Core, NodeParts};
use crate::sync::Mutex;

type MakeProcessor = Box<dyn FnOnce(&Node) -> Arc<dyn UserProcessor> + Send>;

/// Starts a [`RaftGroupService`]. Nothing happens before `start`.
#[must_use = "a builder does nothing until it is started"]
pub struct RaftGroupBuilder {
    group: Result<GroupId, ParseError>,
    me: Result<PeerId, ParseError>,
    initial_conf: Result<Configuration, ParseError>,
    options: NodeOptions,
    runtime: Option<Runtime>,
    logger: Option<slog::Logger>,
    #[cfg(feature = "wal")]
    data_dir: Option<std::path::PathBuf>,
    network: Option<Network>,
    engine: Option<SharedLogEngine>,
    meta: Option<Box<dyn RaftMetaStorage>>,
    rpc: Option<Arc<dyn RaftRpcFactory>>,
    processors: Vec<MakeProcessor>,
}

impl RaftGroupBuilder {
    pub(super) fn new(group: Result<GroupId, ParseError>, me: Result<PeerId, ParseError>) -> Self {
        Self {
            group,
            me,
            initial_conf: Ok(Configuration::default()),
            options: NodeOptions::default(),
            runtime: None,
            logger: None,
            #[cfg(feature = "wal")]
            data_dir: None,
            network: None,
            engine: None,
            meta: None,
            rpc: None,
            processors: Vec::new(),
        }
    }

    /// The members of a new group. Used only while the log is empty; left out, the node waits for a leader to add it.
    pub fn initial_conf<C>(mut self, conf: C) -> Self
    where
        C: TryInto<Configuration>,
        C::Error: Into<ParseError>,
    {
        self.initial_conf = conf.try_into().map_err(Into::into);
        self
    }

    /// Runs on the threads of this runtime. Left out, the service has a runtime of its own.
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Keeps log, term and vote in this directory.
    #[cfg(feature = "wal")]
    pub fn data_dir(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Keeps log, term and vote in memory, and calls the other nodes of this network without bytes.
    pub fn in_memory(mut self, network: &Network) -> Self {
        self.network = Some(network.clone());
        self
    }

    /// The options, all of them.
    pub fn options(mut self, options: NodeOptions) -> Self {
        self.options = options;
        self
    }

    /// Changes options; what is said here has the last word.
    pub fn configure(mut self, change: impl FnOnce(&mut NodeOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Where the log lines of this node go. Left out, where the runtime's go.
    pub fn logger(mut self, logger: slog::Logger) -> Self {
        self.logger = Some(logger);
        self
    }

    /// Keeps the log here, instead of in the data directory.
    pub fn log_engine(mut self, engine: &SharedLogEngine) -> Self {
        self.engine = Some(engine.clone());
        self
    }

    /// Keeps term and vote here, instead of in the data directory.
    pub fn meta_storage(mut self, storage: impl RaftMetaStorage) -> Self {
        self.meta = Some(Box::new(storage));
        self
    }

    /// Uses this transport, instead of bolt. Groups of one address in one runtime share a port, and so have to be given
    /// the same one.
    pub fn rpc(mut self, factory: Arc<dyn RaftRpcFactory>) -> Self {
        self.rpc = Some(factory);
        self
    }

    /// Answers requests of the application, from the moment on when the port opens.
    pub fn user_processor<P: UserProcessor>(
        mut self,
        make: impl FnOnce(&Node) -> P + Send + 'static,
    ) -> Self {
        self.processors.push(Box::new(move |node| Arc::new(make(node))));
        self
    }

    /// The short form: a future per request, polled on the loop.
    pub fn on_request<F, A>(self, name: impl Into<String>, call: F) -> Self
    where
        F: Fn(Node, UserRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<UserMessage, Status>> + Send + 'static,
    {
        let name = name.into();
        self.user_processor(move |node: &Node| {
            let (env, node) = (node.core().shared.env.clone(), node.clone());
            FnProcessor::new(name, env, move |request| call(node.clone(), request))
        })
    }

    /// Opens the storage, opens the port, takes part. Does not wait for a leader.
    ///
    /// # Errors
    /// See [`StartError`]. A failed start leaves nothing behind.
    pub async fn start(self, machine: impl StateMachine) -> Result<RaftGroupService, StartError> {
        self.start_with(machine, Clone::clone).await
    }

    /// The same with another handle.
    pub(crate) async fn start_with<H>(
        self,
        machine: impl StateMachine,
        handle: impl FnOnce(&Node) -> H,
    ) -> Result<RaftGroupService<H>, StartError> {
        let member = self.start_boxed(Box::new(machine)).await?;
        Ok(RaftGroupService::new(handle(&member.node), member))
    }

    /// On the loop, to the end: a caller that gives up leaves no half-started node.
    pub(super) async fn start_boxed(
        self,
        machine: Box<dyn StateMachine>,
    ) -> Result<Arc<Member>, StartError> {
        let runtime = match &self.runtime {
            Some(runtime) => runtime.clone(),
            None => match &self.logger {
                Some(logger) => Runtime::builder().logger(logger.clone()).build()?,
                None => Runtime::new()?,
            },
        };
        let plan = self.plan(runtime)?;
        let (sender, started) = oneshot::channel();
        let env = plan.env.clone();
        drop(env.on_loop("start", async move {
            let started = plan.carry_out(machine).await.map(|member| Unclaimed(Some(member)));
            // A caller that gave up: what comes back is dropped, and stops.
            drop(sender.send(started));
        }));
        let gone = || StartError::Threads(std::io::Error::other("the loop has ended"));
        let started = started.await.map_err(|_| gone())??;
        started.claim().ok_or_else(gone)
    }

    /// Everything that can be wrong without a disk or a port.
    fn plan(self, runtime: Runtime) -> Result<Plan, StartError> {
        let id = NodeId::new(self.group?, self.me?);
        if id.peer.is_empty() {
            return Err(StartError::Identity { node: id, why: "it is the wildcard address" });
        }
        let initial_conf = self.initial_conf?;
        if !initial_conf.peers().is_empty() && !initial_conf.is_valid() {
            let why = "a member of its configuration is voter and learner at once";
            return Err(StartError::Identity { node: id, why });
        }
        self.options.validate()?;
        let one = runtime.next_loop();
        let (mut env, timer) = (one.env.clone(), one.timer.clone());
        if let Some(logger) = self.logger {
            env.log = logger;
        }
        let missing = |missing, call| StartError::Missing { missing, call };
        let (mut engine, mut meta, mut rpc) = (self.engine, self.meta, self.rpc);
        let transport = match (&rpc, &self.network) {
            (Some(given), _) => Transport::Given(Arc::clone(given)),
            (None, Some(network)) => Transport::Memory(network.clone()),
            (None, None) => Transport::BuiltIn,
        };
        if let Some(network) = &self.network {
            engine = engine.or_else(|| Some(SharedLogEngine::new(MemoryLogEngine::new())));
            meta = meta.or_else(|| Some(Box::new(MemoryMetaStorage::new())));
            rpc = rpc.or_else(|| Some(network.factory(&env)));
        }
        #[cfg(feature = "wal")]
        if let Some(path) = &self.data_dir {
            let raft = &self.options.raft;
            let wal = jraft_storage::WalOptions {
                segment_bytes: raft.wal_segment_bytes,
                ..jraft_storage::WalOptions::default()
            };
            engine = engine.or_else(|| Some(runtime.directory(path, wal, &env.log)));
            let of_dir = || Box::new(super::data_dir::DataDirMeta::new(path, &id.group));
            meta = meta.or_else(|| Some(of_dir()));
        }
        Ok(Plan {
            engine: engine.ok_or_else(|| missing("a log", "data_dir"))?,
            meta: meta.ok_or_else(|| missing("a place for term and vote", "data_dir"))?,
            rpc: rpc
                .or_else(|| default_factory(&env, &self.options.rpc))
                .ok_or_else(|| missing("a transport", "rpc"))?,
            transport,
            id,
            initial_conf,
            options: self.options,
            runtime,
            env,
            timer,
            processors: self.processors,
        })
    }
}

/// A member on its way to whoever started it. The caller may give up at any moment, also when it was sent already: who
/// drops it stops it.
struct Unclaimed(Option<Arc<Member>>);

impl Unclaimed {
    fn claim(mut self) -> Option<Arc<Member>> {
        self.0.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(member) = self.0.take() {
            drop(member.start_stop());
        }
    }
}

/// A start with nothing left to ask for.
struct Plan {
    id: NodeId,
    initial_conf: Configuration,
    options: NodeOptions,
    runtime: Runtime,
    env: Env,
    timer: crate::timer::Timer,
    engine: SharedLogEngine,
    meta: Box<dyn RaftMetaStorage>,
    rpc: Arc<dyn RaftRpcFactory>,
    transport: Transport,
    processors: Vec<MakeProcessor>,
}

impl Plan {
    async fn carry_out(self, machine: Box<dyn StateMachine>) -> Result<Arc<Member>, StartError> {
        let lanes = self.engine.lanes(&self.runtime, &self.env, self.id.group.as_str());
        let (id, at) = (self.id.clone(), self.id.peer.endpoint().clone());
        let parts = NodeParts {
            id: self.id,
            options: self.options,
            initial_conf: self.initial_conf,
            env: self.env,
            timer: self.timer,
            client: self.rpc.client(),
            lane: lanes.log,
            reader: lanes.read,
            meta: self.meta,
            machine,
        };
        let node = match Core::open(parts).await {
            Ok(core) => Node::new(core),
            Err(error) => {
                self.engine.release().await;
                return Err(error.into());
            }
        };
        // Somebody else's code: what it leaves behind when it panics is taken down first.
        let processors = catch_unwind(AssertUnwindSafe(|| {
            self.processors.into_iter().map(|make| make(&node)).collect::<Vec<_>>()
        }));
        let processors = match processors {
            Ok(processors) => processors,
            Err(panic) => {
                node.shutdown().await;
                self.engine.release().await;
                resume_unwind(panic);
            }
        };
        let member = Arc::new(Member {
            node: node.clone(),
            runtime: self.runtime,
            engine: Mutex::new(Some(self.engine)),
            port: Mutex::new(None),
            given_back: tokio::sync::Mutex::new(false),
        });
        let inner = Arc::clone(member.runtime.inner());
        if !inner.manager.add(&node) {
            node.shutdown().await;
            member.release_engine().await;
            return Err(StartError::Duplicate(format!("the node {id}")));
        }
        let raft = Arc::clone(&inner.manager) as Arc<dyn RaftServerService>;
        let transport = (self.transport, &*self.rpc);
        match inner.listeners.join(transport, &at, raft, &processors).await {
            Ok(port) => *member.port.lock() = Some(port),
            Err(error) => {
                member.stop().await;
                return Err(error);
            }
        }
        inner.stop_list.add(&member);
        node.core().start();
        Ok(member)
    }
}

impl std::fmt::Debug for RaftGroupBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RaftGroupBuilder({:?}, {:?})", self.group, self.me)
    }
}
