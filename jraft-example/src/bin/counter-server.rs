//! `counter-server`: one node of the counter (`CounterServer`).
#![allow(clippy::print_stderr, reason = "a program says what is wrong")]

use std::io;
use std::process::ExitCode;

use clap::Parser;
use jraft_core::NodeOptions;
use jraft_example::{logging, server};
use slog::Level;

/// One node of a replicated counter
#[derive(Parser, Debug)]
#[command(name = "counter-server", version, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    server: server::ServerArgs,
}

const EXAMPLES: &str = "\
Examples: three nodes, in three terminals
  counter-server data/1 counter 127.0.0.1:8081 127.0.0.1:8081,127.0.0.1:8082,127.0.0.1:8083
  counter-server data/2 counter 127.0.0.1:8082 127.0.0.1:8081,127.0.0.1:8082,127.0.0.1:8083
  counter-server data/3 counter 127.0.0.1:8083 127.0.0.1:8081,127.0.0.1:8082,127.0.0.1:8083
and, in a fourth one
  counter-client counter 127.0.0.1:8081,127.0.0.1:8082,127.0.0.1:8083 add 5

Options of the node come from a file, and from --set, which wins:
  counter-server data/1 counter SELF PEERS --options node.toml --set election_timeout_ms=500
It prints all of them when it starts. `counter-cluster` starts three nodes by itself.";

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let options = match args.server.settings.apply_to(NodeOptions::default()) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    let (log, guard) = logging::to_stderr(Level::Info);
    let result = server::run(args.server, options, log, &mut io::stdout()).await;
    drop(guard);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

const USAGE: u8 = 2;
