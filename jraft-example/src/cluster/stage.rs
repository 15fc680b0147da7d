//! The steps that a trial is made of, each of which shows itself on the screen: wait, kill, restart, compare.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::screen::{Screen, View};
use super::text::{grouped, short};
use super::{Cluster, leader_of};
use crate::counter::Stats;
use crate::load::Tally;
use crate::real_time::{self, Instant};

/// A cluster under a workload, in front of a screen.
pub(super) struct Stage<'a> {
    pub(super) cluster: &'a mut Cluster,
    pub(super) screen: &'a mut dyn Screen,
    pub(super) tally: Arc<Tally>,
    rate: Rate,
}

impl<'a> Stage<'a> {
    pub(super) fn new(cluster: &'a mut Cluster, screen: &'a mut dyn Screen) -> Self {
        let tally = Arc::new(Tally::new(&cluster.members()));
        Self { cluster, screen, tally, rate: Rate::default() }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.screen.say(text);
    }

    /// Starts the servers that do not run, and waits for a leader.
    pub(super) async fn start(&mut self) -> io::Result<usize> {
        let started = real_time::now();
        self.cluster.start().await?;
        let leader = self.leader().await?;
        let name = self.name(leader);
        self.say(&format!("{name} leads, {} after the start", short(started.elapsed())));
        Ok(leader)
    }

    /// Waits until somebody leads.
    pub(super) async fn leader(&mut self) -> io::Result<usize> {
        let deadline = real_time::now() + LEADER_LIMIT;
        loop {
            if let Some(leader) = leader_of(&self.refresh().await) {
                return Ok(leader);
            }
            self.step(deadline, "no leader").await?;
        }
    }

    /// Shows the cluster for a while.
    pub(super) async fn run_for(&mut self, lasting: Duration) -> io::Result<()> {
        self.run_until(real_time::now() + lasting).await
    }

    /// Shows the cluster until then.
    pub(super) async fn run_until(&mut self, end: Instant) -> io::Result<()> {
        while real_time::now() < end {
            self.refresh().await;
            real_time::sleep(STEP.min(end.saturating_duration_since(real_time::now()))).await;
        }
        Ok(())
    }

    /// Kills server `at`. The handle answers how long it took until another node acknowledged an addition.
    pub(super) async fn kill(&mut self, at: usize) -> io::Result<JoinHandle<Duration>> {
        self.refresh().await;
        let victim = self.cluster.members()[at].clone();
        let killed = real_time::now();
        self.cluster.kill(at).await?;
        let tally = Arc::clone(&self.tally);
        let before = tally.acked_by_others(&victim);
        Ok(real_time::spawn(async move {
            while tally.acked_by_others(&victim) == before {
                real_time::sleep(Duration::from_millis(1)).await;
            }
            killed.elapsed()
        }))
    }

    /// Waits for the end of a fail-over.
    pub(super) async fn fail_over(&mut self, over: JoinHandle<Duration>) -> io::Result<Duration> {
        let deadline = real_time::now() + FAIL_OVER_LIMIT;
        while !over.is_finished() {
            self.refresh().await;
            if let Err(error) = self.step(deadline, "nothing is acknowledged any more").await {
                over.abort();
                return Err(error);
            }
        }
        over.await.map_err(io::Error::other)
    }

    /// Starts a killed server again, and waits until it has applied all that was committed when it was ready. Answers
    /// how long both took.
    pub(super) async fn restart(&mut self, at: usize) -> io::Result<Restart> {
        let started = real_time::now();
        self.cluster.server(at).start().await?;
        let ready = started.elapsed();
        let states = self.refresh().await;
        let target = states.iter().flatten().map(|stats| stats.committed).max().unwrap_or(0);
        let missed = target - applied(&states, at).unwrap_or(0).min(target);
        let deadline = real_time::now() + CATCH_UP_LIMIT;
        while applied(&self.refresh().await, at).is_none_or(|applied| applied < target) {
            self.step(deadline, "the restarted node does not catch up").await?;
        }
        Ok(Restart { ready, caught_up: started.elapsed(), missed })
    }

    /// Waits until all nodes have applied the same, which takes an end of the workload.
    pub(super) async fn agree(&mut self) -> io::Result<i64> {
        let deadline = real_time::now() + CATCH_UP_LIMIT;
        loop {
            let states = self.refresh().await;
            let mut seen = states.iter().map(|stats| {
                stats.as_ref().map(|stats| (stats.applied, stats.committed, stats.value))
            });
            let first = seen.next().flatten();
            if let Some((applied, committed, value)) = first
                && applied == committed
                && seen.all(|other| other == first)
            {
                return Ok(value);
            }
            self.step(deadline, "the nodes do not agree").await?;
        }
    }

    pub(super) fn name(&self, at: usize) -> String {
        self.cluster.members()[at].to_string()
    }

    pub(super) fn acked_sum(&self) -> i64 {
        self.tally.acked_sum.load(Ordering::Relaxed)
    }

    async fn refresh(&mut self) -> Vec<Option<Stats>> {
        let states = self.cluster.look().await;
        let acked = self.tally.acked.load(Ordering::Relaxed);
        let ops_per_s = self.rate.of(acked);
        self.screen.show(&View { nodes: self.cluster.views(), acked, ops_per_s });
        states
    }

    async fn step(&mut self, deadline: Instant, what: &str) -> io::Result<()> {
        if real_time::now() >= deadline {
            return Err(io::Error::other(format!("{what}, after the longest wait")));
        }
        real_time::sleep(STEP).await;
        Ok(())
    }
}

/// How a server came back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restart {
    /// Until it answered.
    pub(super) ready: Duration,
    /// Until it had applied what it lacked.
    pub(super) caught_up: Duration,
    /// How many entries it had to apply when it was ready: of its own log, since there are no snapshots, and of the
    /// leader's.
    pub(super) missed: u64,
}

impl std::fmt::Display for Restart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let missed = grouped(self.missed);
        let (ready, caught_up) = (short(self.ready), short(self.caught_up));
        write!(
            f,
            "ready after {ready}, then {missed} entries to apply, caught up after {caught_up}"
        )
    }
}

/// How fast a number grows, over about the last second.
#[derive(Debug, Default)]
struct Rate {
    marks: std::collections::VecDeque<(Instant, u64)>,
}

impl Rate {
    fn of(&mut self, count: u64) -> u64 {
        let now = real_time::now();
        self.marks.push_back((now, count));
        while self.marks.len() > 2 && now - self.marks[1].0 > RATE_OVER {
            self.marks.pop_front();
        }
        let (then, before) = self.marks[0];
        let seconds = (now - then).as_secs_f64();
        if seconds < 0.01 { 0 } else { ((count - before) as f64 / seconds) as u64 }
    }
}

fn applied(states: &[Option<Stats>], at: usize) -> Option<u64> {
    states[at].as_ref().map(|stats| stats.applied)
}

const STEP: Duration = Duration::from_millis(50);
const RATE_OVER: Duration = Duration::from_secs(1);
const LEADER_LIMIT: Duration = Duration::from_secs(30);
const FAIL_OVER_LIMIT: Duration = Duration::from_secs(30);
const CATCH_UP_LIMIT: Duration = Duration::from_secs(60);
