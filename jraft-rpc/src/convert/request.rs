//! Requests of the protocol: encoded by a client, decoded by a server.

use std::borrow::Cow;

use bytes::Bytes;
use jraft_spi::message::{GetLeaderRequest, RaftRequest, RequestVoteRequest, TimeoutNowRequest};
use jraft_spi::pb::{self, RequiredFields};
use jraft_spi::rpc::UserMessage;
use jraft_spi::{GroupId, LogId, LogIndex, PeerId, RaftError, Status, Term};
use prost::Message;

use super::{Refusal, append};
use crate::bolt::{CODEC_HESSIAN, Class, RequestHead};
use crate::out_queue::OutQueue;

/// A request as bytes, but for its id: in parts, of which the large ones are not copied.
#[derive(Clone, Debug)]
pub struct EncodedRequest {
    pub(super) class: Cow<'static, str>,
    /// The bolt header is the start of the content; this long.
    pub(super) header_len: usize,
    /// Content before and after `metas`; divided at `split`.
    pub(super) first: Vec<u8>,
    pub(super) split: usize,
    pub(super) metas: Bytes,
    pub(super) data: Bytes,
}

impl EncodedRequest {
    /// Length of the class name.
    pub fn class_len(&self) -> usize {
        self.class.len()
    }

    /// Length of the content.
    pub fn content_len(&self) -> usize {
        self.first.len() + self.metas.len() + self.data.len()
    }

    /// Appends the frame.
    pub(crate) fn put(self, out: &mut OutQueue, id: i32, timeout_ms: i32) {
        let head = RequestHead {
            id,
            one_way: false,
            codec: CODEC_HESSIAN,
            timeout_ms,
            class: self.class.as_bytes(),
            header_len: self.header_len,
            content_len: self.content_len(),
        };
        let (before, after) = self.first.split_at(self.split);
        let tail = out.tail();
        head.put(tail);
        tail.extend_from_slice(&self.first[..self.header_len]);
        tail.extend_from_slice(before);
        out.put_bytes(self.metas);
        out.tail().extend_from_slice(after);
        out.put_bytes(self.data);
    }

    /// The whole frame in one piece, for tests and tools.
    pub fn to_frame(&self, id: i32, timeout_ms: i32) -> Bytes {
        let mut out = OutQueue::default();
        self.clone().put(&mut out, id, timeout_ms);
        out.concat()
    }

    fn plain(class: Class, message: &impl Message) -> Self {
        Self::whole(class.name().into(), message.encode_to_vec().into())
    }

    const fn whole(class: Cow<'static, str>, data: Bytes) -> Self {
        Self { class, header_len: 0, first: Vec::new(), split: 0, metas: Bytes::new(), data }
    }
}

/// Encodes a request. `wall_ms` is the wall clock in milliseconds, which pings carry and nobody looks at.
pub fn encode_request(request: &RaftRequest, wall_ms: i64) -> EncodedRequest {
    match request {
        RaftRequest::Ping => {
            let ping = pb::PingRequest { send_timestamp: wall_ms };
            EncodedRequest::plain(Class::PingRequest, &ping)
        }
        RaftRequest::RequestVote(vote) => EncodedRequest::plain(
            Class::RequestVoteRequest,
            &pb::RequestVoteRequest {
                group_id: vote.group.to_string(),
                server_id: vote.server.to_string(),
                peer_id: vote.peer.to_string(),
                term: vote.term.0.cast_signed(),
                last_log_term: vote.last_log.term.0.cast_signed(),
                last_log_index: vote.last_log.index.0.cast_signed(),
                pre_vote: vote.pre_vote,
            },
        ),
        RaftRequest::AppendEntries(append) => append::encode(append),
        RaftRequest::TimeoutNow(now) => EncodedRequest::plain(
            Class::TimeoutNowRequest,
            &pb::TimeoutNowRequest {
                group_id: now.group.to_string(),
                server_id: now.server.to_string(),
                peer_id: now.peer.to_string(),
                term: now.term.0.cast_signed(),
            },
        ),
        RaftRequest::GetLeader(get) => EncodedRequest::plain(
            Class::GetLeaderRequest,
            &pb::GetLeaderRequest {
                group_id: get.group.to_string(),
                peer_id: get.peer.as_ref().map(PeerId::to_string),
            },
        ),
    }
}

