//! The log against a plain preallocated file that takes the same bytes: append and sync of 1, 32, 256 entries.
//!
//! `cargo bench -p jraft-storage` or, with a directory and seconds for each case, `... -- DIR SECONDS`.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a human")]
#![allow(missing_docs, reason = "a program")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jraft_spi::entity::{LogEntry, LogId, LogIndex, Term};
use jraft_spi::storage::{Durable, LogEngine, LogStorage, ReadLimit};
use jraft_storage::{Disk, DiskFile, RealDisk, WalEngine, WalOptions};

const SEGMENT: u64 = 64 << 20;

struct Wal {
    engine: WalEngine,
    storage: Box<dyn LogStorage>,
    /// Or only flushes.
    syncs: bool,
    next: u64,
    kept: u64,
}

struct Plain {
    file: Arc<dyn DiskFile>,
    at: u64,
    bytes: Vec<u8>,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let dir = args.first().map_or_else(|| tempfile::tempdir().unwrap().keep(), PathBuf::from);
    let seconds: f64 = args.get(1).map_or(0.5, |text| text.parse().unwrap());
    let window = Duration::from_secs_f64(seconds);
    println!("directory {}", dir.display());
    encoding(&dir.join("encoding"));
    synced(&dir, window);
    reopening(&dir.join("reopen"));
    std::fs::remove_dir_all(&dir).unwrap();
}

fn synced(dir: &Path, window: Duration) {
    println!(
        "{:>6} {:>5} {:>12} {:>9} {:>9} {:>12} {:>9} {:>9} {:>7}",
        "bytes", "batch", "wal op/s", "p50 us", "p99 us", "plain op/s", "p50 us", "p99 us", "ratio"
    );
    for bytes in [16, 256, 4096] {
        for batch in [1, 32, 256] {
            let mut wal = Wal::open(&dir.join(format!("wal-{bytes}-{batch}")), true);
            let mut plain = Plain::open(&dir.join("plain"), batch * (bytes + 36) + 48);
            wal.warm();
            let payload = payload(bytes);
            // In turn, so that a disk that changes its mind does so for both.
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..6 {
                measure(window / 6, &mut ours, || wal.round(batch as u64, &payload));
                measure(window / 6, &mut theirs, || plain.round());
            }
            let (ours, theirs) = (Stats::of(ours, batch), Stats::of(theirs, batch));
            println!(
                "{bytes:>6} {batch:>5} {:>12.0} {:>9.1} {:>9.1} {:>12.0} {:>9.1} {:>9.1} {:>7.2}",
                ours.rate,
                ours.p50,
                ours.p99,
                theirs.rate,
                theirs.p50,
                theirs.p99,
                ours.rate / theirs.rate
            );
            wal.engine.close().unwrap();
        }
    }
}

fn encoding(dir: &Path) {
    let mut wal = Wal::open(dir, false);
    for bytes in [16, 256, 4096] {
        let payload = payload(bytes);
        let mut best = f64::MAX;
        for _ in 0..40 {
            let batch = wal.batch(256, &payload);
            let start = Instant::now();
            wal.storage.append(&batch).unwrap();
            best = best.min(start.elapsed().as_secs_f64() / 256.0);
            wal.sync();
        }
        println!("append alone, {bytes} bytes: {:.0} ns an entry", best * 1e9);
    }
    wal.engine.close().unwrap();
}

fn reopening(dir: &Path) {
    let mut wal = Wal::open(dir, false);
    let payload = payload(256);
    let count = 1_000_000;
    for _ in 0..count / 1000 {
        let batch = wal.batch(1000, &payload);
        wal.storage.append(&batch).unwrap();
        wal.sync();
    }
    wal.engine.close().unwrap();
    let start = Instant::now();
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let mut engine = WalEngine::open(disk(), dir, options(), log).unwrap();
    let opened = engine.open(&"g".parse().unwrap()).unwrap();
    let took = start.elapsed();
    assert_eq!(opened.recovered.last.0, count);
    println!(
        "reopen of {count} entries of 256 bytes: {took:?}, {:.0} ns an entry",
        took.as_secs_f64() * 1e9 / count as f64
    );
    let start = Instant::now();
    let (mut next, mut out) = (LogIndex(1), Vec::new());
    while next.0 <= count {
        out.clear();
        opened.reader.read(next, ReadLimit { entries: 1024, bytes: 1 << 20 }, &mut out).unwrap();
        next = out.last().unwrap().id.index.next();
    }
    println!("read of all: {:.0} ns an entry", start.elapsed().as_secs_f64() * 1e9 / count as f64);
}

