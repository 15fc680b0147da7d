//! The load: one thread submits, as long as fewer than `inflight` proposals are open; their closures measure.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jraft_core::{Node, Outcome, Rejected, Task};
use serde::Serialize;

use super::BenchArgs;
use super::permits::Permits;
use crate::histogram::Histogram;
use crate::real_time;

/// The `peer` of every line, to tell ours from the reference's.
pub(super) const PEER: &str = "jraft-rs";

/// Where the load goes.
pub(super) struct Load {
    pub(super) node: Node,
}

/// What the leader prints.
#[derive(Serialize)]
pub(super) struct Line {
    peer: &'static str,
    ops_per_s: u64,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
    /// Of the warm-up, too, as in the reference's.
    failed: u64,
    rss_kib: u64,
    inflight: u32,
    payload: u32,
    /// During the measurement.
    fsyncs: u64,
}

#[derive(Default)]
struct Measured {
    on: AtomicBool,
    stop: AtomicBool,
    failed: AtomicU64,
    latency: Histogram,
}

impl Load {
    pub(super) async fn run(self, args: &BenchArgs) -> io::Result<Line> {
        let Self { node } = self;
        let measured = Arc::new(Measured::default());
        let (shared, submitter) = (Arc::clone(&measured), node.clone());
        let (inflight, payload) = (args.inflight, args.payload);
        real_time::spawn_thread("submit", move || submit(&submitter, inflight, payload, &shared))?;
        real_time::sleep(Duration::from_secs(args.warmup)).await;
        let (started, syncs) = (real_time::now(), node.fsyncs());
        measured.on.store(true, Ordering::SeqCst);
        real_time::sleep(Duration::from_secs(args.seconds)).await;
        measured.on.store(false, Ordering::SeqCst);
        let (seconds, fsyncs) = (started.elapsed().as_secs_f64(), node.fsyncs() - syncs);
        measured.stop.store(true, Ordering::SeqCst);
        let latency = &measured.latency;
        Ok(Line {
            peer: PEER,
            ops_per_s: (latency.count() as f64 / seconds).round() as u64,
            p50_us: latency.quantile_us(0.5),
            p99_us: latency.quantile_us(0.99),
            p999_us: latency.quantile_us(0.999),
            failed: measured.failed.load(Ordering::SeqCst),
            rss_kib: rss_kib()?,
            inflight,
            payload,
            fsyncs,
        })
    }
}

/// Until it is stopped. The order of the calls is the order of the numbers.
fn submit(node: &Node, inflight: u32, payload: u32, measured: &Arc<Measured>) {
    let permits = Arc::new(Permits::of_this_thread(inflight));
    let mut number = 0u64;
    while permits.take(&measured.stop) {
        let submitted = real_time::now();
        number += 1;
        let (permits, measured) = (Arc::clone(&permits), Arc::clone(measured));
        let task = Task::new(payload_of(number, payload)).done(move |outcome| {
            permits.give_back();
            match outcome {
                Outcome::Committed(_) if measured.on.load(Ordering::Relaxed) => {
                    measured.latency.record(submitted.elapsed());
                }
                Outcome::Committed(_) => {}
                Outcome::Refused(_) | Outcome::Unknown(_) => {
                    measured.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        node.apply(task).unwrap_or_else(Rejected::refuse);
    }
}

/// The number, big-endian, cut or padded with zeros.
fn payload_of(number: u64, length: u32) -> Vec<u8> {
    let length = length as usize;
    let mut payload = Vec::with_capacity(length.max(8));
    payload.extend(number.to_be_bytes());
    payload.resize(length, 0);
    payload
}

fn rss_kib() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let digits: String =
        line.into_iter().flat_map(str::chars).filter(char::is_ascii_digit).collect();
    digits.parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_cut_or_padded_as_the_reference_does() {
        let number = 0x0102_0304_0506_0708;
        assert_eq!(payload_of(number, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(payload_of(number, 3), [1, 2, 3]);
        assert_eq!(payload_of(number, 10), [1, 2, 3, 4, 5, 6, 7, 8, 0, 0]);
        assert!(payload_of(number, 0).is_empty());
    }

    #[test]
    fn knows_its_own_size() {
        assert!(rss_kib().unwrap() > 100);
    }
}
