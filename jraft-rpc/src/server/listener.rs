//! An open port: accepts connections up to a limit and closes them with itself (`RpcServer`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jraft_spi::env::{BoxFuture, Env};
use jraft_spi::rpc::{Listening, RaftServerService, RpcError, UserProcessors};
use jraft_spi::{Endpoint, RpcOptions};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::connection::Connection;
use crate::io::{Accept, Accepted};
use crate::seldom::Seldom;

/// What all connections of a port share.
pub(crate) struct Context {
    pub(crate) env: Env,
    pub(crate) options: RpcOptions,
    pub(crate) raft: Arc<dyn RaftServerService>,
    pub(crate) user: Arc<dyn UserProcessors>,
    /// For lines about bad requests and connections.
    pub(crate) seldom: Seldom,
}

/// The handle of an open port.
pub(crate) struct Listener {
    endpoint: Endpoint,
    shared: Arc<Shared>,
}

struct Shared {
    context: Arc<Context>,
    state: Mutex<State>,
    /// Told to the task that accepts.
    stop: Notify,
    /// Told to those who wait for the end.
    ended: Notify,
}

#[derive(Default)]
struct State {
    closing: bool,
    accept_ended: bool,
    next_id: u64,
    connections: BTreeMap<u64, Arc<Connection>>,
}

impl Listener {
    /// Starts accepting. `at` is the endpoint that was asked for.
    pub(crate) fn start(at: &Endpoint, accept: Box<dyn Accept>, context: Context) -> Self {
        let endpoint = Endpoint::new(at.host(), accept.port());
        let shared = Arc::new(Shared {
            context: Arc::new(context),
            state: Mutex::default(),
            stop: Notify::new(),
            ended: Notify::new(),
        });
        let task = Arc::clone(&shared);
        let env = &shared.context.env;
        env.on_loop("rpc-accept", async move { task.accept(accept).await });
        Self { endpoint, shared }
    }
}

impl Listening for Listener {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.close();
            loop {
                let ended = shared.ended.notified();
                if shared.is_closed() {
                    return;
                }
                ended.await;
            }
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Shared {
    async fn accept(self: Arc<Self>, mut accept: Box<dyn Accept>) {
        // Dropped in every case, also when the task is dropped.
        let _ended = OnDrop(|| self.note_accept_ended());
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.notified() => break,
                accepted = accept.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => self.admit(accepted),
                Err(error) => {
                    self.warn("cannot accept a connection", &error.to_string());
                    // Out of file descriptors, most likely: trying at once would only burn the CPU.
                    tokio::select! {
                        biased;
                        () = self.stop.notified() => break,
                        () = self.context.env.sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, Accepted { stream, from }: Accepted) {
        let limit = self.context.options.max_connections as usize;
        let (id, connection) = {
            let mut state = self.state.lock();
            if state.closing || state.connections.len() >= limit {
                drop(state);
                self.warn("refused a connection over max_connections", &from);
                return;
            }
            let id = state.next_id;
            state.next_id += 1;
            let connection = Connection::new(Arc::clone(&self.context), from);
            state.connections.insert(id, Arc::clone(&connection));
            (id, connection)
        };
        let shared = Arc::clone(self);
        self.context.env.on_loop("rpc-connection", async move {
            let _ended = OnDrop(|| shared.note_connection_ended(id));
            connection.serve(stream).await;
        });
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.stop.notify_one();
        state.connections.values().for_each(|connection| connection.stop());
    }

    fn is_closed(&self) -> bool {
        let state = self.state.lock();
        state.accept_ended && state.connections.is_empty()
    }

    fn note_accept_ended(&self) {
        self.state.lock().accept_ended = true;
        self.ended.notify_waiters();
    }

    fn note_connection_ended(&self, id: u64) {
        let ended = self.state.lock().connections.remove(&id);
        if let Some(connection) = ended {
            connection.end();
        }
        self.ended.notify_waiters();
    }

    fn warn(&self, what: &str, detail: &str) {
        let Context { env, seldom, .. } = &*self.context;
        if let Some(suppressed) = seldom.pass(env.clock.now()) {
            slog::warn!(env.log, "{}", what; "detail" => detail, "suppressed" => suppressed);
        }
    }
}

/// Runs something when it goes out of scope, however the scope is left.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Says why a port cannot be opened.
pub(crate) fn listen_error(at: &Endpoint, error: &std::io::Error) -> RpcError {
    let why = match error.kind() {
        std::io::ErrorKind::AddrInUse => "the address is in use".to_owned(),
        _ => error.to_string(),
    };
    RpcError::Listen { at: at.clone(), why }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
