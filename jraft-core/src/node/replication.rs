//! A leader's side of replication: heartbeats, probes, the pipeline, the answers (behaviour.md 14).

use jraft_spi::env::MonoTime;
use jraft_spi::message::{
    AppendEntriesRequest, AppendEntriesResponse, AppendKind, EntryBatch, RaftRequest, RaftResponse,
};
use jraft_spi::rpc::RpcError;
use jraft_spi::storage::ReadLimit;
use jraft_spi::{LogEntry, LogId, LogIndex, PeerId, RaftError, Status, Term, mutant};

use super::effect::{Effect, Note, Sent, SentWhat};
use super::state::{Effects, NodeState};
use crate::log::{BatchLimit, Filling};
use crate::replicator::{ProbeNeed, Replicator};

/// Bytes of entries that are kept in memory for peers that lag, whatever the budget is.
const MOST_FOR_PEERS: usize = 64 << 20;

impl NodeState {
    /// Ends every turn of the loop: what was appended goes to the disk, then to every peer that can take it.
    pub(crate) fn on_turn_end(&mut self, applied: LogIndex, now: MonoTime, fx: &mut Effects) {
        self.write_unwritten(fx);
        if mutant!("M16") {
            self.acknowledge_own(self.log.last().index, now, fx);
        }
        let mut replicators = std::mem::take(&mut self.replicators);
        for replicator in replicators.values_mut() {
            self.pump(replicator, now, fx);
        }
        self.replicators = replicators;
        self.release_memory(applied);
    }

    /// Memory keeps what is not yet applied or not on the disk, and, up to a quarter of the budget and not without end,
    /// what peers lack: one of them may be down for long.
    fn release_memory(&mut self, applied: LogIndex) {
        let budget =
            usize::try_from(self.options.raft.max_logs_in_memory_bytes).unwrap_or(usize::MAX);
        let generous = self.log.bytes_in_memory() < (budget / 4).min(MOST_FOR_PEERS);
        let lagging = self.replicators.values().map(Replicator::matched).min();
        let needed = lagging.filter(|_| generous).unwrap_or(applied);
        self.log.release(needed.min(applied));
        // A follower full of entries that wait for their commit must take the next ones, or a new leader's first entry
        // never reaches it and nothing is ever committed again. What lies on the disk is read from there later. A
        // leader keeps them: that is what holds its applications back.
        let waits_for_commit = applied >= self.committed() && !self.role.is_leader_like();
        if waits_for_commit && self.is_log_full() {
            self.log.release(self.log.durable());
        }
    }

    /// Sends what the window allows.
    fn pump(&mut self, to: &mut Replicator, now: MonoTime, fx: &mut Effects) {
        if to.wants_probe(now) {
            return self.send_probe(to, now, fx);
        }
        let window = self.window();
        while to.next_index() <= self.log.last().index && to.wants_entries(now, window) {
            let limit = self.batch_limit();
            match self.log.batch(to.next_index(), limit) {
                Some(batch) => {
                    if !self.send_entries(to, batch, now, fx) {
                        return;
                    }
                }
                None => Self::read_entries(to, limit, fx),
            }
        }
    }

    /// What one request may hold.
    fn batch_limit(&self) -> BatchLimit {
        let raft = &self.options.raft;
        BatchLimit {
            entries: raft.max_entries_size as usize,
            bytes: raft.max_body_size as usize,
            frame: self.frame_room,
        }
    }

    fn read_entries(to: &mut Replicator, limit: BatchLimit, fx: &mut Effects) {
        to.start_reading();
        let limit = ReadLimit { entries: limit.entries, bytes: limit.bytes };
        let (peer, version, from) = (to.peer.clone(), to.version(), to.next_index());
        fx.push(Effect::ReadLog { peer, version, from, limit });
    }

    fn send_probe(&self, to: &mut Replicator, now: MonoTime, fx: &mut Effects) {
        let Some(request) = self.append_request(to, AppendKind::Probe, EntryBatch::default())
        else {
            return;
        };
        let what = SentWhat::Append { version: to.version(), seq: to.sent(0, 0) };
        self.send_append(to, request, what, now, fx);
    }

    /// False if the entry before them is compacted: only a snapshot can help this peer.
    fn send_entries(
        &self,
        to: &mut Replicator,
        batch: EntryBatch,
        now: MonoTime,
        fx: &mut Effects,
    ) -> bool {
        let (count, bytes) =
            (batch.len() as u64, batch.entries().iter().map(|entry| entry.data.len()).sum());
        let Some(request) = self.append_request(to, AppendKind::Entries, batch) else {
            return false;
        };
        let what = SentWhat::Append { version: to.version(), seq: to.sent(count, bytes) };
        self.send_append(to, request, what, now, fx);
        true
    }

