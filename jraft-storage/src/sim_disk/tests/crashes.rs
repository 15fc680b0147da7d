//! What a crash leaves, and what becomes of the dead.

use std::collections::BTreeSet;

use jraft_spi::storage::StorageError;

use super::*;

#[test]
fn a_kill_keeps_what_was_written_and_a_later_power_loss_takes_it() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", b"one");
    open.write_at(0, b"two").unwrap();
    disk.create(&path("g")).unwrap();
    let disk = disk.crash(Crash::Kill);
    assert_eq!(disk.bytes(&path("f")), b"two");
    assert_eq!((disk.files().len(), floor(&disk)), (2, 5));
    let disk = disk.crash(Crash::Lose);
    assert_eq!(disk.bytes(&path("f")), b"one");
    assert_eq!((disk.files().len(), floor(&disk)), (1, u64::MAX));
}

#[test]
fn a_torn_write_keeps_any_subset_of_its_sectors() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", &[1; 1000]);
    // Begins and ends within a sector: four pieces.
    open.write_at(400, &[2; 1500]).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..600 {
        let torn = disk.fork().crash(Crash::Tear(seed)).bytes(&path("f"));
        let kept = [400, 512, 1024, 1536].map(|at| torn.get(at) == Some(&2));
        let ends = [400, 512, 1024, 1536, 1900];
        for (piece, kept) in kept.into_iter().enumerate() {
            let end = ends[piece + 1].min(torn.len());
            let new = torn[ends[piece].min(end)..end].iter().filter(|&&byte| byte == 2).count();
            assert_eq!(new, if kept { end - ends[piece] } else { 0 }, "half a sector");
        }
        assert!(torn[..400].iter().all(|&byte| byte == 1) && torn.len() >= 1000);
        seen.insert(kept);
    }
    assert_eq!(seen.len(), 16);
    let again = |seed| disk.fork().crash(Crash::Tear(seed)).bytes(&path("f"));
    assert!((0..20).all(|seed| again(seed) == again(seed)));
}

#[test]
fn a_tear_keeps_lengths_and_names_or_loses_them() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", &[1; 1000]);
    file(&disk, "g", b"");
    open.set_len(10).unwrap();
    disk.rename(&path("g"), &path("h")).unwrap();
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.create_dir_all(&path("sub")).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let disk = disk.fork().crash(Crash::Tear(seed));
        let length = disk.bytes(&path("f")).len();
        let (old, new) = (disk.exists(&path("g")).unwrap(), disk.exists(&path("h")).unwrap());
        assert!(old != new && (length == 10 || length == 1000));
        seen.insert((length, new, disk.exists(&path("sub")).unwrap()));
    }
    assert_eq!(seen.len(), 8);
}

/// Emptied by `create`, it is still the file whose name is durable: old bytes never get a new name.
#[test]
fn a_leftover_file_that_is_made_again_is_the_same_file() {
    let disk = SimDisk::new(1);
    file(&disk, "tmp", b"leftover");
    let open = disk.create(&path("tmp")).unwrap();
    open.write_at(0, b"new").unwrap();
    open.sync_data().unwrap();
    disk.rename(&path("tmp"), &path("x")).unwrap();
    for seed in 0..50 {
        let disk = disk.fork().crash(Crash::Tear(seed));
        assert_eq!(disk.files().len(), 1);
        assert_eq!(disk.bytes(&disk.files()[0].0), b"new");
    }
}

#[test]
fn a_file_has_one_name_whichever_of_its_renames_are_lost() {
    let disk = SimDisk::new(1);
    file(&disk, "a", b"one");
    disk.rename(&path("a"), &path("b")).unwrap();
    disk.rename(&path("b"), &path("c")).unwrap();
    let torn = (0..50).map(|seed| disk.fork().crash(Crash::Tear(seed)).files());
    let seen: BTreeSet<_> = torn.collect();
    let one = |name| vec![(path(name), 3)];
    assert_eq!(seen, BTreeSet::from([one("a"), one("b"), one("c")]));
}

#[test]
fn a_directory_without_a_durable_name_takes_along_all_that_is_in_it() {
    let disk = SimDisk::new(1);
    disk.create_dir_all(&path("sub")).unwrap();
    file(&disk, "sub/f", b"one").sync_data().unwrap();
    disk.sync_dir(&path("sub")).unwrap();
    assert_eq!(durable(&disk, "sub/f"), None);
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(durable(&disk, "sub/f"), None, "nor is that of the one above");
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(durable(&disk, "sub/f").unwrap(), b"one");
}

#[test]
fn a_dead_handle_is_refused_everything_and_counts_as_a_ghost() {
    let dead = SimDisk::new(1);
    let open = file(&dead, "f", b"one");
    let unique = dead.unique();
    let disk = dead.crash(Crash::Kill);
    let (before, content) = (disk.last_op(), disk.bytes(&path("f")));
    let changes = [
        dead.create(&path("g")).err(),
        dead.rename(&path("f"), &path("g")).err(),
        dead.remove(&path("f")).err(),
        dead.create_dir_all(&path("sub")).err(),
        dead.sync_dir(&path("")).err(),
        open.write_at(0, b"two").err(),
        open.set_len(0).err(),
        open.sync_data().err(),
    ];
    let refused = |error: &Option<io::Error>| error.as_ref().unwrap().to_string().contains("dead");
    assert!(changes.iter().all(refused));
    let ghosts = disk.ghost_ops();
    assert_eq!(ghosts, changes.len() as u64);
    let looks = [
        dead.open(&path("f")).err(),
        dead.list(&path("")).err(),
        dead.exists(&path("f")).err(),
        open.size().err(),
        open.read_at(0, &mut [0; 3]).err(),
    ];
    assert!(looks.iter().all(refused));
    assert!(dead.lock(&path("LOCK")).err().unwrap().to_string().contains("dead"));
    assert_eq!(dead.unique(), unique, "it draws nothing any more");
    drop(open);
    assert_eq!((disk.ghost_ops(), disk.last_op()), (ghosts, before));
    assert_eq!(disk.bytes(&path("f")), content);
}

#[test]
fn the_lock_of_a_dead_process_is_gone_and_its_release_is_inert() {
    let disk = SimDisk::new(1);
    let lock = path("LOCK");
    let first = disk.lock(&lock).unwrap();
    let StorageError::Locked { path, .. } = disk.lock(&lock).err().unwrap() else { panic!() };
    assert_eq!(path, Path::new("/d"));
    let next = disk.crash(Crash::Kill);
    let second = next.lock(&lock).unwrap();
    drop(first);
    assert!(next.lock(&lock).is_err(), "the dead one released the lock of the living one");
    drop(second);
    drop(next.lock(&lock).unwrap());
    assert_eq!(next.ghost_ops(), 0);
}
