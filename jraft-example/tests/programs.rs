//! The programs as processes: exit statuses, output, what they say about mistakes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in helpers as well")]

#[path = "kit/processes.rs"]
#[expect(dead_code, reason = "each test uses a part of the kit")]
mod processes;

use std::path::PathBuf;

use jraft_core::Runtime;
use jraft_example::cluster::{Cluster, Program, Setup, leader_of};
use jraft_example::settings::Settings;
use processes::{BENCH, CLIENT, CLUSTER, SERVER, run, stderr, stdout, until};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Three servers with quick elections, in a folder of their own.
async fn three(runtime: &Runtime) -> (Cluster, usize) {
    let program = Program { executable: PathBuf::from(SERVER), leading: Vec::new() };
    let set = ["election_timeout_ms=300".to_owned(), "max_election_delay_ms=200".to_owned()];
    let settings = Settings { options: None, set: set.to_vec() };
    let mut cluster = Cluster::new(&Setup { program, data: None, settings }, runtime).unwrap();
    cluster.start().await.unwrap();
    for _ in 0..200 {
        if let Some(leader) = leader_of(&cluster.look().await) {
            return (cluster, leader);
        }
        jraft_example::real_time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no leader after ten seconds");
}

fn peers(cluster: &Cluster) -> String {
    let members: Vec<String> = cluster.members().iter().map(ToString::to_string).collect();
    members.join(",")
}

#[tokio::test]
async fn a_command_line_without_sense_is_exit_status_2() {
    for (program, arguments) in [
        (CLIENT, &["counter", "a:1", "add"][..]),
        (SERVER, &["/tmp/x", "counter", "a:1"]),
        (SERVER, &["/tmp/x", "counter", "a:1", "a:1", "--set", "election_timeout=5"]),
        (CLUSTER, &["--set", "apply_batch=0"]),
        (CLUSTER, &["kill-loop", "--leader", "--random"]),
        (BENCH, &["--self", "a:1"]),
    ] {
        let output = run(program, arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(!output.stderr.is_empty());
    }
}

#[tokio::test]
async fn help_has_examples() {
    for program in [CLIENT, SERVER, CLUSTER, BENCH] {
        let output = run(program, &["--help"]).await;
        assert!(output.status.success());
        assert!(stdout(&output).contains("Example"), "{program}");
    }
}

#[tokio::test]
async fn nobody_there_is_refused_for_certain() {
    let output = run(CLIENT, &["counter", "127.0.0.1:1", "add", "5", "--timeout-ms", "700"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn three_servers_serve_and_say_who_leads() {
    let runtime = Runtime::new().unwrap();
    let (mut cluster, leader) = three(&runtime).await;
    let peers = peers(&cluster);
    let members = cluster.members();
    let (leads, follows) = (members[leader].to_string(), members[(leader + 1) % 3].to_string());
    let client = async |arguments: &[&str]| {
        let output = run(CLIENT, &[&["counter", &peers], arguments].concat()).await;
        (output.status.code().unwrap(), stdout(&output), stderr(&output))
    };
    assert_eq!(client(&["add", "5"]).await, (0, "5\n".into(), String::new()));
    assert_eq!(client(&["add", "-7"]).await, (0, "-2\n".into(), String::new()));
    assert_eq!(client(&["get"]).await, (0, "-2\n".into(), String::new()));
    assert_eq!(client(&["--to", &leads, "get"]).await.1, "-2\n");
    let (status, out, err) = client(&["--to", &follows, "get"]).await;
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains(&format!("the leader is {leads}")), "{err}");

    let other = run(CLIENT, &["other", &peers, "get", "--timeout-ms", "1000"]).await;
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("of group counter, not other"), "{}", stderr(&other));

    let load = client(&["load", "--concurrency", "4", "--seconds", "1"]).await;
    assert_eq!(load.0, 0, "{load:?}");
    let line: serde_json::Value = serde_json::from_str(&load.1).unwrap();
    let total = line["acked"].as_i64().unwrap() - 2;
    assert_eq!(client(&["get"]).await.1, format!("{total}\n"));

    let mut watch = processes::start(CLIENT, &["counter", &peers, "watch", "--every-ms", "50"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let seen = format!("{leads} leader of term");
    assert!(line.contains(&seen) && line.contains(&format!("counter {total},")), "{line}");

    // Without a majority nobody can know what becomes of an addition.
    cluster.kill((leader + 1) % 3).await.unwrap();
    cluster.kill((leader + 2) % 3).await.unwrap();
    let (status, out, _) = client(&["add", "1", "--timeout-ms", "4000"]).await;
    assert!(matches!((status, out.as_str()), (1 | 3, "")), "{status}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_prints_its_options_and_ends_with_its_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.toml");
    std::fs::write(&file, "[raft]\napply_batch = 7\n").unwrap();
    let [data, file] = [folder.path().join("data"), file].map(|path| path.display().to_string());
    let port = jraft_example::cluster::free_ports(1).unwrap()[0];
    let me = format!("127.0.0.1:{port}");
    // Its input is empty, hence it ends at once.
    let set = "step_down_when_vote_timedout=false";
    let arguments =
        [&data, "counter", &me, &me, "--options", &file, "--set", set, "--end-with-stdin"];
    let output = run(SERVER, &arguments).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = stdout(&output);
    assert!(lines.contains("option * apply_batch = 7 (default 32)\n"), "{lines}");
    assert!(lines.contains("option * step_down_when_vote_timedout = false (default true)\n"));
    assert!(lines.contains(&format!("ready {me} of group counter\n")));
    assert!(lines.ends_with("ending: standard input ended\n"));
}

#[tokio::test]
async fn sigterm_ends_a_server_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let port = jraft_example::cluster::free_ports(1).unwrap()[0];
    let me = format!("127.0.0.1:{port}");
    let child = processes::start(SERVER, &[&data, "counter", &me, &me]);
    let listens = || std::net::TcpStream::connect(&me).is_ok();
    until("listening", listens).await;
    processes::signal("-TERM", &child).await;
    let output = processes::end_of(child).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).ends_with("ending: SIGTERM\n"), "{}", stdout(&output));
    assert!(!listens());
}
