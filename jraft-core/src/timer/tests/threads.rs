//! Timers that are started, stopped and fired by several threads.

use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use tokio::sync::oneshot;

use crate::sync::tests::kit::{Call, Count, HandClock, at_once, env, explore};
use crate::sync::thread;
use crate::timer::{RepeatedTimer, Timer, TimerError};

const PERIOD: Duration = Duration::from_millis(50);
/// Enough for what is due at the end of a tick.
const TICKS: Duration = Duration::from_millis(2);

/// A repeated timer that counts.
struct Bench {
    clock: Arc<HandClock>,
    driver: Timer,
    timer: RepeatedTimer,
    calls: Count,
    destroyed: Count,
    /// Calls that saw the end before theirs.
    late: Count,
}

impl Bench {
    fn new() -> Self {
        let (env, clock) = env();
        let driver = Timer::start(&env);
        let [calls, destroyed, late] = <[Count; 3]>::default();
        let (count, gone, too_late) = (calls.clone(), destroyed.clone(), late.clone());
        let on_trigger = Arc::new(move || {
            count.add(1);
            // Not an assertion: a timer survives what its calls do.
            too_late.add(gone.get());
        });
        let hook = destroyed.clone();
        let adjust = Box::new(|period| period);
        let timer = RepeatedTimer::new("test", driver.clone(), PERIOD, adjust, on_trigger)
            .on_destroy(move || hook.add(1));
        Self { clock, driver, timer, calls, destroyed, late }
    }

    fn of(&self, call: impl FnOnce(&RepeatedTimer) + Send + 'static) -> Call {
        let timer = self.timer.clone();
        Box::new(move || call(&timer))
    }

    fn pass(&self, times: u32) -> Call {
        let clock = Arc::clone(&self.clock);
        Box::new(move || (0..times).for_each(|_| clock.pass(PERIOD + TICKS)))
    }

    fn calls(&self) -> usize {
        self.calls.get()
    }

    /// Lets time pass, and waits until all that is due by then has run.
    fn settle(&self, time: Duration) {
        let (sender, ran) = oneshot::channel();
        let job = Box::new(move || sender.send(()).unwrap());
        self.driver.schedule(time, job).unwrap();
        self.clock.pass(time + TICKS);
        block_on(ran).unwrap();
    }
}

#[test]
fn after_a_stop_at_most_the_call_that_had_begun_is_made() {
    explore(1_000, || {
        let bench = Bench::new();
        bench.timer.start();
        let (calls, stopped) = (bench.calls.clone(), Count::default());
        let note = stopped.clone();
        let stop = bench.of(move |timer| {
            timer.stop();
            note.add(calls.get());
        });
        at_once([bench.pass(2), stop]);
        bench.settle(Duration::ZERO);
        let calls = bench.calls();
        assert!(calls <= stopped.get() + 1);
        assert!(!bench.timer.is_running());
        assert_eq!(bench.driver.pending(), 0);
        bench.settle(10 * PERIOD);
        assert_eq!(bench.calls(), calls);
    });
}

#[test]
fn there_is_one_chain_of_firings_however_it_was_begun() {
    explore(1_000, || {
        let bench = Bench::new();
        bench.timer.start();
        at_once([
            bench.pass(2),
            bench.of(|timer| {
                timer.restart();
                timer.run_once_now();
            }),
            bench.of(|timer| {
                timer.stop();
                timer.start();
            }),
        ]);
        bench.settle(Duration::ZERO);
        assert!(bench.timer.is_running());
        for _ in 0..2 {
            assert_eq!(bench.driver.pending(), 1);
            let before = bench.calls();
            bench.settle(PERIOD + TICKS);
            assert_eq!(bench.calls(), before + 1);
        }
    });
}

#[test]
fn an_end_comes_once_and_after_the_last_call() {
    explore(1_000, || {
        let bench = Bench::new();
        bench.timer.start();
        at_once([
            bench.pass(2),
            bench.of(RepeatedTimer::destroy),
            bench.of(RepeatedTimer::restart),
            bench.of(RepeatedTimer::destroy),
        ]);
        bench.settle(PERIOD + TICKS);
        assert_eq!((bench.destroyed.get(), bench.late.get()), (1, 0));
        assert!(!bench.timer.is_running());
        assert_eq!(bench.driver.pending(), 0);
    });
}

#[test]
fn a_job_that_is_earlier_wakes_the_driver() {
    explore(1_000, || {
        let (env, clock) = env();
        let driver = Timer::start(&env);
        let job = |after: Duration| -> Call {
            let (driver, clock) = (driver.clone(), Arc::clone(&clock));
            let (sender, ran) = oneshot::channel();
            Box::new(move || {
                driver.schedule(after, Box::new(move || sender.send(()).unwrap())).unwrap();
                clock.pass(after + TICKS);
                block_on(ran).unwrap();
            })
        };
        let far = driver.schedule(Duration::from_secs(3600), Box::new(|| {})).unwrap();
        at_once([job(PERIOD), job(2 * PERIOD), job(Duration::ZERO)]);
        assert!(far.cancel());
    });
}

#[test]
fn a_timer_that_stops_counts_what_never_ran() {
    explore(1_000, || {
        let (env, clock) = env();
        let driver = Timer::start(&env);
        let (runs, never) = (Count::default(), Count::default());
        let (accepted, ran) = (Count::default(), Count::default());
        let job = |after: Duration| -> Call {
            let (driver, clock) = (driver.clone(), Arc::clone(&clock));
            let (runs, accepted) = (runs.clone(), accepted.clone());
            Box::new(move || {
                let job = Box::new(move || runs.add(1));
                match driver.schedule(after, job) {
                    Ok(_) => accepted.add(1),
                    Err(error) => assert_eq!(error, TimerError::Stopped),
                }
                clock.pass(after + TICKS);
            })
        };
        let stop = {
            let (driver, never) = (driver.clone(), never.clone());
            let (ran, runs) = (ran.clone(), runs.clone());
            Box::new(move || {
                never.add(driver.stop());
                ran.add(runs.get());
            })
        };
        at_once([job(PERIOD), job(Duration::ZERO), stop]);
        // A job that the loop had in hand may still be under way.
        while runs.get() + never.get() < accepted.get() {
            thread::yield_now();
        }
        assert_eq!(runs.get() + never.get(), accepted.get());
        assert!(runs.get() <= ran.get() + 1);
    });
}