    fn send_append(
        &self,
        to: &Replicator,
        request: AppendEntriesRequest,
        what: SentWhat,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let timeout = match what {
            SentWhat::Heartbeat { .. } => self.timing.election_timeout / 2,
            // Nothing else leaves before a probe is answered: a lost one must not stall the peer for long.
            _ if request.kind == AppendKind::Probe => self.timing.election_timeout,
            _ => self.timing.rpc,
        };
        let sent = Sent { peer: to.peer.clone(), term: self.term, at: now, what };
        let (to, request) = (to.peer.clone(), RaftRequest::AppendEntries(request));
        fx.push(Effect::Send { to, request, timeout, sent });
    }

    /// The previous log id and the entries come from one look at the log. Nothing if the previous entry is compacted.
    fn append_request(
        &self,
        to: &Replicator,
        kind: AppendKind,
        entries: EntryBatch,
    ) -> Option<AppendEntriesRequest> {
        let prev = match entries.entries().first() {
            Some(first) => first.id.index.prev(),
            None => to.next_index().prev(),
        };
        let prev = match (self.log.term_of(prev), kind) {
            (Some(term), _) => LogId::new(prev, term),
            // So the peer only hears that the leader lives.
            (None, AppendKind::Heartbeat) => LogId::NONE,
            (None, _) => return None,
        };
        Some(AppendEntriesRequest {
            group: self.id.group.clone(),
            server: self.me().clone(),
            peer: to.peer.clone(),
            term: self.term,
            prev,
            committed: self.committed(),
            kind,
            entries,
        })
    }

    /// Leaders, every heartbeat period: says that this leader lives. Never waits behind entries.
    pub(crate) fn on_heartbeat_tick(&mut self, now: MonoTime, fx: &mut Effects) {
        if !self.role.is_leader_like() {
            return;
        }
        let mut replicators = std::mem::take(&mut self.replicators);
        for to in replicators.values_mut() {
            if !to.start_heartbeat() {
                continue;
            }
            let what = SentWhat::Heartbeat { version: to.version() };
            if let Some(request) =
                self.append_request(to, AppendKind::Heartbeat, EntryBatch::default())
            {
                self.send_append(to, request, what, now, fx);
            }
        }
        self.replicators = replicators;
    }

    /// Entries for a peer that is far behind came from the disk.
    pub(crate) fn on_log_read(
        &mut self,
        peer: &PeerId,
        version: u64,
        mut entries: Vec<LogEntry>,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let Some(mut to) = self.replicators.remove(peer) else { return };
        if to.version() == version {
            to.end_reading();
            let mut filling = Filling::new(self.batch_limit());
            // The disk may still show entries that were replaced since: their truncation is on its way.
            let ours = (to.next_index().0..).zip(&entries).take_while(|&(index, entry)| {
                let is_ours = self.log.term_of(entry.id.index) == Some(entry.id.term);
                entry.id.index.0 == index && (is_ours || mutant!("M46")) && filling.takes(entry)
            });
            let count = ours.count();
            entries.truncate(count);
            if count > 0 {
                self.send_entries(&mut to, EntryBatch::new(entries), now, fx);
            } else {
                let text = format!("the disk does not hold entry {} for {peer}", to.next_index());
                let status = Status::new(RaftError::EIO, text);
                self.replicators.insert(peer.clone(), to);
                return self.on_error(&status, now, fx);
            }
        }
        self.replicators.insert(peer.clone(), to);
    }

    /// An answer to something this node sent, or the news that none will come.
    pub(crate) fn on_answer(
        &mut self,
        sent: &Sent,
        answer: Result<RaftResponse, RpcError>,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        if !self.role.is_active() {
            return;
        }
        match (sent.what, answer) {
            (SentWhat::PreVote { round }, Ok(RaftResponse::RequestVote(answer))) => {
                self.on_pre_vote_answer(sent, round, answer, now, fx);
            }
            (SentWhat::Vote, Ok(RaftResponse::RequestVote(answer))) => {
                self.on_vote_answer(sent, answer, now, fx);
            }
            // No answer is no vote.
            (SentWhat::PreVote { .. } | SentWhat::Vote, _) => {}
            (SentWhat::Heartbeat { version }, answer) => {
                self.on_heartbeat_answer(sent, version, answer, now, fx);
            }
            (SentWhat::Append { version, seq }, answer) => {
                self.on_append_answer(sent, (version, seq), answer, now, fx);
            }
        }
    }

