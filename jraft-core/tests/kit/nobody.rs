//! A network of nobody.

use std::sync::Arc;
use std::time::Duration;

use jraft_core::env::{BoxFuture, ready};
use jraft_core::message::{RaftRequest, RaftResponse};
use jraft_core::rpc::{
    Listening, RaftClientService, RaftRpcFactory, RaftServerService, UserProcessors,
};
use jraft_core::{Endpoint, RpcError, UserMessage};

/// What becomes of a call; no connection is ever made.
#[derive(Clone, Copy)]
pub(crate) enum Nobody {
    /// It never ends.
    Silent,
    /// It panics.
    Loud,
}

impl Nobody {
    fn called<T: Send + 'static>(self) -> BoxFuture<'static, T> {
        match self {
            Self::Silent => Box::pin(std::future::pending()),
            Self::Loud => panic!("a transport that was told to panic"),
        }
    }
}

impl RaftRpcFactory for Nobody {
    fn client(&self) -> Arc<dyn RaftClientService> {
        Arc::new(*self)
    }

    fn listen(
        &self,
        at: &Endpoint,
        _: Arc<dyn RaftServerService>,
        _: Arc<dyn UserProcessors>,
    ) -> BoxFuture<'static, Result<Box<dyn Listening>, RpcError>> {
        let port: Box<dyn Listening> = Box::new(Port(at.clone()));
        ready(Ok(port))
    }
}

impl RaftClientService for Nobody {
    fn call(
        &self,
        _: &Endpoint,
        _: RaftRequest,
        _: Duration,
    ) -> BoxFuture<'static, Result<RaftResponse, RpcError>> {
        self.called()
    }

    fn invoke(
        &self,
        _: &Endpoint,
        _: UserMessage,
        _: Duration,
    ) -> BoxFuture<'static, Result<UserMessage, RpcError>> {
        self.called()
    }

    fn is_connected(&self, _: &Endpoint) -> bool {
        false
    }
}

struct Port(Endpoint);

impl Listening for Port {
    fn endpoint(&self) -> &Endpoint {
        &self.0
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        ready(())
    }
}
