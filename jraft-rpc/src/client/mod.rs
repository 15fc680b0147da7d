//! The side that connects: one connection for each endpoint, kept up in the background (`BoltRpcClient`).

mod backoff;
mod peer;
mod serve;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::time::Duration;

use jraft_spi::env::{BoxFuture, Env};
use jraft_spi::message::{RaftRequest, RaftResponse};
use jraft_spi::rpc::{RaftClientService, RpcError, UserMessage};
use jraft_spi::{Endpoint, RpcOptions};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::convert::{Expected, encode_request, encode_user_request};
use crate::io::Net;
use peer::Peer;
use table::Waiter;

/// A client with connections of its own. Dropping it closes them.
pub(crate) struct BoltClient {
    shared: Arc<Shared>,
    peers: Mutex<BTreeMap<Endpoint, Arc<Peer>>>,
}

/// What all connections of a client share.
struct Shared {
    env: Env,
    net: Arc<dyn Net>,
    options: RpcOptions,
    /// Numbers requests over all connections, as the reference does.
    next_id: AtomicI32,
}

impl BoltClient {
    pub(crate) fn new(env: Env, net: Arc<dyn Net>, options: RpcOptions) -> Self {
        let shared = Shared { env, net, options, next_id: AtomicI32::new(1) };
        Self { shared: Arc::new(shared), peers: Mutex::default() }
    }

    fn peer(&self, to: &Endpoint) -> Arc<Peer> {
        let mut peers = self.peers.lock();
        if let Some(peer) = peers.get(to) {
            return Arc::clone(peer);
        }
        if peers.len() >= MAX_IDLE_PEERS {
            peers.retain(|_, peer| !peer.is_idle());
        }
        let peer = Peer::new(Arc::clone(&self.shared), to.clone());
        peers.insert(to.clone(), Arc::clone(&peer));
        peer
    }
}

impl RaftClientService for BoltClient {
    fn call(
        &self,
        to: &Endpoint,
        request: RaftRequest,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<RaftResponse, RpcError>> {
        let encoded = encode_request(&request, wall_ms(&self.shared.env));
        let (answer, answered) = oneshot::channel();
        let waiter = Waiter::Raft(Expected::of(&request), answer);
        self.peer(to).send(encoded, waiter, timeout);
        wait(to.clone(), answered)
    }

    fn invoke(
        &self,
        to: &Endpoint,
        request: UserMessage,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<UserMessage, RpcError>> {
        let (answer, answered) = oneshot::channel();
        let encoded = encode_user_request(request);
        self.peer(to).send(encoded, Waiter::User(answer), timeout);
        wait(to.clone(), answered)
    }

    fn is_connected(&self, to: &Endpoint) -> bool {
        self.peers.lock().get(to).is_some_and(|peer| peer.is_connected())
    }
}

impl Drop for BoltClient {
    fn drop(&mut self) {
        self.peers.lock().values().for_each(|peer| peer.close());
    }
}

fn wait<T: Send + 'static>(
    to: Endpoint,
    answered: oneshot::Receiver<Result<T, RpcError>>,
) -> BoxFuture<'static, Result<T, RpcError>> {
    Box::pin(async move {
        let gone =
            |_| Err(RpcError::Lost { to, why: "the loop of the client has ended".to_owned() });
        answered.await.unwrap_or_else(gone)
    })
}

fn wall_ms(env: &Env) -> i64 {
    let since = env.clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// With more endpoints than this, those that are not in use are forgotten.
const MAX_IDLE_PEERS: usize = 256;
