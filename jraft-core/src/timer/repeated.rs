//! The repeated timers of a node: election, vote, step-down, snapshot (`RepeatedTimer`).

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::driver::{Timeout, Timer, TimerError, guarded};
use crate::sync::Mutex;

/// Makes the next delay from the period, before each scheduling (Java's `adjustTimeout`).
///
/// It runs under the lock of its timer, and so must not call that timer.
pub type Adjust = Box<dyn FnMut(Duration) -> Duration + Send>;

/// Calls `on_trigger` again and again while it is started.
///
/// A handle; clones mean the same timer, and any thread may use them, `on_trigger` itself included. When the last one is
/// gone the timer is stopped, and never destroyed. The period runs from the end of a call to the beginning of the next.
///
/// Each start, stop and restart begins a new *generation*. A firing of an older one does not call, and does not schedule
/// the next round: so there is one chain of firings, also when a restart comes in the middle of a call. In Java there
/// are then two, and the timer has double its rate (L-01).
#[derive(Clone)]
#[must_use = "a timer without a handle never fires"]
pub struct RepeatedTimer {
    inner: Arc<Inner>,
}

impl RepeatedTimer {
    /// A stopped timer. `name` appears in log lines.
    pub fn new(
        name: impl Into<String>,
        timer: Timer,
        period: Duration,
        adjust: Adjust,
        on_trigger: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let state = State {
            period,
            adjust,
            generation: 0,
            stopped: true,
            destroyed: false,
            calls: 0,
            pending: None,
            on_destroy: None,
        };
        let inner = Inner { name: name.into(), timer, on_trigger, state: Mutex::new(state) };
        Self { inner: Arc::new(inner) }
    }

    /// Has [`destroy`](Self::destroy) call `hook` at its end.
    pub fn on_destroy(self, hook: impl FnOnce() + Send + 'static) -> Self {
        self.inner.state.lock().on_destroy = Some(Box::new(hook));
        self
    }

    /// Lets it run, from a whole delay on. Does nothing if it runs, or is destroyed.
    pub fn start(&self) {
        let mut state = self.inner.state.lock();
        if state.stopped && !state.destroyed {
            self.inner.arm(&mut state);
        }
    }

    /// Ends the firings. A call that has begun is not waited for, and is the last.
    pub fn stop(&self) {
        self.inner.state.lock().disarm();
    }

    /// Lets it run, and from a whole delay on also if it runs already. Does nothing if it is destroyed.
    pub fn restart(&self) {
        let mut state = self.inner.state.lock();
        if !state.destroyed {
            self.inner.arm(&mut state);
        }
    }

    /// Changes the period; a running timer begins a whole delay anew.
    pub fn reset(&self, period: Duration) {
        let mut state = self.inner.state.lock();
        state.period = period;
        if !state.stopped {
            self.inner.arm(&mut state);
        }
    }

    /// Begins a whole delay anew if the timer runs (Java's `reset()`).
    pub fn reschedule(&self) {
        let mut state = self.inner.state.lock();
        if !state.stopped {
            self.inner.arm(&mut state);
        }
    }

    /// Calls now instead of at the end of the present delay, here and before returning; then goes on as usual.
    ///
    /// Does nothing if no delay is running: when stopped, and during a call.
    pub fn run_once_now(&self) {
        let generation = {
            let mut state = self.inner.state.lock();
            if !state.pending.take().is_some_and(|pending| pending.cancel()) {
                return;
            }
            state.generation
        };
        self.inner.fire(generation);
    }

    /// Stops it for ever, then calls the [`on_destroy`](Self::on_destroy) hook: after the calls that have begun, once.
    ///
    /// The [`Timer`] below goes on: others share it.
    pub fn destroy(&self) {
        let hook = {
            let mut state = self.inner.state.lock();
            state.destroyed = true;
            state.disarm();
            state.take_hook()
        };
        self.inner.run_hook(hook);
    }

