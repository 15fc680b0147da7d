//! What the programs of this package share: a replicated counter, its client, and a cluster of processes.
//!
//! It is meant to be copied. The counter ([`counter`]) shows how an application sits on `jraft_core`, the client
//! library ([`client`]) how to talk to it without adding twice, and [`cluster`] how to try a group to destruction.
#![forbid(unsafe_code)]

pub mod bench;
pub mod client;
pub mod cluster;
pub mod counter;
pub mod histogram;
pub mod load;
pub mod logging;
pub mod real_time;
pub mod server;
pub mod settings;
