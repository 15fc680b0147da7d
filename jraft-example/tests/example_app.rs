//! The shortest example: few lines, and three processes of it survive the loss of one.
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
    let ports = free_ports(3, real_time::random()).unwrap();
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
