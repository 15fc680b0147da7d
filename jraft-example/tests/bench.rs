//! Three processes of the benchmark: the leader measures, and all have applied what it submitted, in order.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in helpers as well")]

#[path = "kit/processes.rs"]
#[expect(dead_code, reason = "each test uses a part of the kit")]
mod processes;

use std::sync::{Arc, Mutex};

use jraft_example::{cluster::free_ports, real_time};
use processes::{BENCH, end_of, signal, start, until};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

/// Collects what a process says.
fn listen(child: &mut Child, said: &Arc<Mutex<Vec<serde_json::Value>>>) -> JoinHandle<()> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = Arc::clone(said);
    real_time::spawn(async move {
        while let Some(line) = lines.next_line().await.unwrap() {
            said.lock().unwrap().push(serde_json::from_str(&line).unwrap());
        }
    })
}

async fn check(sync: &str, apply: &str, payload: &str) {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(3).unwrap();
    let peers = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>();
    let list = peers.join(",");
    let mut children: Vec<_> = (peers.iter().enumerate())
        .map(|(at, me)| {
            let data = folder.path().join(at.to_string()).display().to_string();
            let arguments = [
                &["--self", me, "--peers", &list, "--data", &data][..],
                &["--sync", sync, "--apply", apply, "--payload", payload],
                &["--warmup", "1", "--seconds", "1", "--inflight", "16"],
                &["--set", "election_timeout_ms=300", "--set", "max_election_delay_ms=200"],
            ];
            start(BENCH, &arguments.concat())
        })
        .collect();
    let said = Arc::<Mutex<Vec<serde_json::Value>>>::default();
    let readers: Vec<_> = children.iter_mut().map(|child| listen(child, &said)).collect();
    until("measured", || !said.lock().unwrap().is_empty()).await;
    for child in &children {
        signal("-TERM", child).await;
    }
    for (child, reader) in children.into_iter().zip(readers) {
        let output = end_of(child).await;
        assert!(output.status.success(), "{}", processes::stderr(&output));
        reader.await.unwrap();
    }
    let lines = std::mem::take(&mut *said.lock().unwrap());
    let (last, load): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.get("digest").is_some());
    assert_eq!((load.len(), last.len()), (1, 3), "{load:?} {last:?}");
    let load = &load[0];
    assert!(load["ops_per_s"].as_u64().unwrap() > 0, "{load}");
    for key in ["p50_us", "p99_us", "p999_us", "failed", "rss_kib", "inflight", "payload", "fsyncs"]
    {
        assert!(load[key].is_u64(), "{key} of {load}");
    }
    assert_eq!(load["fsyncs"].as_u64().unwrap() > 0, sync == "true", "{load}");
    assert_eq!(load["failed"], 0, "{load}");
    // Whoever ends before the next heartbeat has applied less than the leader: each is held against what was submitted.
    for line in &last {
        let applied = line["applied"].as_u64().unwrap();
        assert!(applied > 0, "{line}");
        assert_eq!(line["digest"], digest_of(applied, payload.parse().unwrap()), "{line}");
    }
    let most = last.iter().map(|line| line["applied"].as_u64().unwrap()).max();
    assert!(most.unwrap() >= load["ops_per_s"].as_u64().unwrap(), "{load} {last:?}");
}

/// Of the first payloads in the order of their submission: each is its number, big-endian, cut or padded.
fn digest_of(payloads: u64, length: usize) -> String {
    let mut digest = crc32fast::Hasher::new();
    for number in 1..=payloads {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(length, 0);
        digest.update(&payload);
    }
    format!("{:08x}", digest.finalize())
}

#[tokio::test]
async fn synced() {
    check("true", "lane", "16").await;
}

#[tokio::test]
async fn in_memory_and_inline() {
    check("memory", "inline", "3").await;
}
