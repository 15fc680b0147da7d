//! A log in memory that remembers every state it went through, to say whether what a crash left is one of them.

use jraft_spi::conf::ConfigurationEntry;
use jraft_spi::entity::{EntryPeers, EntryType, LogEntry, LogId, LogIndex, Term};
use jraft_spi::storage::StorageError;

use super::*;
use crate::testing::{entry, new_disk, sized};

/// One call to a log.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// So many entries of so many bytes.
    Append(u64, usize),
    /// A configuration.
    Configure,
    /// Keeps from so far behind the first entry on.
    Prefix(u64),
    /// Drops so many of the last entries.
    Suffix(u64),
    /// Goes on so far behind the last entry.
    Reset(u64),
    Sync,
    /// Closes and opens again.
    Reopen,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    first: u64,
    entries: Vec<LogEntry>,
}

/// The states since the last finished sync; the first one is durable.
pub(super) struct Model {
    states: Vec<Content>,
    term: u64,
}

impl Model {
    pub(super) fn new() -> Self {
        Self { states: vec![Content { first: 1, entries: Vec::new() }], term: 0 }
    }

    pub(super) fn now(&self) -> &Content {
        self.states.last().expect("there is always one")
    }

    fn next(&self) -> u64 {
        self.now().first + self.now().entries.len() as u64
    }

    fn step(&mut self, change: impl FnOnce(&mut Content)) {
        let mut state = self.now().clone();
        change(&mut state);
        self.states.push(state);
    }

    pub(super) fn synced(&mut self) {
        self.states.drain(..self.states.len() - 1);
    }

    fn appended(&mut self, entries: &[LogEntry]) {
        for entry in entries {
            self.step(|state| state.entries.push(entry.clone()));
        }
    }

    /// What a log holds after a crash must be one of the states; it is then the only one.
    pub(super) fn crashed(&mut self, log: &Log) -> Result<(), String> {
        let found = Content { first: log.recovered.first.0, entries: log.all() };
        if !self.states.contains(&found) {
            return Err(format!("found {}\nlegal {}", brief(&found), self.legal()));
        }
        check_recovered(&log.recovered, &found)?;
        self.states = vec![found];
        Ok(())
    }

    fn legal(&self) -> String {
        self.states.iter().map(brief).collect::<Vec<_>>().join("\n      ")
    }

    /// Runs a call on both. The model takes the change in first: a call that fails may have done it.
    pub(super) fn run(&mut self, log: &mut Log, call: &Call) -> Result<(), StorageError> {
        self.term += 1;
        let (next, first, term) = (self.next(), self.now().first, self.term);
        match *call {
            Call::Append(count, bytes) => {
                let make =
                    |index| if bytes == 0 { entry(index, term) } else { sized(index, term, bytes) };
                let batch: Vec<LogEntry> = (next..next + count).map(make).collect();
                self.appended(&batch);
                log.storage.append(&batch)
            }
            Call::Configure => {
                let batch = [configuration(next, term)];
                self.appended(&batch);
                log.storage.append(&batch)
            }
            Call::Prefix(by) => {
                let keep = first + by;
                self.step(|state| {
                    state.entries.drain(..state.entries.len().min(by as usize));
                    state.first = keep;
                });
                log.storage.truncate_prefix(LogIndex(keep))
            }
            Call::Suffix(by) => {
                let keep = next - by.min(next - first);
                self.step(|state| state.entries.truncate((keep - first) as usize));
                log.storage.truncate_suffix(LogIndex(keep - 1))
            }
            Call::Reset(by) => {
                self.step(|state| *state = Content { first: next + by, entries: Vec::new() });
                log.storage.reset(LogIndex(next + by))
            }
            Call::Sync => log.sync().map(|()| self.synced()),
            Call::Reopen => log.engine.close().map(|()| self.synced()),
        }
    }
}

fn brief(state: &Content) -> String {
    let terms: Vec<u64> = state.entries.iter().map(|entry| entry.id.term.0).collect();
    format!("{} + {terms:?}", state.first)
}

/// A configuration entry that has everything an entry can have.
pub(super) fn configuration(index: u64, term: u64) -> LogEntry {
    let peer = |text: String| text.parse().expect("a peer");
    let peers = EntryPeers {
        peers: vec![peer("a:1".into()), peer(format!("[::1]:8081:{index}:50"))],
        old_peers: vec![peer("b:2".into())],
        learners: vec![peer(format!("l:{term}"))],
        old_learners: Vec::new(),
    };
    LogEntry::configuration(LogId::new(LogIndex(index), Term(term)), peers).with_checksum()
}

fn check_recovered(recovered: &Recovered, found: &Content) -> Result<(), String> {
    let mut expected = Recovered::empty();
    (expected.first, expected.last) = (LogIndex(found.first), LogIndex(found.first - 1));
    found.entries.iter().for_each(|entry| expected.push(entry));
    if *recovered != expected {
        return Err(format!("recovered {recovered:?}\nexpected  {expected:?}"));
    }
    let configurations =
        found.entries.iter().filter(|entry| entry.kind == EntryType::Configuration);
    let configurations: Vec<_> =
        configurations.filter_map(ConfigurationEntry::from_entry).collect();
    assert_eq!(recovered.configurations, configurations);
    Ok(())
}

/// Runs a script; on `Reopen` and after a failure the disk crashes as told and the log is opened again.
pub(super) struct Runner {
    pub(super) disk: SimDisk,
    pub(super) model: Model,
    pub(super) log: Option<Log>,
}

impl Runner {
    pub(super) fn new() -> Self {
        let disk = new_disk();
        Self { disk, model: Model::new(), log: None }
    }

    pub(super) fn open(&mut self) -> Result<(), StorageError> {
        let log = open(&self.disk)?;
        self.model.crashed(&log).unwrap_or_else(|why| panic!("{why}"));
        self.log = Some(log);
        Ok(())
    }

    pub(super) fn run(&mut self, script: &[Call]) -> Result<(), StorageError> {
        for call in script {
            if self.log.is_none() {
                self.open()?;
            }
            let log = self.log.as_mut().expect("open");
            self.model.run(log, call)?;
            if matches!(call, Call::Reopen) {
                self.log = None;
            }
        }
        Ok(())
    }

    /// Crashes and opens again.
    pub(super) fn crash(&mut self, how: Crash) -> Result<(), StorageError> {
        self.log = None;
        self.disk = self.disk.crash(how);
        self.open()
    }

    /// As many states as there are, each readable: what the log is now is what the model is now.
    pub(super) fn check_now(&self) {
        let log = self.log.as_ref().expect("open");
        let now = self.model.now();
        assert_eq!(read(&*log.reader, now.first, usize::MAX), now.entries);
        if now.first > 1 {
            assert_eq!(read(&*log.reader, now.first - 1, 10), []);
        }
    }
}

pub(super) use crate::testing::Crash;
