//! The turn: the one task of a node's loop. It brings the news in, then carries out what was decided, in order.
//!
//! Each stage drains what is there and never waits to fill a batch.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jraft_spi::storage::RaftMeta;
use jraft_spi::{LogIndex, RaftError, Status, mutant, sim_point};

use super::effect::{Effect, LogWrite, Note, Sent};
use super::reader::ReadLane;
use super::settle::Settling;
use super::shared::{DiskNews, LogRead, Shared, disk_status};
use super::state::Effects;
use super::timers::NodeTimers;
use crate::closure::{AcceptedTask, Done, Outcome};
use crate::fsm::FsmNotice;
use crate::fsm::{ApplyRange, FsmCommand};
use crate::log::LogTicket;
use crate::log::MetaTicket;
use crate::log::lane::LogOp;

/// The loop's side of a node.
pub(crate) struct Turn {
    shared: Arc<Shared>,
    timers: Arc<NodeTimers>,
    reader: Arc<ReadLane>,
    effects: Effects,
    /// Changes of the log that wait for their term to be durable, in order.
    writes: VecDeque<(LogOp, LogTicket, MetaTicket)>,
    meta_durable: MetaTicket,
    meta: MetaRoom,
    /// Whom to tell of entries in the log that are not known to be committed, by first index.
    pending: VecDeque<(LogIndex, Vec<AcceptedTask>)>,
    /// Whether several tasks are open at a time: then it pays to look twice at the entrance.
    many: bool,
    settling: Settling,
}

/// Saves of term and vote: one at a time, and only the newest of those that wait.
#[derive(Default)]
struct MetaRoom {
    saving: bool,
    next: Option<(RaftMeta, MetaTicket)>,
}

impl Turn {
    pub(crate) fn new(shared: Arc<Shared>, timers: Arc<NodeTimers>, reader: Arc<ReadLane>) -> Self {
        Self {
            shared,
            timers,
            reader,
            effects: Vec::new(),
            writes: VecDeque::new(),
            meta_durable: MetaTicket(0),
            meta: MetaRoom::default(),
            pending: VecDeque::new(),
            many: false,
            settling: Settling::default(),
        }
    }

    /// Runs until the node has ended.
    pub(crate) async fn run(mut self) {
        loop {
            let ended = self.shared.ended.load(Ordering::Acquire);
            if catch_unwind(AssertUnwindSafe(|| self.turn())).is_err() {
                slog::error!(
                    self.shared.env.log,
                    "a turn of the node broke off: a bug in the library"
                );
                self.break_down();
            }
            if ended {
                return;
            }
            if self.shared.bell.is_rung() {
                // Callers without a pause ring during every turn. The loop has sockets, timers and other nodes, too.
                tokio::task::yield_now().await;
            }
            self.shared.bell.heard().await;
        }
    }

    /// What was decided and not carried out is lost, whatever it was: the node must not go on as if it had happened.
    fn break_down(&self) {
        self.shared.step("a broken turn", |state, _, fx| {
            if state.role().is_active() {
                state.break_down("what to carry out", fx);
            }
        });
    }

    fn turn(&mut self) {
        self.bring_news();
        self.take_tasks();
        let applied = self.shared.view.applied();
        self.shared.step_quietly("turn end", |state, now, fx| state.on_turn_end(applied, now, fx));
        let mut effects = std::mem::take(&mut self.effects);
        self.shared.take_outbox(&mut effects);
        for effect in effects.drain(..) {
            #[cfg(feature = "sim")]
            let (before, after) = effect.points();
            sim_point!(before);
            self.carry_out(effect);
            sim_point!(after);
        }
        self.effects = effects;
        self.flush();
    }

    fn bring_news(&mut self) {
        let DiskNews { log, meta, failed, read } = self.shared.take_news();
        let shared = &self.shared;
        if let Some(error) = failed {
            let status = disk_status(&error);
            shared.step_quietly("disk error", |state, now, fx| state.on_error(&status, now, fx));
        }
        if let Some(ticket) = meta {
            self.meta_durable = self.meta_durable.max(ticket);
            self.meta.saving = false;
            shared.step_quietly("meta durable", |s, now, fx| s.on_meta_durable(ticket, now, fx));
        }
        if let Some(ticket) = log {
            shared.step_quietly("log durable", |s, now, fx| s.on_log_durable(ticket, now, fx));
        }
        for LogRead { peer, version, entries } in read {
            shared.step_quietly("log read", |state, now, fx| match entries {
                Ok(entries) => state.on_log_read(&peer, version, entries, now, fx),
                Err(error) => state.on_error(&disk_status(&error), now, fx),
            });
        }
    }

