//! Responses of the protocol: encoded by a server, decoded by a client.

use bytes::{BufMut, Bytes};
use jraft_spi::message::{
    AppendEntriesResponse, RaftRequest, RaftResponse, RequestVoteResponse, TimeoutNowResponse,
};
use jraft_spi::pb::{self, RequiredFields};
use jraft_spi::rpc::UserMessage;
use jraft_spi::{LogIndex, RaftError, Status};
use prost::Message;

use super::Refusal;
use super::request::{index, parse, peer, term};
use crate::bolt::{Class, ResponseFrame, ResponseHead, ResponseStatus};

/// Appends the frame of an answer.
pub fn encode_response(out: &mut impl BufMut, id: i32, codec: u8, response: &RaftResponse) {
    match response {
        RaftResponse::Ping => {
            let ok = pb::ErrorResponse { error_code: 0, error_msg: Some("OK".to_owned()) };
            put(out, id, codec, Class::ErrorResponse, &ok);
        }
        RaftResponse::RequestVote(vote) => {
            let term = vote.term.0.cast_signed();
            let vote =
                pb::RequestVoteResponse { term, granted: vote.granted, error_response: None };
            put(out, id, codec, Class::RequestVoteResponse, &vote);
        }
        RaftResponse::AppendEntries(append) => {
            let append = pb::AppendEntriesResponse {
                term: append.term.0.cast_signed(),
                success: append.success,
                last_log_index: append.last_log_index.map(|index| index.0.cast_signed()),
                error_response: None,
            };
            put(out, id, codec, Class::AppendEntriesResponse, &append);
        }
        RaftResponse::TimeoutNow(now) => {
            let term = now.term.0.cast_signed();
            let now = pb::TimeoutNowResponse { term, success: now.success, error_response: None };
            put(out, id, codec, Class::TimeoutNowResponse, &now);
        }
        RaftResponse::GetLeader(leader) => {
            let leader =
                pb::GetLeaderResponse { leader_id: leader.to_string(), error_response: None };
            put(out, id, codec, Class::GetLeaderResponse, &leader);
        }
    }
}

/// Appends the frame of a failure: a bare ErrorResponse (wire.md 3.6).
///
/// A status of code 0 would pass for an answer, so it goes out as EINTERNAL.
pub fn encode_error(out: &mut impl BufMut, id: i32, codec: u8, status: &Status) {
    let mut error_code = status.code();
    if error_code == 0 {
        error_code = RaftError::EINTERNAL.number();
    }
    let error_msg = Some(status.message()).filter(|text| !text.is_empty()).map(str::to_owned);
    let error = pb::ErrorResponse { error_code, error_msg };
    put(out, id, codec, Class::ErrorResponse, &error);
}

fn put(out: &mut impl BufMut, id: i32, codec: u8, class: Class, message: &impl Message) {
    let len = message.encoded_len();
    debug_assert!(len > 0, "a Java client never gets its callback for an empty body (wire.md 1.9)");
    ResponseHead::success(id, codec, class.name().as_bytes(), len).put(out);
    message.encode_raw(out);
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The answer to a ping: an ErrorResponse of code 0.
    Ping,
    /// A RequestVoteResponse.
    RequestVote,
    /// An AppendEntriesResponse.
    AppendEntries,
    /// A TimeoutNowResponse.
    TimeoutNow,
    /// A GetLeaderResponse.
    GetLeader,
}

impl Expected {
    /// What the answer to `request` is.
    pub const fn of(request: &RaftRequest) -> Self {
        match request {
            RaftRequest::Ping => Self::Ping,
            RaftRequest::RequestVote(_) => Self::RequestVote,
            RaftRequest::AppendEntries(_) => Self::AppendEntries,
            RaftRequest::TimeoutNow(_) => Self::TimeoutNow,
            RaftRequest::GetLeader(_) => Self::GetLeader,
        }
    }

    const fn class(self) -> Class {
        match self {
            Self::Ping => Class::ErrorResponse,
            Self::RequestVote => Class::RequestVoteResponse,
            Self::AppendEntries => Class::AppendEntriesResponse,
            Self::TimeoutNow => Class::TimeoutNowResponse,
            Self::GetLeader => Class::GetLeaderResponse,
        }
    }
}

/// Why a frame is not the answer that was waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// The other side answered with an error.
    Remote(Status),
    /// The other side answered with something else: a text for the error.
    Unexpected(String),
}

impl From<Refusal> for ResponseError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unparsable(why) => Self::Unexpected(why),
            Refusal::Invalid(status) | Refusal::NotSupported(status) => {
                Self::Unexpected(status.message().to_owned())
            }
        }
    }
}

