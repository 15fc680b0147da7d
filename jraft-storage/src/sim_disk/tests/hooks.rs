//! What the disk is told to do wrong.

use super::*;

/// A hook that says `verdict` to the calls that `which` names.
fn say(disk: &SimDisk, which: fn(&Op, When) -> bool, verdict: Verdict) {
    disk.set_hook(Some(Arc::new(
        move |op, when| {
            if which(op, when) { verdict } else { Verdict::Go }
        },
    )));
}

#[test]
fn a_hook_hears_each_call_before_and_after_it() {
    let disk = SimDisk::new(1);
    disk.record();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (mine, same) = (Arc::clone(&heard), disk.clone());
    disk.set_hook(Some(Arc::new(move |op, when| {
        mine.lock().push((op.clone(), when, same.last_op()));
        Verdict::Go
    })));
    file(&disk, "f", b"one").set_len(9).unwrap();
    disk.rename(&path("f"), &path("g")).unwrap();
    disk.remove(&path("g")).unwrap();
    disk.set_hook(None);
    let (file, dir) = (path("f"), PathBuf::from("/d"));
    let expected = [
        Op::Create(file.clone()),
        Op::Write(file.clone(), 0, 3),
        Op::Sync(file.clone()),
        Op::SyncDir(dir),
        Op::SetLen(file.clone(), 9),
        Op::Rename(file, path("g")),
        Op::Remove(path("g")),
    ];
    assert_eq!(disk.ops(), expected);
    let heard = heard.lock();
    for (at, (number, op)) in (0..).step_by(2).zip((1..).zip(expected)) {
        assert_eq!(heard[at], (op.clone(), When::Before, number - 1));
        assert_eq!(heard[at + 1], (op, When::After, number));
    }
    assert_eq!(heard.len(), 14);
}

#[test]
fn a_hook_can_crash_inside_a_sync() {
    for when in [When::Before, When::After] {
        let disk = SimDisk::new(1);
        let open = file(&disk, "f", b"one");
        open.write_at(0, b"two").unwrap();
        let same = disk.clone();
        disk.set_hook(Some(Arc::new(move |op, now| {
            if matches!(op, Op::Sync(_)) && now == when {
                same.crash(Crash::Lose);
            }
            Verdict::Go
        })));
        assert!(open.sync_data().unwrap_err().to_string().contains("dead"));
        assert_eq!(disk.ghost_ops(), 0, "it was alive when it asked");
        open.write_at(0, b"six").unwrap_err();
        assert_eq!(disk.ghost_ops(), 1);
        disk.set_hook(None);
        let expected = if when == When::Before { b"one" } else { b"two" };
        assert_eq!(disk.boot().bytes(&path("f")), expected);
        disk.boot().open(&path("f")).unwrap().sync_data().unwrap();
    }
}

#[test]
fn a_process_that_is_told_to_die_is_dead_at_once() {
    for when in [When::Before, When::After] {
        let disk = SimDisk::new(1);
        let open = file(&disk, "f", b"one");
        let is_write = match when {
            When::Before => |op: &Op, when| matches!(op, Op::Write(..)) && when == When::Before,
            When::After => |op: &Op, when| matches!(op, Op::Write(..)) && when == When::After,
        };
        say(&disk, is_write, Verdict::Dead);
        assert!(open.write_at(0, b"two").unwrap_err().to_string().contains("dead"));
        assert!(disk.exists(&path("f")).is_err());
        let expected = if when == When::Before { b"one" } else { b"two" };
        assert_eq!(disk.bytes(&path("f")), expected);
        assert_eq!(disk.crash(Crash::Lose).bytes(&path("f")), b"one");
    }
}

#[test]
fn a_call_fails_once_with_nothing_or_all_of_it_done() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", b"one");
    say(&disk, |_, when| when == When::Before, Verdict::Fail(io::ErrorKind::PermissionDenied));
    let before = disk.last_op();
    let error = open.write_at(0, b"two").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert_eq!((read(&*open), disk.last_op()), (b"one".to_vec(), before));
    say(&disk, |_, when| when == When::After, Verdict::Fail(io::ErrorKind::Other));
    open.write_at(0, b"two").unwrap_err();
    open.sync_data().unwrap_err();
    assert_eq!((read(&*open), floor(&disk)), (b"two".to_vec(), u64::MAX));
    disk.set_hook(None);
    open.write_at(0, b"six").unwrap();
}

#[test]
fn a_sync_fails_and_loses_its_pages() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", b"one");
    open.write_at(0, b"two").unwrap();
    say(&disk, |_, when| when == When::Before, Verdict::FailLosing(io::ErrorKind::Other));
    open.set_len(1).unwrap_err();
    open.sync_data().unwrap_err();
    disk.set_hook(None);
    open.sync_data().unwrap();
    assert_eq!((read(&*open), durable(&disk, "f").unwrap()), (b"two".to_vec(), b"one".to_vec()));
}

#[test]
fn a_full_disk_writes_a_prefix() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", b"one");
    file(&disk, "g", b"12345");
    disk.set_capacity(Some(10));
    let error = open.write_at(1, b"abcdefgh").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(read(&*open), b"oabcd");
    open.write_at(0, b"again").unwrap();
    let number = disk.last_op();
    assert_eq!(open.write_at(6, b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(open.set_len(6).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!((read(&*open), disk.last_op()), (b"again".to_vec(), number + 2));
    disk.remove(&path("g")).unwrap();
    open.set_len(6).unwrap_err();
    disk.sync_dir(Path::new("/d")).unwrap();
    open.set_len(10).unwrap();
    open.set_len(11).unwrap_err();
    disk.set_capacity(None);
    open.set_len(11).unwrap();
    say(&disk, |_, when| when == When::Before, Verdict::Short(2));
    let error = open.write_at(0, b"XYZ").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(read(&*open), b"XYain\0\0\0\0\0\0");
}

#[test]
fn the_nth_call_of_a_kind_fails_and_all_behind_it() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", b"one");
    disk.fail(1, |op| matches!(op, Op::Sync(_)));
    open.sync_data().unwrap();
    open.write_at(0, b"two").unwrap();
    open.sync_data().unwrap_err();
    open.write_at(0, b"six").unwrap_err();
    let disk = disk.crash(Crash::Kill);
    disk.open(&path("f")).unwrap().sync_data().unwrap();
    assert_eq!(durable(&disk, "f").unwrap(), b"two");
}

#[test]
fn a_read_fails_as_told() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", b"one");
    disk.set_read_fault(Some(Arc::new(|file, at, wanted| {
        let hit = file.ends_with("f") && (at..at + wanted as u64).contains(&2);
        hit.then_some(io::ErrorKind::InvalidData)
    })));
    let mut bytes = [0; 2];
    assert_eq!(open.read_at(0, &mut bytes).unwrap(), 2);
    assert_eq!(open.read_at(1, &mut bytes).unwrap_err().kind(), io::ErrorKind::InvalidData);
    disk.set_read_fault(None);
    assert_eq!(open.read_at(1, &mut bytes).unwrap(), 2);
}
