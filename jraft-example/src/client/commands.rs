//! What `counter-client` does, apart from making a runtime: its arguments, its output, its exit status.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jraft_core::{Configuration, GroupId, PeerId};
use serde::Serialize;

use super::{Acked, CounterClient, Ending, Route, Transport};
use crate::counter::{MAX_CLIENTS, Stats};
use crate::load::{Pace, Tally, Workload};
use crate::real_time;

/// Acknowledged.
pub const ACKED: u8 = 0;
/// Refused for certain: nothing was changed.
pub const REFUSED: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// Nobody said what became of it: perhaps it was applied.
pub const UNKNOWN: u8 = 3;

/// Reads the counter, and adds to it
#[derive(Parser, Debug)]
#[command(name = "counter-client", version, after_help = EXAMPLES)]
pub struct ClientArgs {
    /// The name of the group
    pub group: GroupId,
    /// The nodes of the group, or some of them: host:port,host:port,host:port
    pub peers: Configuration,
    /// What to do
    #[command(subcommand)]
    pub action: Action,
    /// Ask this node only, once; if it does not lead, say who does
    #[arg(long, global = true, value_name = "PEER")]
    pub to: Option<PeerId>,
    /// How long to look for the leader and to repeat, in milliseconds
    #[arg(long, global = true, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub timeout_ms: u64,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Print the value; linearizable
    Get,
    /// Add, and print the value afterwards
    Add {
        /// How much; may be negative
        #[arg(allow_negative_numbers = true)]
        delta: i64,
    },
    /// Add 1 from many clients at once, and print one line of JSON
    Load(LoadArgs),
    /// Print the state of all nodes until interrupted
    Watch {
        /// How often, in milliseconds
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..))]
        every_ms: u64,
    },
}

/// How much load.
#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    /// How many clients, each of which adds one number at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=MAX_CLIENTS as i64))]
    pub concurrency: u16,
    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
}

const EXAMPLES: &str = "\
Exit status:
  0  acknowledged
  1  refused for certain: nothing was changed
  2  the command line makes no sense
  3  outcome unknown: perhaps it was applied

Examples, for the three nodes of `counter-server --help`:
  counter-client counter 127.0.0.1:8081,127.0.0.1:8082,127.0.0.1:8083 add 5
  counter-client counter 127.0.0.1:8081,127.0.0.1:8082,127.0.0.1:8083 get
  counter-client counter 127.0.0.1:8081 --to 127.0.0.1:8081 get    (that node or nobody)
  counter-client counter 127.0.0.1:8081,127.0.0.1:8082 load --concurrency 64 --seconds 10
  counter-client counter 127.0.0.1:8081,127.0.0.1:8082,127.0.0.1:8083 watch";

/// Does it. Results go to `out`, explanations to `err`; the answer is the exit status.
pub async fn run(
    args: ClientArgs,
    transport: Arc<dyn Transport>,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> io::Result<u8> {
    let Some(route) = args.to.as_ref().map(Route::pinned).or_else(|| Route::among(&args.peers))
    else {
        writeln!(err, "the list of nodes is empty")?;
        return Ok(USAGE);
    };
    let limit = Duration::from_millis(args.timeout_ms);
    let new_client =
        || CounterClient::new(Arc::clone(&transport), args.group.clone(), route.clone(), limit);
    match args.action {
        Action::Get => print(new_client().get().await, out, err),
        Action::Add { delta } => print(new_client().add(delta).await, out, err),
        Action::Load(load) => {
            let clients = (0..load.concurrency).map(|_| new_client()).collect();
            let line = run_load(clients, Duration::from_secs(load.seconds)).await;
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
            Ok(line.exit_status())
        }
        Action::Watch { every_ms } => {
            watch(&new_client(), Duration::from_millis(every_ms), out).await
        }
    }
}

fn print(ending: Ending<i64>, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    match ending {
        Ending::Acked(Acked { value, .. }) => {
            writeln!(out, "{value}")?;
            Ok(ACKED)
        }
        Ending::Refused(why) => {
            writeln!(err, "refused, nothing was changed: {why}")?;
            Ok(REFUSED)
        }
        Ending::Unknown(why) => {
            writeln!(err, "outcome unknown, perhaps applied: {why}")?;
            Ok(UNKNOWN)
        }
    }
}

/// The line that `load` prints.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LoadLine {
    /// Additions that were acknowledged.
    pub acked: u64,
    /// Additions that may have been applied.
    pub unknown: u64,
    /// Additions that certainly were not.
    pub failed: u64,
    /// Acknowledged additions per second.
    pub ops_per_s: u64,
    /// Half of them took no longer than this, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 took no longer than this, in microseconds.
    pub p99_us: u64,
}

impl LoadLine {
    const fn exit_status(&self) -> u8 {
        match self {
            Self { unknown: 1.., .. } => UNKNOWN,
            Self { failed: 1.., .. } => REFUSED,
            _ => ACKED,
        }
    }
}

async fn run_load(clients: Vec<CounterClient>, lasting: Duration) -> LoadLine {
    let tally = Arc::new(Tally::new(&[]));
    let started = real_time::now();
    let workload = Workload::start(clients, Pace::default(), &tally);
    real_time::sleep(lasting).await;
    let acked_in_time = tally.acked.load(Ordering::Relaxed);
    let seconds = started.elapsed().as_secs_f64();
    workload.stop().await;
    LoadLine {
        acked: tally.acked.load(Ordering::Relaxed),
        unknown: tally.unknown.load(Ordering::Relaxed),
        failed: tally.failed.load(Ordering::Relaxed),
        ops_per_s: (acked_in_time as f64 / seconds).round() as u64,
        p50_us: tally.latency.quantile_us(0.5),
        p99_us: tally.latency.quantile_us(0.99),
    }
}

/// Prints the state of all members again and again. Ends when nobody reads it any more, or by a signal.
async fn watch(client: &CounterClient, every: Duration, out: &mut dyn Write) -> io::Result<u8> {
    let started = real_time::now();
    loop {
        let mut line = format!("{:8.1}s", started.elapsed().as_secs_f64());
        for member in client.members() {
            let state = match client.stats(member).await {
                Ok(stats) => shown(&stats),
                Err(why) => format!("({why})"),
            };
            line.push_str(&format!(" | {member} {state}"));
        }
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ACKED),
            written => written?,
        }
        real_time::sleep(every).await;
    }
}

/// The state of a node in a few words.
pub fn shown(stats: &Stats) -> String {
    let Stats { role, term, applied, committed, value, fsyncs, .. } = stats;
    format!(
        "{role} of term {term}, applied {applied}/{committed}, counter {value}, {fsyncs} fsyncs"
    )
}
