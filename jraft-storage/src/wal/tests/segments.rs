//! Segments: made ready ahead, left behind, used again; entries that need one of their own; order of calls to the disk.

use jraft_spi::entity::LogIndex;

use super::model::Crash;
use super::*;
use crate::Disk;
use crate::testing::{Op, entries, entry, new_disk, sized};

fn is_sync(op: &Op) -> bool {
    matches!(op, Op::Sync(_))
}

fn spares(disk: &SimDisk) -> usize {
    let is_spare = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "spare");
    disk.paths().iter().filter(is_spare).count()
}

/// Calls to the disk that one call to the log makes.
fn calls(disk: &SimDisk, run: impl FnOnce()) -> Vec<Op> {
    let before = disk.ops().len();
    run();
    disk.ops().split_off(before)
}

#[test]
fn a_sync_is_one_write_and_one_sync_however_many_entries() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    log.storage.append(&entries(1..=1, 1)).unwrap();
    log.sync().unwrap();
    let ops = calls(&disk, || log.storage.append(&entries(2..=9, 1)).unwrap());
    assert_eq!(ops, []);
    let ops = calls(&disk, || {
        log.storage.append(&entries(10..=20, 1)).unwrap();
        log.storage.truncate_prefix(LogIndex(3)).unwrap();
        log.sync().unwrap();
    });
    assert!(
        matches!(&ops[..], [Op::Write(path, ..), Op::Sync(_)] if *path == segment(1)),
        "{ops:?}"
    );
    assert_eq!(log.engine.syncs(), 2);
    let ops = calls(&disk, || log.sync().unwrap());
    assert_eq!(ops, [], "nothing was to be done");
}

#[test]
fn a_call_that_changes_nothing_writes_nothing() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    log.storage.append(&entries(1..=9, 1)).unwrap();
    log.sync().unwrap();
    let ops = calls(&disk, || {
        log.storage.append(&[]).unwrap();
        log.storage.truncate_prefix(LogIndex(1)).unwrap();
        log.storage.truncate_suffix(LogIndex(9)).unwrap();
        log.storage.truncate_suffix(LogIndex(u64::MAX)).unwrap();
        log.sync().unwrap();
    });
    assert_eq!(ops, []);
}

#[test]
fn much_that_is_pending_is_written_before_the_sync() {
    let disk = new_disk();
    let mut log = open_at(crate::testing::shared(disk.clone()), &dir(), 8 << 20).unwrap();
    let batch: Vec<LogEntry> = (1..=5).map(|index| sized(index, 1, 600 << 10)).collect();
    let ops = calls(&disk, || log.storage.append(&batch).unwrap());
    let writes = ops.iter().filter(|op| matches!(op, Op::Write(..))).count();
    assert_eq!((writes, ops.iter().filter(|op| is_sync(op)).count()), (2, 0), "{ops:?}");
    assert_eq!(read(&*log.reader, 1, 9), batch);
    log.sync().unwrap();
    assert_eq!(read(&*log.reader, 1, 9), batch);
}

#[test]
fn the_next_segment_is_made_ready_in_pieces_so_that_no_sync_fills_a_file() {
    let disk = new_disk();
    let size = 8 << 20;
    let mut log = open_at(crate::testing::shared(disk.clone()), &dir(), size).unwrap();
    let mut most = 0;
    for index in 1..=100 {
        let ops = calls(&disk, || {
            log.storage.append(&[sized(index, 1, 128 << 10)]).unwrap();
            log.sync().unwrap();
        });
        let new = |op: &&Op| matches!(op, Op::Write(path, ..) if path.ends_with("next.new"));
        most = most.max(ops.iter().filter(new).count());
    }
    assert!(disk.paths().contains(&segment(2)));
    assert!(most <= 2, "a piece of a megabyte, and at the end the header, but {most} writes");
}

#[test]
fn used_segments_are_kept_at_most_two_and_used_again() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    let mut created = 0;
    for index in 1..=200 {
        log.storage.append(&[sized(index, 1, 3000)]).unwrap();
        if index % 6 == 0 {
            log.storage.truncate_prefix(LogIndex(index - 2)).unwrap();
        }
        log.sync().unwrap();
        assert!(spares(&disk) <= 2);
        if index == 100 {
            created = disk.ops().iter().filter(|op| matches!(op, Op::Create(_))).count();
        }
    }
    let later = disk.ops().iter().filter(|op| matches!(op, Op::Create(_))).count() - created;
    assert!(later <= 2, "{later} new files for 33 segments");
    assert!(disk.paths().len() < 12, "{:?}", disk.paths());
    let log = open(&disk.crash(Crash::Lose)).unwrap();
    assert_eq!((log.recovered.first.0, log.recovered.last.0), (196, 200));
    assert_eq!(log.all().len(), 5);
}