/// Encodes a request of the application.
pub fn encode_user_request(request: UserMessage) -> EncodedRequest {
    EncodedRequest::whole(request.name.into(), request.body)
}

/// Decodes a request of a known class.
pub fn decode_request(
    class: Class,
    header: &[u8],
    content: &Bytes,
) -> Result<RaftRequest, Refusal> {
    match class {
        Class::AppendEntriesRequest => {
            append::decode(header, content).map(RaftRequest::AppendEntries)
        }
        Class::PingRequest => {
            parse::<pb::PingRequest>(content, &pb::PING_REQUEST).map(|_| RaftRequest::Ping)
        }
        Class::RequestVoteRequest => decode_vote(content).map(RaftRequest::RequestVote),
        Class::TimeoutNowRequest => decode_timeout_now(content).map(RaftRequest::TimeoutNow),
        Class::GetLeaderRequest => decode_get_leader(content).map(RaftRequest::GetLeader),
        _ => {
            let text = format!("{} is not supported by this version", class.short());
            Err(Refusal::NotSupported(Status::new(RaftError::EINVAL, text)))
        }
    }
}

fn decode_vote(content: &Bytes) -> Result<RequestVoteRequest, Refusal> {
    let vote: pb::RequestVoteRequest = parse(content, &pb::REQUEST_VOTE_REQUEST)?;
    Ok(RequestVoteRequest {
        peer: peer("peer_id", &vote.peer_id)?,
        group: group(&vote.group_id)?,
        server: peer("server_id", &vote.server_id)?,
        term: term("term", vote.term)?,
        last_log: LogId::new(
            index("last_log_index", vote.last_log_index)?,
            term("last_log_term", vote.last_log_term)?,
        ),
        pre_vote: vote.pre_vote,
    })
}

fn decode_timeout_now(content: &Bytes) -> Result<TimeoutNowRequest, Refusal> {
    let now: pb::TimeoutNowRequest = parse(content, &pb::TIMEOUT_NOW_REQUEST)?;
    Ok(TimeoutNowRequest {
        peer: peer("peer_id", &now.peer_id)?,
        group: group(&now.group_id)?,
        server: peer("server_id", &now.server_id)?,
        term: term("term", now.term)?,
    })
}

fn decode_get_leader(content: &Bytes) -> Result<GetLeaderRequest, Refusal> {
    let get: pb::GetLeaderRequest = parse(content, &pb::GET_LEADER_REQUEST)?;
    // An empty text is a peer that was never set.
    let asked = get.peer_id.as_deref().filter(|text| !text.is_empty());
    let asked = asked.map(|text| peer("peer_id", text)).transpose()?;
    Ok(GetLeaderRequest { peer: asked, group: group(&get.group_id)? })
}

pub(super) fn parse<M: Message + Default>(
    content: &Bytes,
    required: &'static RequiredFields,
) -> Result<M, Refusal> {
    let message = M::decode(content.clone())
        .map_err(|error| Refusal::Unparsable(format!("{}: {error}", required.name)))?;
    match required.missing(content) {
        None => Ok(message),
        Some(missing) => Err(Refusal::Unparsable(missing.to_string())),
    }
}

pub(super) fn group(text: &str) -> Result<GroupId, Refusal> {
    text.parse().map_err(|error| Refusal::invalid(format!("group_id: {error}")))
}

pub(super) fn peer(field: &str, text: &str) -> Result<PeerId, Refusal> {
    text.parse().map_err(|error| Refusal::invalid(format!("{field}: {error}")))
}

/// A term of a peer. Once adopted it is kept for ever, so one that no election can have made is refused here.
pub(super) fn term(field: &str, value: i64) -> Result<Term, Refusal> {
    let term = u64::try_from(value).map(Term).map_err(|_| negative(field, value))?;
    if term > Term::LAST {
        let last = Term::LAST;
        return Err(Refusal::invalid(format!("{field} is beyond the last term, {last}: {value}")));
    }
    Ok(term)
}

pub(super) fn index(field: &str, value: i64) -> Result<LogIndex, Refusal> {
    u64::try_from(value).map(LogIndex).map_err(|_| negative(field, value))
}

pub(super) fn negative(field: &str, value: i64) -> Refusal {
    Refusal::invalid(format!("{field} is negative: {value}"))
}
