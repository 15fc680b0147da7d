//! Standing for election: timeouts, pre-vote, candidacy, the answers (behaviour.md 7.1-7.3, 7.5, 7.6, 7.8, 7.9).

use jraft_spi::env::MonoTime;
use jraft_spi::message::{RaftRequest, RequestVoteRequest, RequestVoteResponse};
use jraft_spi::status::Role;
use jraft_spi::{LogId, PeerId, RaftError, Status, Term, mutant, sim_point};

use super::effect::{Effect, Sent, SentWhat, TimerAction, TimerKind};
use super::gate::{Promise, Tickets};
use super::state::{Candidacy, Effects, NodeState, PreVoteRound};

impl NodeState {
    /// Followers: nothing was heard of a leader for an election timeout.
    pub(crate) fn on_election_timeout(&mut self, now: MonoTime, fx: &mut Effects) {
        if self.role != Role::Follower || self.is_leader_alive(now) {
            return;
        }
        let lost = match &self.leader {
            Some(leader) => format!("Lost connection from leader {leader}."),
            None => "No leader was heard of.".to_owned(),
        };
        self.forget_leader(&Status::new(RaftError::ERAFTTIMEDOUT, lost), fx);
        self.start_pre_vote(now, fx);
    }

    /// Whether a leader was heard of within an election timeout.
    pub(super) fn is_leader_alive(&self, now: MonoTime) -> bool {
        let timeout = self.timing.election_timeout;
        let timeout = if mutant!("M70") { timeout / 2 } else { timeout };
        now.since(self.last_leader_contact) < timeout
    }

    /// Whether this node may stand at all: only members do, and learners are none.
    fn may_stand(&self) -> bool {
        self.conf.contains(self.me())
    }

    /// Asks whether an election could be won, which changes nothing anywhere.
    pub(super) fn start_pre_vote(&mut self, now: MonoTime, fx: &mut Effects) {
        if !self.may_stand() {
            return;
        }
        self.rounds += 1;
        let (round, mut ballot) = (self.rounds, self.ballot());
        let won = ballot.grant(self.me());
        self.pre_vote = Some(PreVoteRound { ballot, round });
        if won {
            return self.elect_self("a group of one needs no pre-vote", now, fx);
        }
        let (term, last_log) = (self.term.next(), self.log.last());
        for peer in self.other_voters() {
            let what = SentWhat::PreVote { round };
            self.send_vote_request(peer, term, last_log, what, now, fx);
        }
    }

    fn send_vote_request(
        &self,
        peer: PeerId,
        term: Term,
        last_log: LogId,
        what: SentWhat,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let request = RaftRequest::RequestVote(RequestVoteRequest {
            group: self.id.group.clone(),
            server: self.me().clone(),
            peer: peer.clone(),
            term,
            last_log,
            pre_vote: what != SentWhat::Vote,
        });
        let sent = Sent { peer: peer.clone(), term: self.term, at: now, what };
        let timeout = self.timing.election_timeout;
        fx.push(Effect::Send { to: peer, request, timeout, sent });
    }

    /// An answer to a pre-vote of ours.
    pub(super) fn on_pre_vote_answer(
        &mut self,
        sent: &Sent,
        round: u64,
        answer: RequestVoteResponse,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        if self.role != Role::Follower || sent.term != self.term {
            return;
        }
        if answer.term > self.term {
            let why = format!("{} answered a pre-vote with a higher term", sent.peer);
            let why = Status::new(RaftError::EHIGHERTERMRESPONSE, why);
            return self.step_down(answer.term, &why, now, fx);
        }
        let Some(pre_vote) = self.pre_vote.as_mut().filter(|current| current.round == round) else {
            return;
        };
        if answer.granted && pre_vote.ballot.grant(&sent.peer) {
            self.elect_self("a majority would vote for it", now, fx);
        }
    }