#[test]
fn a_long_log_that_is_truncated_leaves_two_spares_and_no_more() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    for index in 1..=60 {
        log.storage.append(&[sized(index, 1, 3000)]).unwrap();
    }
    log.storage.truncate_prefix(LogIndex(61)).unwrap();
    let mut files = Vec::new();
    for _ in 0..10 {
        log.sync().unwrap();
        files.push(disk.paths().len());
    }
    // A few at a time, not to hold up the next sync for all of them.
    assert!(files.windows(2).all(|two| two[0].saturating_sub(two[1]) <= 4), "{files:?}");
    assert_eq!(
        (spares(&disk), *files.last().unwrap()),
        (2, 4),
        "spares, one in use, the next: {:?}",
        disk.paths()
    );
    let log = open(&disk.crash(Crash::Lose)).unwrap();
    assert_eq!((log.recovered.first.0, log.recovered.last.0), (61, 60));
}

#[test]
fn a_segment_is_left_only_when_the_truncation_is_durable() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    for index in 1..=8 {
        log.storage.append(&[sized(index, 1, 3000)]).unwrap();
        log.sync().unwrap();
    }
    let ops = calls(&disk, || log.storage.truncate_prefix(LogIndex(8)).unwrap());
    assert_eq!(ops, []);
    let ops = calls(&disk, || log.sync().unwrap());
    let moved = ops.iter().position(|op| matches!(op, Op::Rename(..) | Op::Remove(_))).unwrap();
    assert!(matches!(&ops[..2], [Op::Write(..), Op::Sync(path)] if *path >= segment(2)), "{ops:?}");
    assert!(moved >= 2 && matches!(ops[moved + 1], Op::SyncDir(_)), "{ops:?}");
}

#[test]
fn t_sto_10_the_first_index_survives_a_crash_right_after_the_truncation() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    for index in 1..=8 {
        log.storage.append(&[sized(index, 1, 3000)]).unwrap();
    }
    log.storage.truncate_prefix(LogIndex(6)).unwrap();
    disk.fail(0, |op| matches!(op, Op::Rename(..)));
    log.sync().unwrap();
    let log = open(&disk.crash(Crash::Lose)).unwrap();
    assert_eq!((log.recovered.first.0, log.recovered.last.0), (6, 8));
}

#[test]
fn an_entry_larger_than_a_segment_gets_one_of_its_own() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    let written =
        [entry(1, 1), sized(2, 1, 100_000), sized(3, 1, 50), sized(4, 1, 300_000), entry(5, 1)];
    log.storage.append(&written[..3]).unwrap();
    assert_eq!(read(&*log.reader, 1, 9), written[..3]);
    log.sync().unwrap();
    log.storage.append(&written[3..]).unwrap();
    log.sync().unwrap();
    assert_eq!(read(&*log.reader, 1, 9), written);
    let disk = disk.crash(Crash::Lose);
    let mut log = open(&disk).unwrap();
    assert_eq!(log.all(), written);
    // Such files are not of a size to be used again.
    log.storage.truncate_prefix(LogIndex(6)).unwrap();
    for index in 6..12 {
        log.storage.append(&[sized(index, 1, 3000)]).unwrap();
    }
    log.storage.truncate_prefix(LogIndex(11)).unwrap();
    log.sync().unwrap();
    log.sync().unwrap();
    for path in disk.paths() {
        assert!(disk.bytes(&path).len() as u64 <= SMALL, "{}", path.display());
    }
}

#[test]
fn a_prepared_segment_too_small_for_a_huge_entry_is_passed_over() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    let mut written = Vec::new();
    while !disk.paths().contains(&segment(2)) {
        written.push(sized(written.len() as u64 + 1, 1, 900));
        log.storage.append(&written[written.len() - 1..]).unwrap();
        log.sync().unwrap();
    }
    written.push(sized(written.len() as u64 + 1, 1, 100_000));
    log.storage.append(&written[written.len() - 1..]).unwrap();
    log.sync().unwrap();
    let log = open(&disk.crash(Crash::Lose)).unwrap();
    assert_eq!(log.all(), written);
}

