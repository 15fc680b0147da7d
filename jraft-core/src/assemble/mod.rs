//! What an application starts: `Runtime`, `RaftGroupService` and its builder. The one place that names an adapter.

mod block_on;
mod builder;
#[cfg(feature = "wal")]
mod data_dir;
mod engine;
mod error;
mod listeners;
mod os;
mod processors;
mod runtime;
mod service;

pub use block_on::block_on;
pub use builder::RaftGroupBuilder;
pub use engine::SharedLogEngine;
pub use error::StartError;
pub use runtime::{Runtime, RuntimeBuilder, UserClient};
pub use service::RaftGroupService;
