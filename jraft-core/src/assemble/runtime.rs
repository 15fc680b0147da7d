//! `Runtime`: the threads that nodes run on, and what nodes of one process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jraft_spi::env::{BoxFuture, Env, ready};
use jraft_spi::rpc::{RaftClientService, RaftRpcFactory, RpcError, UserMessage};
use jraft_spi::{Endpoint, RpcOptions};

use super::error::StartError;
use super::listeners::Listeners;
use super::os::LoopThread;
use super::service::StopList;
use crate::node::NodeManager;
use crate::sync::Mutex;
use crate::timer::Timer;

/// Loop threads, lanes, ports by address, log engines by directory, the registry of nodes, the clock.
///
/// Clones are the same runtime. When the last clone is gone, and the last service, client and log engine that run on it,
/// the threads end by themselves.
/// Nothing of it touches the caller's executor.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    loops: Vec<Loop>,
    next: AtomicUsize,
    pub(super) manager: Arc<NodeManager>,
    pub(super) listeners: Listeners,
    #[cfg(feature = "wal")]
    directories: Mutex<std::collections::BTreeMap<std::path::PathBuf, super::engine::WeakEngine>>,
    user_client: Mutex<Option<Arc<dyn RaftClientService>>>,
    pub(super) stop_list: StopList,
}

/// One loop, as groups use it.
pub(super) struct Loop {
    pub(super) env: Env,
    pub(super) timer: Timer,
    _thread: Option<LoopThread>,
}

/// Makes a [`Runtime`].
#[derive(Default)]
pub struct RuntimeBuilder {
    loops: usize,
    logger: Option<slog::Logger>,
    env: Option<Env>,
}

impl RuntimeBuilder {
    /// Loop threads; groups are spread over them. One by default: more pay off with many groups only.
    pub const fn loops(mut self, loops: usize) -> Self {
        self.loops = loops;
        self
    }

    /// Where log lines go. By default to the `log` crate.
    pub fn logger(mut self, logger: slog::Logger) -> Self {
        self.logger = Some(logger);
        self
    }

    /// Runs everything as tasks of this environment instead of making threads: for simulators.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system gave no thread.
    pub fn build(self) -> Result<Runtime, StartError> {
        let loops = match self.env {
            Some(env) => vec![Loop::new(env, None)],
            None => {
                let log = self.logger.unwrap_or_else(default_logger);
                let threads = (0..self.loops.max(1)).map(|number| LoopThread::start(number, &log));
                let threads = threads.collect::<Result<Vec<_>, _>>()?;
                threads.into_iter().map(|one| Loop::new(one.env.clone(), Some(one))).collect()
            }
        };
        let inner = Inner {
            loops,
            next: AtomicUsize::new(0),
            manager: Arc::default(),
            listeners: Listeners::default(),
            #[cfg(feature = "wal")]
            directories: Mutex::default(),
            user_client: Mutex::new(None),
            stop_list: StopList::default(),
        };
        Ok(Runtime { inner: Arc::new(inner) })
    }
}

fn default_logger() -> slog::Logger {
    use slog::Drain as _;
    slog::Logger::root(slog_stdlog::StdLog.fuse(), slog::o!())
}

impl Loop {
    fn new(env: Env, thread: Option<LoopThread>) -> Self {
        Self { timer: Timer::start(&env), env, _thread: thread }
    }
}

impl Runtime {
    /// One loop, log lines to the `log` crate.
    ///
    /// # Errors
    /// The operating system gave no thread.
    pub fn new() -> Result<Self, StartError> {
        Self::builder().build()
    }

