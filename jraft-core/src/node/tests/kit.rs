//! A group of pure nodes with a network, disks and a clock that only the test moves.
//!
//! `Group` does what `Turn` does with effects, one node at a time, and asks `Truth` after every step. With quick disks
//! (the default) whatever is handed to a disk is durable at the end of the call; see [`Group::slow`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jraft_spi::env::MonoTime;
use jraft_spi::message::{RaftRequest, RaftResponse};
use jraft_spi::rpc::RpcError;
use jraft_spi::status::Role;
use jraft_spi::storage::ReadLimit;
use jraft_spi::{
    Configuration, LogEntry, LogId, LogIndex, NodeId, NodeOptions, PeerId, Status, Term,
};
use tokio::sync::oneshot;

use super::disk::{Disk, Image};
use super::net::{Load, Packet, hear, lost};
use super::truth::{Before, Truth};
use crate::closure::{AcceptedTask, Committed, Done, Outcome, Reply, Task};
use crate::fsm::FsmNotice;
use crate::log::EntrySlice;
use crate::node::effect::{Effect, LogWrite, ReplyTo, Sent, TimerAction, TimerKind};
use crate::node::state::{Effects, NodeState, Opened};
use crate::sync::Mutex;

/// A request that a node has not answered yet.
pub(super) struct Call {
    pub(super) request: RaftRequest,
    pub(super) packet: Packet,
    pub(super) answer: oneshot::Receiver<Result<RaftResponse, Status>>,
}

/// What a peer asked to be read from the disk.
pub(super) struct Read {
    pub(super) peer: PeerId,
    pub(super) version: u64,
    pub(super) from: LogIndex,
    pub(super) limit: ReadLimit,
}

/// How tasks ended, by number.
pub(super) type Endings = Arc<Mutex<BTreeMap<u64, Vec<Outcome>>>>;

/// One node of the group: up while it has a state.
pub(super) struct Member {
    pub(super) id: PeerId,
    pub(super) state: Option<NodeState>,
    pub(super) disk: Disk,
    pub(super) timers: BTreeMap<TimerKind, MonoTime>,
    pub(super) outbox: Effects,
    pub(super) reads: VecDeque<Read>,
    pub(super) applied: LogIndex,
    pub(super) notices: Vec<FsmNotice>,
    /// Whether it lost its disk, for which Raft answers for nothing.
    pub(super) wiped: bool,
    pub(super) slow: bool,
    pub(super) incarnation: u64,
    pending: VecDeque<(LogIndex, Vec<AcceptedTask>)>,
    pub(super) calls: Vec<Call>,
}

/// Nodes that live and die in one test.
pub(super) struct Group {
    pub(super) members: Vec<Member>,
    pub(super) net: VecDeque<Packet>,
    pub(super) now: MonoTime,
    pub(super) truth: Truth,
    pub(super) endings: Endings,
    /// Directed links that lose everything.
    pub(super) cut: Vec<(usize, usize)>,
    pub(super) tasks: u64,
    options: Arc<NodeOptions>,
    conf: Configuration,
    /// Numbers for the random part of timeouts.
    spread: u64,
}

pub(super) const NAMES: [&str; 5] = ["a:1", "b:1", "c:1", "d:1", "e:1"];

pub(super) fn peer(i: usize) -> PeerId {
    NAMES[i].parse().unwrap()
}

pub(super) fn at(index: u64, term: u64) -> LogId {
    LogId::new(LogIndex(index), Term(term))
}

pub(super) fn data(index: u64, term: u64) -> LogEntry {
    let payload = format!("{term}/{index}").into_bytes();
    LogEntry::data(at(index, term), payload.into()).with_checksum()
}

/// A log whose entries have these terms.
pub(super) fn log(terms: &[u64]) -> Vec<LogEntry> {
    (1..).zip(terms).map(|(index, &term)| data(index, term)).collect()
}

