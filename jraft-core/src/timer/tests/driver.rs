//! T-TIM 10 to 19: the timer and its driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jraft_spi::env::{Clock, MonoTime};

use super::kit::World;
use crate::sync::Mutex;
use crate::timer::{Timer, TimerError};

/// When which jobs ran.
#[derive(Clone)]
struct Runs {
    clock: Arc<dyn Clock>,
    runs: Arc<Mutex<Vec<(usize, MonoTime)>>>,
}

impl Runs {
    fn new(world: &World) -> Self {
        Self { clock: world.env.clock.clone(), runs: Arc::default() }
    }

    fn job(&self, which: usize) -> Box<dyn FnOnce() + Send> {
        let this = self.clone();
        Box::new(move || this.runs.lock().push((which, this.clock.now())))
    }

    fn which(&self) -> Vec<usize> {
        self.runs.lock().iter().map(|run| run.0).collect()
    }
}

/// Schedules all at once, and all run: not before their time, and by the end of the tick in which it comes.
fn check_punctual(late: Duration, delays: impl IntoIterator<Item = Duration>) {
    let world = World::new();
    let timer = world.timer();
    let runs = Runs::new(&world);
    world.pass(late);
    let delays: Vec<Duration> = delays.into_iter().collect();
    let now = world.now();
    for (which, delay) in delays.iter().enumerate() {
        timer.schedule(*delay, runs.job(which)).unwrap();
    }
    world.pass(*delays.iter().max().unwrap() + Duration::from_millis(1));
    let runs = runs.runs.lock();
    assert_eq!(runs.len(), delays.len());
    for &(which, at) in &*runs {
        let delay = delays[which];
        assert!(at >= now + delay, "{delay:?} fired early");
        assert!(at <= now + delay + Duration::from_millis(1), "{delay:?} fired late");
    }
    assert!(runs.is_sorted_by_key(|run| run.1));
    assert_eq!(timer.pending(), 0);
}

#[test]
fn t_tim_10_never_before_the_deadline() {
    for late in [0, 1, 499_999, 1_000_000, 77_777_777] {
        check_punctual(
            Duration::from_nanos(late),
            (0..3_000).map(|n| Duration::from_nanos(n * 1_337)),
        );
    }
}

#[test]
fn t_tim_11_within_a_tick() {
    check_punctual(
        Duration::from_nanos(123_456),
        (0..3_000).map(|n| Duration::from_micros(n * 333)),
    );
}

#[test]
fn t_tim_12_several_rounds() {
    let round = 2_048;
    let ticks = (1..6).flat_map(|n| [n * round - 1, n * round, n * round + 1]);
    let far = [3_600_000, 86_400_000, 86_400_001];
    check_punctual(Duration::from_millis(700), ticks.chain(far).map(Duration::from_millis));
}

#[test]
fn t_tim_13_cancel_before_and_after() {
    let world = World::new();
    let timer = world.timer();
    let runs = Runs::new(&world);
    let kept = timer.schedule(Duration::from_millis(10), runs.job(0)).unwrap();
    let cancelled = timer.schedule(Duration::from_millis(10), runs.job(1)).unwrap();
    world.pass_ms(9);
    assert!(cancelled.cancel());
    assert!(!cancelled.cancel());
    assert_eq!(timer.pending(), 1);
    world.pass_ms(1);
    assert!(!kept.cancel());
    assert_eq!(runs.which(), [0]);
    // Both entries are used anew: the old handles must not reach the new jobs.
    timer.schedule(Duration::from_millis(10), runs.job(2)).unwrap();
    timer.schedule(Duration::from_millis(10), runs.job(3)).unwrap();
    assert!(!kept.cancel() && !cancelled.cancel());
    world.pass_ms(10);
    assert_eq!(runs.which(), [0, 2, 3]);
}

#[test]
fn t_tim_14_stop_counts_what_never_ran() {
    let world = World::new();
    let timer = world.timer();
    let runs = Runs::new(&world);
    for which in 1..=5 {
        timer.schedule(Duration::from_millis(which as u64), runs.job(which)).unwrap();
    }
    world.pass_ms(2);
    assert_eq!(timer.stop(), 3);
    assert_eq!(timer.stop(), 0);
    assert_eq!(timer.schedule(Duration::ZERO, runs.job(6)).unwrap_err(), TimerError::Stopped);
    assert_eq!(world.live_tasks(), 0, "the driver ends");
    world.pass_ms(100);
    assert_eq!(runs.which(), [1, 2]);
}

