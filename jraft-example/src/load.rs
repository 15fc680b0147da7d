//! A workload: clients that add without a pause, and an account of what was promised to each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jraft_core::Endpoint;
use tokio::task::JoinHandle;

use crate::client::{Acked, CounterClient, Ending};
use crate::counter::ClientId;
use crate::histogram::Histogram;
use crate::real_time;

/// What all workers have seen so far. Read while they run.
#[derive(Debug, Default)]
pub struct Tally {
    /// Additions that were acknowledged.
    pub acked: AtomicU64,
    /// Their sum.
    pub acked_sum: AtomicI64,
    /// Additions that may have been applied.
    pub unknown: AtomicU64,
    /// Additions that certainly were not.
    pub failed: AtomicU64,
    /// How long the acknowledged ones took, repetitions included.
    pub latency: Histogram,
    by_member: Vec<(Endpoint, AtomicU64)>,
    values_went_back: AtomicU64,
}

/// What was promised under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The name.
    pub client: ClientId,
    /// The sum of what was acknowledged under it.
    pub acked: i64,
    /// The addition that ended it, since its ending is not known.
    pub unknown: Option<i64>,
}

impl Tally {
    /// Nothing seen. Acknowledgements are counted by member.
    pub fn new(members: &[Endpoint]) -> Self {
        let by_member = members.iter().map(|member| (member.clone(), AtomicU64::new(0))).collect();
        Self { by_member, ..Self::default() }
    }

    /// How many acknowledgements came from other nodes than `member`.
    pub fn acked_by_others(&self, member: &Endpoint) -> u64 {
        let others = self.by_member.iter().filter(|(other, _)| other != member);
        others.map(|(_, count)| count.load(Ordering::Relaxed)).sum()
    }

    /// How often a worker was shown a smaller counter than before, which must never happen if it only adds.
    pub fn values_went_back(&self) -> u64 {
        self.values_went_back.load(Ordering::Relaxed)
    }

    fn acked(&self, delta: i64, by: &Endpoint, took: Duration) {
        self.latency.record(took);
        self.acked_sum.fetch_add(delta, Ordering::Relaxed);
        self.acked.fetch_add(1, Ordering::Relaxed);
        if let Some((_, count)) = self.by_member.iter().find(|(member, _)| member == by) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Workers that run until they are told to stop.
#[derive(Debug)]
pub struct Workload {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Vec<Promise>>>,
}

/// How a workload adds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Add numbers of different size, so that a sum tells which were applied; otherwise always 1.
    pub varied: bool,
    /// How long each worker waits between two additions.
    pub pause: Duration,
}

impl Workload {
    /// One worker for each client.
    pub fn start(clients: Vec<CounterClient>, pace: Pace, tally: &Arc<Tally>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let workers = (clients.into_iter())
            .map(|client| {
                real_time::spawn(work(client, pace, Arc::clone(tally), Arc::clone(&stop)))
            })
            .collect();
        Self { stop, workers }
    }

    /// Lets every worker end the addition it has begun, and answers what was promised to them.
    pub async fn stop(self) -> Vec<Promise> {
        self.stop.store(true, Ordering::Relaxed);
        let mut promises = Vec::new();
        for worker in self.workers {
            promises.extend(worker.await.expect("a worker does not panic"));
        }
        promises
    }
}

async fn work(
    mut client: CounterClient,
    pace: Pace,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
) -> Vec<Promise> {
    let mut promises = Promises::default();
    let mut last = i64::MIN;
    for turn in 0i64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let delta = if pace.varied { 1 + turn % 7 } else { 1 };
        let started = real_time::now();
        match client.add(delta).await {
            Ending::Acked(Acked { value, by }) => {
                tally.acked(delta, &by, started.elapsed());
                promises.acked(client.added_as(), delta);
                if value < last.saturating_add(delta) {
                    tally.values_went_back.fetch_add(1, Ordering::Relaxed);
                }
                last = value;
            }
            Ending::Refused(_) => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                real_time::sleep(AFTER_REFUSAL).await;
            }
            Ending::Unknown(_) => {
                tally.unknown.fetch_add(1, Ordering::Relaxed);
                promises.unknown(client.added_as(), delta);
            }
        }
        if !pace.pause.is_zero() {
            real_time::sleep(pace.pause).await;
        }
    }
    promises.0
}

/// What was promised to one worker, in the order of its names.
#[derive(Default)]
struct Promises(Vec<Promise>);

impl Promises {
    fn acked(&mut self, client: Option<ClientId>, delta: i64) {
        self.of(client).acked += delta;
    }

    fn unknown(&mut self, client: Option<ClientId>, delta: i64) {
        self.of(client).unknown = Some(delta);
    }

    fn of(&mut self, client: Option<ClientId>) -> &mut Promise {
        let client = client.expect("an addition is sent under a name");
        if self.0.last().is_none_or(|promise| promise.client != client) {
            self.0.push(Promise { client, acked: 0, unknown: None });
        }
        self.0.last_mut().expect("there is one now")
    }
}

/// A refusal comes at once; without a pause a worker would do nothing but be refused.
const AFTER_REFUSAL: Duration = Duration::from_millis(10);
