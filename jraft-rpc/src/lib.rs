//! The bolt transport of jraft: frames, client and server, compatible with SOFAJRaft (wire.md 1 to 4).
//!
//! [`BoltRpcFactory`] is what a node gets. Below it, [`bolt`] is the frame format without I/O, [`convert`] the step
//! between messages and bytes, [`io`] the seam to the network: [`io::TcpNet`] in production, [`io::PipeNet`] in tests.
//!
//! Where it differs from the reference, on purpose:
//! - A port is opened on the address of its endpoint, not on all ([`io::TcpNet`]).
//! - Only protocol V1 is spoken, as by every SOFAJRaft node; V2 closes the connection.
//! - Frames, queues, connections and open requests have limits ([`RpcOptions`](jraft_spi::RpcOptions) and constants).
//! - Failures of bolt itself carry a status and no Java exception.
//! - Entries that make a Java follower fall silent (wire.md 4.5) are answered with EINVAL.
//! - Pings are answered here; the node does not see them.

#![forbid(unsafe_code)]

pub mod bolt;
mod client;
pub mod convert;
mod factory;
pub mod io;
mod link;
mod out_queue;
mod seldom;
mod server;

pub use factory::BoltRpcFactory;
