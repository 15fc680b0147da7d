//! `counter-cluster`: three nodes of the counter in one command, and what becomes of them when they are killed.
#![allow(clippy::print_stderr, reason = "a program says what is wrong")]

use std::error::Error;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jraft_core::{NodeOptions, Runtime};
use jraft_example::cluster::demo::{self, Demo};
use jraft_example::cluster::kill_loop::{self, Demands, KillLoop, Victim};
use jraft_example::cluster::{Cluster, Live, Plain, Program, SERVERS, Screen, Setup};
use jraft_example::settings::Settings;
use jraft_example::{logging, real_time, server};
use slog::Level;

/// Starts three nodes of a replicated counter, kills the leader, and shows that nothing is lost
#[derive(Parser, Debug)]
#[command(name = "counter-cluster", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    job: Option<Job>,
    #[command(flatten)]
    demo: DemoArgs,
}

#[derive(Subcommand, Debug)]
enum Job {
    /// Kill a node under load, again and again, and check that every acknowledged addition is there once
    KillLoop(KillLoopArgs),
    /// One node, as `counter-server`
    #[command(hide = true)]
    Server(server::ServerArgs),
}

#[derive(Args, Debug)]
struct CommonArgs {
    /// Keep the nodes' data and logs in this folder; without it they go to a temporary one
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Print lines even on a terminal
    #[arg(long)]
    plain: bool,
}

#[derive(Args, Debug)]
struct DemoArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// How long the workload runs
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(3..=3600))]
    seconds: u64,
    /// How many clients add at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512))]
    concurrency: u16,
}

#[derive(Args, Debug)]
struct KillLoopArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// How often
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Kill whoever leads (the default)
    #[arg(long, conflicts_with = "random")]
    leader: bool,
    /// Kill any node
    #[arg(long)]
    random: bool,
    /// Choose the same nodes and pauses as another run with this seed
    #[arg(long)]
    seed: Option<u64>,
    /// How many clients add at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=512))]
    concurrency: u16,
    /// Fail if any fail-over takes longer
    #[arg(long, default_value_t = 8000)]
    max_ms: u64,
    /// Fail if half of the fail-overs take longer
    #[arg(long, default_value_t = 2000)]
    p50_ms: u64,
    /// Fail if more than 5 of 100 fail-overs take longer
    #[arg(long, default_value_t = 3000)]
    p95_ms: u64,
}

const EXAMPLES: &str = "\
Examples:
  counter-cluster                              the whole story in less than 30 seconds
  counter-cluster --data /tmp/three            keep data and logs, in node1 to node3
  counter-cluster --set election_timeout_ms=300
  counter-cluster kill-loop --rounds 50 --leader           how long fail-overs take
  counter-cluster kill-loop --rounds 50 --random --seed 7  any node; the same ones each time

Exit status: 0 if every acknowledged addition is there once, 1 if not or if something else went wrong, 2 if the
command line makes no sense, 130 if interrupted. No process is left behind in any case.";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = match arguments.job {
        Some(Job::Server(_)) => Level::Info,
        // The clients of a cluster that is being killed have a lot to say, all of which is expected.
        _ => Level::Error,
    };
    let options = match arguments.settings().apply_to(NodeOptions::default()) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    let (log, guard) = logging::to_stderr(level);
    let result = match arguments.job {
        Some(Job::Server(args)) => {
            server::run(args, options, log, &mut io::stdout()).await.map(|()| ExitCode::SUCCESS)
        }
        Some(Job::KillLoop(args)) => kill_loop(args, log).await,
        None => demo(arguments.demo, log).await,
    };
    drop(guard);
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

async fn demo(args: DemoArgs, log: slog::Logger) -> Result<ExitCode, Box<dyn Error>> {
    let DemoArgs { common, seconds, concurrency } = args;
    let demo = Demo { lasting: Duration::from_secs(seconds), concurrency };
    let mut screen = screen(common.plain);
    let runtime = Runtime::builder().logger(log).build()?;
    let told = real_time::told_to_end()?;
    let mut cluster = cluster(&common, &runtime)?;
    let result = tokio::select! {
        kept = demo::run(demo, &mut cluster, &mut *screen) => Some(kept),
        _ = told => None,
    };
    end(&mut cluster, &mut *screen, result).await
}

async fn kill_loop(args: KillLoopArgs, log: slog::Logger) -> Result<ExitCode, Box<dyn Error>> {
    let millis = Duration::from_millis;
    let task = KillLoop {
        rounds: args.rounds,
        victim: if args.random { Victim::Random } else { Victim::Leader },
        seed: args.seed.unwrap_or_else(real_time::random),
        concurrency: args.concurrency,
        demands: Demands {
            longest: millis(args.max_ms),
            p50: millis(args.p50_ms),
            p95: millis(args.p95_ms),
        },
    };
    let (mut screen, mut out) = (screen(args.common.plain), io::stdout());
    let runtime = Runtime::builder().logger(log).build()?;
    let told = real_time::told_to_end()?;
    let mut cluster = cluster(&args.common, &runtime)?;
    let result = tokio::select! {
        kept = kill_loop::run(task, &mut cluster, &mut *screen, &mut out) => Some(kept),
        _ = told => None,
    };
    end(&mut cluster, &mut *screen, result).await
}

fn screen(plain: bool) -> Box<dyn Screen> {
    if plain || !io::stdout().is_terminal() {
        Box::new(Plain::new(io::stdout()))
    } else {
        Box::new(Live::new(SERVERS))
    }
}

fn cluster(common: &CommonArgs, runtime: &Runtime) -> io::Result<Cluster> {
    let program = Program::this("server")?;
    let (data, settings) = (common.data.clone(), common.settings.clone());
    Cluster::new(&Setup { program, data, settings }, runtime)
}

/// Ends the servers, whatever happened, and says what to look at if it was not good.
async fn end(
    cluster: &mut Cluster,
    screen: &mut dyn Screen,
    result: Option<io::Result<bool>>,
) -> Result<ExitCode, Box<dyn Error>> {
    screen.close();
    let stopped = cluster.stop().await;
    match result {
        None => Ok(ExitCode::from(INTERRUPTED)),
        Some(Ok(true)) => stopped.map(|()| ExitCode::SUCCESS).map_err(Into::into),
        Some(failed) => {
            cluster.folder().keep();
            eprintln!("data and logs are kept in {}", cluster.folder().path().display());
            failed.map(|_| ExitCode::FAILURE).map_err(Into::into)
        }
    }
}

impl Arguments {
    const fn settings(&self) -> &Settings {
        match &self.job {
            Some(Job::Server(args)) => &args.settings,
            Some(Job::KillLoop(args)) => &args.common.settings,
            None => &self.demo.common.settings,
        }
    }
}

const USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;
