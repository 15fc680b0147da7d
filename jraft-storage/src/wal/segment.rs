//! A segment file: its name, its header, its place in the sequence.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use jraft_spi::entity::LogIndex;
use jraft_spi::storage::StorageError;

use super::files::OpenFiles;
use super::format::{
    ALIGN, DATA_START, GROUP_HEADER, HeaderError, SEGMENT_HEADER, SegmentHeader, VERSION,
};
use crate::disk::{Context, DiskFile};

/// A segment of the log.
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    /// What its checksums start from.
    pub(super) seed: u32,
    pub(super) path: PathBuf,
    files: Arc<OpenFiles>,
    /// Its file, for as long as that is among the newest.
    file: Weak<dyn DiskFile>,
}

impl Segment {
    /// A segment whose header is on the disk already.
    pub(super) fn new(
        header: SegmentHeader,
        path: PathBuf,
        file: Arc<dyn DiskFile>,
        files: &Arc<OpenFiles>,
    ) -> Self {
        let (seed, weak) = (header.seed(), Arc::downgrade(&file));
        files.keep(header.sequence, file);
        Self { header, seed, path, files: Arc::clone(files), file: weak }
    }

    /// Opens the segment `sequence` and verifies its header.
    pub(super) fn open(
        files: &Arc<OpenFiles>,
        dir: &Path,
        sequence: u64,
        directory: u64,
    ) -> Result<Self, StorageError> {
        let path = dir.join(Self::name(sequence));
        let file = files.disk.open(&path).context("open", &path)?;
        let mut bytes = [0; SEGMENT_HEADER];
        let read = file.read_at(0, &mut bytes).context("read", &path)?;
        let size = file.size().context("ask the size of", &path)?;
        let damaged = |what: &str| damage(&path, 0, "", 0, what);
        if read < SEGMENT_HEADER {
            return Err(damaged("the file is shorter than its header"));
        }
        let header = SegmentHeader::decode(&bytes).map_err(|error| match error {
            HeaderError::Magic => damaged("this is not a log segment"),
            HeaderError::Checksum => damaged("the header's checksum is wrong"),
            HeaderError::Version(version) => StorageError::Other(format!(
                "{} has format version {version}; this program reads version {VERSION}",
                path.display()
            )),
        })?;
        if header.sequence != sequence {
            return Err(damaged(&format!("the header says it is segment {}", header.sequence)));
        }
        if header.directory != directory {
            return Err(damaged("the segment belongs to another data directory"));
        }
        if size < header.bytes || !(Self::MIN_BYTES..=Self::MAX_BYTES).contains(&header.bytes) {
            return Err(damaged(&format!("{} bytes were made, {size} are there", header.bytes)));
        }
        Ok(Self::new(header, path, file, files))
    }

    /// Its file, opened again if it is an old one.
    pub(super) fn file(&self) -> Result<Arc<dyn DiskFile>, StorageError> {
        match self.file.upgrade() {
            Some(file) => Ok(file),
            None => self.files.reopen(self.sequence(), &self.path),
        }
    }

    /// Its number.
    pub(super) fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// Where records must end; behind it is room for one group that only says what is durable.
    pub(super) fn limit(&self) -> u64 {
        self.header.bytes - Self::RESERVE
    }

    /// The name of segment `sequence`.
    pub(super) fn name(sequence: u64) -> String {
        format!("{sequence:020}.wal")
    }

    /// The number in the name of a segment.
    pub(super) fn parse_name(name: &str) -> Option<u64> {
        let sequence = name.strip_suffix(".wal")?.parse().ok()?;
        (Self::name(sequence) == name).then_some(sequence)
    }

    /// The size a segment needs so that `records` bytes fit into its first group.
    pub(super) fn bytes_for(records: u64) -> u64 {
        DATA_START + GROUP_HEADER as u64 + records + Self::RESERVE
    }

    const RESERVE: u64 = GROUP_HEADER as u64 + ALIGN;
    /// The smallest size: the header's page and another one.
    pub(super) const MIN_BYTES: u64 = 2 * DATA_START;
    /// The largest: places in a segment are kept in four bytes.
    const MAX_BYTES: u64 = 1 << 32;
}

/// Says that the bytes of a file are not what was written.
pub(super) fn damage(
    path: &Path,
    offset: u64,
    group: &str,
    index: u64,
    what: impl Into<String>,
) -> StorageError {
    let (file, group, index) = (path.to_path_buf(), group.to_owned(), LogIndex(index));
    StorageError::Damaged { file, offset, group, index, what: what.into() }
}
