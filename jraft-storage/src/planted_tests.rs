//! The bugs that can be planted in this crate: each does what its name says, and none is there otherwise.

use jraft_spi::entity::GroupId;
use jraft_spi::sim::plant;
use jraft_spi::storage::{Durable, RaftMeta, RaftMetaStorage, StorageError};

use crate::testing::{Crash, SimDisk, entries, new_disk, read, shared, silent, sync};
use crate::{DataDir, OpenedStorage, WalOptions};

fn open(disk: &SimDisk) -> Result<OpenedStorage, StorageError> {
    let group: GroupId = "g".parse().unwrap();
    let options = WalOptions { segment_bytes: 16 * 1024, ..WalOptions::default() };
    DataDir::open(shared(disk.clone()), "/data")?.storage(&group, options, silent())
}

fn segment() -> std::path::PathBuf {
    "/data/log/00000000000000000001.wal".into()
}

/// Term, vote and entries 1 to 9, in three groups; all durable but the last group.
fn crashed() -> SimDisk {
    let disk = new_disk();
    let mut opened = open(&disk).unwrap();
    opened.meta.load().unwrap();
    save(&mut opened, 5);
    for from in [1, 4] {
        opened.log.storage.append(&entries(from..=from + 2, 5)).unwrap();
        sync(&mut opened.engine).unwrap();
    }
    opened.log.storage.append(&entries(7..=9, 5)).unwrap();
    disk.fail(0, |op| matches!(op, crate::testing::Op::Sync(_)));
    sync(&mut opened.engine).unwrap_err();
    disk.crash(Crash::Kill)
}

fn save(opened: &mut OpenedStorage, term: u64) {
    let meta = RaftMeta { term: term.into(), voted_for: Some("a:1".parse().unwrap()) };
    opened.meta.save(&meta, Durable::new(|end| end.unwrap()));
}

/// What `run` returns with the bug, and without.
fn both<T>(bug: &'static str, run: impl Fn() -> T) -> (T, T) {
    plant(Some(bug));
    let with = run();
    plant(None);
    (with, run())
}

fn last(disk: &SimDisk) -> Option<u64> {
    Some(open(disk).ok()?.log.recovered.last.0)
}

#[test]
fn m35_damage_in_the_middle_of_the_log_is_dropped_with_all_behind_it() {
    let found = both("M35", || {
        let disk = crashed();
        let at = disk.bytes(&segment()).windows(8).position(|bytes| bytes == b"JRAFTGRP").unwrap();
        disk.flip_bit(&segment(), at as u64 + 60, 0);
        last(&disk)
    });
    assert_eq!(found, (Some(0), None));
}

#[test]
fn m38_wrong_bytes_are_believed() {
    let found = both("M38", || {
        let disk = crashed();
        let data = entries(2..=2, 5)[0].data.clone();
        let bytes = disk.bytes(&segment());
        let at = bytes.windows(data.len()).position(|bytes| bytes == data).unwrap();
        disk.flip_bit(&segment(), at as u64, 1);
        let opened = open(&disk).ok()?;
        Some(read(&*opened.log.reader, 2, 1)[0].data != data)
    });
    assert_eq!(found, (Some(true), None));
}

#[test]
fn m43_what_was_read_back_is_lost_later() {
    let found = both("M43", || {
        let disk = crashed();
        let first = last(&disk);
        (first, last(&disk.crash(Crash::Lose)))
    });
    assert_eq!(found, ((Some(9), Some(6)), (Some(9), Some(9))));
    let found = both("M43", || {
        let disk = new_disk();
        let mut opened = open(&disk).unwrap();
        opened.meta.load().unwrap();
        save(&mut opened, 5);
        disk.set_hook(Some(std::sync::Arc::new(|op, _| match op {
            crate::testing::Op::SyncDir(_) => crate::sim_disk::Verdict::Dead,
            _ => crate::sim_disk::Verdict::Go,
        })));
        let meta = RaftMeta { term: 6.into(), voted_for: None };
        opened.meta.save(&meta, Durable::new(|end| drop(end.unwrap_err())));
        disk.set_hook(None);
        let load = |disk: SimDisk| open(&disk).unwrap().meta.load().unwrap().unwrap().term.0;
        (load(disk.boot()), load(disk.crash(Crash::Lose)))
    });
    assert_eq!(found, ((6, 5), (6, 6)));
}

#[test]
fn m20_a_vote_is_forgotten() {
    let found = both("M20", || {
        let meta = open(&crashed()).unwrap().meta.load().unwrap().unwrap();
        (meta.term.0, meta.voted_for.is_some())
    });
    assert_eq!(found, ((5, false), (5, true)));
}
