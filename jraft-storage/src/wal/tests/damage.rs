//! Bytes that are not what was written: refused, or a tail that was never durable; never a wrong entry.

use std::sync::Mutex;

use super::model::{Call, Crash, Runner, configuration};
use super::*;
use crate::testing::{entries, entry, new_disk, sized};

/// A header and a page of records.
const TINY: u64 = 8 * 1024;

fn open(disk: &SimDisk) -> Result<Log, StorageError> {
    open_at(crate::testing::shared(disk.clone()), &dir(), TINY)
}

/// The places worth a change: all that were written, and some behind.
fn places(disk: &SimDisk, path: &Path) -> Vec<usize> {
    let bytes = disk.bytes(path);
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    (0..bytes.len())
        .filter(|at| *at < 64 || (4096..end + 50).contains(at) || at % 97 == 0)
        .collect()
}

/// A log of three segments, not closed: four groups and more, the last one synced but not yet said to be.
fn crashed_log() -> (SimDisk, Vec<LogEntry>, u64) {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    let mut written = entries(1..=3, 1);
    written.push(configuration(4, 1));
    written.push(sized(5, 1, 3000));
    written.push(sized(6, 2, 3000));
    written.push(sized(7, 2, 800));
    written.push(entry(8, 2));
    for batch in [0..3, 3..6, 6..7, 7..8] {
        log.storage.append(&written[batch]).unwrap();
        log.sync().unwrap();
    }
    assert!(disk.paths().contains(&segment(3)));
    (disk, written, 7)
}

fn closed_log() -> (SimDisk, Vec<LogEntry>) {
    let (disk, mut written, _) = crashed_log();
    let disk = disk.crash(Crash::Kill);
    let mut log = open(&disk).unwrap();
    assert_eq!(log.all(), written);
    written.push(entry(9, 3));
    log.storage.append(&written[8..]).unwrap();
    log.engine.close().unwrap();
    (disk.crash(Crash::Lose), written)
}

fn is_damaged(error: &StorageError) -> bool {
    matches!(error, StorageError::Damaged { .. })
}

/// Opens a changed copy: refused, or the first `least` entries or more of what was written.
fn check(
    disk: &SimDisk,
    path: &Path,
    written: &[LogEntry],
    least: u64,
    change: &dyn Fn(&mut Vec<u8>),
) -> bool {
    let disk = disk.fork();
    disk.edit(path, change);
    let log = match open(&disk) {
        Ok(log) => log,
        Err(StorageError::Other(text)) => {
            assert!(text.contains("format version"), "{text}");
            return false;
        }
        Err(error) => {
            assert!(is_damaged(&error), "{error}");
            return false;
        }
    };
    let found = log.all();
    assert!(found.len() as u64 >= least, "{} of {least} are left", found.len());
    assert_eq!(found, written[..found.len()]);
    true
}

#[test]
fn a_flipped_bit_is_damage_or_a_tail_that_was_not_known_durable() {
    let (disk, written, least) = crashed_log();
    let (mut refused, mut opened) = (0, 0);
    for path in disk.paths() {
        for at in places(&disk, &path) {
            let flip = |bytes: &mut Vec<u8>| bytes[at] ^= 1 << (at % 8);
            *(if check(&disk, &path, &written, least, &flip) {
                &mut opened
            } else {
                &mut refused
            }) += 1;
        }
    }
    assert!(refused > 6_000 && opened > 200, "{refused} refused, {opened} opened");
}

#[test]
fn after_a_close_not_even_the_last_group_can_be_lost() {
    let (disk, written) = closed_log();
    for path in disk.paths() {
        for at in places(&disk, &path) {
            check(&disk, &path, &written, 9, &|bytes| bytes[at] ^= 0x80);
        }
    }
}

#[test]
fn zeros_from_any_place_on_are_damage_or_a_torn_tail() {
    // Nothing is left that could tell how long the log was; what is found is what was written all the same.
    let (crashed, written, _) = crashed_log();
    let (closed, all) = closed_log();
    for (disk, written) in [(&crashed, &written), (&closed, &all)] {
        for path in disk.paths() {
            for at in places(disk, &path) {
                let opened = check(disk, &path, written, 4, &|bytes| bytes[at..].fill(0));
                assert!(!opened || path >= segment(3) || at > 4096, "{} at {at}", path.display());
            }
        }
    }
}

