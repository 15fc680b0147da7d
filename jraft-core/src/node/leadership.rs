//! Becoming leader, stepping down, and the ways a node ends (behaviour.md 7.10, 9.1, 9.2).

use std::sync::Arc;

use jraft_spi::env::MonoTime;
use jraft_spi::message::EntryBatch;
use jraft_spi::status::Role;
use jraft_spi::{Configuration, LogEntry, LogId, RaftError, Status, Term, mutant, sim_point};

use super::effect::{Effect, Note, TimerAction, TimerKind};
use super::state::{Effects, NodeState};
use crate::fsm::FsmNotice;
use crate::log::EntrySlice;
use crate::replicator::Replicator;

impl NodeState {
    /// A majority voted for this node. Its first act is an entry of its own term, the configuration.
    pub(super) fn become_leader(&mut self, now: MonoTime, fx: &mut Effects) {
        assert_eq!(self.role, Role::Candidate, "only candidates become leaders");
        Self::timer(TimerKind::Vote, TimerAction::Stop, fx);
        self.candidacy = None;
        self.leader = Some(self.me().clone());
        self.change_role(Role::Leader, self.term, "a majority voted for it", fx);
        self.start_replicators(now);
        let first = self.log.last().index.next();
        let pending = if mutant!("M5") { self.committed().next() } else { first };
        assert!(
            self.ballot_box.reset_pending_index(self.term, pending),
            "a new leader counts from the end of its log"
        );
        let conf = self.conf.to_peers();
        let entry = LogEntry::configuration(LogId::new(first, self.term), conf);
        self.append_own(vec![self.with_checksum(entry)]);
        self.leader_start_at = Some(first);
        Self::timer(TimerKind::StepDown, TimerAction::Restart, fx);
        Self::timer(TimerKind::Heartbeat, TimerAction::Restart, fx);
        sim_point!("become leader");
    }

    fn start_replicators(&mut self, now: MonoTime) {
        let last = self.log.last().index;
        let voters = self.other_voters().into_iter().map(|peer| (peer, true));
        let of = |conf: &Configuration| conf.learners().to_vec();
        let learners = [of(&self.conf.conf), of(&self.conf.old_conf)].concat();
        let learners = learners.into_iter().map(|peer| (peer, false));
        for (peer, counts) in voters.chain(learners).collect::<Vec<_>>() {
            let version = self.next_version();
            let replicator = Replicator::new(peer.clone(), counts, version, last, now);
            self.replicators.entry(peer).or_insert(replicator);
        }
    }

    /// Adds entries of this leader to its log and starts to count who has them.
    pub(super) fn append_own(&mut self, entries: Vec<LogEntry>) {
        let slice = EntrySlice::whole(EntryBatch::new(entries));
        let last = slice.last();
        self.log.append(slice);
        self.follow_conf();
        let counted = self.ballot_box.append_pending(last, &self.conf);
        assert!(counted, "a leader counts its entries");
    }

    pub(super) fn with_checksum(&self, entry: LogEntry) -> LogEntry {
        if self.options.raft.enable_log_entry_checksum { entry.with_checksum() } else { entry }
    }

    /// Becomes follower of `term`, whatever it was. The order follows behaviour.md 9.1.
    pub(crate) fn step_down(&mut self, term: Term, why: &Status, now: MonoTime, fx: &mut Effects) {
        if !self.role.is_active() {
            return;
        }
        if self.role == Role::Candidate {
            Self::timer(TimerKind::Vote, TimerAction::Stop, fx);
        }
        if self.role.is_leader_like() {
            self.end_leadership(why, fx);
        }
        self.forget_leader(why, fx);
        self.candidacy = None;
        self.pre_vote = None;
        self.change_role(Role::Follower, term.max(self.term), why.message(), fx);
        self.last_leader_contact = now;
        if term > self.term {
            self.set_term_and_vote(term, None);
        }
        if !mutant!("M63") {
            self.restart_election_timer(fx);
        }
        sim_point!("step down");
    }

    fn end_leadership(&mut self, why: &Status, fx: &mut Effects) {
        Self::timer(TimerKind::StepDown, TimerAction::Stop, fx);
        Self::timer(TimerKind::Heartbeat, TimerAction::Stop, fx);
        self.write_unwritten(fx);
        self.replicators.clear();
        self.ballot_box.clear_pending();
        self.leader_start_at = None;
        let status = Status::new(RaftError::EPERM, "Leader stepped down");
        if !mutant!("M60") {
            fx.push(Effect::GiveUpPending { status });
        }
        if self.role == Role::Leader {
            fx.push(Effect::Fsm(FsmNotice::LeaderStop(why.clone())));
        }
    }

