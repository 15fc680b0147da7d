//! What a node wrote to its disk, and how much of it no power loss can undo.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use jraft_core::storage::{RaftMeta, StorageError};
use jraft_core::{LogEntry, LogId, LogIndex, PeerId, Term};
use jraft_storage::sim_disk::SimDisk;

use crate::sim::store::{log_dir, meta_dir};

/// An entry, as far as checks look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where it stands.
    pub id: LogId,
    /// A hash of its kind, its members and its payload.
    pub hash: u64,
}

impl Mark {
    /// The mark of an entry.
    pub fn of(entry: &LogEntry) -> Self {
        let mut hash = entry.kind as u64 ^ 0xcbf2_9ce4_8422_2325;
        for piece in entry.data.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
        }
        if let Some(conf) = &entry.conf {
            let lists = [&conf.peers, &conf.old_peers, &conf.learners, &conf.old_learners];
            for list in lists {
                hash = (hash ^ list.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let peers = list.iter().map(PeerId::checksum);
                hash = peers.fold(hash, |hash, peer| hash.rotate_left(7) ^ peer);
            }
        }
        Self { id: entry.id, hash: hash ^ entry.data.len() as u64 }
    }
}

/// What the record asks a disk.
pub trait Floor: Send {
    /// Whether no power loss can undo what was done to a file, or below a directory, up to this operation.
    fn keeps(&self, of: &Path, op: u64) -> bool;
}

impl Floor for SimDisk {
    fn keeps(&self, of: &Path, op: u64) -> bool {
        // The log prepares files for later, which hold nothing yet; with a full disk they stay as they are.
        let is_used = |path: &Path| {
            let kind = path.extension().and_then(OsStr::to_str);
            !matches!(kind, Some("new" | "spare"))
        };
        op < self.unsynced_floor(of) || op < self.unsynced_floor_of(of, is_used)
    }
}

#[derive(Clone, Debug)]
enum Change {
    Append(Vec<Mark>),
    Truncate(LogIndex),
    /// The log as it was found at a start, and how much of it was durable already.
    Found(Vec<Mark>, usize),
}

impl Change {
    fn carry_out(&self, log: &mut Vec<Mark>) {
        match self {
            Self::Append(marks) => log.extend_from_slice(marks),
            Self::Truncate(last_kept) => log.truncate(last_kept.0 as usize),
            Self::Found(marks, _) => log.clone_from(marks),
        }
    }

    /// How many entries stay what they were.
    const fn keeps(&self) -> usize {
        match self {
            Self::Append(_) => usize::MAX,
            Self::Truncate(last_kept) => last_kept.0 as usize,
            Self::Found(_, same) => *same,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |marks: &[Mark]| {
            let index = |mark: &Mark| mark.id.index.0;
            (marks.first().map_or(0, index), marks.last().map_or(0, index))
        };
        match self {
            Self::Append(marks) => write!(f, "append {:?}", ends(marks)),
            Self::Truncate(last_kept) => write!(f, "truncate to {last_kept}"),
            Self::Found(marks, same) => write!(f, "found {:?}, {same} known", ends(marks)),
        }
    }
}

/// A change, and the operation of the disk with which it was complete, if it is known to be.
type Pending<T> = (T, Option<u64>);

/// The record of one node's disk, over all its lives.
pub struct Record {
    disk: Box<dyn Floor>,
    /// No machine loses power: what the operating system has of the log is safe, synced or not.
    kills_only: bool,
    durable: Vec<Mark>,
    pending: VecDeque<Pending<Change>>,
    meta: Option<RaftMeta>,
    meta_pending: VecDeque<Pending<RaftMeta>>,
    /// All that was ever durable: an answer may leave when a newer term is durable already.
    metas: Vec<RaftMeta>,
    /// The last start found less than all that had been written.
    torn: bool,
    /// A write or a sync failed in this life.
    failed: bool,
    /// The library was told of it.
    told: bool,
    trouble: Option<String>,
}

impl Record {
    /// The record of an empty disk.
    pub fn new(disk: impl Floor + 'static) -> Self {
        Self {
            disk: Box::new(disk),
            kills_only: false,
            durable: Vec::new(),
            pending: VecDeque::new(),
            meta: None,
            meta_pending: VecDeque::new(),
            metas: Vec::new(),
            torn: false,
            failed: false,
            told: false,
            trouble: None,
        }
    }

