//! The conformance list of the timers (T-TIM), on a clock that stands still unless a test moves it.
//!
//! 1 to 9 are in `repeated`, 10 to 19 in `driver`. Not here: 20 to 27 are about other utilities. Of 14, "stop from a
//! callback fails" does not hold by intention: Java would wait for its own thread, ours has none.

mod driver;
mod kit;
mod repeated;
#[cfg(feature = "shuttle")]
mod threads;
mod wheel;
