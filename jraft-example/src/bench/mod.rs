//! One process of a group under benchmark: the same life, load and numbering as `anchors/sofa-jraft`, so that both can
//! sit in one group.

mod load;
mod machine;
mod permits;

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use jraft_core::memory::{MemoryLogEngine, MemoryMetaStorage};
use jraft_core::{
    ApplyPlace, Configuration, GroupId, NodeOptions, PeerId, RaftGroupService, Runtime,
    SharedLogEngine,
};
use slog::Logger;

use crate::real_time;
use crate::settings::Settings;
use load::Load;
use machine::{BenchMachine, Seen};

/// One of the processes of a group under benchmark
///
/// Start one for each peer. Whoever leads keeps proposals open for a while and prints one line of JSON; on SIGTERM
/// each prints how many entries it applied and the CRC-32 of their bytes in order.
#[derive(Parser, Clone, Debug)]
#[command(name = "jraft-bench", version, after_help = EXAMPLES)]
pub struct BenchArgs {
    /// This process: host:port
    #[arg(long = "self", value_name = "PEER")]
    pub me: PeerId,
    /// All processes, this one included
    #[arg(long)]
    pub peers: Configuration,
    /// Where the log goes; each process needs a folder of its own
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Sync the log, only write it, or keep it in memory
    #[arg(long, value_enum)]
    pub sync: Sync,
    /// Seconds of load before the measurement
    #[arg(long, default_value_t = 5)]
    pub warmup: u64,
    /// Seconds of measurement; 0: no load at all
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// How many proposals the leader keeps open
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub inflight: u32,
    /// Bytes of a proposal: its number, 8 bytes big-endian, cut or padded with zeros
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(0..=16_777_216))]
    pub payload: u32,
    /// The name of the group
    #[arg(long, default_value = "bench")]
    pub group: GroupId,
    /// Apply on a thread of its own, or on the loop of the node
    #[arg(long, value_enum, default_value_t = Apply::Lane)]
    pub apply: Apply,
    /// Further options.
    #[command(flatten)]
    pub settings: Settings,
}

/// What becomes of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sync {
    /// On the disk, and synced before it counts.
    True,
    /// On the disk, some time.
    False,
    /// In memory only.
    Memory,
}

/// Where the state machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Apply {
    /// On a thread of its own.
    Lane,
    /// On the loop of the node.
    Inline,
}

const EXAMPLES: &str = "\
Example: three processes on one machine, 64 proposals of 16 bytes, 10 seconds
  P=127.0.0.1:9081,127.0.0.1:9082,127.0.0.1:9083
  for i in 1 2 3; do
    jraft-bench --self 127.0.0.1:908$i --peers $P --data /tmp/bench/$i --sync true --inflight 64 --payload 16 &
  done
  sleep 20; kill %1 %2 %3; wait";

/// Runs until told to end, or until its time is over.
pub async fn run(
    args: BenchArgs,
    options: NodeOptions,
    log: Logger,
    out: &mut (dyn Write + Send),
) -> Result<(), Box<dyn Error>> {
    let told = real_time::told_to_end()?;
    let runtime = Runtime::builder().logger(log).build()?;
    let seen = Arc::new(Seen::default());
    let service = start(&args, options, &runtime, &seen).await?;
    let lived = tokio::select! {
        _ = told => Ok(()),
        lived = live(&args, &service, &seen, out) => lived,
    };
    writeln!(out, "{}", serde_json::to_string(&seen.line(&args.me))?)?;
    out.flush()?;
    real_time::within(SHUTDOWN_LIMIT, service.shutdown()).await;
    lived.map_err(Into::into)
}

impl BenchArgs {
    /// The options of the node.
    pub fn options(&self) -> Result<NodeOptions, crate::settings::SettingsError> {
        let mut base = NodeOptions::default();
        base.raft.sync = self.sync != Sync::False;
        base.apply_place = match self.apply {
            Apply::Lane => ApplyPlace::Lane,
            Apply::Inline => ApplyPlace::Inline,
        };
        self.settings.apply_to(base)
    }
}

async fn start(
    args: &BenchArgs,
    options: NodeOptions,
    runtime: &Runtime,
    seen: &Arc<Seen>,
) -> Result<RaftGroupService, Box<dyn Error>> {
    let builder = RaftGroupService::builder(args.group.clone(), args.me.clone())
        .runtime(runtime)
        .initial_conf(args.peers.clone())
        .options(options);
    let builder = if args.sync == Sync::Memory {
        builder
            .log_engine(&SharedLogEngine::new(MemoryLogEngine::new()))
            .meta_storage(MemoryMetaStorage::new())
    } else {
        fs::create_dir_all(&args.data)?;
        builder.data_dir(&args.data)
    };
    Ok(builder.start(BenchMachine::new(seen)).await?)
}

/// As the reference's process: waits to lead, loads the group once, and lives on so that the others can catch up.
async fn live(
    args: &BenchArgs,
    service: &RaftGroupService,
    seen: &Seen,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    let lifetime = Duration::from_secs(args.warmup + args.seconds) + AFTER_LOAD;
    let end = real_time::now() + lifetime;
    while real_time::now() < end {
        if seen.leads() {
            real_time::sleep(BEFORE_LOAD).await;
            if seen.leads() {
                if args.seconds > 0 {
                    let load = Load { node: service.node().clone() };
                    let line = load.run(args).await?;
                    writeln!(out, "{}", serde_json::to_string(&line)?)?;
                    out.flush()?;
                }
                real_time::sleep(AFTER_LOAD).await;
                break;
            }
        }
        real_time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

const BEFORE_LOAD: Duration = Duration::from_secs(1);
const AFTER_LOAD: Duration = Duration::from_secs(120);
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);
