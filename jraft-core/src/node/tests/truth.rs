//! What must hold for the group as a whole, whatever happens (testing.md 2.2). Asked after every step and whenever a
//! promise leaves.

use std::collections::BTreeMap;

use bytes::Bytes;
use jraft_spi::message::{
    AppendEntriesRequest, AppendEntriesResponse, RaftRequest, RaftResponse, RequestVoteRequest,
};
use jraft_spi::status::Role;
use jraft_spi::{LogEntry, LogId, LogIndex, PeerId, Term};

use super::kit::Member;
use crate::node::state::NodeState;

/// What the checker saw; a search that never sees much finds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stats {
    pub(super) elections: u64,
    pub(super) commits: u64,
    pub(super) truncations: u64,
    pub(super) grants: u64,
    pub(super) acceptances: u64,
    pub(super) reads: u64,
    pub(super) restarts: u64,
    pub(super) unknown: u64,
}

impl Stats {
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            elections: self.elections + other.elections,
            commits: self.commits + other.commits,
            truncations: self.truncations + other.truncations,
            grants: self.grants + other.grants,
            acceptances: self.acceptances + other.acceptances,
            reads: self.reads + other.reads,
            restarts: self.restarts + other.restarts,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// A node right before a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    role: Role,
    term: Term,
    last: LogIndex,
    committed: LogIndex,
}

impl Before {
    pub(super) fn of(state: &NodeState) -> Self {
        let (role, term) = (state.role(), state.term());
        Self { role, term, last: state.last_log().index, committed: state.committed() }
    }
}

/// The truth about a group, as far as it has been seen.
#[derive(Debug, Default)]
pub(super) struct Truth {
    leaders: BTreeMap<Term, usize>,
    /// By index: what was committed, and in which leader's term.
    pub(super) committed: Vec<(LogId, Term)>,
    votes: BTreeMap<(usize, Term), PeerId>,
    /// Every entry ever seen: the term before it, its payload.
    entries: BTreeMap<LogId, (Term, Bytes)>,
    pub(super) stats: Stats,
}

impl Truth {
    /// I-1, I-2, I-4, I-6, I-8, I-10.
    pub(super) fn after_step(&mut self, i: usize, before: Before, members: &[Member]) {
        let Some(state) = &members[i].state else { return };
        let (role, term, last) = (state.role(), state.term(), state.last_log().index);
        assert!(term >= before.term, "I-6: the term of {i} fell");
        assert!(state.committed() >= before.committed, "I-6: the commit index of {i} fell");
        assert!(state.committed() <= last, "I-6: {i} committed beyond its log");
        let led = before.role.is_leader_like() && term == before.term && role.is_leader_like();
        assert!(!led || last >= before.last, "I-2: leader {i} shortened its log");
        if role.is_leader_like() {
            self.check_leader(i, led, state, members);
        }
        if state.committed() > before.committed {
            self.learn_commit(before.committed, state, members);
        }
    }

    fn check_leader(&mut self, i: usize, led: bool, state: &NodeState, members: &[Member]) {
        let other = *self.leaders.entry(state.term()).or_insert(i);
        assert_eq!(other, i, "I-1: two leaders in term {}", state.term());
        if !led {
            self.stats.elections += 1;
            for &(id, by) in &self.committed {
                let has = by >= state.term() || state.log.term_of(id.index) == Some(id.term);
                assert!(has, "I-4: leader {i} of {} lacks {id}, committed in {by}", state.term());
            }
        }
        for to in state.replicators.values() {
            let (matched, next) = (to.matched(), to.next_index());
            let sane = matched < next && next <= state.last_log().index.next();
            assert!(sane, "I-8: matched {matched}, next {next} of {}", to.peer);
            let Some(them) = members.iter().find(|member| member.id == to.peer) else { continue };
            if !them.wiped && them.disk.durable.meta.term <= state.term() {
                let there = them.disk.durable.term_of(matched);
                assert_eq!(there, state.log.term_of(matched), "I-8: {matched} of {}", to.peer);
            }
        }
    }

    fn learn_commit(&mut self, from: LogIndex, state: &NodeState, members: &[Member]) {
        for index in from.next().0..=state.committed().0 {
            let index = LogIndex(index);
            let id = LogId::new(index, state.log.term_of(index).expect("committed is in the log"));
            match self.committed.get(index.0 as usize - 1) {
                Some(&(known, _)) => assert_eq!(known, id, "I-5: two entries are committed"),
                None => {
                    assert!(state.role().is_leader_like(), "I-10: {id} is committed by no leader");
                    self.committed.push((id, state.term()));
                    self.stats.commits += 1;
                }
            }
        }
        if state.role().is_leader_like() {
            Self::check_quorum(state, members);
        }
    }

