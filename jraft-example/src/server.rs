//! One node of the counter as a process (`CounterServer`).

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jraft_core::{
    Configuration, GroupId, NodeOptions, PeerId, RaftGroupBuilder, RaftGroupService, Runtime,
    Status,
};
use slog::Logger;
use tokio::sync::oneshot;

use crate::counter::{ADD, AUDIT, CommandProcessor, CounterMachine, GET, StatsProcessor};
use crate::real_time;
use crate::settings::{Settings, write_banner};

/// The arguments of a server.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// Where this node keeps its log; each node needs a folder of its own
    pub data_dir: PathBuf,
    /// The name of the group, the same for all its nodes
    pub group: GroupId,
    /// This node: host:port
    #[arg(value_name = "SELF")]
    pub me: PeerId,
    /// All nodes, this one included: host:port,host:port,host:port
    pub peers: Configuration,
    /// The options of the node.
    #[command(flatten)]
    pub settings: Settings,
    /// End when standard input ends: whoever holds its other end cannot die without this process noticing
    #[arg(long)]
    pub end_with_stdin: bool,
}

/// The line a server prints when it can be asked begins so.
pub const READY: &str = "ready";

/// Runs until told to end, or until the node fails. Prints the effective options, then a line that it is ready.
pub async fn run(
    args: ServerArgs,
    options: NodeOptions,
    log: Logger,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    write_banner(&options, out)?;
    out.flush()?;
    std::fs::create_dir_all(&args.data_dir)?;
    // Before the port is open, since whoever sees it may send a signal.
    let told = real_time::told_to_end()?;
    let runtime = Runtime::builder().logger(log).build()?;
    let machine = CounterMachine::default();
    let service = builder(&args, options, &runtime, &machine).start(machine).await?;
    writeln!(out, "{READY} {} of group {}", args.me, args.group)?;
    out.flush()?;
    let end = until_the_end(&service, told, args.end_with_stdin).await?;
    let (why, result) = match end {
        End::Told(why) => (why.to_owned(), Ok(())),
        End::Stopped(status) => (status.to_string(), Err(status.into())),
    };
    // Whoever reads these lines may be gone, which must not keep the node from closing its files.
    let _ = writeln!(out, "ending: {why}");
    // What was acknowledged is on the disk: a shutdown that does not come to its end costs nothing.
    real_time::within(SHUTDOWN_LIMIT, service.shutdown()).await;
    result
}

/// The service of a counter with everything but its start.
pub fn builder(
    args: &ServerArgs,
    options: NodeOptions,
    runtime: &Runtime,
    machine: &CounterMachine,
) -> RaftGroupBuilder {
    let value = machine.seen();
    RaftGroupService::builder(args.group.clone(), args.me.clone())
        .runtime(runtime)
        .initial_conf(args.peers.clone())
        .data_dir(&args.data_dir)
        .options(options)
        .user_processor(|node| CommandProcessor::new(node.clone(), ADD))
        .user_processor(|node| CommandProcessor::new(node.clone(), GET))
        .user_processor(|node| CommandProcessor::new(node.clone(), AUDIT))
        .user_processor(|node| StatsProcessor::new(node.clone(), value))
}

enum End {
    Told(&'static str),
    Stopped(Status),
}

async fn until_the_end(
    service: &RaftGroupService,
    told: impl Future<Output = &'static str>,
    end_with_stdin: bool,
) -> io::Result<End> {
    let (held, input_ended) = oneshot::channel::<()>();
    // Without the thread the sender is kept here, and the channel never says anything.
    let _held = if end_with_stdin {
        watch_stdin(held)?;
        None
    } else {
        Some(held)
    };
    tokio::select! {
        why = told => Ok(End::Told(why)),
        _ = input_ended => Ok(End::Told("standard input ended")),
        status = service.stopped() => Ok(End::Stopped(status)),
    }
}

/// Drops `held` when standard input ends. A thread, since reading cannot be given up.
fn watch_stdin(held: oneshot::Sender<()>) -> io::Result<()> {
    real_time::spawn_thread("stdin", move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(held);
    })
}

const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