    /// Becomes candidate of the next term. The order is a contract (behaviour.md 7.6), except that nothing is
    /// released on the way: RequestVotes leave when (term, own vote) is durable.
    pub(crate) fn elect_self(&mut self, why: &str, now: MonoTime, fx: &mut Effects) {
        if !self.may_stand() {
            return;
        }
        if self.role == Role::Follower {
            Self::timer(TimerKind::Election, TimerAction::Stop, fx);
        }
        let lost = Status::new(
            RaftError::ERAFTTIMEDOUT,
            "A follower's leader_id is reset to NULL as it begins to request_vote.",
        );
        self.forget_leader(&lost, fx);
        self.pre_vote = None;
        let just_started = self.tickets() == Tickets::default();
        let again = mutant!("M47") && just_started && self.voted_for.as_ref() == Some(self.me());
        let term = if again { self.term } else { self.term.next() };
        self.change_role(Role::Candidate, term, why, fx);
        self.set_term_and_vote(term, Some(self.me().clone()));
        Self::timer(TimerKind::Vote, TimerAction::Restart, fx);
        let own_vote = self.gate.meta_ticket();
        self.candidacy = Some(Candidacy { ballot: self.ballot(), own_vote });
        let canvass = Promise::Canvass { term, last_log: self.log.last() };
        let after = Tickets { meta: own_vote, ..Tickets::default() };
        sim_point!("elect self");
        self.promise(after, canvass, now, fx);
    }

    /// (term, own vote) is durable: the own vote counts, once.
    pub(super) fn count_own_vote(&mut self, now: MonoTime, fx: &mut Effects) {
        let durable = self.gate.meta.durable;
        let me = self.me().clone();
        let Some(candidacy) = self.candidacy.as_mut().filter(|mine| mine.own_vote.0 <= durable)
        else {
            return;
        };
        sim_point!("own vote counts");
        if self.role == Role::Candidate && candidacy.ballot.grant(&me) {
            self.become_leader(now, fx);
        }
    }

    /// Nobody has been asked yet: a disk that is slower than the timeout must not raise the term for ever.
    fn is_own_vote_pending(&self) -> bool {
        let durable = self.gate.meta.durable;
        self.candidacy.as_ref().is_some_and(|mine| mine.own_vote.0 > durable)
    }

    /// The RequestVotes of a candidacy may leave, if it still is one.
    pub(super) fn canvass(&self, term: Term, last_log: LogId, now: MonoTime, fx: &mut Effects) {
        if self.role != Role::Candidate || self.term != term {
            return;
        }
        for peer in self.other_voters() {
            self.send_vote_request(peer, term, last_log, SentWhat::Vote, now, fx);
        }
    }

    /// An answer to a RequestVote of ours.
    pub(super) fn on_vote_answer(
        &mut self,
        sent: &Sent,
        answer: RequestVoteResponse,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let is_old = sent.term != self.term && !mutant!("M14");
        if self.role != Role::Candidate || is_old {
            return;
        }
        if answer.term > self.term {
            let why = format!("{} answered a vote request with a higher term", sent.peer);
            let why = Status::new(RaftError::EHIGHERTERMRESPONSE, why);
            return self.step_down(answer.term, &why, now, fx);
        }
        let Some(candidacy) = self.candidacy.as_mut().filter(|_| answer.granted) else { return };
        if candidacy.ballot.grant(&sent.peer) {
            self.become_leader(now, fx);
        }
    }

    /// Candidates: the candidacy found no majority in time.
    pub(crate) fn on_vote_timeout(&mut self, now: MonoTime, fx: &mut Effects) {
        if self.role != Role::Candidate || self.is_own_vote_pending() {
            return;
        }
        if self.options.raft.step_down_when_vote_timedout {
            let why = "Vote timeout: fail to get quorum vote-granted.";
            self.step_down(self.term, &Status::new(RaftError::ETIMEDOUT, why), now, fx);
            self.start_pre_vote(now, fx);
        } else {
            self.elect_self(
                "the last candidacy found no majority, and the node does not step down",
                now,
                fx,
            );
        }
    }
}
