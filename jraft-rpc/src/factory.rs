//! Makes clients and ports that speak bolt (`BoltRaftRpcFactory`).

use std::fmt;
use std::sync::Arc;

use jraft_spi::env::{BoxFuture, Env};
use jraft_spi::rpc::{
    Listening, RaftClientService, RaftRpcFactory, RaftServerService, RpcError, UserProcessors,
};
use jraft_spi::{Endpoint, RpcOptions};

use crate::client::BoltClient;
use crate::io::Net;
use crate::seldom::Seldom;
use crate::server::{Context, Listener, listen_error};

/// The bolt transport over some network.
#[derive(Clone)]
pub struct BoltRpcFactory {
    env: Env,
    net: Arc<dyn Net>,
    options: RpcOptions,
}

impl BoltRpcFactory {
    /// A transport whose tasks run on the loop of `env`.
    pub fn new(env: Env, net: Arc<dyn Net>, options: RpcOptions) -> Self {
        Self { env, net, options }
    }
}

impl RaftRpcFactory for BoltRpcFactory {
    fn client(&self) -> Arc<dyn RaftClientService> {
        let (env, net) = (self.env.clone(), Arc::clone(&self.net));
        Arc::new(BoltClient::new(env, net, self.options.clone()))
    }

    fn listen(
        &self,
        at: &Endpoint,
        raft: Arc<dyn RaftServerService>,
        user: Arc<dyn UserProcessors>,
    ) -> BoxFuture<'static, Result<Box<dyn Listening>, RpcError>> {
        let (env, options, at) = (self.env.clone(), self.options.clone(), at.clone());
        let opened = self.net.listen(&at);
        Box::pin(async move {
            let accept = opened.await.map_err(|error| listen_error(&at, &error))?;
            let context = Context { env, options, raft, user, seldom: Seldom::default() };
            Ok(Box::new(Listener::start(&at, accept, context)) as Box<dyn Listening>)
        })
    }
}

impl fmt::Debug for BoltRpcFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoltRpcFactory").field("options", &self.options).finish_non_exhaustive()
    }
}
