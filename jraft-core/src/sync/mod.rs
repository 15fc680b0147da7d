//! What threads outside a loop may touch: the locks, a bell with one flag, and the queue of a lane.
//!
//! The locks of this package come from here and from nowhere else (`tests/suites/tidy/layering.rs`). They are
//! `parking_lot`'s. With the feature `sim` they refuse to wait in a simulation (`strict.rs`). With the feature `shuttle`
//! they, and all else by which threads meet, leave it to a test which thread goes on (`explored.rs`).

mod bell;
#[cfg(feature = "shuttle")]
mod explored;
mod lane_queue;
#[cfg(all(feature = "sim", not(feature = "shuttle")))]
mod strict;
#[cfg(test)]
#[cfg(feature = "shuttle")]
pub(crate) mod tests;

#[cfg(feature = "shuttle")]
pub(crate) use explored::{Condvar, Mutex, Notify, RwLock, atomic, thread, thread_local};
#[cfg(not(any(feature = "sim", feature = "shuttle")))]
pub(crate) use parking_lot::{Condvar, Mutex, RwLock};
#[cfg(not(any(feature = "sim", feature = "shuttle")))]
pub(crate) use std::thread;
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::{sync::atomic, thread_local};
#[cfg(all(feature = "sim", not(feature = "shuttle")))]
pub(crate) use strict::{Condvar, Mutex, RwLock, thread};
#[cfg(not(feature = "shuttle"))]
pub(crate) use tokio::sync::Notify;

pub(crate) use bell::Bell;
pub(crate) use lane_queue::LaneQueue;

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
