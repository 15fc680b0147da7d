//! Options in layers: defaults, a file, pairs, code.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::{env::args, error::Error, fs::read_to_string};

use jraft_core::{NodeOptions, RaftGroupService, ReadOnlyOption};

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = NodeOptions::default(); // 1 the reference's defaults, ours where safer
    let file = args().nth(1).ok_or("FILE.toml [KEY=VALUE]...")?;
    let file = read_to_string(file)?; // 2 a file, in any serde format
    for warning in options.merge(toml::Deserializer::parse(&file)?)? {
        eprintln!("{warning}");
    }
    for pair in args().skip(2) {
        options.set_pair(&pair)?; // 3 step_down_when_vote_timedout=false
    }
    options.raft.read_only_options = ReadOnlyOption::LeaseBased; // 4 code has the last word
    for row in options.rows() {
        println!("{} = {} (default {})", row.name, row.value, row.default);
    }
    let _builder = RaftGroupService::builder("counter", "127.0.0.1:8081")
        .options(options)
        .configure(|o| o.election_timeout_ms = 500);
    Ok(())
}
