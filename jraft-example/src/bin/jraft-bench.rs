//! `jraft-bench`: one process of a group under benchmark.
#![allow(clippy::print_stderr, reason = "a program says what is wrong")]

use std::io;
use std::process::ExitCode;

use clap::Parser;
use jraft_example::{bench, logging};
use slog::Level;

#[tokio::main(worker_threads = 1)]
async fn main() -> ExitCode {
    let args = bench::BenchArgs::parse();
    let options = match args.options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    let (log, guard) = logging::to_stderr(Level::Info);
    let result = bench::run(args, options, log, &mut io::stdout()).await;
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