    /// No machine loses power in this world, only processes die.
    pub const fn kills_only(&mut self) {
        self.kills_only = true;
    }

    /// The node is dead; its next life uses this handle of the disk.
    pub fn died(&mut self, disk: impl Floor + 'static) {
        self.disk = Box::new(disk);
        (self.failed, self.told) = (false, false);
    }

    /// The disk is new and empty.
    pub fn wiped(&mut self, disk: impl Floor + 'static) {
        *self = Self { kills_only: self.kills_only, ..Self::new(disk) };
    }

    /// A new process starts. What a dead one left unfinished may have failed after its death.
    pub const fn started(&mut self) {
        (self.failed, self.told) = (false, false);
    }

    /// In a few words, for a person.
    pub fn describe(&mut self) -> String {
        let kept = self.durable_log().len();
        let pending: Vec<String> =
            self.pending.iter().map(|(change, op)| format!("{change}, op {op:?}")).collect();
        format!("{kept} of {} durable, then {pending:?}", self.durable.len())
    }

    /// What must not be, if something was found.
    pub const fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Whether a write or a sync failed in this life.
    pub const fn failed(&self) -> bool {
        self.failed
    }

    /// Whether the library was told of that.
    pub const fn told(&self) -> bool {
        self.told
    }

    /// The library is told how a write or a sync ended.
    pub const fn tells(&mut self, result: &Result<(), StorageError>) {
        self.told |= result.is_err();
    }

    /// Whether the last start found less than all that had been written.
    pub const fn torn(&self) -> bool {
        self.torn
    }

    /// The log handed these to the disk.
    pub fn log_appends(&mut self, entries: &[LogEntry]) {
        let marks = entries.iter().map(Mark::of).collect();
        self.pending.push_back((Change::Append(marks), None));
    }

    /// The log forgets what is behind `last_kept`.
    pub fn log_truncates(&mut self, last_kept: LogIndex) {
        self.pending.push_back((Change::Truncate(last_kept), None));
    }

    /// A change of the log failed: the last one, which stays pending for ever.
    pub fn log_failed(&mut self) {
        self.failed = true;
    }

    /// The log says that the operating system has all of it; `op` is the last operation of the disk.
    pub fn log_flushed(&mut self, op: u64, result: &Result<(), StorageError>) {
        if self.kills_only {
            self.log_synced(op, result);
        }
    }

    /// The log says that all of it is durable; `op` is the last operation of the disk.
    pub fn log_synced(&mut self, op: u64, result: &Result<(), StorageError>) {
        self.failed |= result.is_err();
        if self.failed {
            return;
        }
        self.pending.iter_mut().for_each(|(_, complete)| *complete = complete.or(Some(op)));
    }

    /// A node found this log on its disk (I-15, I-16).
    pub fn log_opened(&mut self, found: &[Mark], op: u64) {
        self.settle();
        let written = self.written();
        self.torn = written.as_slice() != found;
        if self.torn && !self.could_be_left(found) {
            let text = format!(
                "I-15: found {} entries up to {:?}, which no crash could leave of {} durable and {} pending changes",
                found.len(),
                found.last().map(|mark| mark.id),
                self.durable.len(),
                self.pending.len()
            );
            self.trouble.get_or_insert(text);
        }
        self.pending.clear();
        let same = self.durable.iter().zip(found).take_while(|(old, new)| old == new).count();
        self.pending.push_back((Change::Found(found.to_vec(), same), Some(op)));
    }