    /// Whether it is started.
    pub fn is_running(&self) -> bool {
        !self.inner.state.lock().stopped
    }

    /// The period, before any adjustment.
    pub fn period(&self) -> Duration {
        self.inner.state.lock().period
    }
}

impl fmt::Debug for RepeatedTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.inner.state.lock();
        f.debug_struct("RepeatedTimer")
            .field("name", &self.inner.name)
            .field("period", &state.period)
            .field("stopped", &state.stopped)
            .field("destroyed", &state.destroyed)
            .finish_non_exhaustive()
    }
}

/// A delay uniform in `[base, base + extra)`; just `base` if `extra` is zero. For an [`Adjust`]: the election timer and
/// the vote timer draw every delay anew, or two candidates could collide for ever.
pub fn random_in(base: Duration, extra: Duration, mut stream: impl FnMut() -> u64) -> Duration {
    let extra = u64::try_from(extra.as_nanos()).unwrap_or(u64::MAX);
    // The number as a fraction of 2^64, times the extra: less than one nanosecond away from uniform.
    let part = (u128::from(stream()) * u128::from(extra)) >> u64::BITS;
    base.saturating_add(Duration::from_nanos(part as u64))
}

type Hook = Box<dyn FnOnce() + Send>;

struct Inner {
    name: String,
    timer: Timer,
    on_trigger: Arc<dyn Fn() + Send + Sync>,
    /// Never held during a call or the hook. Taken before the lock of the [`Timer`].
    state: Mutex<State>,
}

struct State {
    period: Duration,
    adjust: Adjust,
    generation: u64,
    stopped: bool,
    destroyed: bool,
    /// Calls that have begun and not ended. Two, if somebody restarts during one and then runs the next at once.
    calls: usize,
    pending: Option<Timeout>,
    on_destroy: Option<Hook>,
}

impl State {
    fn disarm(&mut self) {
        self.stopped = true;
        self.generation += 1;
        if let Some(pending) = self.pending.take() {
            pending.cancel();
        }
    }

    fn take_hook(&mut self) -> Option<Hook> {
        if self.destroyed && self.calls == 0 { self.on_destroy.take() } else { None }
    }
}

impl Inner {
    /// Begins a new generation with a whole delay.
    fn arm(self: &Arc<Self>, state: &mut State) {
        state.disarm();
        state.stopped = false;
        self.schedule(state);
    }

    fn schedule(self: &Arc<Self>, state: &mut State) {
        let State { period, adjust, generation, .. } = state;
        let (period, generation) = (*period, *generation);
        // A timer that cannot draw its delay must still fire, or the node would never stand for election again.
        let delay = guarded(self.timer.log(), &self.name, || adjust(period)).unwrap_or(period);
        let timer: Weak<Self> = Arc::downgrade(self);
        let fire = move || {
            if let Some(timer) = timer.upgrade() {
                timer.fire(generation);
            }
        };
        match self.timer.schedule(delay, Box::new(fire)) {
            Ok(pending) => state.pending = Some(pending),
            Err(error) => {
                // Stopped, so that a later start tries again.
                state.disarm();
                if error != TimerError::Stopped {
                    slog::error!(self.timer.log(), "a repeated timer cannot go on";
                        "timer" => &self.name, "error" => %error);
                }
            }
        }
    }

    fn fire(self: &Arc<Self>, generation: u64) {
        {
            let mut state = self.state.lock();
            if state.generation != generation {
                return;
            }
            state.pending = None;
            state.calls += 1;
        }
        guarded(self.timer.log(), &self.name, || (self.on_trigger)());
        let hook = {
            let mut state = self.state.lock();
            state.calls -= 1;
            if state.generation == generation {
                self.schedule(&mut state);
            }
            state.take_hook()
        };
        self.run_hook(hook);
    }

    fn run_hook(&self, hook: Option<Hook>) {
        if let Some(hook) = hook {
            guarded(self.timer.log(), &self.name, hook);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.state.get_mut().disarm();
    }
}
