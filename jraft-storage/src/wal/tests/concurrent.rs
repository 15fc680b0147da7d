//! Readers on other threads while the writer appends, truncates and uses segments again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::scope;

use jraft_spi::entity::LogIndex;
use jraft_spi::storage::ReadLimit;

use super::*;
use crate::testing::{new_disk, sized};

#[test]
fn readers_see_all_that_was_appended_and_never_anything_else() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn crate::Disk> = Arc::new(crate::RealDisk::new());
    let mut log = open_at(disk, dir.path(), 64 * 1024).unwrap();
    let reader = Arc::clone(&log.reader);
    let (first, last, over) = (AtomicU64::new(1), AtomicU64::new(0), AtomicBool::new(false));
    scope(|threads| {
        for thread in 0..3 {
            let (reader, first, last, over) = (&reader, &first, &last, &over);
            threads.spawn(move || {
                let mut rounds = 0;
                while !over.load(Ordering::Acquire) || rounds < 100 {
                    rounds += 1;
                    let end = last.load(Ordering::Acquire);
                    let from = (end + 1).saturating_sub(1 + (rounds * 7 + thread) % 400).max(1);
                    let mut out = Vec::new();
                    let limit = ReadLimit { entries: 100, bytes: 20_000 };
                    reader.read(LogIndex(from), limit, &mut out).unwrap();
                    for (index, found) in (from..).zip(&out) {
                        assert_eq!(*found, sized(index, 1, size(index)));
                    }
                    if out.is_empty() {
                        let kept = first.load(Ordering::Acquire);
                        assert!(
                            from < kept || from > end,
                            "{from} of {kept} to {end} was not seen"
                        );
                    }
                }
            });
        }
        let mut next = 1;
        for round in 0..400 {
            let batch: Vec<LogEntry> =
                (next..next + 25).map(|index| sized(index, 1, size(index))).collect();
            next += 25;
            log.storage.append(&batch).unwrap();
            last.store(next - 1, Ordering::Release);
            if round % 10 == 9 {
                first.store(next - 200, Ordering::Release);
                log.storage.truncate_prefix(LogIndex(next - 200)).unwrap();
            }
            if round % 3 == 0 {
                log.sync().unwrap();
            }
        }
        over.store(true, Ordering::Release);
    });
}

/// A reader that looked up where entries stand, and finds the file used anew when it gets there.
#[test]
fn entries_forgotten_in_the_middle_of_a_read_are_not_damage() {
    for reset in [false, true] {
        let disk = new_disk();
        let mut log = open(&disk).unwrap();
        for index in 1..=9 {
            log.storage.append(&[sized(index, 1, 3000)]).unwrap();
            log.sync().unwrap();
        }
        let reader = Arc::clone(&log.reader);
        let new = if reset { 1 } else { 10 };
        disk.on_read(move || {
            if reset {
                log.storage.reset(LogIndex(1)).unwrap();
            } else {
                log.storage.truncate_prefix(LogIndex(10)).unwrap();
            }
            log.sync().unwrap();
            // Of the same size, so that they stand where the old ones stood.
            for index in new..new + 12 {
                log.storage.append(&[sized(index, 2, 3000)]).unwrap();
                log.sync().unwrap();
            }
        });
        let mut out = Vec::new();
        let limit = ReadLimit { entries: 3, bytes: usize::MAX };
        reader.read(LogIndex(1), limit, &mut out).unwrap();
        let all_new: Vec<LogEntry> = (1..=3).map(|index| sized(index, 2, 3000)).collect();
        assert_eq!(out, if reset { all_new } else { Vec::new() });
    }
}

fn size(index: u64) -> usize {
    20 + (index % 11) as usize * 60
}