#[test]
fn a_file_that_became_shorter_is_damage() {
    let (disk, written, _) = crashed_log();
    for path in disk.paths() {
        for at in places(&disk, &path) {
            assert!(!check(&disk, &path, &written, 0, &|bytes| bytes.truncate(at)));
        }
    }
}

#[test]
fn a_doubled_tail_changes_nothing() {
    let (disk, written, _) = crashed_log();
    for path in disk.paths() {
        for length in [8, 48, 100, 512, 1000, 4096] {
            let size = disk.bytes(&path).len();
            // Behind the file, and behind what was written to it.
            assert!(check(&disk, &path, &written, 8, &|bytes| bytes
                .extend_from_within(size - length..)));
            let end = disk.bytes(&path).iter().rposition(|&byte| byte != 0).unwrap() + 1;
            let end = end.next_multiple_of(8);
            if end + length <= size && length <= end {
                check(&disk, &path, &written, 7, &|bytes| {
                    bytes.copy_within(end - length..end, end)
                });
            }
        }
    }
}

#[test]
fn a_sector_of_zeros_or_of_another_place_is_damage_or_a_torn_tail() {
    let (disk, written, _) = crashed_log();
    for path in disk.paths() {
        for at in (0..disk.bytes(&path).len() - 512).step_by(512) {
            // Two groups can stand in one sector, and then the second cannot tell of the first.
            check(&disk, &path, &written, 6, &|bytes| bytes[at..at + 512].fill(0));
            let from = (at + 4096) % (TINY as usize - 512);
            check(&disk, &path, &written, 6, &|bytes| bytes.copy_within(from..from + 512, at));
        }
    }
}

#[test]
fn a_missing_or_a_strange_or_a_swapped_file_is_refused() {
    let (disk, _, _) = crashed_log();
    let refuse = |change: &dyn Fn(&SimDisk), part: &str| {
        let disk = disk.fork();
        change(&disk);
        let text = open(&disk).err().expect("refused").to_string();
        assert!(text.contains(part), "{text}");
    };
    use crate::Disk;
    refuse(&|disk| disk.remove(&segment(2)).unwrap(), "the segment is missing");
    refuse(&|disk| disk.remove(&segment(1)).unwrap(), "entries 1 to ");
    refuse(&|disk| drop(disk.create(&dir().join("strange")).unwrap()), "no file of a log");
    refuse(&|disk| disk.rename(&segment(3), &segment(2)).unwrap(), "it is segment 3");
    refuse(&|disk| drop(disk.create(&segment(3)).unwrap()), "shorter than its header");
    refuse(&|disk| disk.edit(&segment(1), |bytes| bytes[8] = 9), "format version 9");
    refuse(&|disk| disk.edit(&segment(1), |bytes| bytes[0] = 9), "not a log segment");
    // The last segment can be lost without a trace only if nothing else knows of it.
    refuse(&|disk| disk.edit(&segment(2), |bytes| bytes[6000] ^= 1), "durable up to");
}

#[test]
fn the_oldest_segment_cannot_have_lost_its_first_group() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    for index in 1..=3 {
        log.storage.append(&[sized(index, 1, 3000)]).unwrap();
    }
    log.storage.truncate_prefix(3.into()).unwrap();
    log.sync().unwrap();
    assert!(!disk.paths().contains(&segment(2)) && disk.paths().contains(&segment(3)));
    // Nothing is left to say how much was durable, but segments before it would not be gone without it.
    disk.edit(&segment(3), |bytes| bytes[4096..].fill(0));
    let error = open(&disk).err().unwrap();
    assert!(is_damaged(&error) && error.to_string().contains("in the oldest segment"), "{error}");
}

