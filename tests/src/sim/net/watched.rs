//! A transport that is watched: what leaves a node and what reaches it is shown to the judge, whatever carries it.

use std::sync::Arc;
use std::time::Duration;

use jraft_core::env::BoxFuture;
use jraft_core::message::{RaftRequest, RaftResponse};
use jraft_core::rpc::{
    Listening, RaftClientService, RaftRpcFactory, RaftServerService, RpcError, UserMessage,
    UserProcessors,
};
use jraft_core::{Endpoint, Status};

use crate::sim::hub::Life;
use crate::sim::watch::Watch;

/// The transport of one process, watched.
pub struct Watched {
    /// What carries the messages.
    pub inner: Arc<dyn RaftRpcFactory>,
    /// Who watches.
    pub watch: Arc<Watch>,
    /// Whose transport it is.
    pub life: Life,
}

impl RaftRpcFactory for Watched {
    fn client(&self) -> Arc<dyn RaftClientService> {
        let (watch, life) = (Arc::clone(&self.watch), self.life);
        Arc::new(Client { inner: self.inner.client(), watch, life })
    }

    fn listen(
        &self,
        at: &Endpoint,
        raft: Arc<dyn RaftServerService>,
        user: Arc<dyn UserProcessors>,
    ) -> BoxFuture<'static, Result<Box<dyn Listening>, RpcError>> {
        let (watch, life) = (Arc::clone(&self.watch), self.life);
        self.inner.listen(at, Arc::new(Server { inner: raft, watch, life }), user)
    }
}

struct Client {
    inner: Arc<dyn RaftClientService>,
    watch: Arc<Watch>,
    life: Life,
}

impl RaftClientService for Client {
    fn call(
        &self,
        to: &Endpoint,
        request: RaftRequest,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<RaftResponse, RpcError>> {
        self.watch.sends(self.life, &request);
        self.inner.call(to, request, timeout)
    }

    fn invoke(
        &self,
        to: &Endpoint,
        request: UserMessage,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<UserMessage, RpcError>> {
        self.inner.invoke(to, request, timeout)
    }

    fn is_connected(&self, to: &Endpoint) -> bool {
        self.inner.is_connected(to)
    }
}

struct Server {
    inner: Arc<dyn RaftServerService>,
    watch: Arc<Watch>,
    life: Life,
}

impl RaftServerService for Server {
    fn handle(&self, request: RaftRequest) -> BoxFuture<'static, Result<RaftResponse, Status>> {
        self.watch.hears(self.life, &request);
        let heard = self.watch.hub.now();
        let answer = self.inner.handle(request.clone());
        let (watch, life) = (Arc::clone(&self.watch), self.life);
        Box::pin(async move {
            let answer = answer.await;
            if let Ok(answer) = &answer {
                watch.answers(life, &request, heard, answer);
            }
            answer
        })
    }
}
