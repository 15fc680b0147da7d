//! Made-up nodes, disks and messages, to test the checks with.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use jraft_core::message::{
    AppendEntriesRequest, AppendEntriesResponse, AppendKind, EntryBatch, RaftRequest, RaftResponse,
    RequestVoteRequest, RequestVoteResponse, TimeoutNowRequest,
};
use jraft_core::storage::RaftMeta;
use jraft_core::{
    Configuration, ConfigurationEntry, GroupId, LogEntry, LogId, LogIndex, NodeOptions, PeerId,
    PeerProgress, Role, Term,
};
use parking_lot::Mutex;

use super::facts::Facts;
use super::look::Look;
use super::record::{Floor, Mark, Record};
use super::{Check, Seen, Verdict};

/// A disk that is told what it has not synced.
#[derive(Clone)]
pub(super) struct FakeDisk(Arc<AtomicU64>);

impl FakeDisk {
    /// All is synced before operation `floor`.
    pub(super) fn set(&self, floor: u64) {
        self.0.store(floor, Ordering::Relaxed);
    }
}

impl Default for FakeDisk {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl Floor for FakeDisk {
    fn keeps(&self, _: &Path, op: u64) -> bool {
        op < self.0.load(Ordering::Relaxed)
    }
}

/// A node that is what a test says.
#[derive(Clone)]
pub(super) struct Fake {
    pub(super) role: Role,
    pub(super) term: u64,
    pub(super) vote: Option<PeerId>,
    pub(super) leader: Option<PeerId>,
    pub(super) log: Vec<u64>,
    pub(super) committed: u64,
    pub(super) first: u64,
    pub(super) held: usize,
    pub(super) bytes: usize,
    /// Peer, matched, next, outstanding.
    pub(super) peers: Vec<(PeerId, u64, u64, usize)>,
    pub(super) conf: ConfigurationEntry,
}

impl Fake {
    pub(super) fn new(role: Role, term: u64, log: &[u64]) -> Self {
        let conf = Configuration::new((0..3).map(peer).collect(), Vec::new());
        Self {
            role,
            term,
            vote: None,
            leader: None,
            log: log.to_vec(),
            committed: 0,
            first: 1,
            held: 0,
            bytes: 0,
            peers: Vec::new(),
            conf: ConfigurationEntry::new(LogId::NONE, conf, Configuration::default()),
        }
    }

    pub(super) fn committed(self, committed: u64) -> Self {
        Self { committed, ..self }
    }

    pub(super) fn peer(mut self, node: usize, matched: u64, next: u64) -> Self {
        self.peers.push((peer(node), matched, next, 0));
        self
    }
}

impl Look for Fake {
    fn role(&self) -> Role {
        self.role
    }

    fn term(&self) -> Term {
        Term(self.term)
    }

    fn voted_for(&self) -> Option<&PeerId> {
        self.vote.as_ref()
    }

    fn leader(&self) -> Option<&PeerId> {
        self.leader.as_ref()
    }

    fn first_log(&self) -> LogIndex {
        LogIndex(self.first)
    }

    fn last_log(&self) -> LogId {
        let term = self.log.last().copied().unwrap_or_default();
        LogId::new(LogIndex(self.log.len() as u64), Term(term))
    }

    fn term_of(&self, index: LogIndex) -> Option<Term> {
        match index.0.checked_sub(1) {
            None => Some(Term::ZERO),
            Some(place) => self.log.get(place as usize).map(|&term| Term(term)),
        }
    }

    fn committed(&self) -> LogIndex {
        LogIndex(self.committed)
    }

    fn conf(&self) -> &ConfigurationEntry {
        &self.conf
    }

    fn bytes_in_memory(&self) -> usize {
        self.bytes
    }

    fn held_promises(&self) -> usize {
        self.held
    }

    fn each_peer(&self, show: &mut dyn FnMut(PeerProgress<'_>)) {
        for (peer, matched, next, inflight) in &self.peers {
            let (matched, next) = (LogIndex(*matched), LogIndex(*next));
            show(PeerProgress { peer, matched, next, inflight: *inflight });
        }
    }
}

/// Three nodes, one check, and what it knows.
pub(super) struct World<C> {
    pub(super) check: C,
    pub(super) facts: Facts,
    pub(super) disks: Vec<FakeDisk>,
    /// When a request came the last time.
    heard: u64,
}

impl<C: Check> World<C> {
    pub(super) fn new(check: C) -> Self {
        let disks: Vec<FakeDisk> = (0..3).map(|_| FakeDisk::default()).collect();
        let record = |disk: &FakeDisk| Arc::new(Mutex::new(Record::new(disk.clone())));
        let records = disks.iter().map(record).collect();
        let facts = Facts::new(NodeOptions::default(), (0..3).map(peer).collect(), records);
        Self { check, facts, disks, heard: 0 }
    }

