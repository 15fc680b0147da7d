//! The disks of a node under test: nothing becomes durable before the test says so.

use std::collections::VecDeque;

use jraft_spi::storage::{RaftMeta, ReadLimit, Recovered};
use jraft_spi::{LogEntry, LogIndex, PeerId, Term};

use crate::log::LogTicket;
use crate::log::MetaTicket;
use crate::node::effect::LogWrite;

/// What a disk holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Image {
    pub(super) meta: RaftMeta,
    pub(super) log: Vec<LogEntry>,
}

impl Image {
    pub(super) fn recovered(&self) -> Recovered {
        let mut recovered = Recovered::empty();
        self.log.iter().for_each(|entry| recovered.push(entry));
        recovered
    }

    pub(super) fn last(&self) -> LogIndex {
        LogIndex(self.log.len() as u64)
    }

    pub(super) fn term_of(&self, index: LogIndex) -> Option<Term> {
        match index.0.checked_sub(1) {
            None => Some(Term::ZERO),
            Some(place) => self.log.get(place as usize).map(|entry| entry.id.term),
        }
    }

    /// As a reader of the log sees it.
    pub(super) fn read(&self, from: LogIndex, limit: ReadLimit) -> Vec<LogEntry> {
        let (mut bytes, mut found) = (0, Vec::new());
        for entry in self.log.iter().skip(from.prev().0 as usize).take(limit.entries) {
            found.push(entry.clone());
            bytes += entry.data.len();
            if bytes > limit.bytes {
                break;
            }
        }
        found
    }

    fn carry_out(&mut self, write: &LogWrite) {
        match write {
            LogWrite::Append(slice) => {
                assert_eq!(slice.first(), self.last().next(), "the disk is written in order");
                self.log.extend_from_slice(slice.entries());
            }
            LogWrite::TruncateSuffix(last_kept) => {
                assert!(*last_kept <= self.last(), "a suffix ends inside the log");
                self.log.truncate(last_kept.0 as usize);
            }
        }
    }
}

/// Term and vote in one file, the log in another, each with its own idea of when to sync.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// What survives a power failure.
    pub(super) durable: Image,
    /// What a reader sees, and what survives the end of the process.
    pub(super) written: Image,
    unsynced: VecDeque<(LogWrite, LogTicket)>,
    saving: Option<(RaftMeta, MetaTicket)>,
    next: Option<(RaftMeta, MetaTicket)>,
    meta_durable: MetaTicket,
    /// Handed over by the decisions, held back until their term is durable.
    waiting: VecDeque<(LogWrite, LogTicket, MetaTicket)>,
    lane: VecDeque<(LogWrite, LogTicket)>,
}

impl Disk {
    pub(super) fn of(image: Image) -> Self {
        Self { durable: image.clone(), written: image, ..Self::default() }
    }

    pub(super) fn save_meta(&mut self, meta: RaftMeta, ticket: MetaTicket) {
        self.next = Some((meta, ticket));
        if self.saving.is_none() {
            self.saving = self.next.take();
        }
    }

    pub(super) fn hand_over(&mut self, write: LogWrite, ticket: LogTicket, after: MetaTicket) {
        self.waiting.push_back((write, ticket, after));
        self.submit();
    }

    fn submit(&mut self) {
        while let Some((write, ticket, after)) = self.waiting.pop_front() {
            if after > self.meta_durable {
                return self.waiting.push_front((write, ticket, after));
            }
            self.lane.push_back((write, ticket));
        }
    }

    pub(super) const fn saves(&self) -> bool {
        self.saving.is_some()
    }

    /// The save under way reaches the disk.
    pub(super) fn finish_save(&mut self) -> Option<MetaTicket> {
        let (meta, ticket) = self.saving.take()?;
        self.durable.meta = meta.clone();
        self.written.meta = meta;
        self.meta_durable = ticket;
        self.saving = self.next.take();
        self.submit();
        Some(ticket)
    }

    pub(super) fn next_write(&self) -> Option<&LogWrite> {
        self.lane.front().map(|(write, _)| write)
    }

    /// One change is written, not synced. False if there is none.
    pub(super) fn write_one(&mut self) -> bool {
        let Some((write, ticket)) = self.lane.pop_front() else { return false };
        self.written.carry_out(&write);
        self.unsynced.push_back((write, ticket));
        true
    }

    /// What is written becomes durable.
    pub(super) fn sync(&mut self) -> Option<LogTicket> {
        let mut newest = None;
        for (write, ticket) in self.unsynced.drain(..) {
            self.durable.carry_out(&write);
            newest = Some(ticket);
        }
        newest
    }

    /// What a crash leaves: what was durable, `reached` of the writes that were not, perhaps the save under way.
    pub(super) fn crash(&mut self, reached: usize, with_save: bool) -> Image {
        let mut image = self.durable.clone();
        self.unsynced.iter().take(reached).for_each(|(write, _)| image.carry_out(write));
        if let Some((meta, _)) = self.saving.take().filter(|_| with_save) {
            image.meta = meta;
        }
        image
    }

    pub(super) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }
}

/// A vote that is on a disk.
pub(super) fn voted(term: u64, whom: Option<&PeerId>) -> RaftMeta {
    RaftMeta { term: Term(term), voted_for: whom.cloned() }
}