impl Group {
    pub(super) fn new(size: usize) -> Self {
        Self::with(size, NodeOptions::default())
    }

    pub(super) fn with(size: usize, options: NodeOptions) -> Self {
        Self::from(options, vec![Image::default(); size], &NAMES[..size].join(","))
    }

    /// Nodes that find `images` on their disks, with an initial configuration.
    pub(super) fn from(options: NodeOptions, images: Vec<Image>, conf: &str) -> Self {
        let mut group = Self {
            members: Vec::new(),
            net: VecDeque::new(),
            now: MonoTime::from_nanos(1_000_000_000),
            truth: Truth::default(),
            endings: Endings::default(),
            cut: Vec::new(),
            tasks: 0,
            options: Arc::new(options),
            conf: conf.parse().unwrap(),
            spread: 0,
        };
        for (i, image) in images.into_iter().enumerate() {
            let before = Term::ZERO;
            group.truth.saw_entries(before, &image.log);
            group.members.push(Member::new(peer(i), image));
            group.start(i);
        }
        group
    }

    pub(super) fn state(&self, i: usize) -> &NodeState {
        self.members[i].state.as_ref().expect("the node is up")
    }

    pub(super) fn disk(&self, i: usize) -> &Disk {
        &self.members[i].disk
    }

    pub(super) fn is_up(&self, i: usize) -> bool {
        self.members[i].state.is_some()
    }

    // Nodes.

    pub(super) fn start(&mut self, i: usize) {
        self.open(i);
        self.act(i, NodeState::on_start);
    }

    /// A node that has read its disk and takes no part yet.
    pub(super) fn open(&mut self, i: usize) {
        let member = &mut self.members[i];
        let id = NodeId::new("g".parse().unwrap(), member.id.clone());
        let opened = Opened {
            meta: member.disk.durable.meta.clone(),
            recovered: member.disk.durable.recovered(),
            initial_conf: self.conf.clone(),
        };
        member.incarnation += 1;
        member.applied = LogIndex::ZERO;
        member.state = Some(NodeState::new(id, Arc::clone(&self.options), opened, self.now));
    }

    /// The power fails. Of the writes that were not synced `reached` are on the disk nevertheless, and perhaps the save.
    pub(super) fn crash(&mut self, i: usize, reached: usize, with_save: bool) {
        let member = &mut self.members[i];
        let image = member.disk.crash(reached, with_save);
        let (id, incarnation, slow) = (member.id.clone(), member.incarnation, member.slow);
        let wiped = member.wiped;
        // Callers learn of a lost connection.
        let calls = std::mem::take(&mut member.calls);
        *member = Member { incarnation, wiped, slow, ..Member::new(id, image) };
        for call in calls {
            self.answer(call.packet, Err(lost()));
        }
    }

    pub(super) fn restart(&mut self, i: usize) {
        self.crash(i, 0, false);
        self.start(i);
    }

    /// The disk is lost altogether.
    pub(super) fn wipe(&mut self, i: usize) {
        self.crash(i, 0, false);
        self.members[i].disk = Disk::default();
        self.members[i].wiped = true;
        self.start(i);
    }

    /// From here on the disks of `i` move by [`Self::save`], [`Self::write`] and [`Self::sync`] only.
    pub(super) fn slow(&mut self, i: usize) {
        self.members[i].slow = true;
    }

    pub(super) fn quick(&mut self, i: usize) {
        self.members[i].slow = false;
        self.run_disks(i);
    }

    // Steps and turns.

    /// Decides, and leaves what was decided in the outbox.
    pub(super) fn step<R>(
        &mut self,
        i: usize,
        decide: impl FnOnce(&mut NodeState, MonoTime, &mut Effects) -> R,
    ) -> R {
        let member = &mut self.members[i];
        let state = member.state.as_mut().expect("the node is up");
        let before = Before::of(state);
        let answer = decide(state, self.now, &mut member.outbox);
        state.finish_step(&mut member.outbox);
        self.truth.after_step(i, before, &self.members);
        answer
    }

