//! `NodeState`: everything a node decides with, and what all its duties share.
//!
//! The fields of the reference's `NodeImpl`. Each duty is an `impl NodeState` block in a file of its own; all of it is
//! pure: same state, same event, same time, same effects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jraft_spi::env::MonoTime;
use jraft_spi::message::RaftResponse;
use jraft_spi::status::{LeaderChange, Role};
use jraft_spi::storage::{RaftMeta, Recovered};
use jraft_spi::{
    Ballot, Configuration, ConfigurationEntry, LogId, LogIndex, NodeId, NodeOptions, PeerId,
    RaftError, Status, Term, mutant, sim_point,
};

use super::effect::{Effect, LogWrite, Note, ReplyTo, TimerAction, TimerKind};
use super::gate::{Gate, Tickets};
use crate::ballot_box::BallotBox;
use crate::fsm::FsmNotice;
use crate::log::MetaTicket;
use crate::log::{EntrySlice, Log, LogTicket};
use crate::replicator::{Replicator, Window};

/// What is collected by a decision.
pub(crate) type Effects = Vec<Effect>;

/// Bytes of entries that may be on their way to one peer, unanswered.
const INFLIGHT_BYTES: usize = 16 << 20;

/// Bytes of a request beside its entries and the names in it; generous.
const REQUEST_BYTES: usize = 512;

/// Durations that follow from the options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) election_timeout: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) leader_lease: Duration,
    pub(crate) rpc: Duration,
}

impl Timing {
    pub(crate) fn new(options: &NodeOptions) -> Self {
        let election = options.election_timeout_ms;
        let heartbeat =
            (election / u64::from(options.raft.election_heartbeat_factor.max(1))).max(10);
        Self {
            election_timeout: Duration::from_millis(election),
            heartbeat: Duration::from_millis(heartbeat),
            leader_lease: Duration::from_millis(
                election * u64::from(options.leader_lease_time_ratio) / 100,
            ),
            rpc: Duration::from_millis(options.rpc.rpc_default_timeout),
        }
    }
}

/// A pre-vote under way.
#[derive(Debug)]
pub(super) struct PreVoteRound {
    pub(super) ballot: Ballot,
    pub(super) round: u64,
}

/// A candidacy.
#[derive(Debug)]
pub(super) struct Candidacy {
    pub(super) ballot: Ballot,
    /// The own vote counts when this is durable.
    pub(super) own_vote: MetaTicket,
}

/// What a node learns from its disks before it starts.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) meta: RaftMeta,
    pub(crate) recovered: Recovered,
    pub(crate) initial_conf: Configuration,
}

/// One Raft participant of one group.
#[derive(Debug)]
pub(crate) struct NodeState {
    pub(super) id: NodeId,
    pub(super) options: Arc<NodeOptions>,
    pub(super) timing: Timing,
    pub(super) role: Role,
    pub(super) term: Term,
    pub(super) voted_for: Option<PeerId>,
    pub(super) leader: Option<PeerId>,
    /// Followers: the last word of a leader, or a vote granted.
    pub(super) last_leader_contact: MonoTime,
    /// The configuration in force: the newest in the log.
    pub(super) conf: Arc<ConfigurationEntry>,
    initial_conf: Configuration,
    pub(super) log: Log,
    pub(super) ballot_box: BallotBox,
    pub(super) replicators: BTreeMap<PeerId, Replicator>,
    /// What the entries of one request may take, so that it fits into a frame.
    pub(super) frame_room: usize,
    /// Numbers replicators and their resets: never the same twice.
    versions: u64,
    pub(super) gate: Gate,
    meta_changed: bool,
    pub(super) pre_vote: Option<PreVoteRound>,
    pub(super) candidacy: Option<Candidacy>,
    pub(super) rounds: u64,
    /// Leaders: the first entry of the own term; told to the state machine when it is committed.
    pub(super) leader_start_at: Option<LogIndex>,
    pub(super) error: Option<Status>,
}

