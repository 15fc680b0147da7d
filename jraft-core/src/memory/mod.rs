//! Adapters without a file or a socket: a log, metadata and a network of this process. They forget when dropped.

mod log;
mod meta;
mod network;

pub use log::MemoryLogEngine;
pub use meta::MemoryMetaStorage;
pub use network::Network;
