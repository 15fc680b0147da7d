//! What the programs of this package share: a replicated counter, its client, and a cluster of processes.
#![forbid(unsafe_code)]

pub mod histogram;
pub mod logging;
pub mod real_time;
