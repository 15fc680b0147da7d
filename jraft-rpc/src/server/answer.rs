//! The duty to answer one request, exactly once, in its turn (`RpcRequestClosure`).

use std::sync::Arc;

use jraft_spi::message::RaftResponse;
use jraft_spi::rpc::UserMessage;
use jraft_spi::{RaftError, Status};

use super::connection::{Connection, State};
use super::pairs::Slot;
use crate::bolt::{MAX_PART, RequestFrame, ResponseHead, ResponseStatus};
use crate::convert::{encode_error, encode_response};

/// What an answer needs of its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyTo {
    id: i32,
    codec: u8,
    one_way: bool,
}

impl ReplyTo {
    pub(super) const fn of(request: &RequestFrame) -> Self {
        Self { id: request.id, codec: request.codec, one_way: request.one_way }
    }
}

/// An answer that is ready to leave.
#[derive(Debug)]
pub(super) struct Answer {
    to: ReplyTo,
    content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Raft(RaftResponse),
    User(UserMessage),
    Error(Status),
    /// A status of bolt and nothing else.
    Bare(ResponseStatus),
    /// The sender has stopped waiting.
    Nothing,
}

impl Answer {
    pub(super) const fn new(to: ReplyTo, content: Content) -> Self {
        Self { to, content }
    }

    /// Appends its frame.
    pub(super) fn put(self, state: &mut State, max_content: usize) {
        let ReplyTo { id, codec, one_way } = self.to;
        if one_way || state.ended {
            return;
        }
        let out = &mut state.out;
        match self.content {
            Content::Raft(response) => encode_response(out.tail(), id, codec, &response),
            Content::User(message) if is_too_long(&message, max_content) => {
                let text = format!("an answer of {} bytes is too long", message.body.len());
                let status = Status::new(RaftError::EINTERNAL, text);
                encode_error(out.tail(), id, codec, &status);
            }
            Content::User(message) => {
                let class = message.name.as_bytes();
                let len = message.body.len();
                ResponseHead::success(id, codec, class, len).put(out.tail());
                out.put_bytes(message.body);
            }
            Content::Error(status) => encode_error(out.tail(), id, codec, &status),
            Content::Bare(status) => ResponseHead::bare(id, status).put(out.tail()),
            Content::Nothing => {}
        }
    }
}

fn is_too_long(message: &UserMessage, max_content: usize) -> bool {
    message.name.len() > MAX_PART || message.body.len() > max_content
}

/// A request that is being handled. It counts against the limits of its connection until it is answered.
pub(super) struct Open {
    connection: Arc<Connection>,
    to: ReplyTo,
    slot: Option<Slot>,
    bytes: usize,
    answered: bool,
}

impl Open {
    /// Counts a request. With `header` its answer waits for those of earlier requests of the same pair of peers.
    pub(super) fn new(
        connection: &Arc<Connection>,
        request: &RequestFrame,
        in_order: bool,
    ) -> Self {
        let bytes = request.content.len() + request.header.len() + request.class.len();
        let slot = connection.with_state(|state| {
            state.open += 1;
            state.open_bytes += bytes;
            in_order.then(|| state.pairs.take_slot(&request.header))
        });
        let connection = Arc::clone(connection);
        Self { connection, to: ReplyTo::of(request), slot, bytes, answered: false }
    }

    /// Answers.
    pub(super) fn answer(mut self, content: Content) {
        self.finish(content);
    }

    fn finish(&mut self, content: Content) {
        self.answered = true;
        let answer = Answer::new(self.to, content);
        let max_content = self.connection.context.options.max_frame_bytes as usize;
        self.connection.with_state(|state| {
            state.open -= 1;
            state.open_bytes -= self.bytes;
            let Some(slot) = &self.slot else { return answer.put(state, max_content) };
            let mut ready = Vec::new();
            state.pairs.fill(slot, answer, |answer| ready.push(answer));
            ready.into_iter().for_each(|answer| answer.put(state, max_content));
        });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.answered {
            let text = "the request was dropped without an answer";
            self.finish(Content::Error(Status::new(RaftError::EINTERNAL, text)));
        }
    }
}
