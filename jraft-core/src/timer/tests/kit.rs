//! A clock moved by hand, an executor with one thread, and a logger that counts.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use jraft_spi::env::{BoxFuture, Clock, Env, MonoTime, Place, SeededRng, Spawner, TaskHandle};

use crate::sync::Mutex;
use crate::timer::{Timer, TimerConfig};

/// One loop and its time.
pub(super) struct World {
    pub(super) env: Env,
    clock: Arc<VirtualClock>,
    tasks: Arc<Tasks>,
    log_lines: Arc<AtomicUsize>,
}

impl World {
    pub(super) fn new() -> Self {
        // Not zero, so that a deadline that forgets the start of the clock shows.
        let time = Time { now: MonoTime::from_nanos(12_345_678), ..Time::default() };
        let clock = Arc::new(VirtualClock { time: Arc::new(Mutex::new(time)) });
        let tasks = Arc::new(Tasks::default());
        let log_lines = Arc::new(AtomicUsize::new(0));
        let log = slog::Logger::root(CountLines(log_lines.clone()), slog::o!());
        let env = Env::new(clock.clone(), Arc::new(SeededRng::new(1)), tasks.clone(), log);
        Self { env, clock, tasks, log_lines }
    }

    pub(super) fn timer(&self) -> Timer {
        Timer::start(&self.env)
    }

    pub(super) fn timer_with_limit(&self, max_pending: usize) -> Timer {
        Timer::with_config(&self.env, TimerConfig { max_pending, ..TimerConfig::default() })
    }

    pub(super) fn now(&self) -> MonoTime {
        self.clock.now()
    }

    /// Lets time pass, and everything happen that happens meanwhile.
    pub(super) fn pass(&self, time: Duration) {
        let end = self.now() + time;
        self.tasks.run();
        while self.clock.step(end) {
            self.tasks.run();
        }
    }

    pub(super) fn pass_ms(&self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }

    /// How often a task began to sleep.
    pub(super) fn sleeps(&self) -> u64 {
        self.clock.time.lock().sleeps
    }

    pub(super) fn live_tasks(&self) -> usize {
        self.tasks.run();
        self.tasks.0.lock().len()
    }

    pub(super) fn log_lines(&self) -> usize {
        self.log_lines.load(Ordering::Relaxed)
    }
}

/// Sleeps reach back to the time.
struct VirtualClock {
    time: Arc<Mutex<Time>>,
}

#[derive(Default)]
struct Time {
    now: MonoTime,
    sleeps: u64,
    sleepers: BTreeMap<(MonoTime, u64), Waker>,
}

impl VirtualClock {
    /// Goes on to the next sleepers and wakes them; without any up to `end` goes there, and returns false.
    fn step(&self, end: MonoTime) -> bool {
        let mut time = self.time.lock();
        let next = time.sleepers.keys().next().map(|key| key.0).filter(|at| *at <= end);
        let Some(at) = next else {
            time.now = end;
            return false;
        };
        time.now = time.now.max(at);
        let later = time.sleepers.split_off(&(at, u64::MAX));
        let awake = std::mem::replace(&mut time.sleepers, later);
        drop(time);
        awake.into_values().for_each(Waker::wake);
        true
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> MonoTime {
        self.time.lock().now
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        let mut time = self.time.lock();
        time.sleeps += 1;
        Box::pin(Sleep { time: self.time.clone(), key: (at, time.sleeps) })
    }
}

struct Sleep {
    time: Arc<Mutex<Time>>,
    key: (MonoTime, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut time = self.time.lock();
        if time.now >= self.key.0 {
            return Poll::Ready(());
        }
        time.sleepers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.time.lock().sleepers.remove(&self.key);
    }
}

#[derive(Default)]
struct Tasks(Mutex<Vec<Task>>);

struct Task {
    future: BoxFuture<'static, ()>,
    ready: Arc<Ready>,
}

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct NoHandle;

impl TaskHandle for NoHandle {
    fn abort(&self) {}
}

impl Spawner for Tasks {
    fn spawn(
        &self,
        _: &'static str,
        _: &Place,
        future: BoxFuture<'static, ()>,
    ) -> Box<dyn TaskHandle> {
        self.0.lock().push(Task { future, ready: Arc::new(Ready(AtomicBool::new(true))) });
        Box::new(NoHandle)
    }
}

impl Tasks {
    /// Polls what is ready, in turns, until nothing is.
    fn run(&self) {
        loop {
            let ready = |task: &mut Task| task.ready.0.swap(false, Ordering::SeqCst);
            let turn: Vec<Task> = self.0.lock().extract_if(.., ready).collect();
            if turn.is_empty() {
                return;
            }
            for mut task in turn {
                let waker = Waker::from(task.ready.clone());
                if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    self.0.lock().push(task);
                }
            }
        }
    }
}

struct CountLines(Arc<AtomicUsize>);

impl slog::Drain for CountLines {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, _: &slog::Record<'_>, _: &slog::OwnedKVList) -> Result<(), slog::Never> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