#[test]
fn t_tim_14_stop_from_a_job() {
    let world = World::new();
    let timer = world.timer();
    let runs = Runs::new(&world);
    let never = Arc::new(AtomicUsize::new(0));
    let (stop, count) = (timer.clone(), never.clone());
    let stop = Box::new(move || count.store(stop.stop(), Ordering::Relaxed));
    timer.schedule(Duration::from_millis(1), runs.job(1)).unwrap();
    timer.schedule(Duration::from_millis(1), stop).unwrap();
    // Expired together with the one that stops, and still counted.
    timer.schedule(Duration::from_millis(1), runs.job(2)).unwrap();
    timer.schedule(Duration::from_millis(9), runs.job(3)).unwrap();
    world.pass_ms(100);
    assert_eq!((runs.which(), never.load(Ordering::Relaxed)), (vec![1], 2));
}

#[test]
fn t_tim_15_the_limit_refuses_and_leaks_nothing() {
    let world = World::new();
    let timer = world.timer_with_limit(3);
    let runs = Runs::new(&world);
    let schedule = |which| timer.schedule(Duration::from_millis(5), runs.job(which));
    let first = schedule(0).unwrap();
    schedule(1).unwrap();
    schedule(2).unwrap();
    for _ in 0..10 {
        assert_eq!(schedule(9).unwrap_err(), TimerError::Full { max_pending: 3 });
    }
    assert!(first.cancel());
    schedule(3).unwrap();
    assert!(schedule(9).is_err());
    world.pass_ms(5);
    assert_eq!(runs.which(), [1, 2, 3]);
    for which in 4..7 {
        schedule(which).unwrap();
    }
    assert_eq!(timer.pending(), 3);
}

#[test]
fn t_tim_15_the_limit_counts_what_has_expired_but_not_run() {
    let world = World::new();
    let timer = world.timer_with_limit(3);
    let runs = Runs::new(&world);
    let (below, more) = (timer.clone(), runs.clone());
    let schedule_two = move || {
        assert_eq!(below.pending(), 2);
        below.schedule(Duration::from_millis(1), more.job(3)).unwrap();
        assert!(below.schedule(Duration::from_millis(1), more.job(9)).is_err());
    };
    timer.schedule(Duration::from_millis(1), Box::new(schedule_two)).unwrap();
    timer.schedule(Duration::from_millis(1), runs.job(1)).unwrap();
    timer.schedule(Duration::from_millis(1), runs.job(2)).unwrap();
    world.pass_ms(5);
    assert_eq!((runs.which(), world.log_lines()), (vec![1, 2, 3], 0));
}

#[test]
fn t_tim_16_maximal_delay() {
    let world = World::new();
    let timer = world.timer();
    let runs = Runs::new(&world);
    let longest = timer.schedule(Duration::MAX, runs.job(0)).unwrap();
    timer.schedule(Duration::from_nanos(u64::MAX), runs.job(1)).unwrap();
    timer.schedule(Duration::from_millis(1), runs.job(2)).unwrap();
    world.pass(Duration::from_secs(500 * 365 * 86_400));
    assert_eq!(runs.which(), [2]);
    assert!(longest.cancel());
    assert_eq!(timer.stop(), 1);
}

#[test]
fn t_tim_17_a_hundred_thousand_and_one_at_once() {
    let world = World::new();
    let timer = world.timer();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..100_001 {
        let ran = ran.clone();
        let job = move || {
            ran.fetch_add(1, Ordering::Relaxed);
        };
        timer.schedule(Duration::from_millis(3), Box::new(job)).unwrap();
    }
    // Another task of the loop must get its turn between them.
    let (clock, seen) = (world.env.clock.clone(), ran.clone());
    let in_between = Arc::new(AtomicUsize::new(0));
    let note = in_between.clone();
    let wake = clock.now() + Duration::from_millis(3);
    world.env.on_loop("other", async move {
        clock.sleep_until(wake).await;
        while seen.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        note.store(seen.load(Ordering::Relaxed), Ordering::Relaxed);
    });
    world.pass_ms(2);
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    world.pass_ms(1);
    assert_eq!((ran.load(Ordering::Relaxed), timer.pending()), (100_001, 0));
    let in_between = in_between.load(Ordering::Relaxed);
    assert!((1..100_001).contains(&in_between), "{in_between} jobs had run");
}

