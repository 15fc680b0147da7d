//! A deterministic simulator: whole groups of the real library in one thread, with virtual time, network and disks, from
//! one seed.

pub mod client;
pub mod clock;
pub mod columns;
pub mod dice;
pub mod env;
pub mod faults;
pub mod harm;
pub mod hub;
pub mod machine;
pub mod mutants;
pub mod net;
mod partial;
pub mod plan;
pub mod points;
pub mod policy;
pub mod run;
pub mod script;
pub mod shrink;
pub mod store;
pub mod swarm;
pub mod timeline;
pub mod watch;
pub mod world;
