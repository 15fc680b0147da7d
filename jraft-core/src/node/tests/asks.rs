//! Requests of peers that are not part of the group under test, and what came of them, in short form.

use jraft_spi::message::{
    AppendEntriesRequest, AppendEntriesResponse, AppendKind, EntryBatch, RaftRequest, RaftResponse,
    RequestVoteRequest, RequestVoteResponse, TimeoutNowRequest, TimeoutNowResponse,
};
use jraft_spi::{LogEntry, LogId, LogIndex, Term};

use super::kit::{Ask, Group, peer};

fn vote_request(from: usize, to: usize, term: u64, last_log: LogId, pre_vote: bool) -> RaftRequest {
    RaftRequest::RequestVote(RequestVoteRequest {
        group: "g".parse().unwrap(),
        server: peer(from),
        peer: peer(to),
        term: Term(term),
        last_log,
        pre_vote,
    })
}

/// AppendEntries of `from` to `to`.
pub(super) fn append(
    (from, to): (usize, usize),
    term: u64,
    prev: LogId,
    entries: &[LogEntry],
    committed: u64,
) -> AppendEntriesRequest {
    AppendEntriesRequest {
        group: "g".parse().unwrap(),
        server: peer(from),
        peer: peer(to),
        term: Term(term),
        prev,
        committed: LogIndex(committed),
        kind: if entries.is_empty() { AppendKind::Heartbeat } else { AppendKind::Entries },
        entries: EntryBatch::new(entries.to_vec()),
    }
}

impl Group {
    /// `from` asks `to` for its vote; last log ids are ordered as they are.
    pub(super) fn vote(&mut self, from: usize, to: usize, term: u64, last_log: LogId) -> Ask {
        self.request(to, vote_request(from, to, term, last_log, false))
    }

    pub(super) fn pre_vote(&mut self, from: usize, to: usize, term: u64, last_log: LogId) -> Ask {
        self.request(to, vote_request(from, to, term, last_log, true))
    }

    pub(super) fn append(&mut self, request: AppendEntriesRequest) -> Ask {
        let to = self.members.iter().position(|member| member.id == request.peer).unwrap();
        self.request(to, RaftRequest::AppendEntries(request))
    }

    pub(super) fn heartbeat(&mut self, from: usize, to: usize, term: u64) -> Ask {
        self.append(append((from, to), term, LogId::NONE, &[], 0))
    }

    pub(super) fn timeout_now(&mut self, from: usize, to: usize, term: u64) -> Ask {
        let request = TimeoutNowRequest {
            group: "g".parse().unwrap(),
            server: peer(from),
            peer: peer(to),
            term: Term(term),
        };
        self.request(to, RaftRequest::TimeoutNow(request))
    }
}

impl Ask {
    /// (term, granted), if the answer has left.
    pub(super) fn granted(&mut self) -> Option<(u64, bool)> {
        match self.get()? {
            Ok(RaftResponse::RequestVote(RequestVoteResponse { term, granted })) => {
                Some((term.0, granted))
            }
            other => panic!("no vote: {other:?}"),
        }
    }

    /// (term, success, last index), if the answer has left.
    pub(super) fn accepted(&mut self) -> Option<(u64, bool, Option<u64>)> {
        match self.get()? {
            Ok(RaftResponse::AppendEntries(answer)) => {
                let AppendEntriesResponse { term, success, last_log_index } = answer;
                Some((term.0, success, last_log_index.map(|last| last.0)))
            }
            other => panic!("no acceptance: {other:?}"),
        }
    }

    /// (term, success) of TimeoutNow.
    pub(super) fn stands(&mut self) -> Option<(u64, bool)> {
        match self.get()? {
            Ok(RaftResponse::TimeoutNow(TimeoutNowResponse { term, success })) => {
                Some((term.0, success))
            }
            other => panic!("no TimeoutNow: {other:?}"),
        }
    }
}

/// An answer to a vote request.
pub(super) const fn vote_answer(term: u64, granted: bool) -> RaftResponse {
    RaftResponse::RequestVote(RequestVoteResponse { term: Term(term), granted })
}

/// An answer to AppendEntries.
pub(super) fn append_answer(term: u64, success: bool, last: Option<u64>) -> RaftResponse {
    let last_log_index = last.map(LogIndex);
    RaftResponse::AppendEntries(AppendEntriesResponse { term: Term(term), success, last_log_index })
}