    /// Carries out what was decided.
    pub(super) fn turn(&mut self, i: usize) {
        let applied = self.members[i].applied;
        self.step(i, |state, now, fx| state.on_turn_end(applied, now, fx));
        for effect in std::mem::take(&mut self.members[i].outbox) {
            self.carry_out(i, effect);
        }
    }

    /// A step, a turn, and whatever quick disks do then.
    pub(super) fn act<R>(
        &mut self,
        i: usize,
        decide: impl FnOnce(&mut NodeState, MonoTime, &mut Effects) -> R,
    ) -> R {
        let answer = self.step(i, decide);
        self.turn(i);
        if !self.members[i].slow {
            self.run_disks(i);
        }
        answer
    }

    pub(super) fn run_disks(&mut self, i: usize) {
        while self.save(i) || self.write(i) || self.sync(i) || self.read(i) {}
    }

    /// The save of term and vote under way is finished. False if there is none.
    pub(super) fn save(&mut self, i: usize) -> bool {
        let Some(ticket) = self.members[i].disk.finish_save() else { return false };
        self.step(i, |state, now, fx| state.on_meta_durable(ticket, now, fx));
        self.turn(i);
        true
    }

    /// The next change of the log is written, but not synced.
    pub(super) fn write(&mut self, i: usize) -> bool {
        if let Some(LogWrite::Append(slice)) = self.members[i].disk.next_write() {
            let before = self.members[i].disk.written.term_of(slice.first().prev());
            self.truth.saw_entries(before.expect("the log has no holes"), slice.entries());
        }
        self.members[i].disk.write_one()
    }

    /// What is written becomes durable.
    pub(super) fn sync(&mut self, i: usize) -> bool {
        let Some(ticket) = self.members[i].disk.sync() else { return false };
        self.step(i, |state, now, fx| state.on_log_durable(ticket, now, fx));
        self.turn(i);
        true
    }

    /// A read for a peer that is far behind is served from what is written.
    pub(super) fn read(&mut self, i: usize) -> bool {
        let member = &mut self.members[i];
        let Some(Read { peer, version, from, limit }) = member.reads.pop_front() else {
            return false;
        };
        let entries = member.disk.written.read(from, limit);
        self.truth.stats.reads += 1;
        self.step(i, |state, now, fx| state.on_log_read(&peer, version, entries, now, fx));
        self.turn(i);
        true
    }

    fn carry_out(&mut self, i: usize, effect: Effect) {
        let member = &mut self.members[i];
        match effect {
            Effect::PersistMeta { meta, ticket } => member.disk.save_meta(meta, ticket),
            Effect::WriteLog { write, ticket, after } => {
                if let LogWrite::TruncateSuffix(last_kept) = &write {
                    self.truth.truncates(member, *last_kept);
                }
                member.disk.hand_over(write, ticket, after);
            }
            Effect::ReadLog { peer, version, from, limit } => {
                member.reads.push_back(Read { peer, version, from, limit });
            }
            Effect::Send { to, request, sent, .. } => self.send(i, &to, request, sent),
            Effect::Reply { to, answer } => {
                // Whoever asked may be gone.
                drop(to.0.send(answer));
                self.collect_answers(i);
            }
            Effect::Commit { from_disk, slices, upto } => self.apply(i, from_disk, &slices, upto),
            Effect::Fsm(notice) => member.notices.push(notice),
            Effect::Accepted { first, tasks } => member.pending.push_back((first, tasks)),
            Effect::Refused { task, status } => end(task.done, Outcome::Refused(status)),
            Effect::GiveUpPending { status } => {
                for task in std::mem::take(&mut member.pending).into_iter().flat_map(|of| of.1) {
                    self.truth.stats.unknown += 1;
                    end(task.done, Outcome::Unknown(status.clone()));
                }
            }
            Effect::Timer(kind, TimerAction::Stop) => drop(member.timers.remove(&kind)),
            Effect::Timer(kind, TimerAction::Restart) => self.arm(i, kind),
            Effect::Note(_) => {}
        }
    }

