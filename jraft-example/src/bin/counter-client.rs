//! `counter-client`: reads the counter, and adds to it (`CounterClient`).
#![allow(clippy::print_stderr, reason = "a program says what is wrong")]

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use jraft_core::Runtime;
use jraft_example::client::commands::{self, ClientArgs};

#[tokio::main]
async fn main() -> ExitCode {
    let args = ClientArgs::parse();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(commands::REFUSED);
        }
    };
    let transport = Arc::new(runtime.user_client());
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match commands::run(args, transport, &mut out, &mut err).await {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            // It was done, and the result cannot be shown.
            eprintln!("cannot print: {error}");
            ExitCode::from(commands::UNKNOWN)
        }
    }
}