/// Decodes the answer to a request of the protocol.
pub fn decode_response(
    expected: Expected,
    frame: &ResponseFrame,
) -> Result<RaftResponse, ResponseError> {
    let class = check_failure(frame)?;
    if class != Some(expected.class()) {
        return Err(unexpected_class(frame));
    }
    let content = &frame.content;
    match expected {
        Expected::Ping => Ok(RaftResponse::Ping),
        Expected::RequestVote => {
            let vote: pb::RequestVoteResponse = parse(content, &pb::REQUEST_VOTE_RESPONSE)?;
            refuse_field_99(vote.error_response)?;
            let term = term("term", vote.term)?;
            let vote = RequestVoteResponse { term, granted: vote.granted };
            Ok(RaftResponse::RequestVote(vote))
        }
        Expected::AppendEntries => decode_append(content),
        Expected::TimeoutNow => {
            let now: pb::TimeoutNowResponse = parse(content, &pb::TIMEOUT_NOW_RESPONSE)?;
            refuse_field_99(now.error_response)?;
            let term = term("term", now.term)?;
            Ok(RaftResponse::TimeoutNow(TimeoutNowResponse { term, success: now.success }))
        }
        Expected::GetLeader => {
            let leader: pb::GetLeaderResponse = parse(content, &pb::GET_LEADER_RESPONSE)?;
            refuse_field_99(leader.error_response)?;
            Ok(RaftResponse::GetLeader(peer("leader_id", &leader.leader_id)?))
        }
    }
}

fn decode_append(content: &Bytes) -> Result<RaftResponse, ResponseError> {
    let append: pb::AppendEntriesResponse = parse(content, &pb::APPEND_ENTRIES_RESPONSE)?;
    refuse_field_99(append.error_response)?;
    let last: Option<LogIndex> =
        append.last_log_index.map(|last| index("last_log_index", last)).transpose()?;
    Ok(RaftResponse::AppendEntries(AppendEntriesResponse {
        term: term("term", append.term)?,
        success: append.success,
        last_log_index: last,
    }))
}

/// Decodes the answer to a request of the application: whatever came, unless it is a failure.
pub fn decode_user_response(frame: &ResponseFrame) -> Result<UserMessage, ResponseError> {
    if says_no_processor(frame) {
        let text =
            format!("nobody there handles requests of this name: bolt status {}", frame.status);
        return Err(ResponseError::Remote(Status::new(RaftError::ENOENT, text)));
    }
    check_failure(frame)?;
    match std::str::from_utf8(&frame.class) {
        Ok(name) if !name.is_empty() => Ok(UserMessage::new(name, frame.content.clone())),
        _ => Err(unexpected_class(frame)),
    }
}

/// Whether the request was certainly not handled, for want of a processor.
///
/// Our servers answer a bare SERVER_EXCEPTION to that, and to nothing else. A Java server's carries an exception, of a
/// processor that threw as well as of one that is missing (wire.md 1.8), and so says nothing for certain.
fn says_no_processor(frame: &ResponseFrame) -> bool {
    let bare = frame.class.is_empty() && frame.content.is_empty();
    match frame.status {
        ResponseStatus::NoProcessor => true,
        ResponseStatus::ServerException => bare,
        _ => false,
    }
}

/// The class of an answer, if it is in the table. Fails for a status other than success and for an ErrorResponse.
fn check_failure(frame: &ResponseFrame) -> Result<Option<Class>, ResponseError> {
    if frame.status != ResponseStatus::Success {
        // The content is a Java exception or nothing. The status says enough.
        let text = format!("the server answered with bolt status {}", frame.status);
        return Err(ResponseError::Remote(Status::new(RaftError::EINTERNAL, text)));
    }
    let class = Class::find(&frame.class);
    if class == Some(Class::ErrorResponse) {
        let required: &'static RequiredFields = &pb::ERROR_RESPONSE;
        refuse_field_99(Some(parse(&frame.content, required)?))?;
    }
    Ok(class)
}

fn refuse_field_99(error: Option<pb::ErrorResponse>) -> Result<(), ResponseError> {
    match error {
        Some(error) if error.error_code != 0 => {
            let text = error.error_msg.unwrap_or_default();
            Err(ResponseError::Remote(Status::from_wire(error.error_code, text)))
        }
        _ => Ok(()),
    }
}

/// Names the class, of which no more than a line is wanted in an error.
fn unexpected_class(frame: &ResponseFrame) -> ResponseError {
    let shown = &frame.class[..frame.class.len().min(MAX_SHOWN)];
    let shown = String::from_utf8_lossy(shown).escape_debug().to_string();
    ResponseError::Unexpected(format!("class \"{shown}\" of {} bytes", frame.content.len()))
}

const MAX_SHOWN: usize = 100;
