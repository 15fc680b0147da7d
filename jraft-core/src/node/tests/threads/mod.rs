//! What threads outside a loop touch of a node, under many schedules: entrance, view, news of the disks, start and end.

mod entrance;
mod lifecycle;
mod news;
mod view;

use std::sync::Arc;
use std::time::Duration;

use jraft_spi::env::{BoxFuture, ready};
use jraft_spi::message::{RaftRequest, RaftResponse};
use jraft_spi::rpc::{RaftClientService, RpcError, UserMessage};
use jraft_spi::{Endpoint, NodeId};

/// A client that reaches nobody.
struct Nobody;

impl RaftClientService for Nobody {
    fn call(
        &self,
        to: &Endpoint,
        _: RaftRequest,
        _: Duration,
    ) -> BoxFuture<'static, Result<RaftResponse, RpcError>> {
        ready(Err(RpcError::NotConnected { to: to.clone(), why: "there is nobody".into() }))
    }

    fn invoke(
        &self,
        to: &Endpoint,
        _: UserMessage,
        _: Duration,
    ) -> BoxFuture<'static, Result<UserMessage, RpcError>> {
        ready(Err(RpcError::NotConnected { to: to.clone(), why: "there is nobody".into() }))
    }

    fn is_connected(&self, _: &Endpoint) -> bool {
        false
    }
}

fn nobody() -> Arc<dyn RaftClientService> {
    Arc::new(Nobody)
}

fn id() -> NodeId {
    NodeId::new("g".parse().unwrap(), "a:1".parse().unwrap())
}
