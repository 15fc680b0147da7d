//! After a failed call to the disk nothing is tried again.

use jraft_spi::entity::LogIndex;

use super::model::Crash;
use super::*;
use crate::testing::{Op, entries, entry, new_disk, sized};

fn is_sync(op: &Op) -> bool {
    matches!(op, Op::Sync(_))
}

fn is_write(op: &Op) -> bool {
    matches!(op, Op::Write(..))
}

fn every_call_fails(log: &mut Log) {
    let next = LogIndex(1000);
    let mut out = Vec::new();
    let limit = jraft_spi::storage::ReadLimit { entries: 1, bytes: 1 };
    for result in [
        log.storage.append(&[entry(1000, 1)]),
        log.storage.truncate_prefix(next),
        log.storage.truncate_suffix(LogIndex(1)),
        log.storage.reset(next),
        log.sync(),
        log.engine.close(),
        log.reader.read(LogIndex(1), limit, &mut out),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("told to"), "{error}");
    }
}

fn check(kind: fn(&Op) -> bool, pages_lost: bool) {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    log.storage.append(&entries(1..=3, 1)).unwrap();
    log.sync().unwrap();
    log.storage.append(&entries(4..=6, 1)).unwrap();
    if pages_lost {
        disk.lose_next_sync(); // fails once, the next one would succeed
    } else {
        disk.fail(0, kind);
    }
    let error = log.sync().unwrap_err().to_string();
    assert!(error.contains("told to") && error.contains("00001.wal"), "{error}");
    let before = disk.ops().len();
    every_call_fails(&mut log);
    assert_eq!(disk.ops().len(), before, "the disk was asked again");
    assert_eq!(log.engine.syncs(), 1);
    let log = open(&disk.crash(Crash::Lose)).unwrap();
    assert_eq!(log.all(), entries(1..=3, 1));
}

#[test]
fn a_failed_sync_is_the_end() {
    check(is_sync, false);
}

#[test]
fn a_sync_that_fails_once_is_not_tried_again() {
    check(is_sync, true);
}

#[test]
fn a_failed_write_is_the_end() {
    check(is_write, false);
}

#[test]
fn a_failure_while_keeping_house_does_not_undo_the_sync_but_is_the_end() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    for index in 1..=8 {
        log.storage.append(&[sized(index, 1, 3000)]).unwrap();
    }
    log.storage.truncate_prefix(LogIndex(8)).unwrap();
    disk.fail(0, |op| matches!(op, Op::Rename(..) | Op::Remove(_)));
    log.sync().unwrap();
    every_call_fails(&mut log);
}

#[test]
fn a_refused_call_changes_nothing() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    log.storage.append(&entries(1..=3, 1)).unwrap();
    let refused = |result: Result<(), StorageError>, part: &str| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    refused(log.storage.append(&[entry(5, 1)]), "entry 5 cannot follow: 4 is next");
    refused(log.storage.append(&[entry(4, 1), entry(6, 1)]), "entry 6 cannot follow: 5 is next");
    refused(log.storage.append(&[entry(3, 1)]), "entry 3 cannot follow: 4 is next");
    refused(log.storage.reset(LogIndex(0)), "cannot start");
    log.storage.append(&[entry(4, 1)]).unwrap();
    log.sync().unwrap();
    assert_eq!(read(&*log.reader, 1, 9), entries(1..=4, 1));
    log.storage.reset(LogIndex(50)).unwrap();
    refused(log.storage.append(&[entry(0, 1)]), "entry 0 cannot follow: 50 is next");
}

#[test]
fn a_second_group_and_a_second_opening_are_refused() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    let mut refuse = |name: &str, part: &str| {
        let error = log.engine.open(&name.parse().unwrap()).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    refuse("g", "open already");
    refuse("h", "holds the log of group g; group h needs a data directory of its own");
    log.storage.append(&entries(1..=3, 1)).unwrap();
    log.sync().unwrap();
    let disk = disk.crash(Crash::Lose);
    let options = WalOptions { segment_bytes: SMALL, ..WalOptions::default() };
    let mut engine =
        WalEngine::open(crate::testing::shared(disk), dir(), options, silent()).unwrap();
    assert!(!engine.is_new());
    let error = engine.open(&"h".parse().unwrap()).err().unwrap().to_string();
    assert!(error.contains("holds the log of group g"), "{error}");
    assert_eq!(engine.open(&"g".parse().unwrap()).unwrap().recovered.last.0, 3);
}

#[test]
fn a_closed_log_is_closed() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    log.storage.append(&entries(1..=3, 1)).unwrap();
    log.engine.close().unwrap();
    assert!(log.storage.append(&[entry(4, 1)]).unwrap_err().to_string().contains("closed"));
    assert_eq!(open(&disk).unwrap().all(), entries(1..=3, 1));
}

#[test]
fn segment_sizes_have_limits() {
    for (bytes, works) in
        [(0, false), (4096, false), (8192, true), (10_000, true), (1 << 40, false)]
    {
        let disk = crate::testing::shared(new_disk());
        assert_eq!(open_at(disk, &dir(), bytes).is_ok(), works, "{bytes}");
    }
}
