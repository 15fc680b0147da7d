//! The main job and the kill loop, in short, and that nothing is left behind whatever ends them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in helpers as well")]

#[path = "kit/processes.rs"]
#[expect(dead_code, reason = "each test uses a part of the kit")]
mod processes;

use processes::{CLUSTER, end_of, processes_of, run, signal, start, stderr, stdout, until};

const QUICK: [&str; 4] = ["--set", "election_timeout_ms=300", "--set", "max_election_delay_ms=200"];

#[tokio::test]
async fn the_main_job_kills_the_leader_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let arguments =
        [&["--data", data, "--seconds", "5", "--concurrency", "8"], &QUICK[..]].concat();
    let output = run(CLUSTER, &arguments).await;
    let lines = stdout(&output);
    assert!(output.status.success(), "{lines}{}", stderr(&output));
    for part in [
        "leads, ",
        "SIGKILL for 127.0.0.1:",
        "after the kill",
        "nothing is missing",
        "is back: ready after",
        "fail-over ",
        "fsyncs ",
        "no acknowledged addition is missing, none was applied twice",
    ] {
        assert!(lines.contains(part), "{part} is not in:\n{lines}");
    }
    assert_eq!(processes_of(folder.path()), 0);
}

#[tokio::test]
async fn the_kill_loop_prints_a_distribution_and_a_line_of_json() {
    // How long fail-overs take is not the question here.
    let patient = ["--max-ms", "60000", "--p50-ms", "60000", "--p95-ms", "60000"];
    for victim in ["--leader", "--random"] {
        let short = ["kill-loop", "--rounds", "2", "--seed", "5", victim];
        let arguments = [&short, &patient[..], &QUICK].concat();
        let output = run(CLUSTER, &arguments).await;
        let lines = stdout(&output);
        assert!(output.status.success(), "{lines}{}", stderr(&output));
        let line: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!((&line["rounds"], &line["seed"]), (&2.into(), &5.into()));
        assert_eq!((&line["kept"], &line["in_time"]), (&true.into(), &true.into()), "{line}");
        assert_eq!(line["verdict"]["lost"], 0);
        assert!(line["acked"].as_u64().unwrap() > 0);
        if victim == "--leader" {
            assert_eq!(line["fail_overs"], 2);
            assert!(lines.contains(" ms    "), "{lines}");
        }
    }
}

#[tokio::test]
async fn a_fail_over_that_takes_too_long_fails_the_kill_loop() {
    let short = ["kill-loop", "--rounds", "1", "--seed", "5", "--max-ms", "1"];
    let output = run(CLUSTER, &[&short, &QUICK[..]].concat()).await;
    let lines = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{lines}{}", stderr(&output));
    let line: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&line["kept"], &line["in_time"]), (&true.into(), &false.into()), "{line}");
}

#[tokio::test]
async fn nothing_is_left_behind_when_it_is_interrupted() {
    for (name, status) in
        [("-INT", Some(130)), ("-TERM", Some(130)), ("-HUP", Some(130)), ("-KILL", None)]
    {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let child = start(CLUSTER, &[&["--data", data], &QUICK[..]].concat());
        until("three servers and itself", || processes_of(folder.path()) == 4).await;
        signal(name, &child).await;
        let output = end_of(child).await;
        assert_eq!(output.status.code(), status, "{name}: {}", stderr(&output));
        until("all gone", || processes_of(folder.path()) == 0).await;
    }
}

#[tokio::test]
async fn the_temporary_folder_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(CLUSTER);
    command.args([&["--seconds", "3"], &QUICK[..]].concat()).env("TMPDIR", folder.path());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