    /// A higher term in any answer ends this leadership. True if so.
    fn resigned(&mut self, sent: &Sent, term: Term, now: MonoTime, fx: &mut Effects) -> bool {
        if term <= self.term {
            return false;
        }
        let why = format!("{} answered with a higher term", sent.peer);
        let why = Status::new(RaftError::EHIGHERTERMRESPONSE, why);
        self.step_down(term, &why, now, fx);
        true
    }

    fn on_heartbeat_answer(
        &mut self,
        sent: &Sent,
        version: u64,
        answer: Result<RaftResponse, RpcError>,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let fresh = self.next_version();
        let leads = sent.term == self.term;
        let Some(to) = self.replicators.get_mut(&sent.peer).filter(|_| leads) else { return };
        to.end_heartbeat();
        let Ok(RaftResponse::AppendEntries(answer)) = answer else { return };
        if self.resigned(sent, answer.term, now, fx) {
            return;
        }
        let Some(to) = self.replicators.get_mut(&sent.peer) else { return };
        match answer.last_log_index.filter(|_| !answer.success) {
            Some(theirs) if to.version() == version => {
                to.alive_at(sent.at);
                if to.heartbeat_mismatch(fresh, theirs) == ProbeNeed::Probe {
                    let text = format!("{} does not match after {theirs}: probing", sent.peer);
                    fx.push(Effect::Note(Note::Warn(text)));
                }
            }
            _ => to.alive_at(sent.at),
        }
        if mutant!("M45") && answer.success {
            let theirs = answer.last_log_index.unwrap_or_default();
            self.acknowledge(self.term, theirs.min(self.log.last().index), &sent.peer, now, fx);
        }
    }

    fn on_append_answer(
        &mut self,
        sent: &Sent,
        (version, seq): (u64, u64),
        answer: Result<RaftResponse, RpcError>,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let is_old = sent.term != self.term && !mutant!("M17");
        if is_old || !self.role.is_leader_like() {
            return;
        }
        // A higher term counts in an answer of any age.
        if let Ok(RaftResponse::AppendEntries(answer)) = &answer
            && self.resigned(sent, answer.term, now, fx)
        {
            return;
        }
        let current =
            |to: &&mut Replicator| (to.version() == version || mutant!("M17")) && to.awaits(seq);
        let (fresh, until) = (self.next_version(), now + self.timing.heartbeat);
        let Some(to) = self.replicators.get_mut(&sent.peer).filter(current) else { return };
        match answer {
            Ok(RaftResponse::AppendEntries(answer)) => {
                self.on_append_result(sent, seq, fresh, answer, now, fx);
            }
            other => Self::blocked(to, fresh, until, other.err(), fx),
        }
    }

    fn blocked(
        to: &mut Replicator,
        version: u64,
        until: MonoTime,
        error: Option<RpcError>,
        fx: &mut Effects,
    ) {
        to.block(version, until);
        if to.errors() % 10 == 1 {
            let error =
                error.map_or_else(|| "a strange answer".to_owned(), |error| error.to_string());
            let text = format!("replication to {} fails ({}): {error}", to.peer, to.errors());
            fx.push(Effect::Note(Note::Warn(text)));
        }
    }

    fn on_append_result(
        &mut self,
        sent: &Sent,
        seq: u64,
        fresh: u64,
        answer: AppendEntriesResponse,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let Some(to) = self.replicators.get_mut(&sent.peer) else { return };
        to.alive_at(sent.at);
        if answer.term != self.term && !mutant!("M17") {
            // An answer of a lower term: not from a peer that follows us. Ask again (L-07).
            return to.reset(fresh);
        }
        if !answer.success {
            let their_last = answer.last_log_index.unwrap_or_default();
            return to.mismatch(seq, their_last, fresh);
        }
        let counts = to.counts;
        if let Some(last) = to.accepted(seq).filter(|_| counts) {
            self.acknowledge(sent.term, last, &sent.peer, now, fx);
        }
    }

    /// This node has everything up to `last` on its disk; only leaders count that.
    pub(super) fn acknowledge_own(&mut self, last: LogIndex, now: MonoTime, fx: &mut Effects) {
        if self.role.is_leader_like() {
            let me = self.me().clone();
            self.acknowledge(self.term, last, &me, now, fx);
        }
    }

    /// `peer` has everything up to `last` on its disk.
    fn acknowledge(
        &mut self,
        term: Term,
        last: LogIndex,
        peer: &PeerId,
        now: MonoTime,
        fx: &mut Effects,
    ) {
        let before = self.committed();
        match self.ballot_box.commit_at(term, last, peer) {
            Ok(None) => {}
            Ok(Some(committed)) => self.commit(before.next(), committed, fx),
            Err(wrong) => {
                let status = Status::new(RaftError::EINTERNAL, format!("{peer}: {wrong}"));
                self.on_error(&status, now, fx);
            }
        }
    }
}