impl NodeState {
    /// A node before its start.
    pub(crate) fn new(
        id: NodeId,
        options: Arc<NodeOptions>,
        opened: Opened,
        now: MonoTime,
    ) -> Self {
        let log = Log::new(&opened.recovered);
        let conf = Self::conf_of(&log, &opened.initial_conf);
        let names = 2 * (id.group.as_str().len() + id.peer.to_string().len());
        let frame = options.rpc.max_frame_bytes as usize;
        Self {
            frame_room: frame.saturating_sub(names + REQUEST_BYTES),
            timing: Timing::new(&options),
            id,
            options,
            role: Role::Uninitialized,
            term: opened.meta.term,
            voted_for: opened.meta.voted_for.filter(|_| !mutant!("M69")),
            leader: None,
            last_leader_contact: now,
            conf,
            initial_conf: opened.initial_conf,
            log,
            ballot_box: BallotBox::new(LogIndex::ZERO),
            replicators: BTreeMap::new(),
            versions: 0,
            gate: Gate::default(),
            meta_changed: false,
            pre_vote: None,
            candidacy: None,
            rounds: 0,
            leader_start_at: None,
            error: None,
        }
    }

    fn conf_of(log: &Log, initial: &Configuration) -> Arc<ConfigurationEntry> {
        Arc::new(log.last_conf().cloned().unwrap_or_else(|| ConfigurationEntry {
            id: LogId::NONE,
            conf: initial.clone(),
            old_conf: Configuration::default(),
        }))
    }

