//! The seams to the world: time, randomness, tasks, logging. One [`Env`] is made per loop and handed down; nothing is global.
//!
//! In production they are tokio's runtime and the operating system, in the tests a simulator.

use std::fmt;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A boxed future that is done already.
pub fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(value))
}

/// A point of a monotonic clock: nanoseconds from an arbitrary start.
///
/// Ours, since a simulator cannot make a `std::time::Instant`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoTime(u64);

impl MonoTime {
    /// The start of the clock.
    pub const ZERO: Self = Self(0);

    /// A point `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long `earlier` lies in the past; zero if it does not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MonoTime {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for MonoTime {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

/// Time.
pub trait Clock: Send + Sync + 'static {
    /// The monotonic now.
    fn now(&self) -> MonoTime;
    /// The wall clock; for log lines only.
    fn wall(&self) -> SystemTime;
    /// Resolves at `at`, or soon after; never before.
    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()>;
}

/// Randomness: one stream per purpose, so that a new user of randomness does not disturb the others. The purpose names the
/// node, too: nodes of one loop must not draw the same numbers.
pub trait Rng: Send + Sync + 'static {
    /// An endless stream of uniformly distributed numbers.
    fn stream(&self, purpose: &str) -> Box<dyn FnMut() -> u64 + Send>;
}

/// Where a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The loop of this environment: must not block.
    Loop,
    /// A lane: a plain thread of this name with a parking loop, for work that may block.
    Lane(String),
}

/// A spawned task. Dropping the handle lets the task go on.
pub trait TaskHandle: Send + Sync {
    /// Drops the task at its next suspension point; a lane ends when its task returns.
    fn abort(&self);
}

/// Makes tasks.
pub trait Spawner: Send + Sync + 'static {
    /// Runs `task` at `place`. `name` appears in traces and, for a lane, names the thread.
    fn spawn(
        &self,
        name: &'static str,
        place: &Place,
        task: BoxFuture<'static, ()>,
    ) -> Box<dyn TaskHandle>;
}

/// The seams of one loop.
#[non_exhaustive]
#[derive(Clone)]
pub struct Env {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Tasks.
    pub spawn: Arc<dyn Spawner>,
    /// Where log lines go.
    pub log: slog::Logger,
}

impl Env {
    /// Bundles the four.
    pub fn new(
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        spawn: Arc<dyn Spawner>,
        log: slog::Logger,
    ) -> Self {
        Self { clock, rng, spawn, log }
    }

    /// Runs a task on the loop.
    pub fn on_loop(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Box<dyn TaskHandle> {
        self.spawn.spawn(name, &Place::Loop, Box::pin(task))
    }

    /// Runs a task on a lane of its own.
    pub fn on_lane(
        &self,
        name: &'static str,
        lane: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Box<dyn TaskHandle> {
        self.spawn.spawn(name, &Place::Lane(lane.into()), Box::pin(task))
    }

    /// Resolves after `wait`.
    pub fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(self.clock.now() + wait)
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").finish_non_exhaustive()
    }
}

/// Named, seeded randomness: xoshiro256++, whose numbers stay the same in every version (`rand`'s `StdRng` need not).
#[derive(Clone, Copy, Debug)]
pub struct SeededRng(u64);

impl SeededRng {
    /// All streams of this value derive from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Rng for SeededRng {
    fn stream(&self, purpose: &str) -> Box<dyn FnMut() -> u64 + Send> {
        use rand_xoshiro::Xoshiro256PlusPlus;
        use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
        let mut generator =
            Xoshiro256PlusPlus::seed_from_u64(self.0 ^ crate::entity::crc64(purpose.as_bytes()));
        Box::new(move || generator.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_by_seed_and_differ_by_purpose() {
        let take = |seed, purpose| {
            let mut stream = SeededRng::new(seed).stream(purpose);
            [stream(), stream(), stream()]
        };
        assert_eq!(take(7, "election"), take(7, "election"));
        assert_ne!(take(7, "election"), take(7, "vote"));
        assert_ne!(take(7, "election"), take(8, "election"));
    }

    #[test]
    fn time_never_overflows() {
        let end = MonoTime::from_nanos(u64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(MonoTime::ZERO - Duration::from_secs(1), MonoTime::ZERO);
        assert_eq!(MonoTime::ZERO.since(end), Duration::ZERO);
    }
}