#[test]
fn a_group_of_another_past_is_not_taken_for_the_next_one() {
    let append = |disk: &SimDisk, log: &mut Log, index, term| {
        log.storage.append(&[entry(index, term)]).unwrap();
        log.sync().unwrap();
        disk.bytes(&segment(1)).iter().rposition(|&byte| byte != 0).unwrap() + 1
    };
    // Two pasts of one file: 1, 2, 3 of term 1, and 1 of term 1, 2 and 3 of term 2, all at the same places.
    let ours = new_disk();
    let mut log = open(&ours).unwrap();
    append(&ours, &mut log, 1, 1);
    let theirs = ours.fork();
    let mut other = open(&theirs).unwrap();
    let second = append(&ours, &mut log, 2, 1).next_multiple_of(8);
    let end = append(&ours, &mut log, 3, 1);
    append(&theirs, &mut other, 2, 2);
    append(&theirs, &mut other, 3, 2);
    let stale = theirs.bytes(&segment(1))[second..end].to_vec();
    assert!(stale.starts_with(b"JRAFTGRP"));
    ours.edit(&segment(1), |bytes| bytes[second..end].copy_from_slice(&stale));
    assert_eq!(open(&ours).unwrap().all(), entries(1..=2, 1));
}

#[test]
fn padding_is_verified_too() {
    let (disk, _) = closed_log();
    let bytes = disk.bytes(&segment(1));
    let length = u32::from_le_bytes(bytes[4096 + 12..][..4].try_into().unwrap()) as usize;
    assert!(!length.is_multiple_of(8), "this group has padding");
    disk.edit(&segment(1), |bytes| bytes[4096 + 48 + length] = 1);
    let error = open(&disk).err().unwrap();
    assert!(is_damaged(&error) && error.to_string().contains("padding"), "{error}");
}

#[test]
fn segments_of_another_directory_are_refused() {
    let disk = new_disk();
    let options = |directory| WalOptions { segment_bytes: TINY, directory };
    let shared = || crate::testing::shared(disk.clone());
    drop(WalEngine::open(shared(), dir(), options(7), silent()).unwrap());
    let error = WalEngine::open(shared(), dir(), options(8), silent()).err().unwrap();
    assert!(error.to_string().contains("another data directory"), "{error}");
    drop(WalEngine::open(shared(), dir(), options(7), silent()).unwrap());
}

#[test]
fn damage_names_file_offset_group_index_and_what_to_do() {
    let (disk, _, _) = crashed_log();
    disk.edit(&segment(1), |bytes| bytes[4096 + 48 + 50 + 40] ^= 1);
    let error = open(&disk).err().unwrap();
    let StorageError::Damaged { file, offset, group, index, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!((file, *offset), (&segment(1), 4096));
    assert_eq!((group.as_str(), index.0), ("", 0), "nothing is known before the first group");
    let (disk, _, _) = crashed_log();
    let second = {
        let bytes = disk.bytes(&segment(1));
        let magic = |at: &usize| bytes[*at..].starts_with(b"JRAFTGRP");
        (4104..bytes.len()).step_by(8).find(magic).unwrap()
    };
    disk.edit(&segment(1), |bytes| bytes[second + 60] ^= 1);
    let error = open(&disk).err().unwrap();
    let text = error.to_string();
    let StorageError::Damaged { offset, group, index, .. } = error else { panic!("{text}") };
    assert_eq!((offset, group.as_str(), index.0), (second as u64, "g", 4));
    assert!(text.contains("restore this data directory from a backup"), "{text}");
}

#[test]
fn damage_met_while_reading_is_an_error_and_never_a_wrong_entry() {
    let (disk, written, _) = crashed_log();
    let at = disk.bytes(&segment(1)).len();
    for at in (4096..at).step_by(7) {
        let disk = disk.fork();
        let log = open(&disk).unwrap();
        disk.edit(&segment(1), |bytes| bytes[at] ^= 4);
        for (index, expected) in (1..).zip(&written) {
            let mut out = Vec::new();
            let limit = jraft_spi::storage::ReadLimit { entries: 1, bytes: 0 };
            match log.reader.read(jraft_spi::entity::LogIndex(index), limit, &mut out) {
                Ok(()) => assert_eq!(out, std::slice::from_ref(expected)),
                Err(error) => assert!(is_damaged(&error), "{error}"),
            }
        }
    }
}

#[test]
fn a_torn_group_is_cut_and_the_log_goes_on() {
    let disk = new_disk();
    let mut log = open(&disk).unwrap();
    log.storage.append(&entries(1..=2, 1)).unwrap();
    log.sync().unwrap();
    log.storage.append(&[sized(3, 1, 2000)]).unwrap();
    disk.fail(0, |op| matches!(op, crate::testing::Op::Sync(_)));
    log.sync().unwrap_err();
    // The first sector of the group is lost, a later one stays.
    let mut seen = (false, false);
    for seed in 0..64 {
        let disk = disk.fork().crash(Crash::Tear(seed));
        let mut log = open(&disk).unwrap();
        let kept = log.recovered.last.0;
        seen = (seen.0 || kept == 2, seen.1 || kept == 3);
        log.storage.append(&[entry(kept + 1, 2)]).unwrap();
        log.sync().unwrap();
        let log = open(&disk.crash(Crash::Lose)).unwrap();
        assert_eq!(log.all()[kept as usize], entry(kept + 1, 2));
    }
    assert_eq!(seen, (true, true));
}

#[test]
fn t_sto_16_a_dirty_magic_drops_the_last_group_and_keeps_those_before() {
    let (disk, written, _) = crashed_log();
    let bytes = disk.bytes(&segment(3));
    let is_group = |at: &usize| bytes[*at..].starts_with(b"JRAFTGRP");
    let last = (4096..bytes.len()).step_by(8).rfind(is_group).unwrap();
    disk.edit(&segment(3), |bytes| bytes[last] = 0);
    assert_eq!(open(&disk).unwrap().all(), written[..7]);
}

/// Collects log lines.
struct Lines(Arc<Mutex<Vec<String>>>);

impl slog::Drain for Lines {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &slog::Record<'_>, _: &slog::OwnedKVList) -> Result<(), slog::Never> {
        struct Values(String);
        impl slog::Serializer for Values {
            fn emit_arguments(
                &mut self,
                key: slog::Key,
                value: &std::fmt::Arguments<'_>,
            ) -> slog::Result {
                self.0.push_str(&format!(" {key}={value}"));
                Ok(())
            }
        }
        let mut values = Values(record.msg().to_string());
        slog::KV::serialize(&record.kv(), record, &mut values).expect("text");
        self.0.lock().expect("unpoisoned").push(values.0);
        Ok(())
    }
}

