//! Ports of the disk: blocking code, and a token that says when something is durable.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::conf::ConfigurationEntry;
use crate::entity::{DecodeEntryError, EntryType, GroupId, LogEntry, LogIndex, PeerId, Term};

/// Why a storage failed. After any error an engine is only closed, never called again.
#[non_exhaustive]
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// What it said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The bytes on the disk are not what was written.
    #[error(
        "{} is damaged at byte {offset} (group {group}, index {index}): {what}; restore this data directory from a backup, \
         or remove it and let the node join again empty",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        offset: u64,
        /// The group, as far as it is known.
        group: String,
        /// The log index, as far as it is known; 0 otherwise.
        index: LogIndex,
        /// What is wrong.
        what: String,
    },
    /// Another process, or another engine of this one, has the directory open.
    #[error("{} is in use: {holder}", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, as far as it is known.
        holder: String,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl StorageError {
    /// An error of the operating system, with what was tried.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source: Arc::new(source) }
    }
}

impl From<io::Error> for StorageError {
    fn from(source: io::Error) -> Self {
        Self::io("input or output failed", source)
    }
}

impl From<DecodeEntryError> for StorageError {
    fn from(error: DecodeEntryError) -> Self {
        Self::Other(error.to_string())
    }
}

/// Says, exactly once, that what was handed in before is on the disk, or that it is not.
///
/// May be finished later and from any thread. Dropped unfinished it reports an error, which stops the node.
#[must_use = "a Durable that is dropped unfinished is a storage error"]
pub struct Durable(Option<Finish>);

type Finish = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

impl Durable {
    /// A token that hands its end to `done`.
    pub fn new(done: impl FnOnce(Result<(), StorageError>) + Send + 'static) -> Self {
        Self(Some(Box::new(done)))
    }

    /// Reports the end.
    pub fn finish<E: Into<StorageError>>(mut self, result: Result<(), E>) {
        if let Some(done) = self.0.take() {
            done(result.map_err(Into::into));
        }
    }

    /// On the disk.
    pub fn ok(self) {
        self.finish(Ok::<(), StorageError>(()));
    }

    /// Not on the disk, and perhaps never.
    pub fn fail(self, error: StorageError) {
        self.finish(Err(error));
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(StorageError::Other("a sync was given up unfinished".into())));
        }
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Durable")
    }
}

/// How much to read at most; at least one entry is read if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Entries.
    pub entries: usize,
    /// Payload bytes; the entry that passes the limit is still included.
    pub bytes: usize,
}

/// One per data directory, with one thread: the writers of all its groups, and one sync for all of them.
pub trait LogEngine: Send + 'static {
    /// Opens, or makes, the log of a group. What it recovered is durable when this returns. A group whose writer was
    /// dropped is opened again, with all that was written.
    fn open(&mut self, group: &GroupId) -> Result<OpenedLog, StorageError>;

    /// Makes all that was written before, of all groups, durable. `done` may be finished now or later.
    fn sync(&mut self, done: Durable);

    /// Hands all that was written before, of all groups, to the operating system: the end of this process does not take
    /// it any more, a loss of power still may. Asked instead of [`Self::sync`] when no group needs more (the option
    /// `sync`). To be implemented by whoever keeps in memory what `append` took.
    fn flush(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    /// False if nothing here ever waits: the engine then runs on the loop, without a thread.
    fn may_block(&self) -> bool {
        true
    }

    /// How many syncs reached the disk so far; for metrics.
    fn syncs(&self) -> u64 {
        0
    }

    /// Closes everything. Called once, last.
    fn close(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// The writer of one group's log. The order of calls is the order of the log.
pub trait LogStorage: Send + 'static {
    /// Writes entries behind the last one. Written is not yet promised.
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), StorageError>;

    /// Forgets all entries before `first_kept`.
    fn truncate_prefix(&mut self, first_kept: LogIndex) -> Result<(), StorageError>;

    /// Forgets all entries after `last_kept`.
    fn truncate_suffix(&mut self, last_kept: LogIndex) -> Result<(), StorageError>;

    /// Forgets all entries; the next one to be appended is `next`.
    fn reset(&mut self, next: LogIndex) -> Result<(), StorageError>;
}