    /// I-10: the entry is of the leader's term and durable on a majority of each configuration.
    fn check_quorum(state: &NodeState, members: &[Member]) {
        let index = state.committed();
        assert_eq!(state.log.term_of(index), Some(state.term()), "I-10: committed by counting");
        let conf = state.conf();
        for part in [&conf.conf, &conf.old_conf].into_iter().filter(|part| !part.is_empty()) {
            let has = |peer: &&PeerId| {
                let member = members.iter().find(|member| member.id == **peer);
                member.is_some_and(|member| {
                    member.disk.durable.term_of(index) == Some(state.term()) || member.wiped
                })
            };
            let count = part.peers().iter().filter(has).count();
            assert!(count >= part.quorum(), "I-10: {index} is durable on {count} of {part}");
        }
    }

    /// I-3: what has the same index and term has the same payload and the same before it.
    pub(super) fn saw_entries(&mut self, before: Term, entries: &[LogEntry]) {
        let mut before = before;
        for entry in entries {
            let known =
                self.entries.entry(entry.id).or_insert_with(|| (before, entry.data.clone()));
            assert_eq!(*known, (before, entry.data.clone()), "I-3: two entries {}", entry.id);
            before = entry.id.term;
        }
    }

    /// I-5: what is applied is what was committed.
    pub(super) fn applies(&self, entry: &LogEntry) {
        let known = self.committed.get(entry.id.index.0 as usize - 1).map(|&(id, _)| id);
        assert_eq!(known, Some(entry.id), "I-5: applied, but not committed");
    }

    /// I-7.
    pub(super) fn truncates(&mut self, member: &Member, last_kept: LogIndex) {
        assert!(last_kept >= member.applied, "I-7: {} truncates applied entries", member.id);
        self.stats.truncations += 1;
    }

    /// I-13 for the own vote, I-3 for entries.
    pub(super) fn sends(&mut self, i: usize, member: &Member, request: &RaftRequest) {
        match request {
            RaftRequest::RequestVote(request) if !request.pre_vote => {
                self.votes_for(i, member, request, "a candidacy");
            }
            RaftRequest::AppendEntries(request) => {
                self.saw_entries(request.prev.term, request.entries.entries());
                let newest = request.entries.entries().last().map_or(request.prev, |last| last.id);
                assert!(newest.term <= request.term, "an entry newer than its request");
            }
            _ => {}
        }
    }

    /// I-12, I-13.
    pub(super) fn answers(
        &mut self,
        i: usize,
        member: &Member,
        request: &RaftRequest,
        answer: &RaftResponse,
    ) {
        match (request, answer) {
            (RaftRequest::RequestVote(request), RaftResponse::RequestVote(answer))
                if answer.granted && !request.pre_vote =>
            {
                self.stats.grants += 1;
                assert_eq!(answer.term, request.term, "a grant names its term");
                self.votes_for(i, member, request, "a grant");
            }
            (RaftRequest::AppendEntries(request), RaftResponse::AppendEntries(answer))
                if answer.success =>
            {
                self.stats.acceptances += 1;
                Self::accepts(member, request, *answer);
            }
            _ => {}
        }
    }

    fn votes_for(&mut self, i: usize, member: &Member, request: &RequestVoteRequest, what: &str) {
        let meta = &member.disk.durable.meta;
        let durable = meta.term == request.term && meta.voted_for.as_ref() == Some(&request.server);
        assert!(durable, "I-13: {what} of {} in {} left, {meta:?} is durable", i, request.term);
        if member.wiped {
            return;
        }
        let known = self.votes.entry((i, request.term)).or_insert_with(|| request.server.clone());
        assert_eq!(*known, request.server, "I-9: {i} votes twice in term {}", request.term);
    }

    fn accepts(member: &Member, request: &AppendEntriesRequest, answer: AppendEntriesResponse) {
        let (me, durable) = (&member.id, &member.disk.durable);
        assert_eq!(answer.term, request.term, "success names the leader's term");
        assert!(durable.meta.term >= answer.term, "I-12: {me} accepts in a term it may forget");
        for entry in request.entries.entries() {
            let there = durable.term_of(entry.id.index);
            assert_eq!(there, Some(entry.id.term), "I-12: {me} may lose {}", entry.id);
        }
        if !request.entries.is_empty() {
            let there = durable.term_of(request.prev.index);
            assert_eq!(there, Some(request.prev.term), "I-12: {me} may lose {}", request.prev);
        }
    }
}
