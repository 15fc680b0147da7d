//! A file: its bytes as the process sees them, its bytes on the platter, and what lies between the two.

use std::path::{Path, PathBuf};

use super::SECTOR;
use super::pages::{Pages, zeros_at_end};
use crate::disk::above;

/// A file, whatever its name is.
#[derive(Clone, Default)]
pub(super) struct File {
    /// The name it has, or had last.
    pub(super) name: PathBuf,
    pub(super) written: Pages,
    durable: Pages,
    /// Oldest first, each with the number of its call.
    unsynced: Vec<(u64, Unsynced)>,
    /// What a failed sync took for clean: written, never to be durable. Number, beginning, end; older than all unsynced.
    lost: Vec<(u64, u64, u64)>,
    pub(super) handles: usize,
    /// No name leads to it, and none will: it lives as long as it is open.
    orphan: bool,
}

#[derive(Clone)]
enum Unsynced {
    Write(Piece),
    SetLen(u64),
}

/// A write: `bytes` at `at`, then zeros up to `end`. So a file filled with zeros costs nothing.
#[derive(Clone)]
struct Piece {
    at: u64,
    bytes: Vec<u8>,
    end: u64,
}

impl File {
    pub(super) fn new(name: &Path) -> Self {
        Self { name: name.to_path_buf(), ..Self::default() }
    }

    pub(super) fn dir(&self) -> &Path {
        above(&self.name)
    }

    /// The smallest number of a call that a power loss could undo.
    pub(super) fn floor(&self) -> Option<u64> {
        let unsynced = self.unsynced.first().map(|(number, _)| *number);
        self.lost.first().map(|(number, ..)| *number).or(unsynced)
    }

    pub(super) fn write(&mut self, number: u64, at: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.record(number, Unsynced::Write(Piece::new(at, bytes)));
        }
    }

    pub(super) fn set_len(&mut self, number: u64, len: u64) {
        self.record(number, Unsynced::SetLen(len));
    }

    fn record(&mut self, number: u64, change: Unsynced) {
        change.apply(&mut self.written);
        if !self.orphan {
            self.unsynced.push((number, change));
        }
    }

    /// Makes bytes and length durable. Not a copy of what was written: what was lost counts as clean and stays lost.
    pub(super) fn sync(&mut self) {
        for (_, change) in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
        let (written, durable) = (&self.written, &self.durable);
        self.lost.retain(|&(_, at, end)| !written.agree(durable, at, end));
    }

    /// A sync that fails, and takes what it did not write for clean.
    pub(super) fn lose(&mut self) {
        self.lost.extend(self.unsynced.drain(..).map(|(number, change)| match change {
            Unsynced::Write(piece) => (number, piece.at, piece.end),
            Unsynced::SetLen(_) => (number, 0, u64::MAX),
        }));
    }

    /// The power is gone: of what was not synced there stays what `keep` says.
    pub(super) fn power_loss(&mut self, keep: &mut dyn FnMut() -> bool) {
        for (_, change) in std::mem::take(&mut self.unsynced) {
            match change {
                Unsynced::Write(piece) => piece.tear(&mut self.durable, keep),
                Unsynced::SetLen(len) if keep() => self.durable.set_len(len),
                Unsynced::SetLen(_) => {}
            }
        }
        self.lost.clear();
        self.written = self.durable.clone();
    }

    /// Puts other bytes in place of all, durably.
    pub(super) fn replace(&mut self, bytes: &[u8]) {
        self.unsynced.clear();
        self.lost.clear();
        self.durable = Pages::from_bytes(bytes);
        self.written = self.durable.clone();
    }

    /// From now on nothing of it can come back after a crash.
    pub(super) fn orphan(&mut self) {
        self.orphan = true;
        self.unsynced.clear();
        self.lost.clear();
    }
}

impl Unsynced {
    fn apply(&self, pages: &mut Pages) {
        match self {
            Self::Write(piece) => piece.put(pages, piece.at, piece.end),
            Self::SetLen(len) => pages.set_len(*len),
        }
    }
}

impl Piece {
    fn new(at: u64, bytes: &[u8]) -> Self {
        let end = at + bytes.len() as u64;
        let bytes = bytes[..bytes.len() - zeros_at_end(bytes, SECTOR as usize)].to_vec();
        Self { at, bytes, end }
    }

    /// Writes its part `from..to`.
    fn put(&self, pages: &mut Pages, from: u64, to: u64) {
        let zeros = (self.at + self.bytes.len() as u64).clamp(from, to);
        if from < zeros {
            pages.write(from, &self.bytes[(from - self.at) as usize..(zeros - self.at) as usize]);
        }
        if zeros < to {
            pages.zero(zeros, to);
        }
    }

    /// Writes some of its sectors.
    fn tear(&self, pages: &mut Pages, keep: &mut dyn FnMut() -> bool) {
        let mut from = self.at;
        while from < self.end {
            let to = (from / SECTOR * SECTOR + SECTOR).min(self.end);
            if keep() {
                self.put(pages, from, to);
            }
            from = to;
        }
    }
}
