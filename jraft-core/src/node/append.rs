//! AppendEntries on the receiving node (behaviour.md 8, 16.3).

use jraft_spi::env::MonoTime;
use jraft_spi::message::{AppendEntriesRequest, AppendEntriesResponse, AppendKind, RaftResponse};
use jraft_spi::status::Role;
use jraft_spi::{LogEntry, LogIndex, RaftError, Status, mutant, sim_point};

use super::effect::{Effect, LogWrite, ReplyTo, TimerAction, TimerKind};
use super::gate::{Accept, Promise, Tickets};
use super::state::{Effects, NodeState};
use crate::log::EntrySlice;

/// What can be said of a request without the node: done before the door, since checksums cost.
pub(crate) fn check_request(request: &AppendEntriesRequest, checksums: bool) -> Result<(), Status> {
    let invalid = |text: String| Err(Status::new(RaftError::EINVAL, text));
    let (mut index, mut term) = (request.prev.index, request.prev.term);
    for entry in request.entries.entries() {
        index = index.next();
        let LogEntry { id, .. } = entry;
        if id.index != index {
            return invalid(format!("entry {} stands where {index} belongs", id.index));
        }
        if id.term < term || id.term > request.term {
            let (after, of) = (term, request.term);
            return invalid(format!("entry {index} of term {} behind {after} in {of}", id.term));
        }
        term = id.term;
        if checksums {
            entry.verify_checksum().or_else(|wrong| invalid(wrong.to_string()))?;
        }
    }
    Ok(())
}

/// What became of the entries of a request.
enum Taken {
    /// They are in the log, new or not.
    Yes,
    /// They contradict what is committed.
    Contradiction(LogIndex),
}

impl NodeState {
    /// Heartbeat, probe or entries, already checked by [`check_request`].
    pub(crate) fn on_append_entries(
        &mut self,
        request: &AppendEntriesRequest,
        reply: ReplyTo,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let Some(reply) = self.if_active(reply, fx) else { return };
        if request.term < self.term {
            return self.answer_append(reply, false, None, fx);
        }
        let raises = request.term > self.term;
        if !self.obey(request, now, fx) {
            return self.answer_append(reply, false, None, fx);
        }
        self.last_leader_contact = now;
        let before = self.log.term_of(request.prev.index);
        if before != Some(request.prev.term) && !(mutant!("M9") && before.is_some()) {
            let last = self.log.last().index;
            return self.answer_append(reply, false, Some(last), fx);
        }
        let after = if mutant!("M41") && !raises { Tickets::default() } else { self.tickets() };
        match request.kind {
            AppendKind::Heartbeat | AppendKind::Probe => {
                self.accept_empty(request, after, reply, now, fx);
            }
            AppendKind::Entries => self.accept_entries(request, after, reply, now, fx),
        }
    }

    fn answer_append(
        &self,
        reply: ReplyTo,
        success: bool,
        last_log_index: Option<LogIndex>,
        fx: &mut Effects,
    ) {
        let response = AppendEntriesResponse { term: self.term, success, last_log_index };
        Self::reply(reply, RaftResponse::AppendEntries(response), fx);
    }

    /// Becomes follower of the sender. False if there are two leaders in one term: then both resign to the next.
    fn obey(&mut self, request: &AppendEntriesRequest, now: MonoTime, fx: &mut Effects) -> bool {
        let newer = request.term > self.term;
        let conflict = !newer && self.leader.as_ref().is_some_and(|known| *known != request.server);
        if conflict {
            let why = format!("{} and {:?} lead the same term", request.server, self.leader);
            let why = Status::new(RaftError::ELEADERCONFLICT, why);
            self.step_down(request.term.next(), &why, now, fx);
            return false;
        }
        if newer || self.role != Role::Follower {
            let why = format!("{} leads term {}", request.server, request.term);
            let why = Status::new(RaftError::ENEWLEADER, why);
            self.step_down(request.term, &why, now, fx);
        }
        if self.leader.is_none() {
            if !newer {
                self.restart_election_timer(fx);
            }
            let why =
                Status::new(RaftError::ENEWLEADER, "Raft node receives message from new leader.");
            self.follow_leader(request.server.clone(), why, fx);
        }
        true
    }

