//! Processes with real files and real sockets, killed with SIGKILL.
//!
//! What the programs print, and how they end when told to, is tested in `jraft-example/tests`; here is what must hold
//! of the data.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

use jraft_tests::programs::{Server, free_addresses, run};
use jraft_tests::setting;

/// `counter-cluster kill-loop`, which ends badly if anything acknowledged is missing, or there twice.
fn check_kill_loop(victim: &str, rounds: &str) {
    let set = ["--set", "election_timeout_ms=300", "--set", "max_election_delay_ms=200"];
    // Fail-overs are slow on a busy machine; how long they take is not the question here.
    let patient = ["--max-ms", "60000", "--p50-ms", "60000", "--p95-ms", "60000"];
    let arguments = [&["kill-loop", "--rounds", rounds, victim], &set[..], &patient[..]].concat();
    let output = run("counter-cluster", &arguments);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let line: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(line["rounds"].to_string(), rounds, "{line}");
    assert_eq!(line["kept"], true, "{line}");
    assert_eq!(line["verdict"]["lost"], 0, "{line}");
    assert_eq!(line["values_went_back"], 0, "{line}");
    assert!(line["acked"].as_u64().unwrap() > 0, "nothing was added: {line}");
}

#[test]
fn kills_lose_nothing_and_double_nothing() {
    let rounds = setting("JRAFT_KILL_ROUNDS").unwrap_or_else(|| "10".to_owned());
    check_kill_loop("--leader", &rounds);
    check_kill_loop("--random", &rounds);
}

/// Asks a group of one.
fn ask(me: &str, command: &[&str]) -> String {
    let output =
        run("counter-client", &[&["counter", me, "--timeout-ms", "20000"], command].concat());
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {err}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_restart_keeps_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let [me] = free_addresses();
    let start = || Server::start(folder.path(), &me, &me, &[]).ready();
    let server = start();
    assert_eq!(ask(&me, &["add", "5"]), "5");
    server.kill();
    let mut server = start();
    assert_eq!(ask(&me, &["get"]), "5");
    assert_eq!(ask(&me, &["add", "2"]), "7");
    server.signal("-TERM");
    let (status, said) = server.end();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("ending: SIGTERM"), "{said}");
    let _server = start();
    assert_eq!(ask(&me, &["get"]), "7");
}

#[test]
fn a_restart_of_all_three_keeps_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let addresses: [String; 3] = free_addresses();
    let peers = addresses.join(",");
    let start = || {
        let server =
            |me: &String| Server::start(&folder.path().join(me.replace(':', "_")), me, &peers, &[]);
        addresses.each_ref().map(server).map(Server::ready)
    };
    let servers = start();
    assert_eq!(ask(&peers, &["add", "11"]), "11");
    servers.into_iter().for_each(Server::kill);
    let _servers = start();
    assert_eq!(ask(&peers, &["get"]), "11");
}

#[test]
fn a_data_directory_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let [me, other] = free_addresses();
    let server = Server::start(folder.path(), &me, &me, &[]).ready();
    assert_eq!(ask(&me, &["add", "1"]), "1");
    let (status, said) = Server::start(folder.path(), &other, &other, &[]).end();
    assert_eq!(status, Some(1), "{said}");
    let says_why = said.contains("lock") && said.contains(&*folder.path().to_string_lossy());
    assert!(says_why, "the reason and the place are not in:\n{said}");
    // The first one has not noticed, and gives the directory back when it ends.
    assert_eq!(ask(&me, &["add", "1"]), "2");
    server.kill();
    let _server = Server::start(folder.path(), &me, &me, &[]).ready();
    assert_eq!(ask(&me, &["get"]), "2");
}

/// Starts a server, has it count to three, kills it: where its metadata is.
fn killed_with_three(start: impl Fn() -> Server, me: &str, folder: &Path) -> std::path::PathBuf {
    let server = start().ready();
    assert_eq!(ask(me, &["add", "3"]), "3");
    server.kill();
    only_file_named(folder, "raft_meta")
}

#[test]
fn a_log_without_its_metadata_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [me] = free_addresses();
    let start = || Server::start(folder.path(), &me, &me, &[]);
    let meta = killed_with_three(start, &me, folder.path());
    let bytes = fs::read(&meta).unwrap();
    fs::remove_file(&meta).unwrap();
    let (status, said) = start().end();
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("could vote twice"), "{said}");
    // Nothing was repaired behind our back: with the file put back, all is as it was.
    assert!(!meta.exists());
    fs::write(&meta, bytes).unwrap();
    let _server = start().ready();
    assert_eq!(ask(&me, &["get"]), "3");
}

#[test]
fn damaged_metadata_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [me] = free_addresses();
    let start = || Server::start(folder.path(), &me, &me, &[]);
    let meta = killed_with_three(start, &me, folder.path());
    let mut bytes = fs::read(&meta).unwrap();
    let last = bytes.len() - 1;
    bytes.truncate(last);
    fs::write(&meta, bytes).unwrap();
    let (status, said) = start().end();
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("raft_meta"), "{said}");
}

/// The file with this name, wherever it is below `folder`.
fn only_file_named(folder: &Path, name: &str) -> std::path::PathBuf {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|found| found == name) {
                found.push(path);
            }
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}
