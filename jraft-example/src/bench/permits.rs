//! Lets one thread go on while fewer than a number of things are open.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, Thread};

/// Permits of one thread, which is the only one to take them. Any thread gives them back.
pub(super) struct Permits {
    limit: u32,
    open: AtomicU32,
    waits: AtomicBool,
    taker: Thread,
}

impl Permits {
    /// Permits for the thread that calls this.
    pub(super) fn of_this_thread(limit: u32) -> Self {
        let (open, waits) = (AtomicU32::new(0), AtomicBool::new(false));
        Self { limit, open, waits, taker: thread::current() }
    }

    /// Waits for a permit and takes it. False if `stop` was said meanwhile: then it is not taken.
    pub(super) fn take(&self, stop: &AtomicBool) -> bool {
        while self.open.load(Ordering::SeqCst) >= self.limit {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            self.waits.store(true, Ordering::SeqCst);
            // Whoever gives one back from here on sees that somebody waits.
            if self.open.load(Ordering::SeqCst) >= self.limit {
                thread::park_timeout(LOOK_AGAIN);
            }
            self.waits.store(false, Ordering::SeqCst);
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        !stop.load(Ordering::Relaxed)
    }

    /// Gives one back.
    pub(super) fn give_back(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        if self.waits.load(Ordering::SeqCst) && self.waits.swap(false, Ordering::SeqCst) {
            self.taker.unpark();
        }
    }
}

/// How late it may notice that it should stop.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is about threads")]
    fn never_more_than_the_limit_are_open_and_nobody_sleeps_for_ever() {
        const LIMIT: u32 = 3;
        let permits = Arc::new(Permits::of_this_thread(LIMIT));
        let (give, given) = mpsc::channel();
        let other = Arc::clone(&permits);
        let giver = thread::spawn(move || {
            let mut most = 0;
            while let Ok(()) = given.recv() {
                most = most.max(other.open.load(Ordering::SeqCst));
                other.give_back();
            }
            most
        });
        let stop = AtomicBool::new(false);
        for _ in 0..20_000 {
            assert!(permits.take(&stop));
            give.send(()).unwrap();
        }
        drop(give);
        let most = giver.join().unwrap();
        assert!((1..=LIMIT).contains(&most), "{most}");
    }

    #[test]
    fn stops_although_nothing_is_given_back() {
        let permits = Permits::of_this_thread(1);
        assert!(permits.take(&AtomicBool::new(false)));
        assert!(!permits.take(&AtomicBool::new(true)));
    }
}
