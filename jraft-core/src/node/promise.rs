//! Promises and the disks: what leaves when something has become durable (ARCHITECTURE.md, the gate for promises).

use jraft_spi::env::MonoTime;
use jraft_spi::message::{AppendEntriesResponse, RaftResponse};
use jraft_spi::{RaftError, Status, mutant, sim_point};

use super::effect::Effect;
use super::gate::{Accept, Promise, Tickets};
use super::state::{Effects, NodeState};
use crate::log::LogTicket;
use crate::log::MetaTicket;

impl NodeState {
    /// Lets a promise leave now or when its tickets are durable. When nothing is pending this is one comparison.
    pub(super) fn promise(
        &mut self,
        after: Tickets,
        promise: Promise,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let early = mutant!("M1") && !matches!(promise, Promise::Accept(_));
        if early || self.gate.is_durable(after) {
            return self.fulfil(promise, now, fx);
        }
        if let Some(oldest) = self.gate.hold(after, promise) {
            Self::give_up(oldest, "too many promises wait for the disk", fx);
        }
    }

    /// Term and vote are on the disk as they were when `ticket` was handed out.
    pub(crate) fn on_meta_durable(&mut self, ticket: MetaTicket, now: MonoTime, fx: &mut Effects) {
        if self.role.is_active() && self.gate.meta.reach(ticket.0) {
            self.count_own_vote(now, fx);
            self.release(now, fx);
        }
    }

    /// The log is on the disk as it was when `ticket` was handed out.
    pub(crate) fn on_log_durable(&mut self, ticket: LogTicket, now: MonoTime, fx: &mut Effects) {
        if !self.role.is_active() || !self.gate.log.reach(ticket.0) {
            return;
        }
        self.log.on_durable(ticket);
        self.acknowledge_own(self.log.durable(), now, fx);
        self.release(now, fx);
    }

    fn release(&mut self, now: MonoTime, fx: &mut Effects) {
        while let Some(promise) = self.gate.release() {
            self.fulfil(promise, now, fx);
        }
    }

    /// A promise leaves, if it still fits: grants and candidacies of another term are void, a stale acceptance is a
    /// refusal.
    fn fulfil(&mut self, promise: Promise, now: MonoTime, fx: &mut Effects) {
        sim_point!("promise leaves");
        match promise {
            Promise::Vote { term, candidate, reply } => {
                self.release_vote(term, &candidate, reply, fx);
            }
            Promise::Accept(accept) => self.release_accept(accept, fx),
            Promise::Canvass { term, last_log } => self.canvass(term, last_log, now, fx),
        }
    }

    fn release_accept(&mut self, accept: Accept, fx: &mut Effects) {
        let term = if mutant!("M18") { accept.term } else { self.term };
        let success = term == accept.term && self.role.is_active();
        if success {
            self.commit_as_told(accept.commit, fx);
        }
        let last_log_index = accept.last_log_index.filter(|_| success);
        let response = AppendEntriesResponse { term, success, last_log_index };
        Self::reply(accept.reply, RaftResponse::AppendEntries(response), fx);
    }

    /// The node failed or goes down: nothing held may leave any more.
    pub(super) fn drop_promises(&mut self, why: &str, fx: &mut Effects) {
        let held: Vec<Promise> = self.gate.drain().collect();
        for promise in held {
            Self::give_up(promise, why, fx);
        }
    }

    fn give_up(promise: Promise, why: &str, fx: &mut Effects) {
        let (Promise::Vote { reply, .. } | Promise::Accept(Accept { reply, .. })) = promise else {
            return;
        };
        let answer = Err(Status::new(RaftError::EBUSY, why));
        fx.push(Effect::Reply { to: reply, answer });
    }
}