#[test]
fn stale_records_of_a_segment_used_again_never_come_back() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    let mut next = 1;
    // Equal sizes, so that new records stand exactly where old ones stood.
    for round in 1..=30 {
        for _ in 0..5 {
            log.storage.append(&[sized(next, round, 2000)]).unwrap();
            next += 1;
        }
        log.storage.truncate_prefix(LogIndex(next - 1)).unwrap();
        log.sync().unwrap();
        if round % 3 == 0 {
            log = open(&disk.crash(Crash::Kill)).map(|log| (log.engine.is_new(), log)).unwrap().1;
            return_to(&log, next - 1);
            // Handles of before the crash are dead; go on with the new ones.
            let reopened = disk.fork();
            log = open(&reopened).unwrap();
            assert_eq!(log.all(), [sized(next - 1, round, 2000)]);
            return stale(reopened, log, next, round);
        }
    }
}

fn return_to(log: &Log, last: u64) {
    assert_eq!((log.recovered.first.0, log.recovered.last.0), (last, last));
}

fn stale(disk: SimDisk, mut log: Log, mut next: u64, round: u64) {
    for _ in 0..200 {
        log.storage.append(&[sized(next, round + 1, 2000)]).unwrap();
        log.storage.truncate_prefix(LogIndex(next)).unwrap();
        log.sync().unwrap();
        let copy = disk.fork();
        let found = open(&copy).unwrap();
        assert_eq!(found.all(), [sized(next, round + 1, 2000)]);
        next += 1;
    }
}

#[test]
fn a_number_used_again_after_a_cut_gets_another_salt() {
    let salt = |disk: &SimDisk| disk.bytes(&segment(2))[32..40].to_vec();
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    let mut next = 1;
    let mut fill = |log: &mut Log, disk: &SimDisk| {
        while !disk.paths().contains(&segment(2)) {
            log.storage.append(&[sized(next, 1, 900)]).unwrap();
            log.sync().unwrap();
            next += 1;
        }
    };
    fill(&mut log, &disk);
    let first = salt(&disk);
    let disk = disk.crash(Crash::Lose);
    let mut log = open(&disk).unwrap();
    assert!(!disk.paths().contains(&segment(2)), "it held nothing");
    fill(&mut log, &disk);
    assert_ne!(salt(&disk), first);
}

/// Adds entries to a log that holds `written`, until the next segment lies ready and holds nothing yet.
fn fill_until_ready(disk: &SimDisk, log: &mut Log, written: &mut Vec<LogEntry>) {
    let segments = || disk.paths().iter().filter(|path| is_segment(path)).count();
    let before = segments();
    while segments() == before {
        let entry = sized(written.len() as u64 + 1, 1, 3000);
        log.storage.append(std::slice::from_ref(&entry)).unwrap();
        log.sync().unwrap();
        written.push(entry);
    }
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "wal")
}

#[test]
fn segments_of_another_size_are_read_and_never_taken_for_the_usual_ones() {
    let (disk, mut written) = (new_disk(), Vec::new());
    for times in [1, 2, 4, 1, 2] {
        let mut log = open_at(crate::testing::shared(disk.clone()), &dir(), times * SMALL).unwrap();
        assert_eq!(log.all(), written, "segments of {times} times the usual size");
        fill_until_ready(&disk, &mut log, &mut written);
    }
    assert_eq!(open(&disk).unwrap().all(), written);
}

#[test]
fn a_spare_is_never_listed_twice() {
    let (disk, mut written) = (new_disk(), Vec::new());
    let mut log = open(&disk).unwrap();
    fill_until_ready(&disk, &mut log, &mut written);
    drop(log);
    // As losses of power can leave it: the next segment beside a spare of its number.
    let next = disk.paths().into_iter().filter(|path| is_segment(path)).max().unwrap();
    let bytes = disk.open(&next).unwrap().size().unwrap();
    let file = disk.create(&next.with_extension("spare")).unwrap();
    file.write_at(0, &vec![0; bytes as usize]).unwrap();
    let mut log = open(&disk).unwrap();
    for _ in 0..4 {
        fill_until_ready(&disk, &mut log, &mut written);
    }
    drop(log);
    assert_eq!(open(&disk).unwrap().all(), written);
}
