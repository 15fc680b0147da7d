//! The durable log and metadata of a node: a segmented write-ahead log, `raft_meta`, and the directory they live in.
//!
//! [`DataDir`] locks a directory and hands out both. Everything reaches the operating system through the seam
//! [`disk::Disk`], so that a simulated disk (feature `sim`) can lose what was not synced. `FORMAT.md` in this package
//! describes the bytes.

pub mod data_dir;
pub mod disk;
pub mod meta;
#[cfg(any(test, feature = "sim"))]
pub mod sim_disk;
pub mod wal;

#[cfg(test)]
#[cfg(feature = "sim")]
mod planted_tests;
#[cfg(test)]
mod testing;

pub use data_dir::{DataDir, OpenedStorage};
pub use disk::{Disk, DiskFile, DiskLock, RealDisk};
pub use meta::FileMetaStorage;
pub use wal::{WalEngine, WalOptions};