    /// The choices.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder { loops: 1, ..RuntimeBuilder::default() }
    }

    /// The nodes of this runtime.
    pub fn node_manager(&self) -> &NodeManager {
        &self.inner.manager
    }

    /// The seams of the first loop, for adapters and tools that run beside the nodes.
    pub fn env(&self) -> Env {
        self.inner.loops[0].env.clone()
    }

    /// Sends requests of the application to any port.
    pub fn user_client(&self) -> UserClient {
        let mut client = self.inner.user_client.lock();
        let client = client.get_or_insert_with(|| {
            let env = &self.inner.loops[0].env;
            match default_factory(env, &RpcOptions::default()) {
                Some(factory) => factory.client(),
                None => Arc::new(NoTransport),
            }
        });
        UserClient { client: Arc::clone(client), _runtime: self.clone() }
    }

    /// Shuts all nodes down.
    pub async fn shutdown(&self) {
        self.inner.stop_list.stop_all().await;
    }

    /// The loop of the next group.
    pub(super) fn next_loop(&self) -> &Loop {
        let turn = self.inner.next.fetch_add(1, Ordering::Relaxed);
        &self.inner.loops[turn % self.inner.loops.len()]
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// The engine of a directory: the one that another group uses, or a new one.
    #[cfg(feature = "wal")]
    pub(super) fn directory(
        &self,
        path: &std::path::Path,
        options: jraft_storage::WalOptions,
        log: &slog::Logger,
    ) -> super::engine::SharedLogEngine {
        let mut directories = self.inner.directories.lock();
        // As spelled, unless it exists: then two spellings are one directory.
        let key = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let Some(engine) = directories.get(&key).and_then(super::engine::WeakEngine::upgrade) {
            return engine;
        }
        let engine = super::data_dir::DataDirEngine::new(path, options, log.clone());
        let engine = super::engine::SharedLogEngine::new(engine);
        directories.insert(key, engine.downgrade());
        engine
    }
}

/// The transport of a node that names none.
pub(super) fn default_factory(env: &Env, options: &RpcOptions) -> Option<Arc<dyn RaftRpcFactory>> {
    #[cfg(feature = "bolt")]
    {
        let net = Arc::new(jraft_rpc::io::TcpNet);
        Some(Arc::new(jraft_rpc::BoltRpcFactory::new(env.clone(), net, options.clone())))
    }
    #[cfg(not(feature = "bolt"))]
    {
        let _ = (env, options);
        None
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Runtime({} loops)", self.inner.loops.len())
    }
}

impl std::fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RuntimeBuilder({} loops)", self.loops)
    }
}

/// Sends requests of the application. Keeps its runtime going.
#[derive(Clone)]
pub struct UserClient {
    client: Arc<dyn RaftClientService>,
    /// On whose loop connections are kept and calls expire.
    _runtime: Runtime,
}

impl UserClient {
    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// `NotConnected` means that it was certainly not handled, and so does `Remote` with ENOENT, unless a processor chose
    /// that code: nobody there has the name. `TimedOut` and `Lost` mean that it was handled, perhaps.
    pub async fn invoke(
        &self,
        to: &Endpoint,
        request: UserMessage,
        timeout: Duration,
    ) -> Result<UserMessage, RpcError> {
        self.client.invoke(to, request, timeout).await
    }
}

impl std::fmt::Debug for UserClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserClient")
    }
}

/// Stands in where no transport is built in.
struct NoTransport;

impl NoTransport {
    fn error(to: &Endpoint) -> RpcError {
        let why = "no transport is built in (feature `bolt`)".to_owned();
        RpcError::NotConnected { to: to.clone(), why }
    }
}

impl RaftClientService for NoTransport {
    fn call(
        &self,
        to: &Endpoint,
        _: jraft_spi::message::RaftRequest,
        _: Duration,
    ) -> BoxFuture<'static, Result<jraft_spi::message::RaftResponse, RpcError>> {
        ready(Err(Self::error(to)))
    }

    fn invoke(
        &self,
        to: &Endpoint,
        _: UserMessage,
        _: Duration,
    ) -> BoxFuture<'static, Result<UserMessage, RpcError>> {
        ready(Err(Self::error(to)))
    }

    fn is_connected(&self, _: &Endpoint) -> bool {
        false
    }
}
