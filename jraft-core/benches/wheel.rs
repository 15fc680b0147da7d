//! The timing wheel beside the crate `hashed_wheel_timer`, ten thousand timers at a time.
//!
//! The baseline cannot cancel, so that it has no line under "insert and cancel", only one for the insertion alone. It reads
//! the wall clock and fires on a thread of its own, so that its firing is measured as the time from the common deadline to
//! the last of them: wake-up and lateness of the thread included, where our pure wheel shows the work alone.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and its baseline needs it"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hashed_wheel_timer::{TimerTask, WheelTimer};
use jraft_core::timer::{Timer, Wheel};
use jraft_spi::env::{BoxFuture, Clock, Env, MonoTime, Place, SeededRng, Spawner, TaskHandle};

const TIMERS: u64 = 10_000;

/// Election timers: between one second and two, in an order that is not sorted.
fn delays() -> impl Iterator<Item = Duration> {
    (0..TIMERS).map(|n| Duration::from_micros(1_000_000 + n * 7_919 * 100 % 1_000_000))
}

fn wheel() -> Wheel<u64> {
    Wheel::new(MonoTime::ZERO, Wheel::<u64>::DEFAULT_TICK, Wheel::<u64>::DEFAULT_SLOTS)
}

fn insert_and_cancel(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert and cancel");
    group.throughput(Throughput::Elements(TIMERS));
    // Ten thousand wait, as in a process with that many groups, and each is renewed once.
    group.bench_function("wheel", |b| {
        let mut wheel = wheel();
        let mut keys: Vec<_> = delays().map(|d| wheel.insert(MonoTime::ZERO + d, 0)).collect();
        b.iter(|| {
            for (key, delay) in keys.iter_mut().zip(delays()) {
                black_box(wheel.cancel(*key));
                *key = wheel.insert(MonoTime::ZERO + delay, 1);
            }
        });
    });
    group.bench_function("timer, with its lock and a boxed job", |b| {
        let timer = Timer::start(&still_env());
        let schedule = |delay| timer.schedule(delay, Box::new(|| {})).expect("there is room");
        let mut timeouts: Vec<_> = delays().map(schedule).collect();
        b.iter(|| {
            for (timeout, delay) in timeouts.iter_mut().zip(delays()) {
                black_box(timeout.cancel());
                *timeout = schedule(delay);
            }
        });
    });
    group.finish();
}

fn insert(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert");
    group.throughput(Throughput::Elements(TIMERS));
    group.bench_function("wheel", |b| {
        let insert = |mut wheel: Wheel<u64>| {
            delays().for_each(|delay| {
                black_box(wheel.insert(MonoTime::ZERO + delay, 0));
            });
            wheel
        };
        b.iter_batched(wheel, insert, BatchSize::LargeInput);
    });
    group.bench_function("hashed_wheel_timer", |b| {
        b.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                let mut timer = WheelTimer::new(1, 2_048).expect("valid measures");
                let fired = Arc::default();
                let begin = Instant::now();
                delays().for_each(|delay| timer.new_timeout(count(&fired), delay));
                took += begin.elapsed();
                timer.stop();
            }
            took
        });
    });
    group.finish();
}

fn insert_and_fire(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert and fire");
    group.throughput(Throughput::Elements(TIMERS));
    group.sample_size(10);
    group.bench_function("wheel, all in one tick", |b| {
        let mut fired = Vec::new();
        let mut wheel = wheel();
        let mut now = MonoTime::ZERO;
        b.iter(|| {
            let deadline = now + Duration::from_millis(100);
            (0..TIMERS).for_each(|n| {
                wheel.insert(deadline, n);
            });
            now = deadline;
            wheel.advance(now, &mut fired);
            assert_eq!(fired.len() as u64, TIMERS);
            fired.clear();
        });
    });
    group.bench_function("wheel, over a second, tick by tick", |b| {
        let mut fired = Vec::new();
        let mut wheel = wheel();
        let mut now = MonoTime::ZERO;
        b.iter(|| {
            delays().for_each(|delay| {
                wheel.insert(now + delay, 0);
            });
            while let Some(next) = wheel.next_deadline() {
                now = next;
                wheel.advance(now, &mut fired);
            }
            assert_eq!(fired.len() as u64, TIMERS);
            fired.clear();
        });
    });
    group.bench_function("hashed_wheel_timer, all in one tick", |b| {
        b.iter_custom(|rounds| (0..rounds).map(|_| baseline_fires()).sum());
    });
    group.finish();
}

/// The time of ten thousand insertions, and from the deadline to the end of the last firing.
fn baseline_fires() -> Duration {
    let delay = Duration::from_millis(100);
    // One of its wheels in a hundred never fires (it may miss its own start): then try another.
    loop {
        let mut timer = WheelTimer::new(1, 2_048).expect("valid measures");
        let fired = Arc::new(AtomicUsize::new(0));
        let begin = Instant::now();
        (0..TIMERS).for_each(|_| timer.new_timeout(count(&fired), delay));
        let inserted = begin.elapsed();
        while fired.load(Ordering::Relaxed) < TIMERS as usize && begin.elapsed() < delay * 10 {
            std::thread::sleep(Duration::from_micros(20));
        }
        let took = begin.elapsed().saturating_sub(delay);
        timer.stop();
        if fired.load(Ordering::Relaxed) == TIMERS as usize {
            return took.max(inserted);
        }
    }
}

struct Count(Arc<AtomicUsize>);

impl TimerTask for Count {
    fn run(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn count(fired: &Arc<AtomicUsize>) -> Box<dyn TimerTask + Send> {
    Box::new(Count(fired.clone()))
}

/// An environment in which nothing happens: the driver of the timer is never polled.
fn still_env() -> Env {
    let log = slog::Logger::root(slog::Discard, slog::o!());
    Env::new(Arc::new(Still), Arc::new(SeededRng::new(1)), Arc::new(Still), log)
}

struct Still;

impl Clock for Still {
    fn now(&self) -> MonoTime {
        MonoTime::ZERO
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep_until(&self, _: MonoTime) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

impl Spawner for Still {
    fn spawn(&self, _: &'static str, _: &Place, _: BoxFuture<'static, ()>) -> Box<dyn TaskHandle> {
        Box::new(Self)
    }
}

impl TaskHandle for Still {
    fn abort(&self) {}
}

criterion_group!(benches, insert_and_cancel, insert, insert_and_fire);
criterion_main!(benches);
