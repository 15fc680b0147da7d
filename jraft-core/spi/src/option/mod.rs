//! The options of a node, with Java's names, units and defaults (`NodeOptions`, `RaftOptions`, `RpcOptions`).
//!
//! They are data and nothing else: they can be printed, compared and read from a file. Objects and paths, which Java
//! keeps in `NodeOptions` too, are given to the builder. Options come in layers, of which the later wins:
//! `NodeOptions::default()`, then [`NodeOptions::merge`] of a file, then [`NodeOptions::set`], then code.

mod choice;
mod error;
mod java;
mod layer;
mod node;
mod raft;
mod rpc;
mod table;
mod value;

pub use choice::{ApplyPlace, ApplyTaskMode, ReadOnlyOption};
pub use error::{OptionError, OptionRow, OptionWarning};
pub use node::NodeOptions;
pub use raft::RaftOptions;
pub use rpc::RpcOptions;