/// Reads one group's log, from any thread. Sees everything that `append` returned `Ok` for, synced or not.
pub trait LogReader: Send + Sync + 'static {
    /// Appends to `out` entries from `from` on; nothing if there is none at `from`.
    fn read(
        &self,
        from: LogIndex,
        limit: ReadLimit,
        out: &mut Vec<LogEntry>,
    ) -> Result<(), StorageError>;
}

/// An opened log: its writer, its reader, what it holds.
#[non_exhaustive]
pub struct OpenedLog {
    /// The writer.
    pub storage: Box<dyn LogStorage>,
    /// The reader.
    pub reader: Arc<dyn LogReader>,
    /// What was found.
    pub recovered: Recovered,
}

impl OpenedLog {
    /// Bundles the three.
    pub fn new(
        storage: Box<dyn LogStorage>,
        reader: Arc<dyn LogReader>,
        recovered: Recovered,
    ) -> Self {
        Self { storage, reader, recovered }
    }
}

/// What a log holds: enough to know every index's term and the configurations without the disk.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// The first index; `last + 1` if the log is empty.
    pub first: LogIndex,
    /// The last index; `first - 1` if the log is empty.
    pub last: LogIndex,
    /// The first index of each term, in order.
    pub terms: Vec<(LogIndex, Term)>,
    /// The configuration entries, in order.
    pub configurations: Vec<ConfigurationEntry>,
}

impl Default for Recovered {
    fn default() -> Self {
        Self::empty()
    }
}

impl Recovered {
    /// Nothing: the next entry is 1.
    pub const fn empty() -> Self {
        Self {
            first: LogIndex(1),
            last: LogIndex(0),
            terms: Vec::new(),
            configurations: Vec::new(),
        }
    }

    /// Takes an entry in: the next one behind the last.
    pub fn push(&mut self, entry: &LogEntry) {
        let (index, term) = (entry.id.index, entry.id.term);
        if self.last < self.first {
            self.first = index;
        }
        self.last = index;
        if self.terms.last().is_none_or(|&(_, known)| known != term) {
            self.terms.push((index, term));
        }
        if entry.kind == EntryType::Configuration {
            self.configurations.extend(ConfigurationEntry::from_entry(entry));
        }
    }

    /// Reads a whole log through its reader: the simple way for a storage without an index of its own.
    pub fn scan(
        reader: &dyn LogReader,
        first: LogIndex,
        last: LogIndex,
    ) -> Result<Self, StorageError> {
        const STEP: ReadLimit = ReadLimit { entries: 1024, bytes: 1 << 20 };
        let mut found = Self { first, last: first.prev(), ..Self::empty() };
        let (mut next, mut entries) = (first, Vec::new());
        while next <= last {
            entries.clear();
            reader.read(next, STEP, &mut entries)?;
            if entries.is_empty() {
                return Err(StorageError::Other(format!(
                    "entry {next} of {first}..={last} is missing"
                )));
            }
            for entry in &entries {
                if entry.id.index != next {
                    let found = entry.id.index;
                    return Err(StorageError::Other(format!("entry {found} stands at {next}")));
                }
                found.push(entry);
                next = next.next();
            }
        }
        Ok(found)
    }
}

/// What a node must never forget: its term, and whom it voted for in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaftMeta {
    /// The current term.
    pub term: Term,
    /// The vote in this term.
    pub voted_for: Option<PeerId>,
}

/// Keeps a [`RaftMeta`]. Runs on the lane of the log.
pub trait RaftMetaStorage: Send + 'static {
    /// What was saved last, durable when this returns; nothing if nothing was ever saved.
    fn load(&mut self) -> Result<Option<RaftMeta>, StorageError>;

    /// Replaces it, all or nothing; `done` is finished when it is on the disk.
    fn save(&mut self, meta: &RaftMeta, done: Durable);
}