#[test]
fn a_cut_leaves_zeros_and_one_line_in_the_log() {
    let (disk, _, _) = crashed_log();
    let (path, page) = (segment(3), 4096);
    let end = disk.bytes(&path).iter().rposition(|&byte| byte != 0).unwrap() + 1;
    // The last record is torn: its group goes, and with it all its bytes.
    disk.edit(&path, |bytes| bytes[end - 10] ^= 1);
    let mut lines = [Vec::new(), Vec::new()];
    for lines in &mut lines {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = slog::Logger::root(Lines(Arc::clone(&heard)), slog::o!());
        let options = WalOptions { segment_bytes: TINY, ..WalOptions::default() };
        drop(WalEngine::open(crate::testing::shared(disk.clone()), dir(), options, log).unwrap());
        lines.extend(heard.lock().unwrap().iter().filter(|line| line.contains("cut")).cloned());
    }
    assert_eq!(lines[0].len(), 1, "{lines:?}");
    let offset: usize =
        lines[0][0].split("offset=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(offset > page && offset < end, "{offset}");
    assert!(lines[0][0].contains(&format!("bytes={}", end - offset)), "{lines:?}");
    assert!(disk.bytes(&path)[offset..].iter().all(|&byte| byte == 0));
    assert_eq!(lines[1], Vec::<String>::new(), "it was cut already");
}

#[test]
fn a_page_that_did_not_reach_the_disk_is_written_anew_when_the_log_is_opened() {
    // fsyncgate: the sync failed, the process went on to its end, the page cache says clean.
    let mut runner = Runner::new();
    runner.run(&[Call::Append(2, 0), Call::Sync, Call::Append(2, 0)]).unwrap();
    runner.disk.lose_next_sync();
    assert!(runner.run(&[Call::Sync]).is_err());
    runner.crash(Crash::Kill).unwrap();
    let found = runner.log.as_ref().unwrap().all().len();
    runner.crash(Crash::Lose).unwrap();
    assert_eq!(runner.log.as_ref().unwrap().all().len(), found, "what was read was not durable");
}