    /// Leaders, every half election timeout: resigns without a majority that answered within the lease.
    pub(crate) fn on_step_down_tick(&mut self, now: MonoTime, fx: &mut Effects) {
        if !self.role.is_leader_like() {
            return;
        }
        let conf = Arc::clone(&self.conf);
        for part in [&conf.conf, &conf.old_conf] {
            let alive = part.peers().iter().filter(|peer| self.is_alive(peer, now)).count();
            let size = part.peers().len();
            if size > 0 && alive < part.quorum() {
                let why = format!("Majority of the group dies: {}/{size}", size - alive);
                let why = Status::new(RaftError::ERAFTTIMEDOUT, why);
                return self.step_down(self.term, &why, now, fx);
            }
        }
    }

    fn is_alive(&self, peer: &jraft_spi::PeerId, now: MonoTime) -> bool {
        let replicator = self.replicators.get(peer);
        let lease = self.timing.leader_lease;
        peer == self.me() || replicator.is_some_and(|other| now.since(other.last_ack()) <= lease)
    }

    /// Something failed for good: this node promises nothing any more. Only a restart helps. Before its start, too: then it
    /// never takes part.
    pub(crate) fn on_error(&mut self, error: &Status, now: MonoTime, fx: &mut Effects) {
        if !self.role.is_active() && self.role != Role::Uninitialized || mutant!("M71") {
            return;
        }
        fx.push(Effect::Note(Note::Warn(format!("node fails: {error}"))));
        if self.role.is_active() {
            let why = Status::new(RaftError::EBADNODE, error.to_string());
            self.step_down(self.term, &why, now, fx);
            Self::timer(TimerKind::Election, TimerAction::Stop, fx);
            self.drop_promises("the node has failed", fx);
        }
        self.change_role(Role::Error, self.term, error.message(), fx);
        self.error = Some(error.clone());
        fx.push(Effect::Fsm(FsmNotice::Error(error.clone())));
        sim_point!("node fails");
    }

    /// A decision broke an invariant: what this node believes cannot be trusted, so it ends here, without a word to its
    /// peers.
    pub(crate) fn break_down(&mut self, purpose: &str, fx: &mut Effects) {
        let text = format!("a broken invariant while deciding {purpose:?}");
        let status = Status::new(RaftError::EINTERNAL, text);
        self.role = Role::Error;
        self.leader = None;
        self.replicators.clear();
        self.candidacy = None;
        self.pre_vote = None;
        drop(self.gate.drain());
        self.forget_unwritten();
        fx.clear();
        fx.push(Effect::Note(Note::Warn(format!("node fails: {status}"))));
        for timer in TimerKind::ALL {
            Self::timer(timer, TimerAction::Stop, fx);
        }
        fx.push(Effect::GiveUpPending { status: status.clone() });
        fx.push(Effect::Fsm(FsmNotice::Error(status.clone())));
        self.error = Some(status);
    }

    /// Starts to take part (behaviour.md 6.1, 13-16).
    pub(crate) fn on_start(&mut self, now: MonoTime, fx: &mut Effects) {
        if self.role != Role::Uninitialized {
            return;
        }
        self.change_role(Role::Follower, self.term, "started", fx);
        self.last_leader_contact = now;
        if self.conf.conf.is_empty() {
            return;
        }
        self.restart_election_timer(fx);
        let alone = self.conf.is_stable() && self.conf.conf.peers() == [self.me().clone()];
        if alone {
            self.elect_self("it is the only member", now, fx);
        }
    }

    /// Leaves the group of the living.
    pub(crate) fn on_shutdown(&mut self, now: MonoTime, fx: &mut Effects) {
        let why = Status::new(RaftError::ESHUTDOWN, "Raft node is going to quit.");
        self.step_down(self.term, &why, now, fx);
        Self::timer(TimerKind::Election, TimerAction::Stop, fx);
        self.drop_promises("the node shuts down", fx);
        if self.role < Role::Shutting {
            self.change_role(Role::Shutting, self.term, "asked to shut down", fx);
        }
    }

    /// Everything is closed.
    pub(crate) fn on_closed(&mut self) {
        self.role = Role::Shutdown;
    }
}
