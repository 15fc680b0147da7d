//! The log as the node sees it: an engine, the writer of a group, its reader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use jraft_spi::entity::{GroupId, LogEntry, LogIndex};
use jraft_spi::storage::{Durable, LogEngine, LogStorage, OpenedLog, Recovered, StorageError};
use parking_lot::Mutex;
use slog::{Logger, error};

use super::WalOptions;
use super::files::OpenFiles;
use super::format::{DATA_START, Place};
use super::pool::Pool;
use super::reader::GroupReader;
use super::recover::{Recovery, recover};
use super::segment::Segment;
use super::shared::{Shared, Tail};
use super::writer::{Change, Writer};
use crate::disk::{Disk, make_dir};

/// A write-ahead log in one directory.
///
/// Made for several groups, whose records carry the number of their group; but as long as nothing moves the entries of
/// a quiet group out of old segments, one directory is opened for one group only.
pub struct WalEngine {
    writer: Arc<Mutex<Writer>>,
    shared: Arc<Shared>,
    dir: PathBuf,
    /// The groups that were found, by name, until they are opened.
    found: BTreeMap<String, (u32, Recovered)>,
    opened: Option<Opened>,
    log: Logger,
}

/// The group that was opened.
struct Opened {
    name: GroupId,
    number: u32,
    /// Gone with its writer: then it may be opened again.
    in_use: Weak<()>,
}

struct GroupWriter {
    writer: Arc<Mutex<Writer>>,
    group: u32,
    _in_use: Arc<()>,
}

impl WalEngine {
    /// Opens the log in `dir`, or makes one. What is read is verified and durable when this returns.
    ///
    /// The caller holds the lock of the directory; [`crate::DataDir`] does.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: impl Into<PathBuf>,
        options: WalOptions,
        log: Logger,
    ) -> Result<Self, StorageError> {
        let dir = dir.into();
        let options = checked(options)?;
        make_dir(&*disk, &dir)?;
        let files = Arc::new(OpenFiles::new(disk));
        let Recovery { replay, mut segments, spares, mut end, mut chain } =
            recover(&files, &dir, &options, &log)?;
        let mut pool = Pool::new(files, dir.clone(), options, spares);
        if segments.is_empty() {
            let first = pool.take(1, 0)?;
            (end, chain) = (Place::new(1, DATA_START), first.seed);
            segments.push_back(first);
        }
        let last = Arc::clone(segments.back().expect("one was just made"));
        let tail = Tail::new(last, end.offset, chain);
        let (mut names, mut groups) = (BTreeMap::new(), BTreeMap::new());
        let mut found = BTreeMap::new();
        for (number, group) in replay.groups {
            found.insert(group.name.clone(), (number, group.recovered()));
            names.insert(number, group.name);
            groups.insert(number, group.index);
        }
        let shared = Arc::new(Shared::new(groups, tail));
        let writer = Writer::new(pool, Arc::clone(&shared), segments, names, end, log.clone());
        let writer = Arc::new(Mutex::new(writer));
        Ok(Self { writer, shared, dir, found, opened: None, log })
    }

    /// Whether nothing was ever kept here.
    pub fn is_new(&self) -> bool {
        let groups = &self.shared.lock().groups;
        groups.values().all(|index| index.is_empty() && index.first() == 1)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn keep_house(&self) {
        if let Err(error) = self.writer.lock().keep_house() {
            // The next call reports it.
            error!(self.log, "the log failed"; "dir" => %self.dir.display(), "error" => %error);
        }
    }

    /// One group a directory: see [`WalEngine`].
    fn admit(&self, group: &GroupId) -> Result<(), StorageError> {
        let dir = self.dir.display();
        let other = self.found.keys().find(|name| *name != group.as_str());
        match (&self.opened, other) {
            (Some(opened), _) if opened.name != *group => {
                Err(taken(&self.dir, opened.name.as_str(), group))
            }
            (Some(opened), _) if opened.in_use.strong_count() > 0 => Err(StorageError::Other(
                format!("the log of group {group} in {dir} is open already"),
            )),
            (None, Some(other)) => Err(taken(&self.dir, other, group)),
            _ => Ok(()),
        }
    }

    /// The number of a group, and what its log holds.
    fn contents(&mut self, group: &GroupId) -> Result<(u32, Recovered), StorageError> {
        if let Some(Opened { number, .. }) = self.opened {
            // Opened before, and changed since: what it left is made durable, and read again.
            self.writer.lock().sync()?;
            let (first, last) = {
                let index = &self.shared.lock().groups[&number];
                (LogIndex(index.first()), LogIndex(index.next() - 1))
            };
            let recovered = Recovered::scan(&self.reader(group, number), first, last)?;
            return Ok((number, recovered));
        }
        if let Some(found) = self.found.remove(group.as_str()) {
            return Ok(found);
        }
        self.writer.lock().declare(FIRST_GROUP, group.as_str())?;
        Ok((FIRST_GROUP, Recovered::empty()))
    }

    fn reader(&self, group: &GroupId, number: u32) -> GroupReader {
        GroupReader { shared: Arc::clone(&self.shared), group: number, name: group.clone() }
    }
}

