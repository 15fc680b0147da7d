//! The groups as the records found so far left them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jraft_spi::conf::ConfigurationEntry;
use jraft_spi::entity::{EntryType, LogEntry, LogIndex, Term};
use jraft_spi::storage::Recovered;

use super::format::Place;
use super::index::GroupIndex;
use super::record::{Kind, Record};
use super::segment::Segment;

/// All groups of a log.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) groups: BTreeMap<u32, Replayed>,
}

/// One of them.
pub(super) struct Replayed {
    pub(super) name: String,
    pub(super) index: GroupIndex,
    pub(super) history: History,
}

/// What a node wants to know of its log without reading it again.
#[derive(Default)]
pub(super) struct History {
    terms: Vec<(u64, u64)>,
    configurations: Vec<LogEntry>,
}

/// A record as it stands in a segment.
pub(super) struct Found<'a> {
    pub(super) segment: &'a Arc<Segment>,
    pub(super) offset: u64,
    pub(super) record: &'a Record,
    pub(super) bytes: &'a [u8],
}

impl Replay {
    /// Takes in the next record. An error is damage: a record that verified, but cannot stand here.
    pub(super) fn apply(&mut self, found: &Found<'_>) -> Result<(), String> {
        let record = found.record;
        if record.kind == Kind::Link {
            return Ok(()); // checked where segments are joined
        }
        if record.kind == Kind::State {
            return self.state(found);
        }
        let unknown = || format!("group {} was never named", record.group);
        self.groups.get_mut(&record.group).ok_or_else(unknown)?.apply(found)
    }

    fn state(&mut self, found: &Found<'_>) -> Result<(), String> {
        let Record { group, index: first, term: next, .. } = *found.record;
        let name = str::from_utf8(found.record.payload(found.bytes))
            .map_err(|_| "the name of a group is not text".to_owned())?;
        if first == 0 || first > next {
            return Err(format!("a log of entries {first} to before {next}"));
        }
        let Some(known) = self.groups.get(&group) else {
            let (name, index) = (name.to_owned(), GroupIndex::new(first, next));
            self.groups.insert(group, Replayed { name, index, history: History::default() });
            return Ok(());
        };
        let here = (known.name.as_str(), known.index.first(), known.index.next());
        if here == (name, first, next) {
            return Ok(());
        }
        Err(format!("{here:?} was replayed, and here it is {:?}", (name, first, next)))
    }

    /// The only group, for messages: name and the next index.
    pub(super) fn describe(&self) -> (&str, u64) {
        let only = self.groups.values().next();
        only.map_or(("", 0), |group| (group.name.as_str(), group.index.next()))
    }
}

impl Replayed {
    fn apply(&mut self, found: &Found<'_>) -> Result<(), String> {
        let index = found.record.index;
        match found.record.kind {
            Kind::Entry(kind) => return self.entry(kind, found),
            Kind::TruncatePrefix => {
                self.index.truncate_prefix(index);
                self.history.truncate_prefix(self.index.first());
            }
            Kind::TruncateSuffix => {
                self.index.truncate_suffix(index);
                self.history.truncate_suffix(self.index.next());
            }
            Kind::Reset if index != 0 => {
                self.index.reset(index);
                self.history = History::default();
            }
            _ => return Err("a record that cannot stand here".to_owned()),
        }
        if self.index.is_empty() {
            self.history = History::default();
        }
        Ok(())
    }

    fn entry(&mut self, kind: EntryType, found: &Found<'_>) -> Result<(), String> {
        let Record { index, term, length, .. } = *found.record;
        if !self.index.accepts(index) {
            return Err(format!("entry {index} where {} is next", self.index.next()));
        }
        self.index.push(found.segment, index, found.offset, found.offset + length as u64);
        if self.history.terms.last().is_none_or(|&(_, known)| known != term) {
            self.history.terms.push((index, term));
        }
        if kind == EntryType::Configuration {
            let bytes = Bytes::copy_from_slice(found.bytes);
            self.history.configurations.push(found.record.entry(&bytes, 0)?);
        }
        Ok(())
    }

    /// What the log holds.
    pub(super) fn recovered(&self) -> Recovered {
        let mut recovered = Recovered::empty();
        recovered.first = LogIndex(self.index.first());
        recovered.last = LogIndex(self.index.next() - 1);
        let terms = self.history.terms.iter();
        recovered.terms = terms.map(|&(index, term)| (LogIndex(index), Term(term))).collect();
        let configurations = self.history.configurations.iter();
        recovered.configurations =
            configurations.filter_map(ConfigurationEntry::from_entry).collect();
        recovered
    }
}

impl History {
    fn truncate_suffix(&mut self, next: u64) {
        self.terms.retain(|&(index, _)| index < next);
        self.configurations.retain(|entry| entry.id.index.0 < next);
    }

    fn truncate_prefix(&mut self, first: u64) {
        let keep = self.terms.partition_point(|&(index, _)| index <= first);
        self.terms.drain(..keep.saturating_sub(1));
        if let Some(term) = self.terms.first_mut() {
            term.0 = term.0.max(first);
        }
        self.configurations.retain(|entry| entry.id.index.0 >= first);
    }
}

/// The record that joins a segment to the one before: where that ended, and with which checksum.
pub(super) fn link(record: &Record, bytes: &[u8]) -> Option<(Place, u32)> {
    if record.kind != Kind::Link {
        return None;
    }
    let sequence = u64::from_le_bytes(record.extra(bytes).try_into().ok()?);
    Some((Place::new(sequence, record.index), u32::try_from(record.term).ok()?))
}
