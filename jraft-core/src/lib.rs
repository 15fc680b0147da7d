//! **jraft**: SOFAJRaft for Rust. One dependency gives a durable, networked Raft node.
//!
//! Three nodes in one process; with `data_dir` instead of `in_memory` they are durable and talk over TCP:
//!
//! ```
//! # #[cfg(feature = "app")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use jraft_core::{App, RaftGroupService, Runtime, block_on, memory::Network};
//!
//! #[derive(Default, serde::Serialize, serde::Deserialize)]
//! struct Counter(i64);
//!
//! impl App for Counter {
//!     type Cmd = i64;
//!     type Out = i64;
//!
//!     fn apply(&mut self, add: i64) -> i64 {
//!         self.0 += add;
//!         self.0
//!     }
//! }
//!
//! block_on(async {
//!     let (runtime, network, mut services) = (Runtime::new()?, Network::new(), Vec::new());
//!     for me in ["a:1", "b:1", "c:1"] {
//!         let builder = RaftGroupService::builder("demo", me).initial_conf("a:1,b:1,c:1").runtime(&runtime);
//!         services.push(builder.in_memory(&network).start_app(Counter::default()).await?);
//!     }
//!     assert_eq!(services[0].handle().propose(5).await?, 5);
//!     assert_eq!(services[2].handle().read(|counter| counter.0).await?, 5);
//!     runtime.shutdown().await;
//!     Ok(())
//! })
//! # }
//! # #[cfg(not(feature = "app"))]
//! # fn main() {}
//! ```

#[cfg(feature = "app")]
mod app;
mod assemble;
mod ballot_box;
mod closure;
mod fsm;
mod log;
pub mod memory;
mod node;
mod replicator;
mod sync;
pub mod timer;

pub use jraft_spi::rpc::{Replier, RpcError, UserMessage, UserProcessor, UserRequest};
pub use jraft_spi::status::{LeaderChange, NodeStatus, Role};
pub use jraft_spi::{
    ApplyPlace, ApplyTaskMode, Ballot, Configuration, ConfigurationEntry, Endpoint, GroupId,
    LogEntry, LogId, LogIndex, NodeId, NodeOptions, OptionError, OptionRow, OptionWarning,
    ParseError, PeerId, RaftError, RaftOptions, ReadOnlyOption, RpcOptions, Status, Term,
};
pub use jraft_spi::{env, message, rpc, storage};

#[cfg(feature = "sim")]
pub use jraft_spi::sim;

#[cfg(feature = "app")]
pub use app::{App, AppHandle, AppProposal, ReadError};
pub use assemble::{
    RaftGroupBuilder, RaftGroupService, Runtime, RuntimeBuilder, SharedLogEngine, StartError,
    UserClient, block_on,
};
pub use closure::{Committed, Done, Outcome, Rejected, Reply, Task};
pub use fsm::{ApplyError, Entries, Entry, StateMachine};
#[cfg(feature = "sim")]
pub use node::{Inside, PeerProgress};
pub use node::{Node, NodeManager, Proposal, ProposeError, StatusWatch};
