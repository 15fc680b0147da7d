//! Runs a test under many schedules of its threads, and an environment whose tasks are such threads.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use jraft_spi::env::{BoxFuture, Clock, Env, MonoTime, Place, SeededRng, Spawner, TaskHandle};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, future};

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, thread};

/// Runs this many times as many schedules.
const MORE: &str = "JRAFT_SCHEDULES";
/// The same schedules in every run; `SHUTTLE_RANDOM_SEED` chooses others.
const SEED: u64 = 7;
/// How often priorities change in a schedule by priorities: most races need two or three changes.
const DEPTH: usize = 3;
/// Decisions of a whole node need more than the default.
const STACK: usize = 1 << 18;

/// Runs `test` under `schedules` random schedules, and under as many by changing priorities.
///
/// A thread that waits when nobody is left to wake it is a failure. So is one that is left when the test ends, unless it
/// is a task of a loop.
pub(crate) fn explore(schedules: usize, test: impl Fn() + Send + Sync + 'static) {
    let more = std::env::vars().find(|(name, _)| name == MORE).and_then(|(_, n)| n.parse().ok());
    let schedules = schedules * more.unwrap_or(1);
    let test = Arc::new(test);
    run(RandomScheduler::new_from_seed(SEED, schedules), &test);
    run(PctScheduler::new_from_seed(SEED, DEPTH, schedules), &test);
}

fn run(scheduler: impl Scheduler + 'static, test: &Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = Config::new();
    config.stack_size = STACK;
    let test = Arc::clone(test);
    Runner::new(scheduler, config).run(move || test());
}

/// What a thread does.
pub(crate) type Call<R = ()> = Box<dyn FnOnce() -> R + Send>;

/// Does all of `calls` at once, each on a thread of its own, to their end.
pub(crate) fn at_once<R: Send + 'static, const N: usize>(calls: [Call<R>; N]) -> [R; N] {
    calls.map(thread::spawn).map(|thread| thread.join().unwrap())
}

/// A number that all threads of a test see.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// An environment whose tasks are threads, also those of its loop: they meet more often than on a real one. Its time is
/// moved by hand.
pub(crate) fn env() -> (Env, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let env = Env::new(clock.clone(), Arc::new(SeededRng::new(1)), Arc::new(Threads), log);
    (env, clock)
}

/// A clock moved by hand.
#[derive(Default)]
pub(crate) struct HandClock(Arc<Mutex<Time>>);

#[derive(Default)]
struct Time {
    now: MonoTime,
    sleepers: Vec<Waker>,
}

impl HandClock {
    pub(crate) fn pass(&self, time: Duration) {
        let mut all = self.0.lock();
        all.now = all.now + time;
        let sleepers = std::mem::take(&mut all.sleepers);
        drop(all);
        sleepers.into_iter().for_each(Waker::wake);
    }
}

impl Clock for HandClock {
    fn now(&self) -> MonoTime {
        self.0.lock().now
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        let time = Arc::clone(&self.0);
        Box::pin(poll_fn(move |context| {
            let mut time = time.lock();
            if time.now >= at {
                return Poll::Ready(());
            }
            time.sleepers.push(context.waker().clone());
            Poll::Pending
        }))
    }
}

struct Threads;

struct NoHandle;

impl TaskHandle for NoHandle {
    fn abort(&self) {}
}

impl Spawner for Threads {
    fn spawn(
        &self,
        _: &'static str,
        place: &Place,
        task: BoxFuture<'static, ()>,
    ) -> Box<dyn TaskHandle> {
        match place {
            Place::Loop => drop(future::spawn(task)),
            Place::Lane(_) => drop(thread::spawn(|| future::block_on(task))),
        }
        Box::new(NoHandle)
    }
}