    /// The log with all that is on its way.
    pub fn written(&self) -> Vec<Mark> {
        let mut log = self.durable.clone();
        self.pending.iter().for_each(|(change, _)| change.carry_out(&mut log));
        log
    }

    /// Whether a log is what is left after some of the pending changes, the last of them perhaps in part.
    fn could_be_left(&self, found: &[Mark]) -> bool {
        let mut log = self.durable.clone();
        for (change, _) in &self.pending {
            if log == found {
                return true;
            }
            let before = log.len();
            change.carry_out(&mut log);
            let part = matches!(change, Change::Append(_))
                && (before..log.len()).contains(&found.len())
                && log[..found.len()] == *found;
            if part {
                return true;
            }
        }
        log == found
    }

    /// Term and vote are about to be saved.
    pub fn meta_saving(&mut self, meta: &RaftMeta) {
        self.meta_pending.push_back((meta.clone(), None));
    }

    /// They are saved, as the storage says; `op` is the last operation of the disk.
    pub fn meta_saved(&mut self, op: u64, result: &Result<(), StorageError>) {
        match result {
            Ok(()) => {
                if let Some((_, complete)) = self.meta_pending.back_mut() {
                    *complete = Some(op);
                }
            }
            Err(_) => self.failed = true,
        }
    }

    /// A node found these on its disk.
    pub fn meta_loaded(&mut self, found: Option<&RaftMeta>, op: u64) {
        self.settle();
        let known = self.meta.as_ref() == found
            || self.meta_pending.iter().any(|(pending, _)| Some(pending) == found);
        if !known {
            let text = format!("I-15: found {found:?}, durable was {:?}", self.meta);
            self.trouble.get_or_insert(text);
        }
        self.meta_pending.clear();
        if let Some(found) = found {
            self.meta_pending.push_back((found.clone(), Some(op)));
        }
    }

    /// Takes over what no power loss can undo any more.
    fn settle(&mut self) {
        while let Some((change, Some(op))) = self.pending.front() {
            if !self.kills_only && !self.disk.keeps(&log_dir(), *op) {
                break;
            }
            change.carry_out(&mut self.durable);
            self.pending.pop_front();
        }
        while let Some((meta, Some(op))) = self.meta_pending.front() {
            if !self.disk.keeps(&meta_dir(), *op) {
                break;
            }
            if self.meta.as_ref() != Some(meta) {
                self.metas.push(meta.clone());
            }
            self.meta = Some(meta.clone());
            self.meta_pending.pop_front();
        }
    }

    /// The term of the entry at `index` that no power loss can take; `Term::ZERO` at 0.
    pub fn durable_term(&mut self, index: LogIndex) -> Option<Term> {
        match index.0.checked_sub(1) {
            None => Some(Term::ZERO),
            Some(place) => self.durable_log().get(place as usize).map(|mark| mark.id.term),
        }
    }

    /// The log that no power loss can take: of what was durable, that which no change on its way takes away.
    pub fn durable_log(&mut self) -> &[Mark] {
        self.settle();
        let kept = self.pending.iter().map(|(change, _)| change.keeps()).min();
        let kept = kept.unwrap_or(usize::MAX).min(self.durable.len());
        &self.durable[..kept]
    }

    /// Term and vote that no power loss can take.
    pub fn durable_meta(&mut self) -> RaftMeta {
        self.settle();
        self.meta.clone().unwrap_or_default()
    }

    /// The term of that.
    pub fn durable_meta_term(&mut self) -> Term {
        self.settle();
        self.meta.as_ref().map(|meta| meta.term).unwrap_or_default()
    }

    /// Whether this vote is, or was until a newer term took its place, what no power loss could take.
    pub fn was_durable(&mut self, term: Term, vote: &PeerId) -> bool {
        self.settle();
        let recent = self.metas.iter().rev().take_while(|meta| meta.term >= term);
        recent.into_iter().any(|meta| meta.term == term && meta.voted_for.as_ref() == Some(vote))
    }
}

#[cfg(test)]
mod tests {
    use crate::checks::kit::{FakeDisk, entries, mark, peer};

