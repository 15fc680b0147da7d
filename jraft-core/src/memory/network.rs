//! `Network`: calls between the nodes of one process, without bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jraft_spi::env::{BoxFuture, Env, ready};
use jraft_spi::message::{RaftRequest, RaftResponse};
use jraft_spi::rpc::{
    Listening, RaftClientService, RaftRpcFactory, RaftServerService, Replier, RpcError,
    UserMessage, UserProcessors, UserRequest,
};
use jraft_spi::{Endpoint, RaftError, Status};
use tokio::sync::oneshot;

use crate::sync::RwLock;

/// A network of this process. Clones are the same network; it forgets when the last one is dropped.
#[derive(Clone, Default)]
pub struct Network(Arc<RwLock<BTreeMap<Endpoint, Server>>>);

#[derive(Clone)]
struct Server {
    raft: Arc<dyn RaftServerService>,
    user: Arc<dyn UserProcessors>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Network of {} endpoints", self.0.read().len())
    }
}

impl Network {
    /// A network without any endpoint.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether two are one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The network as a transport.
    pub(crate) fn factory(&self, env: &Env) -> Arc<dyn RaftRpcFactory> {
        Arc::new(Factory { network: self.clone(), env: env.clone() })
    }

    fn find(&self, to: &Endpoint) -> Result<Server, RpcError> {
        let nobody = || RpcError::NotConnected { to: to.clone(), why: "nobody listens".into() };
        self.0.read().get(to).cloned().ok_or_else(nobody)
    }
}

struct Factory {
    network: Network,
    env: Env,
}

impl RaftRpcFactory for Factory {
    fn client(&self) -> Arc<dyn RaftClientService> {
        Arc::new(Client { network: self.network.clone(), env: self.env.clone() })
    }

    fn listen(
        &self,
        at: &Endpoint,
        raft: Arc<dyn RaftServerService>,
        user: Arc<dyn UserProcessors>,
    ) -> BoxFuture<'static, Result<Box<dyn Listening>, RpcError>> {
        let (network, at) = (self.network.clone(), at.clone());
        Box::pin(async move {
            let mut servers = network.0.write();
            if servers.contains_key(&at) {
                return Err(RpcError::Listen { at, why: "somebody listens there already".into() });
            }
            servers.insert(at.clone(), Server { raft, user });
            drop(servers);
            Ok(Box::new(Port { network, at }) as Box<dyn Listening>)
        })
    }
}

struct Port {
    network: Network,
    at: Endpoint,
}

impl Listening for Port {
    fn endpoint(&self) -> &Endpoint {
        &self.at
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        self.network.0.write().remove(&self.at);
        ready(())
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.network.0.write().remove(&self.at);
    }
}

struct Client {
    network: Network,
    env: Env,
}

impl Client {
    /// The first of an answer and the end of `timeout`.
    fn within<T: Send + 'static>(
        &self,
        to: Endpoint,
        timeout: Duration,
        answer: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, RpcError>> {
        let late = self.env.sleep(timeout);
        Box::pin(async move {
            tokio::select! {
                biased;
                answer = answer => answer.map_err(RpcError::Remote),
                () = late => Err(RpcError::TimedOut { to, after: timeout }),
            }
        })
    }
}

impl RaftClientService for Client {
    fn call(
        &self,
        to: &Endpoint,
        request: RaftRequest,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<RaftResponse, RpcError>> {
        match self.network.find(to) {
            Ok(server) => self.within(to.clone(), timeout, server.raft.handle(request)),
            Err(error) => ready(Err(error)),
        }
    }

    fn invoke(
        &self,
        to: &Endpoint,
        request: UserMessage,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<UserMessage, RpcError>> {
        let server = match self.network.find(to) {
            Ok(server) => server,
            Err(error) => return ready(Err(error)),
        };
        let Some(processor) = server.user.find(&request.name) else {
            let text = format!("No user processor found for request: {}", request.name);
            let error = RpcError::Remote(Status::new(RaftError::ENOENT, text));
            return ready(Err(error));
        };
        let (sender, answer) = oneshot::channel();
        // Whoever asked may have given up.
        let reply = Replier::new(move |result| drop(sender.send(result)));
        processor.handle(UserRequest::new(request.body), reply);
        let gone = || Err(Status::new(RaftError::EINTERNAL, "the request was dropped"));
        self.within(to.clone(), timeout, async move { answer.await.unwrap_or_else(|_| gone()) })
    }

    fn is_connected(&self, to: &Endpoint) -> bool {
        self.network.0.read().contains_key(to)
    }
}