    fn send(&mut self, i: usize, to: &PeerId, request: RaftRequest, sent: Sent) {
        let member = &self.members[i];
        self.truth.sends(i, member, &request);
        let caller = member.incarnation;
        // Peers outside of the test are never reached, and never heard of.
        let Some(to) = self.members.iter().position(|member| member.id == *to) else { return };
        self.net.push_back(Packet { from: i, to, load: Load::Request(request), sent, caller });
    }

    fn collect_answers(&mut self, i: usize) {
        let mut calls = std::mem::take(&mut self.members[i].calls);
        let mut at = 0;
        while at < calls.len() {
            let Ok(answer) = calls[at].answer.try_recv() else {
                at += 1;
                continue;
            };
            let call = calls.remove(at);
            if let Ok(answer) = &answer {
                self.truth.answers(i, &self.members[i], &call.request, answer);
            }
            self.answer(call.packet, answer.map_err(RpcError::Remote));
        }
        self.members[i].calls = calls;
    }

    /// Sends an answer to the request that `packet` was.
    pub(super) fn answer(&mut self, packet: Packet, answer: Result<RaftResponse, RpcError>) {
        let (from, to) = (packet.to, packet.from);
        self.net.push_back(Packet { from, to, load: Load::Answer(answer), ..packet });
    }

    fn apply(
        &mut self,
        i: usize,
        from_disk: Option<(LogIndex, LogIndex)>,
        slices: &[EntrySlice],
        upto: LogIndex,
    ) {
        let member = &mut self.members[i];
        let mut entries = Vec::new();
        if let Some((first, last)) = from_disk {
            let limit = ReadLimit { entries: (last.0 - first.0 + 1) as usize, bytes: usize::MAX };
            entries = member.disk.written.read(first, limit);
        }
        slices.iter().for_each(|slice| entries.extend_from_slice(slice.entries()));
        for entry in &entries {
            assert_eq!(entry.id.index, member.applied.next(), "entries are applied in order");
            self.truth.applies(entry);
            member.applied = entry.id.index;
            if member.pending.front().is_none_or(|&(first, _)| first > entry.id.index) {
                continue;
            }
            let Some((first, mut tasks)) = member.pending.pop_front() else { continue };
            assert_eq!(first, entry.id.index, "a task waits for an entry that passed");
            let task = tasks.remove(0);
            if !tasks.is_empty() {
                member.pending.push_front((first.next(), tasks));
            }
            let committed = Committed { id: entry.id, reply: Reply::default() };
            end(task.done, Outcome::Committed(committed));
        }
        assert_eq!(member.applied, upto, "everything committed is applied");
    }

    // Tasks.

    /// Proposes `count` tasks; the number of the first.
    pub(super) fn propose(&mut self, i: usize, count: u64) -> u64 {
        let first = self.queue(i, count);
        self.turn(i);
        if !self.members[i].slow {
            self.run_disks(i);
        }
        first
    }

    /// The same without the turn.
    pub(super) fn queue(&mut self, i: usize, count: u64) -> u64 {
        let first = self.tasks + 1;
        self.tasks += count;
        let tasks = (first..=self.tasks).map(|number| self.task(number)).collect();
        self.step(i, |state, _, fx| state.on_apply(tasks, fx));
        first
    }

    pub(super) fn task(&self, number: u64) -> Task {
        let endings = Arc::clone(&self.endings);
        Task::new(number.to_be_bytes().to_vec())
            .done(move |outcome| endings.lock().entry(number).or_default().push(outcome))
    }

