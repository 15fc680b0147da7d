//! The open files of a log: those of its newest segments, and those of a few older ones that are read.
//!
//! A log may have any number of segments, a process only so many open files.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use jraft_spi::storage::StorageError;
use parking_lot::Mutex;

use crate::disk::{Context, Disk, DiskFile};

/// Keeps files open. A segment finds its file without asking here as long as it is among the newest.
pub(super) struct OpenFiles {
    pub(super) disk: Arc<dyn Disk>,
    /// Of the segments that were opened or made last, with their numbers.
    newest: Mutex<Files>,
    /// Of other segments; the one read last is at the end.
    older: Mutex<Files>,
}

type Files = VecDeque<(u64, Arc<dyn DiskFile>)>;

impl OpenFiles {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, newest: Mutex::default(), older: Mutex::default() }
    }

    /// Keeps the file of the newest segment open, in place of that of the oldest one here.
    pub(super) fn keep(&self, sequence: u64, file: Arc<dyn DiskFile>) {
        put(&self.newest, MAX_NEWEST, sequence, file);
    }

    /// The file of a segment that is not among the newest any more.
    pub(super) fn reopen(
        &self,
        sequence: u64,
        path: &Path,
    ) -> Result<Arc<dyn DiskFile>, StorageError> {
        let known = take(&self.older, sequence);
        let file = match known {
            Some(file) => file,
            // Under no lock: other readers do not wait for it.
            None => self.disk.open(path).context("open", path)?,
        };
        put(&self.older, MAX_OLDER, sequence, Arc::clone(&file));
        Ok(file)
    }

    /// Lets go of the file of a segment that is none any more.
    pub(super) fn forget(&self, sequence: u64) {
        drop((take(&self.newest, sequence), take(&self.older, sequence)));
    }
}

/// Adds a file; what has to go for it is closed under no lock.
fn put(files: &Mutex<Files>, limit: usize, sequence: u64, file: Arc<dyn DiskFile>) {
    let mut files = files.lock();
    let gone = if files.len() == limit { files.pop_front() } else { None };
    files.push_back((sequence, file));
    drop(files);
    drop(gone);
}

fn take(files: &Mutex<Files>, sequence: u64) -> Option<Arc<dyn DiskFile>> {
    let mut files = files.lock();
    let at = files.iter().position(|(known, _)| *known == sequence)?;
    files.remove(at).map(|(_, file)| file)
}

/// How many of the newest segments stay open: the one that is written, the one made ready, and those that followers and
/// the state machine read when they are not far behind.
pub(super) const MAX_NEWEST: usize = 16;
/// How many older ones: more than are read at a time, since a directory has one lane that reads.
pub(super) const MAX_OLDER: usize = 4;
