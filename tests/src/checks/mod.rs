//! What is checked after a run, from what clients and nodes have seen.

pub mod linear;
