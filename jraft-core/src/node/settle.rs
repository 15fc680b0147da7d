//! `Settling`: the loop looks again at an entrance that grows, so that one turn serves all who come together.

use std::time::Duration;

use jraft_spi::env::{Clock, MonoTime};

use crate::sync::thread;

/// How often a growing queue is looked at again, a look with a yield being about 1 us.
const LOOKS: usize = 64;
/// So often without a new task, and it has settled.
const QUIET_LOOKS: usize = 4;
/// So many are a good batch.
const ENOUGH: usize = 1024;
/// What all looks together may take.
const PATIENCE: Duration = Duration::from_micros(200);
/// What looking may cost of the loop's time where it takes longer: one part in so many.
const SHARE: u32 = 50;

/// Looks again while a queue still grows: tasks of other threads arrive one by one after a batch of completions, and one
/// turn for all of them is cheaper than one for each. Never waits for a single task.
#[derive(Default)]
pub(crate) struct Settling {
    /// Until then nobody looks twice. Where others want the processor, a yield gives them a slice of milliseconds; a loop
    /// that did that in each turn would have no time for its heartbeats.
    not_before: MonoTime,
}

impl Settling {
    /// The length of the queue once it has settled.
    pub(crate) fn settle(&mut self, clock: &dyn Clock, len: impl Fn() -> usize) -> usize {
        let (mut seen, mut quiet) = (len(), 0);
        if seen == 0 {
            return 0;
        }
        let began = clock.now();
        if began < self.not_before {
            return seen;
        }
        for _ in 0..LOOKS {
            thread::yield_now();
            let now = len();
            quiet = if now > seen { 0 } else { quiet + 1 };
            seen = now;
            let time = clock.now();
            if time.since(began) > PATIENCE {
                self.not_before = time + time.since(began) * SHARE;
                break;
            }
            if quiet >= QUIET_LOOKS || now >= ENOUGH {
                break;
            }
        }
        seen
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;

    use jraft_spi::env::BoxFuture;

    use super::*;

    /// A clock of a machine where everything between two readings takes as long as this.
    struct Paced(AtomicU64, Duration);

    impl Clock for Paced {
        fn now(&self) -> MonoTime {
            let pace = self.1.as_nanos() as u64;
            MonoTime::from_nanos(self.0.fetch_add(pace, Ordering::Relaxed))
        }

        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn sleep_until(&self, _: MonoTime) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    /// Settles `times` times over a queue that grows by one between two looks. What was seen last, and the looks.
    fn looks(pace: Duration, first: usize, growth: usize, times: usize) -> (usize, usize) {
        let (clock, mut settling) = (Paced(AtomicU64::new(0), pace), Settling::default());
        let (len, looks) = (Cell::new(first), Cell::new(0));
        let look = || {
            looks.set(looks.get() + 1);
            len.replace(len.get() + growth)
        };
        let seen = (0..times).fold(0, |_, _| settling.settle(&clock, look));
        (seen, looks.get())
    }

    const QUICK: Duration = Duration::from_micros(1);

    #[test]
    fn a_queue_is_looked_at_while_it_grows() {
        assert_eq!(looks(QUICK, 0, 1, 1), (0, 1));
        assert_eq!(looks(QUICK, 7, 0, 1), (7, 1 + QUIET_LOOKS));
        assert_eq!(looks(QUICK, 7, 1, 1), (7 + LOOKS, 1 + LOOKS));
        assert_eq!(looks(QUICK, 24, 500, 1), (1024, 3));
    }

    #[test]
    fn a_busy_machine_is_not_asked_in_every_turn() {
        // A look that takes a slice of 4 ms pays for 50 of them.
        let slice = Duration::from_millis(4);
        assert_eq!(looks(slice, 7, 0, 1), (7, 2));
        assert_eq!(looks(slice, 7, 0, 50), (7, 51));
        assert_eq!(looks(slice, 7, 0, 100), (7, 102));
        assert_eq!(looks(QUICK, 7, 0, 50), (7, 50 * (1 + QUIET_LOOKS)), "others are, always");
    }
}