    use super::*;

    fn record() -> (Record, FakeDisk) {
        let disk = FakeDisk::default();
        (Record::new(disk.clone()), disk)
    }

    fn terms(record: &mut Record) -> Vec<u64> {
        record.durable_log().iter().map(|mark| mark.id.term.0).collect()
    }

    #[test]
    fn where_nobody_loses_power_what_is_flushed_is_safe() {
        let (mut record, disk) = record();
        disk.set(0);
        record.log_appends(&entries(0, &[1, 1]));
        record.log_flushed(5, &Ok(()));
        assert!(terms(&mut record).is_empty(), "power may fail");
        record.kills_only();
        record.log_flushed(5, &Ok(()));
        assert_eq!(terms(&mut record), [1, 1]);
        record.log_appends(&entries(2, &[1]));
        assert_eq!(terms(&mut record), [1, 1]);
    }

    #[test]
    fn an_entry_is_durable_when_its_last_operation_is_synced() {
        let (mut record, disk) = record();
        disk.set(5);
        record.log_appends(&entries(0, &[1, 1]));
        record.log_synced(5, &Ok(()));
        assert!(terms(&mut record).is_empty());
        disk.set(6);
        assert_eq!(terms(&mut record), [1, 1]);
        assert_eq!(record.durable_term(LogIndex(3)), None);
        assert_eq!(record.durable_term(LogIndex(0)), Some(Term::ZERO));
    }

    #[test]
    fn what_a_change_on_its_way_may_take_is_not_durable() {
        let (mut record, disk) = record();
        record.log_appends(&entries(0, &[1, 1, 1]));
        record.log_synced(1, &Ok(()));
        record.log_truncates(LogIndex(1));
        record.log_appends(&entries(1, &[2]));
        assert_eq!(terms(&mut record), [1]);
        disk.set(0);
        record.log_opened(&[mark(1, 1, "x"), mark(2, 2, "x")], 7);
        assert!(!record.torn());
        assert_eq!(terms(&mut record), [1]);
        disk.set(u64::MAX);
        assert_eq!(terms(&mut record), [1, 2]);
    }

    #[test]
    fn a_torn_end_is_no_trouble_and_a_hole_is() {
        let (mut record, disk) = record();
        record.log_appends(&entries(0, &[1]));
        record.log_synced(1, &Ok(()));
        disk.set(2);
        record.log_appends(&entries(1, &[1, 1]));
        record.log_opened(&[mark(1, 1, "x"), mark(2, 1, "x")], 2);
        assert!(record.torn() && record.take_trouble().is_none());
        record.log_opened(&[], 3);
        assert!(record.take_trouble().unwrap().starts_with("I-15: "));
    }

    #[test]
    fn votes_stay_known_when_a_newer_term_takes_their_place() {
        let (mut record, disk) = record();
        let meta =
            |term, vote: Option<usize>| RaftMeta { term: Term(term), voted_for: vote.map(peer) };
        record.meta_saving(&meta(3, Some(1)));
        assert!(!record.was_durable(Term(3), &peer(1)));
        record.meta_saved(1, &Ok(()));
        assert!(record.was_durable(Term(3), &peer(1)));
        disk.set(2);
        record.meta_saving(&meta(4, None));
        record.meta_saved(2, &Ok(()));
        assert_eq!(record.durable_meta_term(), Term(3));
        disk.set(u64::MAX);
        assert_eq!(record.durable_meta(), meta(4, None));
        assert!(record.was_durable(Term(3), &peer(1)) && !record.was_durable(Term(3), &peer(2)));
    }

    #[test]
    fn members_are_part_of_a_mark() {
        let of = |node| {
            let peers = jraft_core::Configuration::new(vec![peer(node)], Vec::new());
            let conf = jraft_core::ConfigurationEntry::new(LogId::NONE, peers, Default::default());
            Mark::of(&LogEntry::configuration(LogId::NONE, conf.to_peers()))
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
