//! The timer of a loop: one task that sleeps until the next deadline of a [`Wheel`] (`HashedWheelTimer` and its worker).

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jraft_spi::env::{Clock, Env, MonoTime};

use super::wheel::{Key, Wheel};
use crate::sync::{Mutex, Notify};

/// What a timer runs once, on its loop. It must only post an event: the loop waits for it.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs after a delay, never early and at most one tick late on an idle loop.
///
/// A handle; clones mean the same timer. When the last one is gone the timer stops.
#[derive(Clone)]
pub struct Timer {
    owner: Arc<Owner>,
}

/// The measures of a [`Timer`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerConfig {
    /// The resolution: a job runs at the end of the tick of its deadline. Java: 1 ms.
    pub tick: Duration,
    /// Slots of the wheel, rounded up to a power of two. Java: 2048.
    pub slots: usize,
    /// How many jobs may wait at once. Java: no limit.
    pub max_pending: usize,
}

impl TimerConfig {
    /// The limit of waiting jobs unless another is asked for: far above what the timers of a node need.
    pub const MAX_PENDING: usize = 1 << 20;
}

impl Default for TimerConfig {
    fn default() -> Self {
        Self {
            tick: Wheel::<Job>::DEFAULT_TICK,
            slots: Wheel::<Job>::DEFAULT_SLOTS,
            max_pending: Self::MAX_PENDING,
        }
    }
}

/// Why a job was refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimerError {
    /// As many jobs wait as may.
    #[error("{max_pending} jobs already wait for the timer")]
    Full {
        /// The limit.
        max_pending: usize,
    },
    /// The timer was stopped.
    #[error("the timer is stopped")]
    Stopped,
}

impl Timer {
    /// Starts the driver on the loop of `env`.
    pub fn start(env: &Env) -> Self {
        Self::with_config(env, TimerConfig::default())
    }

    /// [`start`](Self::start) with other measures.
    ///
    /// # Panics
    ///
    /// If the tick or the number of slots is zero.
    pub fn with_config(env: &Env, config: TimerConfig) -> Self {
        let shared = Arc::new(Shared {
            clock: env.clock.clone(),
            log: env.log.clone(),
            max_pending: config.max_pending,
            wake: Notify::new(),
            state: Mutex::new(State {
                wheel: Wheel::new(env.clock.now(), config.tick, config.slots),
                due: Vec::new(),
                asleep: None,
                stopped: false,
            }),
        });
        env.on_loop("timer", drive(shared.clone()));
        Self { owner: Arc::new(Owner(shared)) }
    }

    /// Runs `job` on the loop once `after` has passed. From any thread.
    pub fn schedule(&self, after: Duration, job: Job) -> Result<Timeout, TimerError> {
        let shared = &self.owner.0;
        let deadline = shared.clock.now() + after;
        let (key, earlier) = {
            let mut state = shared.state.lock();
            if state.stopped {
                return Err(TimerError::Stopped);
            }
            if state.pending() >= shared.max_pending {
                return Err(TimerError::Full { max_pending: shared.max_pending });
            }
            let fires_at = state.wheel.fires_at(deadline);
            // One wake-up is enough, until the driver has planned its sleep anew.
            let earlier = state.asleep.take_if(|until| fires_at < *until).is_some();
            (state.wheel.insert(deadline, job), earlier)
        };
        if earlier {
            shared.wake.notify_one();
        }
        Ok(Timeout { shared: shared.clone(), key })
    }

    /// How many jobs wait.
    pub fn pending(&self) -> usize {
        self.owner.0.state.lock().pending()
    }

    /// Ends the timer and drops what still waits. Returns how many jobs never ran; none starts after this, but one that the
    /// loop has in hand already when another thread calls.
    ///
    /// Unlike Java's it may be called by a job, since no thread has to be waited for.
    pub fn stop(&self) -> usize {
        self.owner.0.stop()
    }

    pub(super) fn log(&self) -> &slog::Logger {
        &self.owner.0.log
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

/// A scheduled job. Dropping this lets the job go on.
#[derive(Clone)]
pub struct Timeout {
    shared: Arc<Shared>,
    key: Key,
}

impl Timeout {
    /// Takes the job back: true if it will therefore never run, false if it has expired or was taken back before.
    pub fn cancel(&self) -> bool {
        // The lock is gone when the job is dropped, with whatever that drops.
        let job = self.shared.state.lock().wheel.cancel(self.key);
        job.is_some()
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timeout").field(&self.key).finish()
    }
}

/// Runs code of others: a panic is logged, and goes no further.
pub(super) fn guarded<R>(log: &slog::Logger, what: &str, code: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(code))
        .inspect_err(|panic| {
            slog::error!(log, "panic in a timer"; "what" => what, "panic" => panic_text(&**panic));
        })
        .ok()
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text")
}

/// What all handles of a timer share, and its driver does not.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stop();
    }
}

struct Shared {
    clock: Arc<dyn Clock>,
    log: slog::Logger,
    max_pending: usize,
    wake: Notify,
    /// Never held while a job runs or is dropped.
    state: Mutex<State>,
}

struct State {
    wheel: Wheel<Job>,
    /// Expired, but not yet run; the next one is the last.
    due: Vec<Job>,
    /// Until when the driver sleeps, unless somebody has woken it.
    asleep: Option<MonoTime>,
    stopped: bool,
}

impl State {
    fn pending(&self) -> usize {
        self.wheel.len() + self.due.len()
    }
}

impl Shared {
    fn stop(&self) -> usize {
        let (waiting, due) = {
            let mut state = self.state.lock();
            state.stopped = true;
            (state.wheel.drain(), std::mem::take(&mut state.due))
        };
        self.wake.notify_one();
        waiting.len() + due.len()
    }

    fn next(&self) -> Step {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.stopped {
            return Step::End;
        }
        if state.due.is_empty() {
            state.wheel.advance(self.clock.now(), &mut state.due);
            state.due.reverse();
        }
        if let Some(job) = state.due.pop() {
            return Step::Run(job);
        }
        let until = state.wheel.next_deadline();
        state.asleep = Some(until.unwrap_or(MonoTime::from_nanos(u64::MAX)));
        Step::Sleep(until)
    }
}

enum Step {
    Run(Job),
    Sleep(Option<MonoTime>),
    End,
}

async fn drive(shared: Arc<Shared>) {
    let mut in_a_row = 0;
    loop {
        match shared.next() {
            Step::End => return,
            Step::Run(job) => {
                guarded(&shared.log, "job", job);
                in_a_row += 1;
                if in_a_row == JOBS_PER_TURN {
                    in_a_row = 0;
                    tokio::task::yield_now().await;
                }
            }
            Step::Sleep(until) => {
                in_a_row = 0;
                sleep(&shared, until).await;
            }
        }
    }
}

async fn sleep(shared: &Shared, until: Option<MonoTime>) {
    let Some(until) = until else { return shared.wake.notified().await };
    tokio::select! {
        biased;
        () = shared.wake.notified() => {}
        () = shared.clock.sleep_until(until) => {}
    }
}

/// How many jobs run before the other tasks of the loop get their turn.
const JOBS_PER_TURN: usize = 1024;
