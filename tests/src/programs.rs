//! Cargo, the programs of `jraft-example`, and the simulator, built and started as processes.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use jraft_example::cluster::free_ports;

use crate::until;

/// How long anything may take before a test fails.
const LONGEST: Duration = Duration::from_secs(60);

/// The path of a program, as new as its source, and as its users build it.
///
/// `cargo test --workspace` has left another one beside this test: with the hooks of the simulator, which a product never
/// has. So it is built anew, alone.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let output = cargo(&["build", "-p", "jraft-example", "--bins"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        profile_of(&std::env::current_exe().unwrap()).to_owned()
    });
    folder.join(name)
}

/// Where a test of this repository lies: target/PROFILE/deps/TEST.
fn profile_of(test: &Path) -> &Path {
    test.ancestors().nth(2).unwrap()
}

/// Runs a command of cargo on this repository, with the profile and the target directory of this test.
pub fn cargo(arguments: &[&str]) -> Output {
    let test = std::env::current_exe().unwrap();
    let profile = profile_of(&test);
    let mut command = Command::new(env!("CARGO"));
    let (name, rest) = arguments.split_first().unwrap();
    // With the lock file nothing is asked of the network, unless a package was never built here.
    command.args([name, "--locked", "--target-dir"]).arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        command.arg("--release");
    }
    command.args(rest).current_dir(root()).stdin(Stdio::null()).output().unwrap()
}

/// The path of the simulator, as new as its source, and fast: built in release, whatever this test is.
pub fn simulator() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let mut arguments = vec!["build", "-p", "jraft-tests", "--bin", "sim"];
        if !profile_of(&test).ends_with("release") {
            arguments.push("--release");
        }
        let output = cargo(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        profile_of(&test).with_file_name("release").join("sim")
    });
    built.clone()
}

/// The folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs a program to its end.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(program(name)).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// `127.0.0.1:PORT` of ports that nobody uses at the moment.
pub fn free_addresses<const N: usize>() -> [String; N] {
    let ports: [u16; N] = free_ports(N).unwrap().try_into().unwrap();
    ports.map(|port| format!("127.0.0.1:{port}"))
}

/// A `counter-server`. Killed when dropped.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server, in a folder of its own.
    pub fn start(data: &Path, me: &str, peers: &str, set: &[&str]) -> Self {
        let quick = ["election_timeout_ms=300", "max_election_delay_ms=200"];
        let set = quick.iter().chain(set).flat_map(|pair| ["--set", pair]);
        let mut child = Command::new(program("counter-server"))
            .arg(data)
            .args(["counter", me, peers])
            .args(set)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Waits for the line that says it can be asked.
    pub fn ready(mut self) -> Self {
        let mut line = String::new();
        while !line.starts_with("ready ") {
            line.clear();
            let read = self.out.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended before it was ready:\n{}", self.end().1);
        }
        self
    }

    /// Sends a signal, as a shell would: this package has no unsafe code.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for its end: the exit status (none after a signal), and what it said on standard output and error.
    pub fn end(&mut self) -> (Option<i32>, String) {
        until("the process ends", LONGEST, || self.child.try_wait().unwrap().is_some());
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        if let Some(mut err) = self.child.stderr.take() {
            err.read_to_string(&mut said).unwrap();
        }
        (self.child.wait().unwrap().code(), said)
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