impl LogEngine for WalEngine {
    fn open(&mut self, group: &GroupId) -> Result<OpenedLog, StorageError> {
        self.admit(group)?;
        let (number, recovered) = self.contents(group)?;
        let in_use = Arc::new(());
        self.opened = Some(Opened { name: group.clone(), number, in_use: Arc::downgrade(&in_use) });
        let writer = Arc::clone(&self.writer);
        let storage = GroupWriter { writer, group: number, _in_use: in_use };
        let reader = Arc::new(self.reader(group, number));
        Ok(OpenedLog::new(Box::new(storage), reader, recovered))
    }

    fn sync(&mut self, done: Durable) {
        let result = self.writer.lock().sync();
        let went_well = result.is_ok();
        done.finish(result);
        if went_well {
            self.keep_house();
        }
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.writer.lock().flush()?;
        self.keep_house();
        Ok(())
    }

    fn syncs(&self) -> u64 {
        self.writer.lock().syncs()
    }

    fn close(&mut self) -> Result<(), StorageError> {
        self.writer.lock().close()
    }
}

impl LogStorage for GroupWriter {
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), StorageError> {
        self.writer.lock().append(self.group, entries)
    }

    fn truncate_prefix(&mut self, first_kept: LogIndex) -> Result<(), StorageError> {
        self.writer.lock().change(self.group, Change::Prefix(first_kept.0))
    }

    fn truncate_suffix(&mut self, last_kept: LogIndex) -> Result<(), StorageError> {
        self.writer.lock().change(self.group, Change::Suffix(last_kept.0))
    }

    fn reset(&mut self, next: LogIndex) -> Result<(), StorageError> {
        self.writer.lock().change(self.group, Change::Reset(next.0))
    }
}

fn taken(dir: &Path, holds: &str, wanted: &GroupId) -> StorageError {
    StorageError::Other(format!(
        "{} holds the log of group {holds}; group {wanted} needs a data directory of its own",
        dir.display()
    ))
}

fn checked(mut options: WalOptions) -> Result<WalOptions, StorageError> {
    let bytes = options.segment_bytes;
    if !(Segment::MIN_BYTES..=MAX_SEGMENT).contains(&bytes) {
        return Err(StorageError::Other(format!(
            "segments of {bytes} bytes: from {} to {MAX_SEGMENT} are possible",
            Segment::MIN_BYTES
        )));
    }
    options.segment_bytes -= bytes % DATA_START;
    Ok(options)
}

/// The number of the first group of a log.
const FIRST_GROUP: u32 = 1;
/// With the largest record behind it, still below what places in four bytes can say.
const MAX_SEGMENT: u64 = 1 << 31;
