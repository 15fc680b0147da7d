//! Finds out what a directory holds: verifies the log from its oldest segment on, tells a torn tail from damage.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jraft_spi::mutant;
use jraft_spi::storage::StorageError;
use slog::{Logger, info, warn};

use super::WalOptions;
use super::files::OpenFiles;
use super::format::{DATA_START, Place};
use super::pool::{MAX_SPARES, NEW, SPARE_SUFFIX, ZEROS, spare_name};
use super::replay::{Found, Replay, link};
use super::scan::{Behind, Group, Window};
use super::segment::{Segment, damage};
use crate::disk::{Context, Disk};

/// What was found. All of it is durable.
pub(super) struct Recovery {
    pub(super) replay: Replay,
    /// Oldest first; the log goes on in the last one. None if the directory is new.
    pub(super) segments: VecDeque<Arc<Segment>>,
    pub(super) spares: Vec<PathBuf>,
    /// Where the log ends.
    pub(super) end: Place,
    /// The checksum it goes on from.
    pub(super) chain: u32,
}

struct Scan<'a> {
    disk: &'a dyn Disk,
    files: &'a OpenFiles,
    dir: &'a Path,
    segments: Vec<Arc<Segment>>,
    replay: Replay,
    /// The segment being read, of `segments`.
    current: usize,
    offset: u64,
    chain: u32,
    /// The latest place a group so far says was durable.
    durable: Place,
    log: &'a Logger,
}

/// Recovers the log in `dir`.
pub(super) fn recover(
    files: &Arc<OpenFiles>,
    dir: &Path,
    options: &WalOptions,
    log: &Logger,
) -> Result<Recovery, StorageError> {
    let (segments, mut spares) = survey(files, dir, options)?;
    let Some(first) = segments.first() else {
        let (replay, segments, end) = (Replay::default(), VecDeque::new(), Place::default());
        return Ok(Recovery { replay, segments, spares, end, chain: 0 });
    };
    let (chain, durable) = (first.seed, Place::default());
    let (replay, current, offset) = (Replay::default(), 0, DATA_START);
    let disk = &*files.disk;
    let mut scan =
        Scan { disk, files, dir, segments, replay, current, offset, chain, durable, log };
    let why = scan.read_all()?;
    scan.judge(why)?;
    scan.discard_later(&mut spares, options.segment_bytes)?;
    scan.complete()?;
    let end = scan.place();
    info!(log, "log recovered"; "segments" => scan.segments.len(), "end" => %end);
    let Scan { replay, segments, chain, .. } = scan;
    Ok(Recovery { replay, segments: segments.into(), spares, end, chain })
}

/// Finds all segments, in order and without a gap, and sorts out the other files.
fn survey(
    files: &Arc<OpenFiles>,
    dir: &Path,
    options: &WalOptions,
) -> Result<(Vec<Arc<Segment>>, Vec<PathBuf>), StorageError> {
    let disk = &*files.disk;
    let (mut segments, mut spares): (Vec<Arc<Segment>>, Vec<PathBuf>) = (Vec::new(), Vec::new());
    for name in disk.list(dir).context("list", dir)? {
        let path = dir.join(&name);
        if let Some(sequence) = Segment::parse_name(&name) {
            if let Some(last) = segments.last()
                && last.sequence() + 1 != sequence
            {
                let missing = dir.join(Segment::name(last.sequence() + 1));
                return Err(damage(
                    &missing,
                    0,
                    "",
                    0,
                    "the segment is missing, later ones are there",
                ));
            }
            segments.push(Arc::new(Segment::open(files, dir, sequence, options.directory)?));
        } else if name == NEW {
            disk.remove(&path).context("remove", &path)?;
        } else if name.ends_with(SPARE_SUFFIX) {
            let size = disk.open(&path).and_then(|file| file.size()).context("open", &path)?;
            if size == options.segment_bytes && spares.len() < MAX_SPARES {
                spares.push(path);
            } else {
                disk.remove(&path).context("remove", &path)?;
            }
        } else {
            return Err(StorageError::Other(format!("{} is no file of a log", path.display())));
        }
    }
    Ok((segments, spares))
}