    /// The configuration follows the log: taken over when appended, given back when truncated.
    pub(super) fn follow_conf(&mut self) {
        let conf = Self::conf_of(&self.log, &self.initial_conf);
        if *conf != *self.conf {
            self.conf = conf;
        }
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    pub(crate) const fn term(&self) -> Term {
        self.term
    }

    pub(crate) const fn id(&self) -> &NodeId {
        &self.id
    }

    pub(super) fn me(&self) -> &PeerId {
        &self.id.peer
    }

    pub(crate) const fn leader(&self) -> Option<&PeerId> {
        self.leader.as_ref()
    }

    pub(crate) fn conf(&self) -> &ConfigurationEntry {
        &self.conf
    }

    pub(crate) fn last_log(&self) -> LogId {
        self.log.last()
    }

    pub(crate) const fn committed(&self) -> LogIndex {
        self.ballot_box.committed()
    }

    pub(crate) const fn error(&self) -> Option<&Status> {
        self.error.as_ref()
    }

    /// The other voters, of both configurations.
    pub(super) fn other_voters(&self) -> Vec<PeerId> {
        self.conf.list_peers().into_iter().filter(|peer| peer != self.me()).collect()
    }

    pub(super) fn ballot(&self) -> Ballot {
        let old = (!self.conf.is_stable()).then_some(&self.conf.old_conf);
        Ballot::new(&self.conf.conf, old)
    }

    pub(super) const fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    pub(super) fn window(&self) -> Window {
        let requests = self.options.raft.max_replicator_inflight_msgs as usize;
        let requests = if self.options.raft.replicator_pipeline { requests } else { 1 };
        Window { requests, bytes: INFLIGHT_BYTES }
    }

    /// Term and vote change here and nowhere else. The change is saved at the end of the step, once.
    pub(super) fn set_term_and_vote(&mut self, term: Term, voted_for: Option<PeerId>) {
        assert!(term >= self.term, "a term never falls: {term} after {}", self.term);
        let kept = self.voted_for.is_none() || self.voted_for == voted_for || mutant!("M2");
        assert!(term > self.term || kept, "a vote is given once in a term");
        if !self.meta_changed {
            self.meta_changed = true;
            self.gate.meta.issue();
        }
        self.term = term;
        self.voted_for = voted_for;
    }

    /// Hands a change of the log to the disk, behind the term that it belongs to.
    pub(super) fn write_log(&mut self, write: LogWrite, fx: &mut Effects) {
        let ticket = LogTicket(self.gate.log.issue());
        let last = match &write {
            LogWrite::Append(slice) => slice.last(),
            LogWrite::TruncateSuffix(last_kept) => *last_kept,
        };
        self.log.wrote(ticket, last);
        fx.push(Effect::WriteLog { write, ticket, after: self.gate.meta_ticket() });
    }

    /// Hands what was appended in this turn to the disk.
    pub(super) fn write_unwritten(&mut self, fx: &mut Effects) {
        let slices: Vec<EntrySlice> = self.log.take_unwritten();
        for slice in slices {
            self.write_log(LogWrite::Append(slice), fx);
        }
    }

    /// What was decided and not handed to the disk yet never gets there.
    pub(super) fn forget_unwritten(&mut self) {
        self.meta_changed = false;
        drop(self.log.take_unwritten());
    }

    /// Ends every step: saves term and vote if they changed, checks what must always hold.
    pub(crate) fn finish_step(&mut self, fx: &mut Effects) {
        if std::mem::take(&mut self.meta_changed) {
            let meta = RaftMeta { term: self.term, voted_for: self.voted_for.clone() };
            fx.push(Effect::PersistMeta { meta, ticket: self.gate.meta_ticket() });
        }
        self.check_invariants();
    }

    /// Cheap enough for every step of every build. A node that broke down is not asked again: it must still shut down.
    fn check_invariants(&self) {
        if !self.role.is_active() {
            return;
        }
        let last = self.log.last();
        assert!(self.committed() <= last.index, "nothing is committed that is not in the log");
        assert!(last.term <= self.term, "no entry is newer than the term");
        let leads = self.role.is_leader_like();
        assert!(leads || self.replicators.is_empty(), "only leaders replicate");
        assert!(!leads || self.leader.as_ref() == Some(self.me()), "a leader knows that it leads");
        let candidate = self.role == Role::Candidate;
        assert!(
            !candidate || self.voted_for.as_ref() == Some(self.me()),
            "candidates vote for themselves"
        );
    }

    /// The newest tickets of term and vote; what promises entries adds the log's.
    pub(super) const fn tickets(&self) -> Tickets {
        Tickets { meta: self.gate.meta_ticket(), log: LogTicket(0) }
    }

    pub(super) fn change_role(&mut self, role: Role, term: Term, why: &str, fx: &mut Effects) {
        let (from, to) = ((self.role, self.term), (role, term));
        self.role = role;
        if from != to {
            fx.push(Effect::Note(Note::Role { from, to, why: why.to_owned() }));
        }
    }

    /// Forgets the leader; the state machine hears of it if this node followed one.
    pub(super) fn forget_leader(&mut self, why: &Status, fx: &mut Effects) {
        if let Some(leader) = self.leader.take().filter(|_| !self.role.is_leader_like()) {
            let change = LeaderChange::new(leader, self.term, why.clone());
            fx.push(Effect::Fsm(FsmNotice::StopFollowing(change)));
        }
    }

    pub(super) fn follow_leader(&mut self, leader: PeerId, why: Status, fx: &mut Effects) {
        fx.push(Effect::Note(Note::Info(format!("following {leader} in term {}", self.term))));
        let change = LeaderChange::new(leader.clone(), self.term, why);
        self.leader = Some(leader);
        // Votes for an election that is not needed any more.
        self.pre_vote = None;
        fx.push(Effect::Fsm(FsmNotice::StartFollowing(change)));
    }

    pub(super) fn timer(kind: TimerKind, action: TimerAction, fx: &mut Effects) {
        fx.push(Effect::Timer(kind, action));
    }

    pub(super) fn reply(to: ReplyTo, response: RaftResponse, fx: &mut Effects) {
        fx.push(Effect::Reply { to, answer: Ok(response) });
    }

    pub(super) fn refuse(to: ReplyTo, error: RaftError, text: String, fx: &mut Effects) {
        fx.push(Effect::Reply { to, answer: Err(Status::new(error, text)) });
    }

    /// Where the answer to a request goes; nothing if this node takes no part any more: then that is the answer.
    pub(super) fn if_active(&self, reply: ReplyTo, fx: &mut Effects) -> Option<ReplyTo> {
        if self.role.is_active() {
            return Some(reply);
        }
        let text = format!("Node {} is not in active state, state {}.", self.id, self.role);
        Self::refuse(reply, RaftError::EINVAL, text, fx);
        None
    }

    /// Moves the commit index and hands what became committed to the state machine.
    pub(super) fn commit(&mut self, from: LogIndex, upto: LogIndex, fx: &mut Effects) {
        sim_point!("commit");
        let mut from = from;
        if let Some(start) = self.leader_start_at.filter(|&start| start <= upto) {
            self.leader_start_at = None;
            self.commit_range(from, start, fx);
            fx.push(Effect::Fsm(FsmNotice::LeaderStart(self.term)));
            from = start.next();
        }
        self.commit_range(from, upto, fx);
    }

    fn commit_range(&self, from: LogIndex, upto: LogIndex, fx: &mut Effects) {
        if from > upto {
            return;
        }
        let slices = self.log.slices(from, upto);
        let in_memory = slices.first().map_or_else(|| upto.next(), EntrySlice::first);
        let from_disk = (from < in_memory).then(|| (from, in_memory.prev()));
        fx.push(Effect::Commit { from_disk, slices, upto });
    }
}
