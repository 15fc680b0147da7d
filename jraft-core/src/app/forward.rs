//! Proposals of members that do not lead: on the same port, to the leader.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jraft_spi::rpc::{Replier, RpcError, UserMessage, UserProcessor, UserRequest};
use jraft_spi::{GroupId, PeerId, RaftError, Status};

use super::App;
use super::codec::{Ending, as_sent, decode_ending, decode_payload, encode_ending, no_encoding};
use super::machine::Answer;
use crate::node::{Node, ProposeError};
use crate::sync::atomic::{AtomicBool, Ordering};

/// How long to wait before a refused command is sent again.
const PAUSE: Duration = Duration::from_millis(20);

fn request_name(group: &GroupId, peer: &PeerId) -> String {
    format!("jraft.App/{group}/{peer}")
}

/// The leader's end.
pub(super) struct Processor<A> {
    name: String,
    node: Node,
    app: PhantomData<fn() -> A>,
}

impl<A: App> Processor<A> {
    pub(super) fn new(node: &Node) -> Self {
        let name = request_name(node.group(), node.id());
        Self { name, node: node.clone(), app: PhantomData }
    }
}

impl<A: App> UserProcessor for Processor<A> {
    fn request_name(&self) -> &str {
        &self.name
    }

    fn handle(&self, request: UserRequest, reply: Replier) {
        let (node, name) = (self.node.clone(), self.name.clone());
        let env = self.node.core().shared.env.clone();
        drop(env.on_loop("forwarded proposal", async move {
            let ending = propose_foreign::<A>(&node, request.body).await;
            let body = encode_ending(&ending);
            let body = body.map_err(|error| no_encoding(&error));
            reply.answer(body.map(|body| UserMessage::new(name, body)));
        }));
    }
}

/// Anybody may send to a port: what no member could apply must not get into the log.
async fn propose_foreign<A: App>(node: &Node, payload: Bytes) -> Ending<A::Out> {
    if let Err(error) = decode_payload::<A::Cmd>(&payload) {
        let text = format!("{} cannot read the command: {error}", node.id());
        return Ending::Refused(Status::new(RaftError::EINVAL, text));
    }
    propose_here::<A>(node, payload).await
}

async fn propose_here<A: App>(node: &Node, payload: Bytes) -> Ending<A::Out> {
    match node.propose::<Answer<A::Out>>(payload).await {
        Ok(Answer { at, out }) => Ending::Committed(at, out),
        Err(ProposeError::Refused { status, .. }) => Ending::Refused(status),
        Err(other) => Ending::Unknown(other.into()),
    }
}

/// Brings a payload to whoever leads. A refused one is sent again until the time is over, an unknown one never.
///
/// `sent` is true as long as somebody may be about to write it: who finds this task dropped knows what that means.
pub(super) async fn route<A: App>(
    node: Node,
    payload: Bytes,
    sent: Arc<AtomicBool>,
) -> Result<Answer<A::Out>, ProposeError> {
    let shared = &node.core().shared;
    let patience = Duration::from_millis(shared.options.rpc.rpc_default_timeout);
    let deadline = shared.env.clock.now() + patience;
    loop {
        if shared.stopping() {
            let status = Status::new(RaftError::ENODESHUTDOWN, "Node is shutting down.");
            return Err(ProposeError::Refused { status, leader: node.leader() });
        }
        let refused = match node.leader() {
            None => Status::new(RaftError::EPERM, "no leader is known"),
            Some(leader) => {
                sent.store(true, Ordering::Release);
                match send::<A>(&node, &leader, &payload, patience).await {
                    Ending::Committed(at, out) => return Ok(Answer { at, out }),
                    Ending::Unknown(status) => return Err(ProposeError::Unknown { status }),
                    Ending::Refused(status) => status,
                }
            }
        };
        sent.store(false, Ordering::Release);
        // What is wrong with the command itself is wrong with any leader.
        if refused.is(RaftError::EINVAL) || shared.env.clock.now() >= deadline {
            return Err(ProposeError::Refused { status: refused, leader: node.leader() });
        }
        shared.env.sleep(PAUSE).await;
    }
}

async fn send<A: App>(
    node: &Node,
    leader: &PeerId,
    payload: &Bytes,
    patience: Duration,
) -> Ending<A::Out> {
    if leader == node.id() {
        return as_sent(propose_here::<A>(node, payload.clone()).await);
    }
    let request = UserMessage::new(request_name(node.group(), leader), payload.clone());
    let client = &node.core().shared.client;
    match client.invoke(leader.endpoint(), request, patience).await {
        Ok(answer) => decode_ending(&answer.body).unwrap_or_else(|error| {
            let text = format!("{leader} answered with bytes that are no answer: {error}");
            Ending::Unknown(Status::new(RaftError::EINTERNAL, text))
        }),
        Err(error @ RpcError::NotConnected { .. }) => {
            Ending::Refused(Status::new(RaftError::EHOSTDOWN, error.to_string()))
        }
        // The request did not reach a node: nobody there knows the group, or this name.
        Err(RpcError::Remote(status)) if status.is(RaftError::ENOENT) => Ending::Refused(status),
        Err(RpcError::Remote(status)) => Ending::Unknown(status),
        Err(error) => Ending::Unknown(Status::new(RaftError::ETIMEDOUT, error.to_string())),
    }
}
