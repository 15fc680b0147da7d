//! The seams of one process of a node: its clock, its chance, its tasks.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use jraft_core::env::{BoxFuture, Clock, Env, MonoTime, Place, SeededRng, Spawner, TaskHandle};

use super::clock::Bed;
use super::dice::Key;
use super::hub::{Hub, Life};

/// The seams for a process.
pub fn env_of(hub: &Arc<Hub>, life: Life, log: slog::Logger) -> Env {
    // Another process draws other numbers.
    let seed = Key::new(hub.seed, 0xe_17).with(life.node as u64).with(life.epoch).number();
    let process = Process { hub: Arc::clone(hub), life };
    Env::new(Arc::new(process.clone()), Arc::new(SeededRng::new(seed)), Arc::new(process), log)
}

#[derive(Clone)]
struct Process {
    hub: Arc<Hub>,
    life: Life,
}

impl Process {
    fn local(&self) -> u64 {
        self.hub.clock(Some(self.life.node), |clock, now| clock.at(now))
    }
}

impl Clock for Process {
    fn now(&self) -> MonoTime {
        MonoTime::from_nanos(self.local())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.local())
    }

    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        Box::pin(Sleep::new(&self.hub, Some(self.life.node), at.as_nanos()))
    }
}

impl Spawner for Process {
    /// Lanes are tasks, too: in this world nothing blocks.
    fn spawn(
        &self,
        name: &'static str,
        _: &Place,
        task: BoxFuture<'static, ()>,
    ) -> Box<dyn TaskHandle> {
        let task = self.hub.spawn(Some(self.life), name, task);
        Box::new(Handle { hub: Arc::clone(&self.hub), task })
    }
}

struct Handle {
    hub: Arc<Hub>,
    task: Option<u64>,
}

impl TaskHandle for Handle {
    fn abort(&self) {
        if let Some(task) = self.task {
            self.hub.abort(task);
        }
    }
}

/// Sleeps until a local time.
pub struct Sleep {
    hub: Arc<Hub>,
    node: Option<usize>,
    until: u64,
    bed: Option<Arc<Bed>>,
}

impl Sleep {
    /// A sleep by the clock of `node`.
    pub fn new(hub: &Arc<Hub>, node: Option<usize>, until: u64) -> Self {
        Self { hub: Arc::clone(hub), node, until, bed: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let hub = Arc::clone(&this.hub);
        hub.clock(this.node, |clock, now| {
            if clock.at(now) >= this.until {
                return Poll::Ready(());
            }
            match &this.bed {
                Some(bed) => bed.set(context.waker()),
                None => this.bed = Some(clock.sleep(this.until, context.waker())),
            }
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(bed) = &self.bed {
            bed.leave();
        }
    }
}
