//! The messages of the wire and of the disk, generated from `proto/`, and which of their fields are required.
//!
//! `tests/generated.rs` fails when the committed code is not what `proto/` says, and tells how to make it anew.

#[rustfmt::skip]
// Generated code is not written by our rules.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::use_self)]
mod jraft;
mod required;

pub use jraft::*;
pub use required::*;
