//! The production `Env`: tokio's clock and tasks, threads of the operating system, randomness of the process.
//!
//! Exempt from the bans of `clippy.toml`: this is what they point to.
#![allow(clippy::disallowed_methods)]

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use jraft_spi::env::{BoxFuture, Clock, Env, MonoTime, Place, SeededRng, Spawner, TaskHandle};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::block_on::block_on;
use crate::sync::panic_text;

/// A thread that runs one loop until it is told to stop.
pub(super) struct LoopThread {
    pub(super) env: Env,
    stop: Arc<Notify>,
}

impl LoopThread {
    pub(super) fn start(number: usize, log: &slog::Logger) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (handle, stop) = (runtime.handle().clone(), Arc::new(Notify::new()));
        let stopped = Arc::clone(&stop);
        std::thread::Builder::new()
            .name(format!("jraft-loop-{number}"))
            .spawn(move || runtime.block_on(stopped.notified()))?;
        let log = log.clone();
        let spawner = OsSpawner { handle, log: log.clone() };
        let env = Env::new(
            Arc::new(OsClock { start: Instant::now() }),
            Arc::new(SeededRng::new(entropy())),
            Arc::new(spawner),
            log,
        );
        Ok(Self { env, stop })
    }
}

impl Drop for LoopThread {
    /// Only a signal: a tokio runtime must not be dropped inside async code, its own thread does that.
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

struct OsClock {
    start: Instant,
}

impl Clock for OsClock {
    fn now(&self) -> MonoTime {
        MonoTime::from_nanos(self.start.elapsed().as_nanos() as u64)
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        let at = self.start + Duration::from_nanos(at.as_nanos());
        // Made at the first poll, which is on a loop.
        Box::pin(async move { tokio::time::sleep_until(at.into()).await })
    }
}

struct OsSpawner {
    handle: Handle,
    log: slog::Logger,
}

impl Spawner for OsSpawner {
    fn spawn(
        &self,
        name: &'static str,
        place: &Place,
        task: BoxFuture<'static, ()>,
    ) -> Box<dyn TaskHandle> {
        let task = Guarded { task, name, log: self.log.clone() };
        match place {
            Place::Loop => Box::new(LoopTask(self.handle.spawn(task).abort_handle())),
            Place::Lane(lane) => {
                let thread = std::thread::Builder::new().name(lane.clone());
                if let Err(error) = thread.spawn(move || block_on(task)) {
                    slog::error!(self.log, "no thread for a lane"; "lane" => lane, "error" => %error);
                }
                Box::new(LaneTask)
            }
        }
    }
}

struct LoopTask(tokio::task::AbortHandle);

impl TaskHandle for LoopTask {
    fn abort(&self) {
        self.0.abort();
    }
}

/// A lane ends by itself when its queue is closed.
struct LaneTask;

impl TaskHandle for LaneTask {
    fn abort(&self) {}
}

/// Tokio swallows a panic in a task; this says so first.
struct Guarded {
    task: BoxFuture<'static, ()>,
    name: &'static str,
    log: slog::Logger,
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let polled = catch_unwind(AssertUnwindSafe(|| this.task.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| {
            let text = panic_text(&*panic);
            slog::error!(this.log, "a task of the library panicked"; "task" => this.name, "panic" => text);
            Poll::Ready(())
        })
    }
}
