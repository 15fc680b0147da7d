//! The bolt transport of jraft: frames, client and server, compatible with SOFAJRaft.

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