#[test]
fn t_tim_18_a_panic_does_not_stop_the_driver() {
    let world = World::new();
    let timer = world.timer();
    let runs = Runs::new(&world);
    timer.schedule(Duration::from_millis(1), Box::new(|| panic!("a text"))).unwrap();
    timer.schedule(Duration::from_millis(1), runs.job(0)).unwrap();
    timer.schedule(Duration::from_millis(2), Box::new(|| panic!("{}", "formatted"))).unwrap();
    timer.schedule(Duration::from_millis(3), runs.job(1)).unwrap();
    world.pass_ms(3);
    assert_eq!((runs.which(), world.log_lines()), (vec![0, 1], 2));
}

#[test]
fn t_tim_19_threads_add_and_cancel() {
    const THREADS: usize = 4;
    const JOBS: usize = 3_000;
    let world = World::new();
    let timer = world.timer();
    let runs: Vec<AtomicUsize> = (0..THREADS * JOBS).map(|_| AtomicUsize::new(0)).collect();
    let runs = Arc::new(runs);
    let add_and_cancel = |thread: usize, timer: &Timer| {
        let add = |job: usize| {
            let runs = runs.clone();
            let run = move || {
                runs[job].fetch_add(1, Ordering::SeqCst);
            };
            let delay = Duration::from_micros(job as u64 * 7_919 % 20_000);
            (job, timer.schedule(delay, Box::new(run)).unwrap())
        };
        let mut cancelled = Vec::new();
        let mut kept = Vec::new();
        for job in thread * JOBS..(thread + 1) * JOBS {
            kept.push(add(job));
            if job % 3 == 0 {
                let (job, timeout) = kept.swap_remove(kept.len() / 2);
                cancelled.push((job, timeout.cancel()));
            }
        }
        cancelled
    };
    let cancelled: Vec<(usize, bool)> = std::thread::scope(|scope| {
        let add_and_cancel = &add_and_cancel;
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| (timer.clone(), thread))
            .map(|(timer, thread)| scope.spawn(move || add_and_cancel(thread, &timer)))
            .collect();
        while !threads.iter().all(|thread| thread.is_finished()) {
            world.pass_ms(1);
        }
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    world.pass_ms(50);
    let mut expected = vec![1; THREADS * JOBS];
    for (job, prevented) in cancelled {
        expected[job] = usize::from(!prevented);
    }
    let ran: Vec<usize> = runs.iter().map(|runs| runs.load(Ordering::SeqCst)).collect();
    assert_eq!(ran, expected);
    assert_eq!(timer.pending(), 0);
}

#[test]
fn an_earlier_deadline_wakes_the_driver_and_a_later_one_does_not() {
    let world = World::new();
    let timer = world.timer();
    let runs = Runs::new(&world);
    timer.schedule(Duration::from_secs(3_600), runs.job(0)).unwrap();
    world.pass_ms(10);
    assert_eq!(world.sleeps(), 1);
    timer.schedule(Duration::from_secs(7_200), runs.job(1)).unwrap();
    world.pass_ms(10);
    assert_eq!(world.sleeps(), 1);
    timer.schedule(Duration::from_millis(5), runs.job(2)).unwrap();
    world.pass_ms(5);
    assert_eq!((runs.which(), world.sleeps()), (vec![2], 3));
    world.pass(Duration::from_secs(7_200));
    assert_eq!((runs.which(), world.sleeps()), (vec![2, 0, 1], 4), "not a wake-up in between");
}

#[test]
fn a_job_without_delay_that_schedules_itself_does_not_hang_the_loop() {
    fn again(timer: Timer, ran: Arc<AtomicUsize>) {
        ran.fetch_add(1, Ordering::Relaxed);
        let next = timer.clone();
        timer.schedule(Duration::ZERO, Box::new(move || again(next, ran))).unwrap();
    }
    let world = World::new();
    let ran = Arc::new(AtomicUsize::new(0));
    again(world.timer(), ran.clone());
    world.pass_ms(10);
    assert_eq!(ran.load(Ordering::Relaxed), 11);
}

#[test]
fn the_last_handle_stops_the_timer() {
    let world = World::new();
    let timer = world.timer();
    let runs = Runs::new(&world);
    let timeout = timer.clone().schedule(Duration::from_millis(5), runs.job(0)).unwrap();
    assert_eq!(world.live_tasks(), 1);
    drop(timer);
    assert_eq!((world.live_tasks(), timeout.cancel()), (0, false));
    world.pass_ms(10);
    assert!(runs.which().is_empty());
}
