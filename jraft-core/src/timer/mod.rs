//! Timers: a pure timing wheel, one task that drives it, and the repeated timers of a node (`com.alipay.sofa.jraft.util.timer`).
//!
//! [`Wheel`] is data, [`Timer`] sleeps for it on the clock of an `Env`, [`RepeatedTimer`] keeps Java's contract on top.
//! Nothing here reads a clock of its own, starts a thread, or waits: a simulator owns the time.

mod driver;
mod repeated;
#[cfg(test)]
mod tests;
mod wheel;

pub use driver::{Job, Timeout, Timer, TimerConfig, TimerError};
pub use repeated::{Adjust, RepeatedTimer, random_in};
pub use wheel::{Key, Wheel};
