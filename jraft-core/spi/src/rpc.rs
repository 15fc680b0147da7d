//! Ports of the transport: what a node needs of a network, and what a network needs of a node.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::entity::Endpoint;
use crate::env::BoxFuture;
use crate::error::{RaftError, Status};
use crate::message::{RaftRequest, RaftResponse};

/// Why a call brought no answer of the expected kind.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// There is no connection: the request was certainly not sent.
    #[error("not connected to {to}: {why}")]
    NotConnected {
        /// The endpoint.
        to: Endpoint,
        /// What the last attempt to connect ended with.
        why: String,
    },
    /// No answer came in time: perhaps handled.
    #[error("{to} did not answer within {after:?}")]
    TimedOut {
        /// The endpoint.
        to: Endpoint,
        /// The timeout of the call.
        after: Duration,
    },
    /// The connection was lost before the answer came: perhaps handled.
    #[error("the connection to {to} was lost: {why}")]
    Lost {
        /// The endpoint.
        to: Endpoint,
        /// Why.
        why: String,
    },
    /// The other side answered with an error.
    #[error("{0}")]
    Remote(Status),
    /// The other side answered with something that is no answer to this request.
    #[error("{to} answered with {what}")]
    Unexpected {
        /// The endpoint.
        to: Endpoint,
        /// What came.
        what: String,
    },
    /// The listener could not be opened.
    #[error("cannot listen on {at}: {why}")]
    Listen {
        /// The address.
        at: Endpoint,
        /// Why.
        why: String,
    },
}

impl RpcError {
    /// Whether the request certainly had no effect.
    pub const fn is_not_sent(&self) -> bool {
        matches!(self, Self::NotConnected { .. })
    }
}

/// Makes clients and listeners. One per runtime and kind of transport.
pub trait RaftRpcFactory: Send + Sync + 'static {
    /// A client with connections of its own. Each node asks for one, as in the reference.
    fn client(&self) -> Arc<dyn RaftClientService>;

    /// Opens a port. Requests of the protocol go to `raft`, all others by name to `user`.
    ///
    /// The future resolves when connections are accepted.
    fn listen(
        &self,
        at: &Endpoint,
        raft: Arc<dyn RaftServerService>,
        user: Arc<dyn UserProcessors>,
    ) -> BoxFuture<'static, Result<Box<dyn Listening>, RpcError>>;
}

/// An open port. Dropping it closes the port in the background.
pub trait Listening: Send + Sync {
    /// The address that clients use.
    fn endpoint(&self) -> &Endpoint;
    /// Stops accepting, closes the connections.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// Sends requests.
pub trait RaftClientService: Send + Sync + 'static {
    /// Sends a request of the protocol. It is queued when `call` returns, the future only waits for the answer;
    /// requests to one endpoint leave in the order of the calls.
    fn call(
        &self,
        to: &Endpoint,
        request: RaftRequest,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<RaftResponse, RpcError>>;

    /// Sends a request of the application.
    fn invoke(
        &self,
        to: &Endpoint,
        request: UserMessage,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<UserMessage, RpcError>>;

    /// Whether there is a live connection.
    fn is_connected(&self, to: &Endpoint) -> bool;
}

/// Answers requests of the protocol. Called by adapters, implemented by the node: not for users to implement.
pub trait RaftServerService: Send + Sync + 'static {
    /// Decides in the order of the calls; the future resolves when the answer may leave.
    fn handle(&self, request: RaftRequest) -> BoxFuture<'static, Result<RaftResponse, Status>>;
}

/// Finds the processor of a request of the application.
pub trait UserProcessors: Send + Sync + 'static {
    /// The processor registered under `name`.
    fn find(&self, name: &str) -> Option<Arc<dyn UserProcessor>>;
}

/// Answers one kind of request of the application, on the port of the node.
pub trait UserProcessor: Send + Sync + 'static {
    /// The name of the request; on bolt the class name.
    fn request_name(&self) -> &str;
    /// Called on the loop: must not block. The [`Replier`] may go to any thread.
    fn handle(&self, request: UserRequest, reply: Replier);
}

/// A named body: opaque to the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserMessage {
    /// The name; on bolt the class name.
    pub name: String,
    /// The bytes.
    pub body: Bytes,
}

impl UserMessage {
    /// A message.
    pub fn new(name: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { name: name.into(), body: body.into() }
    }
}

/// A request of the application, as it arrived.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct UserRequest {
    /// The bytes.
    pub body: Bytes,
}

impl UserRequest {
    /// A request with this body.
    pub const fn new(body: Bytes) -> Self {
        Self { body }
    }
}

type SendAnswer = Box<dyn FnOnce(Result<UserMessage, Status>) + Send>;

/// Answers one request, once. Dropped without an answer it answers EINTERNAL.
pub struct Replier(Option<SendAnswer>);

impl Replier {
    /// A token that hands the answer to `send`.
    pub fn new(send: impl FnOnce(Result<UserMessage, Status>) + Send + 'static) -> Self {
        Self(Some(Box::new(send)))
    }

    /// Answers. An error goes out as the reference's ErrorResponse.
    pub fn answer(mut self, result: Result<UserMessage, Status>) {
        if let Some(send) = self.0.take() {
            send(result);
        }
    }
}

impl Drop for Replier {
    fn drop(&mut self) {
        if let Some(send) = self.0.take() {
            let text = "the processor dropped the request without an answer";
            send(Err(Status::new(RaftError::EINTERNAL, text)));
        }
    }
}

impl fmt::Debug for Replier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replier")
    }
}
