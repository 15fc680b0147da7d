//! Limits log lines that the other side of a connection can cause.

use std::time::Duration;

use jraft_spi::env::MonoTime;
use parking_lot::Mutex;

/// Lets one line a second through and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: MonoTime,
    suppressed: u64,
}

impl Seldom {
    /// Whether a line may be written now; then tells how many were not since the last.
    pub(crate) fn pass(&self, now: MonoTime) -> Option<u64> {
        let mut state = self.0.lock();
        if now < state.next {
            state.suppressed += 1;
            return None;
        }
        state.next = now + PAUSE;
        Some(std::mem::take(&mut state.suppressed))
    }
}

const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_keeps_back() {
        let seldom = Seldom::default();
        let at = |ms: u64| MonoTime::from_nanos(ms * 1_000_000);
        assert_eq!(seldom.pass(at(5)), Some(0));
        assert_eq!(seldom.pass(at(6)), None);
        assert_eq!(seldom.pass(at(1004)), None);
        assert_eq!(seldom.pass(at(1005)), Some(2));
    }
}
