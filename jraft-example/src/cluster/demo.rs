//! The main job: three processes, a workload, a leader that is killed and comes back, and a verdict.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Cluster;
use super::screen::Screen;
use super::stage::Stage;
use super::text::{grouped, short};
use super::verify::{Verdict, verify};
use crate::client::CounterClient;
use crate::load::{Pace, Workload};
use crate::real_time;

/// How long, and with how many clients.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// How long the workload runs.
    pub lasting: Duration,
    /// How many clients add at the same time.
    pub concurrency: u16,
}

/// Runs it. Whether every promise was kept.
pub async fn run(demo: Demo, cluster: &mut Cluster, screen: &mut dyn Screen) -> io::Result<bool> {
    let mut stage = Stage::new(cluster, screen);
    let folder = stage.cluster.folder().path().display().to_string();
    stage.say(&format!("starting three server processes, data in {folder}"));
    let leader = stage.start().await?;

    let mut client = stage.cluster.client(REQUEST_LIMIT);
    let before = client.get().await.acked().map_err(io::Error::other)?.value;
    let clients = (0..demo.concurrency).map(|_| stage.cluster.client(REQUEST_LIMIT)).collect();
    stage.say(&format!("{} clients add 1 as fast as they can", demo.concurrency));
    let started = real_time::now();
    let workload = Workload::start(clients, Pace::default(), &stage.tally);
    stage.run_until(started + demo.lasting.mul_f64(0.25)).await?;

    let victim = leader_now(&mut stage, leader).await?;
    let fail_over = kill_leader(&mut stage, victim).await?;
    check_by_reading(&mut stage, &mut client, before).await?;
    stage.run_until(started + demo.lasting.mul_f64(0.6)).await?;

    let name = stage.name(victim);
    stage.say(&format!("restarting {name}"));
    let restart = stage.restart(victim).await?;
    stage.say(&format!("{name} is back: {restart}"));
    stage.run_until(started + demo.lasting).await?;

    let lasted = started.elapsed();
    let promises = workload.stop().await;
    stage.say("the workload has ended; asking the group for every client's share");
    let verdict = verify(&mut client, before, &promises).await.map_err(io::Error::other)?;
    let value = stage.agree().await?;
    stage.screen.close();
    let summary = Summary { lasted, fail_over, verdict, value: value - before };
    let kept = summary.say(&mut stage);
    Ok(kept)
}

async fn leader_now(stage: &mut Stage<'_>, expected: usize) -> io::Result<usize> {
    let leader = stage.leader().await?;
    if leader != expected {
        let name = stage.name(leader);
        stage.say(&format!("meanwhile {name} leads"));
    }
    Ok(leader)
}

async fn kill_leader(stage: &mut Stage<'_>, victim: usize) -> io::Result<Duration> {
    let name = stage.name(victim);
    stage.say(&format!("SIGKILL for {name}, the leader"));
    let over = stage.kill(victim).await?;
    let fail_over = stage.fail_over(over).await?;
    let next = stage.leader().await?;
    let name = stage.name(next);
    stage.say(&format!("{name} leads; first acknowledgement {} after the kill", short(fail_over)));
    Ok(fail_over)
}

/// A linearizable read must show all that was acknowledged before it began.
async fn check_by_reading(
    stage: &mut Stage<'_>,
    client: &mut CounterClient,
    before: i64,
) -> io::Result<()> {
    let acked = stage.acked_sum();
    let read = client.get().await.acked().map_err(io::Error::other)?.value - before;
    if read < acked {
        return Err(io::Error::other(format!("{acked} were acknowledged, then {read} was read")));
    }
    stage.say(&format!("{acked} acknowledged, then {read} read: nothing is missing"));
    Ok(())
}

struct Summary {
    lasted: Duration,
    fail_over: Duration,
    verdict: Verdict,
    value: i64,
}

impl Summary {
    /// Says all of it. Whether every promise was kept.
    fn say(&self, stage: &mut Stage<'_>) -> bool {
        let Self { lasted, fail_over, verdict, value } = self;
        let tally = Arc::clone(&stage.tally);
        let acked = tally.acked.load(Ordering::Relaxed);
        let (unknown, failed) =
            (tally.unknown.load(Ordering::Relaxed), tally.failed.load(Ordering::Relaxed));
        let per_second = (acked as f64 / lasted.as_secs_f64()) as u64;
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|part| short(tally.latency.quantile(part)));
        let fsyncs = stage.cluster.fsyncs();
        let per_sync = acked as f64 / fsyncs.max(1) as f64;
        let acked = grouped(acked);
        stage.say(&format!(
            "operations  {acked} acknowledged, {unknown} unknown, {failed} refused\n\
             throughput  {} per second over {}, the fail-over included\n\
             latency     p50 {p50}, p99 {p99}, p99.9 {p999}, longest {}\n\
             fail-over   {} from SIGKILL to the next acknowledgement\n\
             fsyncs      {} on the three nodes, {per_sync:.1} additions each",
            grouped(per_second),
            short(*lasted),
            short(tally.latency.largest()),
            short(*fail_over),
            grouped(fsyncs),
        ));
        let went_back = tally.values_went_back();
        let equal = *value == verdict.growth;
        let kept = verdict.is_kept() && equal && went_back == 0;
        stage.say(&match kept {
            true => format!(
                "counter     {value} on all three nodes: no acknowledged addition is missing, none was applied twice"
            ),
            false => format!(
                "FAILED: counter {value}, {verdict:?}, {went_back} times a client saw the counter go back"
            ),
        });
        kept
    }
}

const REQUEST_LIMIT: Duration = Duration::from_secs(20);
