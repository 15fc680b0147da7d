//! Programs of this package as processes, and a look at who is still there.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use jraft_example::real_time;
use tokio::process::{Child, Command};

pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_counter-server");
pub(crate) const CLIENT: &str = env!("CARGO_BIN_EXE_counter-client");
pub(crate) const CLUSTER: &str = env!("CARGO_BIN_EXE_counter-cluster");
pub(crate) const BENCH: &str = env!("CARGO_BIN_EXE_jraft-bench");

/// Runs a program to its end.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    real_time::within(LONGEST, output).await.expect("it takes too long").unwrap()
}

/// Starts a program whose standard output is piped.
pub(crate) fn start(program: &str, arguments: &[&str]) -> Child {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits for its end.
pub(crate) async fn end_of(child: Child) -> Output {
    let output = child.wait_with_output();
    real_time::within(LONGEST, output).await.expect("it takes too long").unwrap()
}

/// Sends a signal, as a shell would: this package has no unsafe code.
pub(crate) async fn signal(name: &str, child: &Child) {
    let pid = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args([name, &pid]).status().await.unwrap().success());
}

/// How many processes have `path` in their command line.
pub(crate) fn processes_of(path: &Path) -> usize {
    let path = path.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(path))
        .count()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        real_time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not {what} after a minute");
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const LONGEST: Duration = Duration::from_secs(120);
