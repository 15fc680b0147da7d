//! What the checks know of the world: each node as it was when it was last looked at, its disk, and the truth about what is
//! committed.

use std::sync::Arc;

use jraft_core::storage::RaftMeta;
use jraft_core::{Configuration, LogId, LogIndex, NodeOptions, PeerId, Role, Term};
use parking_lot::Mutex;

use super::Seen;
use super::look::Look;
use super::record::{Mark, Record};

/// A node, as it was when it was last looked at.
pub struct NodeFacts {
    /// Whether a process of it runs.
    pub up: bool,
    /// Rises with every start.
    pub epoch: u64,
    /// Its role.
    pub role: Role,
    /// Its term; kept over its death.
    pub term: Term,
    /// Whom it voted for in that term.
    pub voted_for: Option<PeerId>,
    /// The leader it knew.
    pub leader: Option<PeerId>,
    /// Since when it has led its term, if it leads.
    pub led_since: Option<u64>,
    /// The last entry of its log.
    pub last: LogId,
    /// Its commit index; zero after a start.
    pub committed: LogIndex,
    /// What its state machine has applied; zero after a start.
    pub applied: LogIndex,
    /// Its disk.
    pub record: Arc<Mutex<Record>>,
    /// Its disk was damaged: Raft answers for nothing that it forgot.
    pub forgetful: bool,
    /// When its clock jumped last, in the time of the world.
    pub jumped_at: Option<u64>,
}

/// An entry that is committed.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// The entry.
    pub id: LogId,
    /// The term of the leader that committed it, as far as it was seen: the lowest.
    pub by: Term,
    /// Its mark, once somebody applied it.
    pub mark: Option<Mark>,
}

/// See the [module](self).
pub struct Facts {
    /// Nanoseconds of the world.
    pub now: u64,
    /// The options of the nodes.
    pub options: NodeOptions,
    /// No machine loses power.
    pub kills_only: bool,
    /// The names of the nodes.
    pub peers: Vec<PeerId>,
    /// So many of them, the first ones, vote; the others learn.
    pub voters: usize,
    /// The nodes.
    pub nodes: Vec<NodeFacts>,
    /// By index, from 1 on: what is committed.
    pub committed: Vec<Truth>,
    /// No faults any more: now progress is owed.
    pub healed_at: Option<u64>,
}

/// Whether so many are the majority of a configuration. Counted here, not by the code under test.
pub fn is_majority(count: usize, of: &Configuration) -> bool {
    2 * count > of.peers().len()
}

impl Facts {
    /// Nodes that were never started, and all vote.
    pub fn new(options: NodeOptions, peers: Vec<PeerId>, records: Vec<Arc<Mutex<Record>>>) -> Self {
        let node = |record| NodeFacts {
            up: false,
            epoch: 0,
            role: Role::Uninitialized,
            term: Term::ZERO,
            voted_for: None,
            leader: None,
            led_since: None,
            last: LogId::NONE,
            committed: LogIndex::ZERO,
            applied: LogIndex::ZERO,
            record,
            forgetful: false,
            jumped_at: None,
        };
        let nodes = records.into_iter().map(node).collect();
        let voters = peers.len();
        let kills_only = false;
        Self {
            now: 0,
            options,
            kills_only,
            peers,
            voters,
            nodes,
            committed: Vec::new(),
            healed_at: None,
        }
    }

    /// Which node has this name.
    pub fn node_of(&self, peer: &PeerId) -> Option<usize> {
        self.peers.iter().position(|known| known == peer)
    }

    /// The term of an entry that no power loss can take from this node.
    pub fn durable_term(&self, node: usize, index: LogIndex) -> Option<Term> {
        self.nodes[node].record.lock().durable_term(index)
    }

    /// Term and vote that no power loss can take from it.
    pub fn durable_meta(&self, node: usize) -> RaftMeta {
        self.nodes[node].record.lock().durable_meta()
    }

    /// The term of that.
    pub fn durable_meta_term(&self, node: usize) -> Term {
        self.nodes[node].record.lock().durable_meta_term()
    }

    /// Whether a node holds an entry so that no power loss can take it, as far as its disk can be blamed on the node.
    pub fn holds(&self, node: usize, id: LogId) -> bool {
        !self.is_answerable()
            || self.nodes[node].forgetful
            || self.durable_term(node, id.index) == Some(id.term)
    }

    /// Whether nodes promise what the account of their disks holds: not if they were told not to sync and may lose power.
    pub const fn is_answerable(&self) -> bool {
        self.options.raft.sync || self.kills_only
    }

    /// From now on no machine loses power: nodes that do not sync answer for what they have flushed.
    pub fn only_kills(&mut self) {
        if !self.options.raft.sync {
            self.kills_only = true;
            self.nodes.iter().for_each(|node| node.record.lock().kills_only());
        }
    }

    /// What is committed at an index.
    pub fn truth(&self, index: LogIndex) -> Option<&Truth> {
        self.committed.get((index.0 as usize).checked_sub(1)?)
    }

    /// Takes over what was seen, after the checks have judged it.
    pub(super) fn take_over(&mut self, seen: &Seen<'_>) {
        match seen {
            Seen::Started { node, epoch } => {
                let node = &mut self.nodes[*node];
                (node.up, node.epoch) = (true, *epoch);
                (node.role, node.leader) = (Role::Uninitialized, None);
                (node.committed, node.applied) = (LogIndex::ZERO, LogIndex::ZERO);
                (node.last, node.voted_for, node.led_since) = (LogId::NONE, None, None);
                node.record.lock().started();
            }
            Seen::Died { node } => self.nodes[*node].up = false,
            Seen::Looked { node, inside } => self.looked(*node, *inside),
            Seen::Applies { node, mark } => {
                self.nodes[*node].applied = mark.id.index;
                let place = mark.id.index.0 as usize - 1;
                if let Some(truth) = self.committed.get_mut(place) {
                    truth.mark.get_or_insert(*mark);
                }
            }
            Seen::Jumps { node } => self.nodes[*node].jumped_at = Some(self.now),
            Seen::Healed => self.healed_at = Some(self.now),
            Seen::Core { .. }
            | Seen::Calm
            | Seen::Hears { .. }
            | Seen::Answers { .. }
            | Seen::Sends { .. }
            | Seen::Appends { .. }
            | Seen::Truncates { .. } => {}
        }
    }

    fn looked(&mut self, node: usize, inside: &dyn Look) {
        let from = self.nodes[node].committed;
        for index in from.next().0..=inside.committed().0 {
            let Some(term) = inside.term_of(LogIndex(index)) else { continue };
            let (id, by) = (LogId::new(LogIndex(index), term), inside.term());
            let known = self.committed.len() as u64;
            match self.committed.get_mut(index as usize - 1) {
                Some(truth) => truth.by = truth.by.min(by),
                None if known + 1 == index => self.committed.push(Truth { id, by, mark: None }),
                None => {}
            }
        }
        let facts = &mut self.nodes[node];
        let goes_on = facts.role.is_leader_like() && facts.term == inside.term();
        let since = facts.led_since.filter(|_| goes_on).unwrap_or(self.now);
        facts.led_since = inside.role().is_leader_like().then_some(since);
        facts.role = inside.role();
        facts.term = inside.term();
        if facts.voted_for.as_ref() != inside.voted_for() {
            facts.voted_for = inside.voted_for().cloned();
        }
        if facts.leader.as_ref() != inside.leader() {
            facts.leader = inside.leader().cloned();
        }
        facts.last = inside.last_log();
        facts.committed = inside.committed();
    }
}
