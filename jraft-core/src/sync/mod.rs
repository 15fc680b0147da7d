//! What threads outside a loop may touch: the locks, a bell with one flag, and the queue of a lane.
//!
//! The locks of this package come from here and from nowhere else (`tests/suites/tidy/layering.rs`). They are
//! `parking_lot`'s. With the feature `sim` they refuse to wait in a simulation, see [`strict`].

mod bell;
mod lane_queue;
#[cfg(feature = "sim")]
mod strict;

#[cfg(not(feature = "sim"))]
pub(crate) use parking_lot::{Condvar, Mutex, RwLock};
#[cfg(feature = "sim")]
pub(crate) use strict::{Condvar, Mutex, RwLock};

pub(crate) use bell::Bell;
pub(crate) use lane_queue::LaneQueue;

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