    /// How a task ended: "committed", "refused", "unknown", "open", or a complaint.
    pub(super) fn ending(&self, number: u64) -> &'static str {
        match self.endings.lock().get(&number).map(Vec::as_slice) {
            None => "open",
            Some([Outcome::Committed(_)]) => "committed",
            Some([Outcome::Refused(_)]) => "refused",
            Some([Outcome::Unknown(_)]) => "unknown",
            Some(_) => "ended more than once",
        }
    }

    // Time.

    fn arm(&mut self, i: usize, kind: TimerKind) {
        let timing = self.state(i).timing;
        let random = matches!(kind, TimerKind::Election | TimerKind::Vote);
        self.spread =
            self.spread.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i as u64 + 1);
        let extra = if random { (self.spread >> 33) % 1000 } else { 0 };
        let period = match kind {
            TimerKind::Election | TimerKind::Vote => timing.election_timeout,
            TimerKind::StepDown => timing.election_timeout / 2,
            TimerKind::Heartbeat => timing.heartbeat,
        };
        let at = self.now + period + Duration::from_millis(extra);
        self.members[i].timers.insert(kind, at);
    }

    /// A timer fires, however much time has passed. It goes on unless the node stops it.
    pub(super) fn fire(&mut self, i: usize, kind: TimerKind) {
        if self.members[i].timers.contains_key(&kind) {
            self.arm(i, kind);
        }
        self.act(i, |state, now, fx| match kind {
            TimerKind::Election => state.on_election_timeout(now, fx),
            TimerKind::Vote => state.on_vote_timeout(now, fx),
            TimerKind::StepDown => state.on_step_down_tick(now, fx),
            TimerKind::Heartbeat => state.on_heartbeat_tick(now, fx),
        });
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
    }

    /// Fires the next timer at its time.
    pub(super) fn next_timer(&mut self) {
        let all = self.members.iter().enumerate();
        let due = all.flat_map(|(i, member)| member.timers.iter().map(move |(k, at)| (*at, i, *k)));
        let Some((at, i, kind)) = due.min() else { return };
        self.now = self.now.max(at);
        self.fire(i, kind);
    }

    // Short cuts.

    /// Elects `i`, with whomever it reaches; whatever is sent then arrives.
    #[track_caller]
    pub(super) fn elect(&mut self, i: usize) {
        self.pass(3000);
        self.fire(i, TimerKind::Election);
        self.settle();
        assert_eq!(self.state(i).role(), Role::Leader, "{} is elected", NAMES[i]);
    }

    /// An outsider's request, and the answer if it leaves at once.
    pub(super) fn request(&mut self, to: usize, request: RaftRequest) -> Ask {
        let (sender, answer) = oneshot::channel();
        let reply = ReplyTo(sender);
        self.act(to, |state, now, fx| hear(state, &request, reply, now, fx));
        Ask(answer)
    }
}

/// An answer that an outsider waits for.
pub(super) struct Ask(oneshot::Receiver<Result<RaftResponse, Status>>);

impl Ask {
    /// The answer, if it has left.
    pub(super) fn get(&mut self) -> Option<Result<RaftResponse, Status>> {
        self.0.try_recv().ok()
    }
}

impl Member {
    fn new(id: PeerId, image: Image) -> Self {
        Self {
            id,
            state: None,
            disk: Disk::of(image),
            timers: BTreeMap::new(),
            outbox: Vec::new(),
            reads: VecDeque::new(),
            applied: LogIndex::ZERO,
            notices: Vec::new(),
            wiped: false,
            slow: false,
            incarnation: 0,
            pending: VecDeque::new(),
            calls: Vec::new(),
        }
    }

    /// The requests that wait for an answer of this node.
    pub(super) fn unanswered(&self) -> usize {
        self.calls.len()
    }
}

fn end(done: Option<Done>, outcome: Outcome) {
    if let Some(done) = done {
        done.run(outcome);
    }
}
