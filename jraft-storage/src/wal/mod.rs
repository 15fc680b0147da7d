//! The segmented write-ahead log: entries of all groups of a directory, in one sequence of files, behind one sync.
//!
//! A *record* is an entry or a truncation. Records are encoded into a pending buffer when they are handed in, and a
//! sync writes what is pending as one *group*: a header, then the records, each with a checksum that goes on from the
//! one before. Groups fill *segments*, zero-filled files of fixed size that are used again when their entries are gone.
//! The header of a group also says up to where everything was durable when it was written: that is how recovery tells
//! a torn tail, which it cuts, from damage, where it refuses. `FORMAT.md` has the bytes. Only the newest segments are open
//! files; older ones are opened when somebody reads them.

mod engine;
mod files;
mod format;
mod index;
mod pool;
mod reader;
mod record;
mod recover;
mod replay;
mod scan;
mod segment;
mod shared;
mod writer;

#[cfg(test)]
mod tests;

pub use engine::WalEngine;

/// How a log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalOptions {
    /// Size of a segment file; an entry that needs more gets a segment of its own. 64 MiB.
    pub segment_bytes: u64,
    /// The number of the data directory, written into each segment so that files of two directories are told apart.
    pub directory: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, directory: 0 }
    }
}
