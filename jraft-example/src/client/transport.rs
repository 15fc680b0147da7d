//! What the client needs of a network: one call. The tests have one without sockets.

use std::time::Duration;

use jraft_core::env::BoxFuture;
use jraft_core::rpc::{RpcError, UserMessage};
use jraft_core::{Endpoint, UserClient};

/// Sends one request and waits for its answer.
pub trait Transport: Send + Sync + 'static {
    /// Asks `to`, and waits for at most `limit`.
    fn invoke(
        &self,
        to: Endpoint,
        request: UserMessage,
        limit: Duration,
    ) -> BoxFuture<'_, Result<UserMessage, RpcError>>;
}

impl Transport for UserClient {
    fn invoke(
        &self,
        to: Endpoint,
        request: UserMessage,
        limit: Duration,
    ) -> BoxFuture<'_, Result<UserMessage, RpcError>> {
        Box::pin(async move { Self::invoke(self, &to, request, limit).await })
    }
}
