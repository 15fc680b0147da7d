//! The examples: the shortest one has few lines and survives the loss of a process, the others do what they say.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in helpers as well")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jraft_example::{cluster::free_ports, real_time};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

#[test]
fn a_durable_counter_takes_at_most_35_lines() {
    let source = include_str!("../examples/counter_app.rs");
    assert!(source.lines().count() <= 35, "{} lines", source.lines().count());
    assert!(source.lines().all(|line| line.len() <= 100));
}

/// Cargo builds the examples beside the programs whenever it builds the tests.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_counter-server")).with_file_name("examples").join(name)
}

struct App {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl App {
    fn start(me: &str, peers: &str, data: &Path) -> Self {
        std::fs::create_dir_all(data).unwrap();
        let mut child = Command::new(example("counter_app"))
            .args([me, peers, data.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, output }
    }

    /// Types a line and reads the answer; `None` if there is none, for the process has ended.
    async fn type_line(&mut self, line: &str) -> Option<i64> {
        self.input.write_all(format!("{line}\n").as_bytes()).await.ok()?;
        let answer = real_time::within(Duration::from_secs(20), self.output.next_line()).await;
        let answer = answer.unwrap_or_else(|| panic!("no answer to {line}")).unwrap();
        answer.map(|answer| answer.parse().unwrap())
    }
}

#[tokio::test]
async fn three_processes_go_on_without_one_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(3).unwrap();
    let peers: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let (list, data) = (peers.join(","), |at: usize| folder.path().join(at.to_string()));
    let mut apps: Vec<App> =
        peers.iter().enumerate().map(|(at, me)| App::start(me, &list, &data(at))).collect();

    assert_eq!(apps[0].type_line("5").await, Some(5));
    assert_eq!(apps[1].type_line("10").await, Some(15), "by whichever node");
    assert_eq!(apps[2].type_line("get").await, Some(15));

    apps[0].child.kill().await.unwrap();
    assert_eq!(apps[1].type_line("get").await, Some(15), "nothing is lost");
    assert_eq!(apps[2].type_line("100").await, Some(115));

    apps[0] = App::start(&peers[0], &list, &data(0));
    assert_eq!(apps[0].type_line("get").await, Some(115), "it has caught up");

    for app in apps {
        let App { mut child, input, .. } = app;
        drop(input);
        let ended = real_time::within(Duration::from_secs(20), child.wait()).await;
        assert!(ended.expect("it ends with its input").unwrap().success());
    }
}

/// Runs an example to its end, and answers what it prints.
async fn printed(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(example(name)).args(arguments).stdin(Stdio::null()).output();
    let output = real_time::within(Duration::from_secs(30), output).await.expect("it ends");
    let output = output.unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn free_address() -> String {
    format!("127.0.0.1:{}", free_ports(1).unwrap()[0])
}

#[tokio::test]
async fn a_log_of_ones_own_keeps_the_entries() {
    let lines = printed("own_log", &[&free_address()]).await;
    assert!(lines.starts_with("one is line 1\ntwo is line 2\nthree is line 3\n"), "{lines}");
    assert!(lines.ends_with("the store holds the entries 1 to 4\n"), "{lines}");
}

#[tokio::test]
async fn a_machine_hears_of_its_leadership_and_answers_both_ways() {
    let (data, me) = (tempfile::tempdir().unwrap(), free_address());
    let mut child = Command::new(example("counter_machine"))
        .args([&me, &me, data.path().to_str().unwrap()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for expected in ["leader of term 1", "5", "Some(12) at LogId"] {
        let line = real_time::within(Duration::from_secs(20), output.next_line()).await;
        let line = line.expect("a line in time").unwrap().unwrap_or_default();
        assert!(line.starts_with(expected), "{line:?} instead of {expected:?}");
    }
    child.kill().await.unwrap();
}

#[tokio::test]
async fn requests_of_the_application_are_answered() {
    let data = tempfile::tempdir().unwrap();
    let lines = printed("user_requests", &[&free_address(), data.path().to_str().unwrap()]).await;
    assert_eq!(lines, "demo.Add: 5\ndemo.AddTwice: 15\n");
}

#[tokio::test]
async fn options_come_in_layers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.toml");
    std::fs::write(&file, "[raft]\nstep_down_when_vote_timedout = false\napply_batch = 5\n")
        .unwrap();
    let lines = printed("options", &[file.to_str().unwrap(), "apply_batch=6"]).await;
    for line in [
        "step_down_when_vote_timedout = false (default true)",
        "apply_batch = 6 (default 32)",
        "read_only_options = lease_based (default safe)",
    ] {
        assert!(lines.lines().any(|other| other == line), "{line} is not in:\n{lines}");
    }
}
