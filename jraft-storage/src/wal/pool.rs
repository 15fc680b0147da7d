//! Segment files for the time to come: the next one, made ready in pieces, and used ones kept for later.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jraft_spi::storage::StorageError;

use super::WalOptions;
use super::files::OpenFiles;
use super::format::SegmentHeader;
use super::segment::Segment;
use crate::disk::{Context, Disk, DiskFile};

/// The supply of segments of one log.
pub(super) struct Pool {
    disk: Arc<dyn Disk>,
    files: Arc<OpenFiles>,
    dir: PathBuf,
    pub(super) options: WalOptions,
    spares: Vec<PathBuf>,
    next: Next,
}

enum Next {
    None,
    /// A new file, zeros up to `filled`.
    Filling {
        file: Arc<dyn DiskFile>,
        filled: u64,
    },
    Ready(Arc<Segment>),
}

impl Pool {
    /// A pool with the spare files that were found.
    pub(super) fn new(
        files: Arc<OpenFiles>,
        dir: PathBuf,
        options: WalOptions,
        spares: Vec<PathBuf>,
    ) -> Self {
        let disk = Arc::clone(&files.disk);
        Self { disk, files, dir, options, spares, next: Next::None }
    }

    /// Does a piece of the work for segment `sequence`: at least `bytes` of zeros, or all of it if there is a spare.
    pub(super) fn prepare(&mut self, sequence: u64, bytes: u64) -> Result<(), StorageError> {
        match &mut self.next {
            Next::Ready(_) => Ok(()),
            Next::None => {
                self.next = match self.spares.pop() {
                    Some(spare) => Next::Ready(self.reuse(&spare, sequence)?),
                    None => {
                        let path = self.dir.join(NEW);
                        let file = self.disk.create(&path).context("make", &path)?;
                        Next::Filling { file, filled: 0 }
                    }
                };
                Ok(())
            }
            Next::Filling { file, filled } => {
                let path = self.dir.join(NEW);
                let to = (*filled + bytes).min(self.options.segment_bytes);
                fill(&**file, *filled, to).context("fill", &path)?;
                *filled = to;
                if to < self.options.segment_bytes {
                    return Ok(());
                }
                let file = Arc::clone(file);
                self.next = Next::Ready(self.finish(file, sequence, to)?);
                Ok(())
            }
        }
    }

    /// Segment `sequence`, made ready now if it is not yet. It may be smaller than `bytes`; the one after will not be.
    pub(super) fn take(&mut self, sequence: u64, bytes: u64) -> Result<Arc<Segment>, StorageError> {
        if bytes > self.options.segment_bytes && matches!(self.next, Next::None) {
            let path = self.dir.join(NEW);
            let file = self.disk.create(&path).context("make", &path)?;
            fill(&*file, 0, bytes).context("fill", &path)?;
            return self.finish(file, sequence, bytes);
        }
        loop {
            match std::mem::replace(&mut self.next, Next::None) {
                Next::Ready(segment) => return Ok(segment),
                unfinished => self.next = unfinished,
            }
            self.prepare(sequence, self.options.segment_bytes)?;
        }
    }

    /// Takes back a segment nobody needs any more: as a spare if it can be one, else it is removed.
    pub(super) fn give_back(&mut self, segment: &Segment) -> Result<(), StorageError> {
        let usual = segment.header.bytes == self.options.segment_bytes;
        if usual && self.spares.len() < MAX_SPARES {
            let spare = self.dir.join(spare_name(segment.sequence()));
            self.disk.rename(&segment.path, &spare).context("rename", &segment.path)?;
            self.spares.push(spare);
        } else {
            self.disk.remove(&segment.path).context("remove", &segment.path)?;
        }
        self.files.forget(segment.sequence());
        // One by one, lest a later name goes and an earlier one stays: that would look like a missing segment.
        self.sync_dir()
    }

    pub(super) fn sync_dir(&self) -> Result<(), StorageError> {
        self.disk.sync_dir(&self.dir).context("sync", &self.dir)
    }

    fn reuse(&self, spare: &Path, sequence: u64) -> Result<Arc<Segment>, StorageError> {
        let file = self.disk.open(spare).context("open", spare)?;
        self.name(file, spare, sequence, self.options.segment_bytes, false)
    }

    fn finish(
        &self,
        file: Arc<dyn DiskFile>,
        sequence: u64,
        bytes: u64,
    ) -> Result<Arc<Segment>, StorageError> {
        self.name(file, &self.dir.join(NEW), sequence, bytes, true)
    }

    /// Writes the header, and only then gives the file the name of a segment.
    fn name(
        &self,
        file: Arc<dyn DiskFile>,
        from: &Path,
        sequence: u64,
        bytes: u64,
        zeroed: bool,
    ) -> Result<Arc<Segment>, StorageError> {
        let (salt, directory) = (self.disk.unique(), self.options.directory);
        let header = SegmentHeader { sequence, bytes, salt, directory, zeroed };
        file.write_at(0, &header.encode()).context("write", from)?;
        file.sync_data().context("sync", from)?;
        let path = self.dir.join(Segment::name(sequence));
        self.disk.rename(from, &path).context("rename", from)?;
        self.sync_dir()?;
        Ok(Arc::new(Segment::new(header, path, file, &self.files)))
    }
}

/// Real zeros, synced in pieces: a sync of a log in a file with holes would have to write metadata, too.
fn fill(file: &dyn DiskFile, mut from: u64, to: u64) -> std::io::Result<()> {
    while from < to {
        let piece = (to - from).min(ZEROS.len() as u64) as usize;
        file.write_at(from, &ZEROS[..piece])?;
        from += piece as u64;
    }
    file.sync_data()
}

/// The name of a used file that was segment `sequence`.
pub(super) fn spare_name(sequence: u64) -> String {
    format!("{sequence:020}{SPARE_SUFFIX}")
}

/// What a spare file's name ends with.
pub(super) const SPARE_SUFFIX: &str = ".spare";
/// The file that becomes the next segment.
pub(super) const NEW: &str = "next.new";
/// How many used files are kept.
pub(super) const MAX_SPARES: usize = 2;
/// Zeros to write.
pub(super) static ZEROS: [u8; 1 << 20] = [0; 1 << 20];
