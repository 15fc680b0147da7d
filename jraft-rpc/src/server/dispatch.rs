//! Decides what becomes of a request: refused, answered at once, or handed to the node or the application.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use jraft_spi::Status;
use jraft_spi::env::BoxFuture;
use jraft_spi::message::{AppendKind, RaftRequest, RaftResponse};
use jraft_spi::rpc::{Replier, UserProcessor, UserRequest};

use super::answer::{Answer, Content, Open, ReplyTo};
use super::connection::Connection;
use crate::bolt::{Class, RequestFrame, ResponseStatus};
use crate::convert::{Refusal, decode_request};

type Handled = BoxFuture<'static, Result<RaftResponse, Status>>;

/// Takes a request from a connection. Requests are handed on in the order of arrival.
pub(super) fn dispatch(connection: &Arc<Connection>, request: RequestFrame) {
    match Class::find(&request.class) {
        Some(class) if class.is_request() => raft_request(connection, class, &request),
        Some(_) => no_processor(connection, &request),
        None => match find_user(connection, &request) {
            Some(processor) => user_request(connection, &*processor, request),
            None => no_processor(connection, &request),
        },
    }
}

fn raft_request(connection: &Arc<Connection>, class: Class, request: &RequestFrame) {
    if class == Class::AppendEntriesRequest && request.header.is_empty() {
        // The reference loses it as well (wire.md 1.8); its sender has nothing to expect.
        connection.warn("ignored a request", "AppendEntriesRequest without a bolt header");
        return;
    }
    match decode_request(class, &request.header, &request.content) {
        Ok(RaftRequest::Ping) => at_once(connection, request, Content::Raft(RaftResponse::Ping)),
        Ok(message) => hand_to_node(connection, request, message),
        Err(Refusal::Unparsable(why)) => {
            connection.warn("refused a request", &why);
            let status = ResponseStatus::ServerDeserialException;
            at_once(connection, request, Content::Bare(status));
        }
        Err(Refusal::Invalid(status)) => {
            connection.warn("refused a request", status.message());
            at_once(connection, request, Content::Error(status));
        }
        Err(Refusal::NotSupported(status)) => {
            at_once(connection, request, Content::Error(status));
        }
    }
}

fn hand_to_node(connection: &Arc<Connection>, request: &RequestFrame, message: RaftRequest) {
    let in_order = match &message {
        RaftRequest::AppendEntries(append) => append.kind != AppendKind::Heartbeat,
        _ => false,
    };
    let open = Open::new(connection, request, in_order);
    let mut handled = connection.context.raft.handle(message);
    // Most answers are there at once, and need no task.
    match handled.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(result) => open.answer(content_of(result)),
        Poll::Pending => wait(connection, open, handled, request.timeout_ms),
    }
}

fn wait(connection: &Arc<Connection>, open: Open, handled: Handled, timeout_ms: i32) {
    let patience = u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0);
    let patience = patience.map_or(WITHOUT_TIMEOUT, Duration::from_millis);
    let env = &connection.context.env;
    // Then the sender has given up; a request that is never answered must not hold its place for ever.
    let expired = env.sleep(patience);
    env.on_loop("rpc-request", async move {
        let content = tokio::select! {
            biased;
            result = handled => content_of(result),
            () = expired => Content::Nothing,
        };
        open.answer(content);
    });
}

fn content_of(result: Result<RaftResponse, Status>) -> Content {
    result.map_or_else(Content::Error, Content::Raft)
}

fn find_user(
    connection: &Arc<Connection>,
    request: &RequestFrame,
) -> Option<Arc<dyn UserProcessor>> {
    let name = std::str::from_utf8(&request.class).ok().filter(|name| !name.is_empty())?;
    connection.context.user.find(name)
}

fn user_request(
    connection: &Arc<Connection>,
    processor: &dyn UserProcessor,
    request: RequestFrame,
) {
    let open = Open::new(connection, &request, false);
    let replier = Replier::new(move |result| {
        open.answer(result.map_or_else(Content::Error, Content::User));
    });
    processor.handle(UserRequest::new(request.content), replier);
}

/// The bare status stands for this and nothing else: clients rely on it that nothing was done.
fn no_processor(connection: &Arc<Connection>, request: &RequestFrame) {
    let shown = &request.class[..request.class.len().min(MAX_SHOWN)];
    let shown = String::from_utf8_lossy(shown).escape_debug().to_string();
    connection.warn("no processor for a request", &shown);
    at_once(connection, request, Content::Bare(ResponseStatus::ServerException));
}

fn at_once(connection: &Arc<Connection>, request: &RequestFrame, content: Content) {
    let max_content = connection.context.options.max_frame_bytes as usize;
    let answer = Answer::new(ReplyTo::of(request), content);
    connection.with_state(|state| answer.put(state, max_content));
}

/// How long a request may take whose sender told no limit. The longest of the reference's own.
const WITHOUT_TIMEOUT: Duration = Duration::from_secs(300);
/// Bytes of a class name that are shown in a log line.
const MAX_SHOWN: usize = 100;
