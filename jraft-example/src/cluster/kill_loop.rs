//! Kills a node under load, many times, and says how the group took it.

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::time::Duration;

use jraft_core::env::{Rng, SeededRng};
use serde::Serialize;

use super::distribution::Distribution;
use super::screen::Screen;
use super::stage::Stage;
use super::text::short;
use super::verify::{Verdict, verify};
use super::{Cluster, SERVERS};
use crate::load::{Pace, Workload};

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// Whoever leads.
    Leader,
    /// Anybody.
    Random,
}

/// What is done, and what is demanded.
#[derive(Clone, Copy, Debug)]
pub struct KillLoop {
    /// How often.
    pub rounds: u32,
    /// Who.
    pub victim: Victim,
    /// The seed of the choices: whom, and after which pause.
    pub seed: u64,
    /// How many clients add meanwhile.
    pub concurrency: u16,
    /// The demands on fail-overs.
    pub demands: Demands,
}

/// How long a fail-over may take.
#[derive(Clone, Copy, Debug)]
pub struct Demands {
    /// Each.
    pub longest: Duration,
    /// Half of them.
    pub p50: Duration,
    /// 95 of 100.
    pub p95: Duration,
}

/// The line of JSON at the end.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    rounds: u32,
    victim: &'static str,
    seed: u64,
    fail_overs: usize,
    p50_ms: u64,
    p95_ms: u64,
    max_ms: u64,
    acked: u64,
    unknown: u64,
    failed: u64,
    values_went_back: u64,
    verdict: Verdict,
    kept: bool,
    in_time: bool,
}

/// Runs it, and writes the distribution and one line of JSON to `out`. Whether everything was as demanded.
pub async fn run(
    task: KillLoop,
    cluster: &mut Cluster,
    screen: &mut dyn Screen,
    out: &mut (dyn Write + Send),
) -> io::Result<bool> {
    let mut stage = Stage::new(cluster, screen);
    stage.say(&format!("{} rounds, seed {}", task.rounds, task.seed));
    stage.start().await?;
    let mut client = stage.cluster.client(REQUEST_LIMIT);
    let before = client.get().await.acked().map_err(io::Error::other)?.value;
    let clients = (0..task.concurrency).map(|_| stage.cluster.client(REQUEST_LIMIT)).collect();
    let pace = Pace { varied: true, pause: PAUSE };
    let workload = Workload::start(clients, pace, &stage.tally);

    let mut chance = SeededRng::new(task.seed).stream("kill-loop");
    let mut times = Distribution::default();
    for round in 1..=task.rounds {
        let (whom, pauses) = (chance(), [chance(), chance()]);
        if let Some(took) = one_round(&mut stage, task.victim, round, whom, pauses).await? {
            times.add(took);
        }
    }

    let promises = workload.stop().await;
    let verdict = verify(&mut client, before, &promises).await.map_err(io::Error::other)?;
    let equal = stage.agree().await? - before == verdict.growth;
    stage.screen.close();
    let line = line_of(&task, &stage, &mut times, verdict, equal);
    times.write(out)?;
    writeln!(out, "{}", serde_json::to_string(&line)?)?;
    Ok(line.kept && line.in_time)
}

/// Kills one node and restarts it. Answers how long the fail-over took, if there was one.
async fn one_round(
    stage: &mut Stage<'_>,
    victim: Victim,
    round: u32,
    whom: u64,
    [load, dead]: [u64; 2],
) -> io::Result<Option<Duration>> {
    stage.run_for(Duration::from_millis(200 + load % 800)).await?;
    let leader = stage.leader().await?;
    let at = match victim {
        Victim::Leader => leader,
        Victim::Random => (whom % SERVERS as u64) as usize,
    };
    let name = stage.name(at);
    let over = stage.kill(at).await?;
    let took = stage.fail_over(over).await?;
    if victim == Victim::Random {
        stage.run_for(Duration::from_millis(dead % 500)).await?;
    }
    let next = stage.leader().await?;
    let next = stage.name(next);
    let restart = stage.restart(at).await?;
    let (what, took) = match at == leader {
        true => (format!("the leader; {next} took over after {}", short(took)), Some(took)),
        false => ("a follower".to_owned(), None),
    };
    stage.say(&format!("round {round}: killed {name}, {what}; {restart}"));
    Ok(took)
}

fn line_of(
    task: &KillLoop,
    stage: &Stage<'_>,
    times: &mut Distribution,
    verdict: Verdict,
    equal: bool,
) -> Line {
    let tally = &stage.tally;
    let (p50, p95, longest) = (times.quantile(0.5), times.quantile(0.95), times.quantile(1.0));
    let in_time =
        p50 <= task.demands.p50 && p95 <= task.demands.p95 && longest <= task.demands.longest;
    let values_went_back = tally.values_went_back();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Line {
        rounds: task.rounds,
        victim: match task.victim {
            Victim::Leader => "leader",
            Victim::Random => "random",
        },
        seed: task.seed,
        fail_overs: times.len(),
        p50_ms: millis(p50),
        p95_ms: millis(p95),
        max_ms: millis(longest),
        acked: tally.acked.load(Ordering::Relaxed),
        unknown: tally.unknown.load(Ordering::Relaxed),
        failed: tally.failed.load(Ordering::Relaxed),
        values_went_back,
        verdict,
        kept: verdict.is_kept() && equal && values_went_back == 0,
        in_time,
    }
}

/// Longer than any fail-over that is not a failure, so that hardly an ending stays unknown.
const REQUEST_LIMIT: Duration = Duration::from_secs(40);

/// Between two additions of a client: the log must stay short enough to be read again in every round.
const PAUSE: Duration = Duration::from_millis(5);