impl Wal {
    fn open(dir: &Path, sync: bool) -> Self {
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let mut engine = WalEngine::open(disk(), dir, options(), log).unwrap();
        let opened = engine.open(&"g".parse().unwrap()).unwrap();
        Self { engine, storage: opened.storage, syncs: sync, next: 1, kept: 1 }
    }

    fn batch(&mut self, count: u64, payload: &Bytes) -> Vec<LogEntry> {
        let first = self.next;
        self.next += count;
        let id = |index| LogId::new(LogIndex(index), Term(1));
        (first..self.next).map(|index| LogEntry::data(id(index), payload.clone())).collect()
    }

    fn sync(&mut self) {
        if self.syncs {
            self.engine.sync(Durable::new(|end| end.unwrap()));
        } else {
            self.engine.flush().unwrap();
        }
    }

    /// Leaves used segments behind, so that what is measured is not the filling of new ones: the plain file is filled.
    fn warm(&mut self) {
        let payload = payload(4096);
        for _ in 0..200 {
            let batch = self.batch(256, &payload);
            self.storage.append(&batch).unwrap();
            self.sync();
        }
        self.kept = self.next;
        self.storage.truncate_prefix(LogIndex(self.kept)).unwrap();
        self.sync();
    }

    /// Entries, a sync, and now and then a snapshot's truncation, so that segments are used again.
    fn round(&mut self, count: u64, payload: &Bytes) {
        let batch = self.batch(count, payload);
        self.storage.append(&batch).unwrap();
        let many = (48 << 20) / (payload.len() as u64 + 36);
        if self.next - self.kept > 2 * many {
            self.kept = self.next - many;
            self.storage.truncate_prefix(LogIndex(self.kept)).unwrap();
        }
        self.sync();
    }
}

impl Plain {
    fn open(path: &Path, bytes: usize) -> Self {
        let file = RealDisk::new().create(path).unwrap();
        let zeros = vec![0; 1 << 20];
        for at in 0..SEGMENT >> 20 {
            file.write_at(at << 20, &zeros).unwrap();
        }
        file.sync_data().unwrap();
        Self { file, at: 0, bytes: (0..bytes).map(|at| at as u8 | 1).collect() }
    }

    fn round(&mut self) {
        if self.at + self.bytes.len() as u64 > SEGMENT {
            self.at = 0;
        }
        self.file.write_at(self.at, &self.bytes).unwrap();
        self.file.sync_data().unwrap();
        self.at += self.bytes.len() as u64;
    }
}

struct Stats {
    rate: f64,
    p50: f64,
    p99: f64,
}

impl Stats {
    fn of(mut took: Vec<f64>, batch: usize) -> Self {
        let rate = (took.len() * batch) as f64 / took.iter().sum::<f64>();
        took.sort_by(f64::total_cmp);
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize] * 1e6;
        Self { rate, p50: at(0.5), p99: at(0.99) }
    }
}

fn measure(window: Duration, took: &mut Vec<f64>, mut round: impl FnMut()) {
    let end = Instant::now() + window;
    while Instant::now() < end {
        let start = Instant::now();
        round();
        took.push(start.elapsed().as_secs_f64());
    }
}

fn payload(bytes: usize) -> Bytes {
    (0..bytes).map(|at| (at * 131 + 7) as u8).collect::<Vec<u8>>().into()
}

fn options() -> WalOptions {
    WalOptions { segment_bytes: SEGMENT, ..WalOptions::default() }
}

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk::new())
}