    /// Matches, but promises no entries: an answer to an empty request never counts as one.
    fn accept_empty(
        &mut self,
        request: &AppendEntriesRequest,
        after: Tickets,
        reply: ReplyTo,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let proven = if mutant!("M10") { request.committed } else { request.prev.index };
        let accept = Accept {
            term: request.term,
            commit: request.committed.min(proven),
            last_log_index: Some(self.log.last().index),
            reply,
        };
        self.promise(after, Promise::Accept(accept), now, fx);
    }

    fn accept_entries(
        &mut self,
        request: &AppendEntriesRequest,
        after: Tickets,
        reply: ReplyTo,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        if self.is_log_full() {
            let text = format!("Node {} log manager is busy.", self.id);
            return Self::refuse(reply, RaftError::EBUSY, text, fx);
        }
        let entries = EntrySlice::whole(request.entries.clone());
        let (last, written) = (entries.last(), self.gate.log_ticket());
        match self.take_entries(&entries, fx) {
            Taken::Yes => {}
            Taken::Contradiction(index) => {
                let text = format!("{} contradicts the committed entry {index}", request.server);
                let status = Status::new(RaftError::EINVAL, text);
                self.on_error(&status, now, fx);
                return fx.push(Effect::Reply { to: reply, answer: Err(status) });
            }
        }
        sim_point!("append accepted");
        let proven = if mutant!("M10") { request.committed } else { last };
        let accept = Accept {
            term: request.term,
            commit: request.committed.min(proven),
            last_log_index: None,
            reply,
        };
        // Also for entries that were there already: the original may still be on its way to the disk.
        let known = mutant!("M44") && self.gate.log_ticket() == written;
        let log = if known || mutant!("M7") { after.log } else { self.gate.log_ticket() };
        self.promise(Tickets { log, ..after }, Promise::Accept(accept), now, fx);
    }

    /// Drops what is there, truncates what contradicts it, appends the rest.
    fn take_entries(&mut self, entries: &EntrySlice, fx: &mut Effects) -> Taken {
        let (last, committed) = (self.log.last().index, self.committed());
        let differs = |entry: &&LogEntry| {
            let known = self.log.term_of(entry.id.index);
            // What was compacted was committed, and is therefore the same.
            entry.id.index >= self.log.first() && known != Some(entry.id.term)
                || mutant!("M8") && entry.id.index > committed
        };
        let Some(from) = entries.entries().iter().find(differs).map(|entry| entry.id.index) else {
            return Taken::Yes;
        };
        if from <= committed {
            return Taken::Contradiction(from);
        }
        if from <= last {
            self.log.truncate_suffix(from.prev());
            self.write_log(LogWrite::TruncateSuffix(from.prev()), fx);
            sim_point!("log truncated");
        }
        if let Some(news) = entries.between(from, entries.last()) {
            self.log.append(news);
            self.write_unwritten(fx);
        }
        let learned = self.conf.is_learner(self.me());
        self.follow_conf();
        match (learned, self.conf.is_learner(self.me())) {
            // A voter from now on: nobody else restarts its timer as long as the term lasts.
            (true, false) => self.restart_election_timer(fx),
            (false, true) => Self::timer(TimerKind::Election, TimerAction::Stop, fx),
            _ => {}
        }
        Taken::Yes
    }

    /// Whether the log holds more in memory than it may: neither tasks nor entries are taken then.
    pub(super) fn is_log_full(&self) -> bool {
        let budget = self.options.raft.max_logs_in_memory_bytes;
        usize::try_from(budget).is_ok_and(|budget| self.log.bytes_in_memory() > budget)
    }

    /// The leader says what is committed, and this request proves that we have it.
    pub(super) fn commit_as_told(&mut self, index: LogIndex, fx: &mut Effects) {
        let index = index.min(self.log.last().index);
        let before = self.committed();
        if let Ok(Some(committed)) = self.ballot_box.set_last_committed(index) {
            self.commit(before.next(), committed, fx);
        }
    }
}
