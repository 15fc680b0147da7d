//! The kit of the suites: three nodes in this process over TCP, raw connections to them, programs as processes.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

pub mod checks;
pub mod programs;
pub mod sim;
pub mod trio;
pub mod wire;

use std::io::Write;
use std::time::Duration;

/// A setting of a suite, from the environment.
#[expect(clippy::disallowed_methods, reason = "suites are told how long to run; nodes are not")]
pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Writes into the log of the run, also if the test passes: what `println!` writes is shown for failed tests only.
pub fn record(text: &str) {
    let mut out = std::io::stderr().lock();
    let told = writeln!(out, "{text}");
    told.expect("standard error is open");
}

/// Waits, in real time, as everything in these suites.
#[expect(
    clippy::disallowed_methods,
    reason = "a test that uses sockets and processes lives in real time"
)]
pub fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until `done`, and fails with `what` after `limit`.
pub fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let step = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    while !done() {
        assert!(waited < limit, "not within {limit:?}: {what}");
        wait(step);
        waited += step;
    }
}