impl Scan<'_> {
    fn segment(&self) -> &Arc<Segment> {
        &self.segments[self.current]
    }

    fn place(&self) -> Place {
        Place::new(self.segment().sequence(), self.offset)
    }

    /// Replays groups as long as they verify; says why it stopped.
    fn read_all(&mut self) -> Result<&'static str, StorageError> {
        let mut window = Window::new(Arc::clone(self.segment()));
        loop {
            let why = match window.group(self.offset, self.chain)? {
                Ok(group) => {
                    self.take(&group, &mut window)?;
                    continue;
                }
                Err(why) => why,
            };
            let Some(next) = self.segments.get(self.current + 1).cloned() else { return Ok(why) };
            let mut following = Window::new(Arc::clone(&next));
            let Ok(group) = following.group(DATA_START, next.seed)? else { return Ok(why) };
            match self.join(&group, &mut following, why) {
                Err(_) if mutant!("M35") => return Ok(why),
                joined => joined?,
            }
            (self.current, self.offset, self.chain) = (self.current + 1, DATA_START, next.seed);
            window = following;
        }
    }

    fn take(&mut self, group: &Group, window: &mut Window) -> Result<(), StorageError> {
        let segment = Arc::clone(self.segment());
        for (offset, record) in &group.records {
            let bytes = window.record(*offset, record)?;
            let found = Found { segment: &segment, offset: *offset, record, bytes };
            if let Err(what) = self.replay.apply(&found) {
                return Err(self.damaged(*offset, what));
            }
        }
        self.offset = group.header.end();
        self.chain = group.chain;
        self.durable = self.durable.max(group.header.durable);
        Ok(())
    }

    /// The next segment is only begun when all of this one is durable: then this one must end where that one says.
    fn join(&self, first: &Group, window: &mut Window, why: &str) -> Result<(), StorageError> {
        let found = match first.records.first() {
            Some((offset, record)) => link(record, window.record(*offset, record)?),
            None => None,
        };
        if found == Some((self.place(), self.chain)) {
            return Ok(());
        }
        let says = found.map_or_else(|| "nothing".to_owned(), |(place, _)| place.to_string());
        Err(self.damaged(self.offset, format!("{why}; by the next segment the log ends at {says}")))
    }

    /// The log stops here. Damage, if anything behind says that this was durable; else the end, or a torn tail.
    fn judge(&mut self, why: &'static str) -> Result<(), StorageError> {
        let here = self.place();
        let mut behind = self.durable;
        for later in &self.segments[self.current + 1..] {
            let found = Window::new(Arc::clone(later)).behind(DATA_START)?;
            behind = behind.max(found.durable.unwrap_or_default());
        }
        let found = Window::new(Arc::clone(self.segment())).behind(self.offset)?;
        behind = behind.max(found.durable.unwrap_or_default());
        if here < behind && !mutant!("M35") {
            return Err(
                self.damaged(self.offset, format!("{why}, and it was durable up to {behind}"))
            );
        }
        if here.offset == DATA_START && here.segment != 1 {
            // A segment is the oldest only if later records, durable ones, say that those before are not needed.
            return Err(self.damaged(self.offset, format!("{why} in the oldest segment")));
        }
        for group in self.replay.groups.values() {
            let (first, held) = (group.index.first(), group.index.held());
            if first < held {
                let what =
                    format!("entries {first} to {} are missing: older segments are gone", held - 1);
                return Err(self.damaged(0, what));
            }
        }
        self.cut(&found)
    }

    /// Removes what a crash left behind the end.
    fn cut(&self, behind: &Behind) -> Result<(), StorageError> {
        let segment = self.segment();
        // In a file that was used before all but groups of this use is left alone: it does not verify.
        let zeroed = segment.header.zeroed;
        let end = if zeroed { behind.bytes_end } else { behind.groups_end };
        if end <= self.offset {
            return Ok(());
        }
        let file = segment.file()?;
        let mut at = self.offset;
        while at < end {
            let piece = (end - at).min(ZEROS.len() as u64);
            file.write_at(at, &ZEROS[..piece as usize]).context("write", &segment.path)?;
            at += piece;
        }
        warn!(self.log, "a torn tail of the log was cut: it was never durable";
            "file" => %segment.path.display(), "offset" => self.offset, "bytes" => end - self.offset);
        Ok(())
    }

    /// Segments behind the end hold nothing: the next one, made ready, or one that was begun and torn. Of the usual size, and
    /// not too many, they are used again.
    fn discard_later(&mut self, spares: &mut Vec<PathBuf>, usual: u64) -> Result<(), StorageError> {
        while self.segments.len() > self.current + 1 {
            let segment = self.segments.pop().expect("there are some behind the current one");
            let spare = self.dir.join(spare_name(segment.sequence()));
            let is_new = spares.len() < MAX_SPARES && !spares.contains(&spare);
            if segment.header.bytes == usual && is_new {
                self.disk.rename(&segment.path, &spare).context("rename", &segment.path)?;
                spares.push(spare);
            } else {
                self.disk.remove(&segment.path).context("remove", &segment.path)?;
            }
            self.disk.sync_dir(self.dir).context("sync", self.dir)?;
            self.files.forget(segment.sequence());
        }
        Ok(())
    }

    /// Makes what was read durable. A page that once failed to reach the disk counts as clean, so that the tail is
    /// written anew before it is synced.
    fn complete(&self) -> Result<(), StorageError> {
        if mutant!("M43") {
            return Ok(());
        }
        let segment = self.segment();
        let file = segment.file()?;
        let known =
            if self.durable.segment == segment.sequence() { self.durable.offset } else { 0 };
        let mut at = known.max(DATA_START);
        let mut window = Window::new(Arc::clone(segment));
        while at < self.offset {
            let bytes = window.slice(at, (self.offset - at).min(ZEROS.len() as u64))?;
            file.write_at(at, bytes).context("write", &segment.path)?;
            at += bytes.len() as u64;
        }
        file.sync_data().context("sync", &segment.path)?;
        self.disk.sync_dir(self.dir).context("sync", self.dir)
    }

    fn damaged(&self, offset: u64, what: impl Into<String>) -> StorageError {
        let (group, index) = self.replay.describe();
        damage(&self.segment().path, offset, group, index, what)
    }
}
