//! The directory: its lock, its identity, what is refused.

use std::process::{Command, Stdio};

use jraft_spi::storage::{Durable, RaftMeta, RaftMetaStorage};

use super::*;
use crate::testing::{Crash, Op, SimDisk, entries, new_disk, read, shared, silent, sync};

fn group() -> GroupId {
    "g".parse().unwrap()
}

fn small() -> WalOptions {
    WalOptions { segment_bytes: 16 * 1024, ..WalOptions::default() }
}

fn start(disk: &SimDisk) -> Result<OpenedStorage, StorageError> {
    DataDir::open(shared(disk.clone()), "/data")?.storage(&group(), small(), silent())
}

#[test]
fn a_directory_keeps_its_identity_log_and_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/data");
    let options = RaftOptions::default();
    let identity = {
        let mut opened = open(&path, &group(), &options, silent()).unwrap();
        assert_eq!(opened.meta.load().unwrap(), None);
        let meta = RaftMeta { term: 3.into(), voted_for: None };
        opened.meta.save(&meta, Durable::new(|end| end.unwrap()));
        opened.log.storage.append(&entries(1..=9, 3)).unwrap();
        sync(&mut opened.engine).unwrap();
        opened.engine.close().unwrap();
        opened.dir.identity()
    };
    let mut opened = open(&path, &group(), &options, silent()).unwrap();
    assert_eq!(opened.dir.identity(), identity);
    assert_eq!(opened.meta.load().unwrap().unwrap().term.0, 3);
    assert_eq!(read(&*opened.log.reader, 1, 99), entries(1..=9, 3));
    for name in ["LOCK", "FORMAT", "log", "raft_meta/raft_meta"] {
        assert!(path.join(name).exists(), "{name}");
    }
}

#[test]
fn a_second_engine_of_this_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let first = DataDir::open(Arc::clone(&disk), dir.path()).unwrap();
    let error = DataDir::open(Arc::clone(&disk), dir.path()).err().unwrap();
    let StorageError::Locked { path, holder } = &error else { panic!("{error}") };
    assert_eq!(path, dir.path());
    assert!(holder.starts_with("process "), "{holder}");
    drop(first);
    drop(DataDir::open(disk, dir.path()).unwrap());
}

const CHILD_DIR: &str = "JRAFT_TEST_LOCKED_DIR";

/// Run by the test below in a process of its own: it takes the lock, says so, and waits to be killed. Else it does nothing.
#[test]
fn child_that_holds_the_lock() {
    let Some(path) = std::env::var_os(CHILD_DIR) else { return };
    let _dir = DataDir::open(Arc::new(RealDisk::new()), PathBuf::from(path)).unwrap();
    println!("locked");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_second_process_is_kept_out_until_the_first_one_dies() {
    use std::io::BufRead;
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "data_dir::tests::child_that_holds_the_lock", "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("locked")));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let error = DataDir::open(Arc::clone(&disk), dir.path()).err().unwrap().to_string();
    assert!(error.contains(&format!("process {}", child.id())), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(DataDir::open(disk, dir.path()).unwrap());
}

/// I-15: a missing meta file beside a log that is not empty.
#[test]
fn a_log_without_metadata_is_refused() {
    for reset in [false, true] {
        let disk = new_disk();
        let mut opened = start(&disk).unwrap();
        if reset {
            opened.log.storage.reset(21.into()).unwrap();
        } else {
            opened.log.storage.append(&entries(1..=3, 1)).unwrap();
        }
        sync(&mut opened.engine).unwrap();
        drop(opened);
        let error = start(&disk).err().unwrap().to_string();
        assert!(error.contains("do not start") && error.contains("raft_meta"), "{error}");
    }
}

#[test]
fn a_crash_while_the_directory_is_made_is_no_obstacle() {
    for (at, seed) in (0..40).flat_map(|at| (0..6).map(move |seed| (at, seed))) {
        let disk = new_disk();
        disk.fail(at, |_| true);
        let _ = start(&disk);
        let disk = disk.crash(Crash::Tear(seed));
        let opened = start(&disk).unwrap_or_else(|error| panic!("{at} {seed}: {error}"));
        assert!(opened.engine.is_new());
    }
}

#[test]
fn the_names_of_all_new_directories_are_durable() {
    let disk = new_disk();
    drop(DataDir::open(shared(disk.clone()), "/a/b/data").unwrap());
    let sync = |dir: &str| Op::SyncDir(dir.into());
    let make = |dir: &str| Op::MakeDir(dir.into());
    let expected = [
        sync("/"),
        make("/a"),
        sync("/"),
        make("/a/b"),
        sync("/a"),
        make("/a/b/data"),
        sync("/a/b"),
    ];
    assert_eq!(disk.ops()[..expected.len()], expected);
    assert_eq!(disk.unsynced_floor(Path::new("/")), u64::MAX);
}

/// Killed while the directories are made; the next process finds them, and keeps something in them.
#[test]
fn directories_that_a_killed_process_made_become_durable() {
    let path = "/a/b/data";
    for at in 0..40 {
        let disk = new_disk();
        disk.fail(at, |_| true);
        let _ = DataDir::open(shared(disk.clone()), path);
        let disk = disk.crash(Crash::Kill);
        let identity = DataDir::open(shared(disk.clone()), path).unwrap().identity();
        let disk = disk.crash(Crash::Lose);
        assert_eq!(DataDir::open(shared(disk), path).unwrap().identity(), identity, "{at}");
    }
}

#[test]
fn a_directory_of_another_format_is_refused() {
    let refuse = |text: &str, part: &str| {
        let disk = new_disk();
        drop(start(&disk).unwrap());
        disk.edit(Path::new("/data/FORMAT"), |bytes| *bytes = text.as_bytes().to_vec());
        let error = start(&disk).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    refuse("", "this program knows");
    refuse("jraft data directory, format 2, number 0000000000000001\n", "format 2");
    refuse("jraft data directory, format 1, number 000000000000001\n", "this program knows");
    refuse("jraft data directory, format 1, number 00000000000000001\n", "this program knows");
    refuse("jraft data directory, format 1, number 0000000000000001\n", "another data directory");
    let disk = new_disk();
    drop(start(&disk).unwrap());
    Disk::remove(&disk, Path::new("/data/FORMAT")).unwrap();
    let error = start(&disk).err().unwrap().to_string();
    assert!(error.contains("FORMAT is missing"), "{error}");
}