    fn take_tasks(&mut self) {
        let batch = self.shared.options.raft.apply_batch as usize;
        let entrance = &self.shared.entrance;
        // What arrives meanwhile waits for the next turn, or a busy entrance would starve the loop. Whoever brings it
        // rings the bell after it, so that there is one.
        let mut waiting = if self.many {
            self.settling.settle(&*self.shared.env.clock, || entrance.len())
        } else {
            entrance.len()
        };
        if waiting > 0 {
            self.many = waiting > 1 || !self.pending.is_empty();
        }
        // After the end all are taken, since nobody comes for them any more.
        let ended = self.shared.ended.load(Ordering::Acquire);
        while waiting > 0 && (ended || !self.shared.fsm.has_enough()) {
            let tasks = self.shared.entrance.take(batch.min(waiting));
            if tasks.is_empty() {
                return;
            }
            waiting = waiting.saturating_sub(tasks.len());
            self.shared.step_quietly("apply", |state, _, fx| state.on_apply(tasks, fx));
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::PersistMeta { meta, ticket } => {
                let kept = self.meta.next.take().filter(|_| mutant!("M48"));
                self.meta.next = Some((kept.map_or(meta, |(older, _)| older), ticket));
            }
            Effect::WriteLog { write, ticket, after } => {
                let op = match write {
                    LogWrite::Append(slice) => LogOp::Append(slice),
                    LogWrite::TruncateSuffix(last_kept) => LogOp::TruncateSuffix(last_kept),
                };
                self.writes.push_back((op, ticket, after));
            }
            Effect::ReadLog { peer, version, from, limit } => {
                self.reader.read(&self.shared, peer, version, from, limit);
            }
            Effect::Send { to, request, timeout, sent } => {
                let answer = self.shared.client.call(to.endpoint(), request, timeout);
                self.await_answer(answer, sent);
            }
            // Whoever asked may be gone; that is its business.
            Effect::Reply { to, answer } => drop(to.0.send(answer)),
            Effect::Commit { from_disk, slices, upto } => {
                let tasks = self.take_pending(upto);
                self.tell(FsmCommand::Apply(ApplyRange { from_disk, slices, upto, tasks }));
            }
            Effect::Fsm(notice) => self.notify(notice),
            Effect::Accepted { first, tasks } => self.pending.push_back((first, tasks)),
            Effect::Refused { task, status } => {
                self.tell_done(task.done, Outcome::Refused(status));
            }
            Effect::GiveUpPending { status } => self.give_up_pending(&status),
            Effect::Timer(kind, action) => self.timers.apply(kind, action),
            Effect::Note(note) => self.write_note(&note),
        }
    }

    fn await_answer(
        &self,
        answer: jraft_spi::env::BoxFuture<
            'static,
            Result<jraft_spi::message::RaftResponse, jraft_spi::rpc::RpcError>,
        >,
        sent: Sent,
    ) {
        let shared = Arc::clone(&self.shared);
        let task = async move {
            let answer = answer.await;
            shared.step("answer", |state, now, fx| state.on_answer(&sent, answer, now, fx));
        };
        drop(self.shared.env.on_loop("rpc answer", task));
    }

    /// Those who wait for entries up to `upto`.
    fn take_pending(&mut self, upto: LogIndex) -> Vec<(LogIndex, Vec<AcceptedTask>)> {
        let mut taken = Vec::new();
        while let Some((first, mut tasks)) = self.pending.pop_front() {
            if first > upto {
                self.pending.push_front((first, tasks));
                break;
            }
            let count = (upto.0 - first.0 + 1) as usize;
            if count < tasks.len() {
                let rest = tasks.split_off(count);
                if !mutant!("M72") {
                    self.pending.push_front((upto.next(), rest));
                }
            }
            taken.push((first, tasks));
        }
        taken
    }

    fn give_up_pending(&mut self, status: &Status) {
        let pending = std::mem::take(&mut self.pending);
        if mutant!("M39") && self.shared.ended.load(Ordering::Acquire) {
            return std::mem::forget(pending);
        }
        let outcome = if mutant!("M36") { Outcome::Refused } else { Outcome::Unknown };
        for task in pending.into_iter().flat_map(|(_, tasks)| tasks) {
            self.tell_done(task.done, outcome(status.clone()));
        }
    }

    fn tell_done(&self, done: Option<Done>, outcome: Outcome) {
        if let Some(done) = done {
            self.tell(FsmCommand::End(done, outcome));
        }
    }

    fn notify(&self, notice: FsmNotice) {
        self.tell(FsmCommand::Notice(notice));
    }

    fn tell(&self, command: FsmCommand) {
        self.shared.fsm.push(command);
    }

    /// Hands to the disks what may go there, each once. Changes of the log first: they belong to terms that are saved, and
    /// must not wait behind the next one.
    fn flush(&mut self) {
        let disks = &self.shared.disks;
        let ready = |&(_, _, after): &(LogOp, LogTicket, MetaTicket)| after <= self.meta_durable;
        let count = self.writes.iter().take_while(|write| ready(write)).count();
        if count > 0 {
            let newest = self.writes[count - 1].1;
            let ops = self.writes.drain(..count).map(|(op, _, _)| op).collect();
            disks.lane.write(disks.slot, ops, newest);
        }
        if !self.meta.saving
            && let Some((meta, ticket)) = self.meta.next.take()
        {
            self.meta.saving = true;
            disks.lane.save_meta(disks.slot, meta, ticket);
        }
    }

    fn write_note(&self, note: &Note) {
        let log = &self.shared.env.log;
        match note {
            Note::Role { from: (old_role, old_term), to: (role, term), why } => slog::info!(
                log, "{} of term {} becomes {} of term {}", old_role, old_term, role, term;
                "why" => why
            ),
            Note::Info(text) => slog::info!(log, "{}", text),
            Note::Warn(text) => slog::warn!(log, "{}", text),
        }
    }
}

impl Drop for Turn {
    /// The task was dropped with the loop: nobody will learn more of what is pending.
    fn drop(&mut self) {
        let status = Status::new(RaftError::ESHUTDOWN, "the node's loop has ended");
        self.give_up_pending(&status);
    }
}