    pub(super) fn see(&mut self, seen: &Seen<'_>) -> Verdict {
        self.check.see(seen, &self.facts)?;
        self.facts.take_over(seen);
        Ok(())
    }

    pub(super) fn look(&mut self, node: usize, inside: &Fake) -> Verdict {
        self.see(&Seen::Looked { node, inside })
    }

    pub(super) fn start(&mut self, node: usize) -> Verdict {
        let epoch = self.facts.nodes[node].epoch + 1;
        self.see(&Seen::Started { node, epoch })
    }

    pub(super) fn hears(&mut self, node: usize, request: &RaftRequest) -> Verdict {
        self.heard = self.facts.now;
        self.see(&Seen::Hears { node, request })
    }

    pub(super) fn sends(&mut self, node: usize, request: &RaftRequest) -> Verdict {
        self.see(&Seen::Sends { node, request })
    }

    /// It answers a request that came when one came the last time.
    pub(super) fn answers(
        &mut self,
        node: usize,
        request: &RaftRequest,
        answer: &RaftResponse,
    ) -> Verdict {
        self.see(&Seen::Answers { node, request, heard: self.heard, answer })
    }

    /// Lets so many milliseconds pass.
    pub(super) fn wait(&mut self, millis: u64) {
        self.facts.now += millis * 1_000_000;
    }

    /// Appends entries of these terms to a node's disk, durably.
    pub(super) fn durable(&self, node: usize, terms: &[u64]) {
        let mut record = self.facts.nodes[node].record.lock();
        let from = record.durable_log().len() as u64;
        record.log_appends(&entries(from, terms));
        record.log_synced(1, &Ok(()));
    }

    /// Saves term and vote of a node, durably.
    pub(super) fn meta(&self, node: usize, term: u64, vote: Option<usize>) {
        let mut record = self.facts.nodes[node].record.lock();
        record.meta_saving(&RaftMeta { term: Term(term), voted_for: vote.map(peer) });
        record.meta_saved(1, &Ok(()));
    }
}

/// Fails unless the verdict is a violation of this invariant.
#[track_caller]
pub(super) fn assert_breaks(verdict: &Verdict, invariant: &str) {
    let text = verdict.as_ref().expect_err("nothing was found");
    assert!(text.starts_with(&format!("{invariant}: ")), "{text}");
}

pub(super) fn peer(node: usize) -> PeerId {
    format!("n{node}:1").parse().unwrap()
}

pub(super) fn id(index: u64, term: u64) -> LogId {
    LogId::new(LogIndex(index), Term(term))
}

pub(super) fn entry(index: u64, term: u64, data: &'static str) -> LogEntry {
    LogEntry::data(id(index, term), Bytes::from_static(data.as_bytes()))
}

/// Entries behind index `from`, of these terms.
pub(super) fn entries(from: u64, terms: &[u64]) -> Vec<LogEntry> {
    let entry = |(index, &term)| entry(index, term, "x");
    (from + 1..).zip(terms).map(entry).collect()
}

pub(super) fn mark(index: u64, term: u64, data: &'static str) -> Mark {
    Mark::of(&entry(index, term, data))
}

fn group() -> GroupId {
    "g".parse().unwrap()
}

/// Entries of these terms behind `prev`; a heartbeat if there are none.
pub(super) fn append(leader: usize, term: u64, prev: (u64, u64), terms: &[u64]) -> RaftRequest {
    RaftRequest::AppendEntries(AppendEntriesRequest {
        group: group(),
        server: peer(leader),
        peer: peer(0),
        term: Term(term),
        prev: id(prev.0, prev.1),
        committed: LogIndex::ZERO,
        kind: if terms.is_empty() { AppendKind::Heartbeat } else { AppendKind::Entries },
        entries: EntryBatch::new(entries(prev.0, terms)),
    })
}

pub(super) fn accepted(term: u64) -> RaftResponse {
    let answer = AppendEntriesResponse { term: Term(term), success: true, last_log_index: None };
    RaftResponse::AppendEntries(answer)
}

pub(super) fn vote(candidate: usize, term: u64, last: (u64, u64), pre_vote: bool) -> RaftRequest {
    RaftRequest::RequestVote(RequestVoteRequest {
        group: group(),
        server: peer(candidate),
        peer: peer(0),
        term: Term(term),
        last_log: id(last.0, last.1),
        pre_vote,
    })
}

pub(super) fn voted(term: u64, granted: bool) -> RaftResponse {
    RaftResponse::RequestVote(RequestVoteResponse { term: Term(term), granted })
}

pub(super) fn timeout_now(leader: usize, term: u64) -> RaftRequest {
    RaftRequest::TimeoutNow(TimeoutNowRequest {
        group: group(),
        server: peer(leader),
        peer: peer(0),
        term: Term(term),
    })
}
