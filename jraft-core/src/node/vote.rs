//! Answering vote requests, pre-votes and TimeoutNow (behaviour.md 7.4, 7.7, 8).

use jraft_spi::env::MonoTime;
use jraft_spi::message::{
    RaftResponse, RequestVoteRequest, RequestVoteResponse, TimeoutNowRequest, TimeoutNowResponse,
};
use jraft_spi::status::Role;
use jraft_spi::{PeerId, RaftError, Status, Term, mutant, sim_point};

use super::effect::{Effect, Note, ReplyTo, TimerAction, TimerKind};
use super::gate::{Promise, Tickets};
use super::state::{Effects, NodeState};

impl NodeState {
    /// A vote request, or a pre-vote.
    pub(crate) fn on_request_vote(
        &mut self,
        request: &RequestVoteRequest,
        reply: ReplyTo,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let Some(reply) = self.if_active(reply, fx) else { return };
        if request.pre_vote {
            let granted = self.grants_pre_vote(request, now);
            return self.answer_vote(reply, granted, fx);
        }
        self.decide_vote(request, reply, now, fx);
    }

    fn answer_vote(&self, reply: ReplyTo, granted: bool, fx: &mut Effects) {
        let response = RequestVoteResponse { term: self.term, granted };
        Self::reply(reply, RaftResponse::RequestVote(response), fx);
    }

    /// Changes nothing. A candidate that we do not know as a member is heard if its log is longer than ours: then our
    /// configuration may be the stale one (L-17).
    fn grants_pre_vote(&self, request: &RequestVoteRequest, now: MonoTime) -> bool {
        let last_log = self.log.last();
        let known = self.conf.contains(&request.server) || request.last_log > last_log;
        let led =
            self.role.is_leader_like() || (self.leader.is_some() && self.is_leader_alive(now));
        known
            && (!led || mutant!("M68"))
            && request.term >= self.term
            && self.is_up_to_date(request)
    }

    /// Whether a candidate's log holds whatever ours may have committed.
    fn is_up_to_date(&self, request: &RequestVoteRequest) -> bool {
        let (theirs, ours) = (request.last_log, self.log.last());
        let holds = if mutant!("M4") { theirs.index >= ours.index } else { theirs >= ours };
        holds || mutant!("M3")
    }

    /// Decides on the log in memory, with no wait midway; the grant leaves when it is durable.
    fn decide_vote(
        &mut self,
        request: &RequestVoteRequest,
        reply: ReplyTo,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        if request.term < self.term {
            return self.answer_vote(reply, false, fx);
        }
        if request.term > self.term {
            let why = format!("{} requests votes in a higher term", request.server);
            let why = Status::new(RaftError::EHIGHERTERMRESPONSE, why);
            self.step_down(request.term, &why, now, fx);
        }
        // Compared again on a repeat, too: 1.3.14 can ask twice in a term with a shorter log.
        let log_ok = self.is_up_to_date(request);
        let is_open = self.voted_for.is_none();
        if log_ok && (is_open || mutant!("M2")) {
            let why = format!("votes for {}", request.server);
            let why = Status::new(RaftError::EVOTEFORCANDIDATE, why);
            self.step_down(self.term, &why, now, fx);
            self.set_term_and_vote(self.term, Some(request.server.clone()));
            let text = format!("votes for {} in term {}", request.server, self.term);
            fx.push(Effect::Note(Note::Info(text)));
        }
        sim_point!("vote decided");
        if !log_ok || self.voted_for.as_ref() != Some(&request.server) {
            return self.answer_vote(reply, false, fx);
        }
        let grant = Promise::Vote { term: self.term, candidate: request.server.clone(), reply };
        let after = if mutant!("M42") && !is_open { Tickets::default() } else { self.tickets() };
        self.promise(after, grant, now, fx);
    }

    /// A grant may leave, if it is still one.
    pub(super) fn release_vote(
        &self,
        term: Term,
        candidate: &PeerId,
        reply: ReplyTo,
        fx: &mut Effects,
    ) {
        let granted = self.role.is_active()
            && self.term == term
            && self.voted_for.as_ref() == Some(candidate);
        self.answer_vote(reply, granted, fx);
    }

    /// The leader hands over to this node: stand at once, without a pre-vote.
    pub(crate) fn on_timeout_now(
        &mut self,
        request: &TimeoutNowRequest,
        reply: ReplyTo,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let Some(reply) = self.if_active(reply, fx) else { return };
        if request.term > self.term {
            let why = format!("{} sent TimeoutNow with a higher term", request.server);
            let why = Status::new(RaftError::EHIGHERTERMREQUEST, why);
            self.step_down(request.term, &why, now, fx);
            return self.answer_timeout_now(reply, self.term, false, fx);
        }
        let may = self.role == Role::Follower && self.conf.contains(self.me());
        if request.term < self.term || !may {
            return self.answer_timeout_now(reply, self.term, false, fx);
        }
        self.answer_timeout_now(reply, self.term.next(), true, fx);
        self.elect_self("the leader hands over", now, fx);
    }

    fn answer_timeout_now(&self, reply: ReplyTo, term: Term, success: bool, fx: &mut Effects) {
        let response = TimeoutNowResponse { term, success };
        Self::reply(reply, RaftResponse::TimeoutNow(response), fx);
    }

    /// Pushes the election out: a vote was granted, or the role changed.
    pub(super) fn restart_election_timer(&self, fx: &mut Effects) {
        if !self.conf.is_learner(self.me()) {
            Self::timer(TimerKind::Election, TimerAction::Restart, fx);
        }
    }
}
