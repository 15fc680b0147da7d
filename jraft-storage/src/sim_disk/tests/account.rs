//! What could still be lost, and the count of calls.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

use super::*;

#[test]
fn the_unsynced_floor_falls_and_rises() {
    let disk = SimDisk::new(1);
    assert_eq!((disk.last_op(), floor(&disk)), (0, u64::MAX));
    let open = file(&disk, "f", b"one");
    assert_eq!((disk.last_op(), floor(&disk)), (4, u64::MAX));
    open.write_at(0, b"two").unwrap();
    open.set_len(9).unwrap();
    assert_eq!((disk.last_op(), floor(&disk)), (6, 5));
    open.sync_data().unwrap();
    assert_eq!((disk.last_op(), floor(&disk)), (7, u64::MAX));
    disk.rename(&path("f"), &path("g")).unwrap();
    open.write_at(0, b"three").unwrap();
    open.sync_data().unwrap();
    assert_eq!(floor(&disk), 8, "a sync of the file is none of its name");
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(floor(&disk), u64::MAX);
    disk.remove(&path("g")).unwrap();
    assert_eq!(floor(&disk), disk.last_op());
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(floor(&disk), disk.last_op() - 1, "that was another directory");
}

#[test]
fn a_name_is_durable_when_its_directory_is_synced() {
    let disk = SimDisk::new(1);
    let open = disk.create(&path("f")).unwrap();
    open.write_at(0, b"one").unwrap();
    open.sync_data().unwrap();
    assert_eq!((durable(&disk, "f"), floor(&disk)), (None, 1));
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!((durable(&disk, "f").unwrap(), floor(&disk)), (b"one".to_vec(), u64::MAX));
    disk.rename(&path("f"), &path("g")).unwrap();
    assert_eq!((durable(&disk, "f").unwrap(), durable(&disk, "g")), (b"one".to_vec(), None));
}

#[test]
fn a_floor_is_that_of_a_directory_and_all_below_it() {
    let disk = SimDisk::new(1);
    let at = |dir: &str| disk.unsynced_floor(Path::new(dir));
    disk.create(Path::new("/d/b/f")).unwrap();
    disk.create(Path::new("/d-x/f")).unwrap();
    disk.create(Path::new("/d/a/f")).unwrap();
    assert_eq!((at("/"), at("/d"), at("/d/a"), at("/d-x"), at("/e")), (1, 1, 3, 2, u64::MAX));
    disk.sync_dir(Path::new("/d/b")).unwrap();
    assert_eq!((at("/"), at("/d"), at("/d/b")), (2, 3, u64::MAX));
    // The name of a directory stands in the one above, and what is in it depends on it.
    disk.create_dir_all(Path::new("/e/f")).unwrap();
    assert_eq!((at("/e"), at("/e/f"), at("/e/f/g"), at("/d/b")), (5, 5, 5, u64::MAX));
    disk.sync_dir(Path::new("/e")).unwrap();
    assert_eq!(at("/e/f"), 5, "its name is durable, but not that of the one above");
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(at("/e/f"), u64::MAX);
}

#[test]
fn pages_that_a_failed_sync_lost_count_until_they_are_written_anew() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", b"one");
    open.write_at(0, b"two").unwrap();
    let lost = disk.last_op();
    disk.lose_next_sync();
    assert!(open.sync_data().unwrap_err().to_string().contains("lose"));
    open.write_at(3, b"...").unwrap();
    open.sync_data().unwrap();
    assert_eq!((read(&*open), floor(&disk)), (b"two...".to_vec(), lost));
    assert_eq!(durable(&disk, "f").unwrap(), b"one...");
    let disk = disk.crash(Crash::Kill);
    assert_eq!(floor(&disk), lost, "the page cache outlives the process");
    let open = disk.open(&path("f")).unwrap();
    open.write_at(0, b"two").unwrap();
    open.sync_data().unwrap();
    assert_eq!((durable(&disk, "f").unwrap(), floor(&disk)), (b"two...".to_vec(), u64::MAX));
    open.set_len(2).unwrap();
    disk.lose_next_sync();
    open.sync_data().unwrap_err();
    open.sync_data().unwrap();
    assert_eq!(floor(&disk), disk.last_op() - 2);
    let disk = disk.crash(Crash::Lose);
    assert_eq!((disk.bytes(&path("f")), floor(&disk)), (b"two...".to_vec(), u64::MAX));
}

/// The account is kept by the way; here it is made anew after each call, from the files and names themselves.
#[test]
fn the_account_is_right_after_any_calls() {
    for seed in 0..300 {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut disk = SimDisk::new(seed);
        for _ in 0..60 {
            step(&mut disk, &mut random);
            for dir in ["/", "/d", "/d/a", "/d/b", "/e"] {
                let dir = Path::new(dir);
                assert_eq!(disk.unsynced_floor(dir), naive_floor(&disk, dir), "{seed}");
            }
            if disk.unsynced_floor(Path::new("/")) == u64::MAX {
                let after = disk.fork().crash(Crash::Lose);
                assert_eq!(after.files(), disk.files(), "{seed}");
                for (path, _) in disk.files() {
                    assert_eq!(after.bytes(&path), disk.bytes(&path), "{seed}");
                }
            }
        }
    }
}

fn naive_floor(disk: &SimDisk, dir: &Path) -> u64 {
    let image = &disk.state.lock().image;
    let files = image.files.values().filter(|file| file.dir().starts_with(dir));
    let files = files.filter_map(|file| file.floor());
    let names = image.changes.iter().filter(|(_, change)| change.dir().starts_with(dir));
    let made = image.made.iter().filter(|(_, made)| made.starts_with(dir) || dir.starts_with(made));
    let numbers = names.map(|(number, _)| *number).chain(made.map(|(number, _)| *number));
    files.chain(numbers).min().unwrap_or(u64::MAX)
}

/// Does anything.
fn step(disk: &mut SimDisk, random: &mut Xoshiro256PlusPlus) {
    let dir = ["/d", "/d/a", "/d/b"][(random.next_u64() % 3) as usize];
    let name = |random: &mut Xoshiro256PlusPlus| {
        Path::new(dir).join(["x", "y", "z"][(random.next_u64() % 3) as usize])
    };
    let (one, two) = (name(random), name(random));
    match random.next_u64() % 20 {
        0..3 => drop(disk.create(&one)),
        3..5 => drop(disk.rename(&one, &two)),
        5 => drop(disk.remove(&one)),
        6 => drop(disk.create_dir_all(Path::new(dir))),
        7..10 => disk.sync_dir(Path::new(dir)).unwrap(),
        10 => disk.sync_dir(Path::new("/")).unwrap(),
        11 => disk.lose_next_sync(),
        12 => {
            let how = [Crash::Kill, Crash::Lose, Crash::Tear(random.next_u64())];
            *disk = disk.crash(how[(random.next_u64() % 3) as usize]);
        }
        kind => {
            let Ok(open) = disk.open(&one) else { return };
            match kind {
                13..16 => open.write_at(random.next_u64() % 3000, &[1; 700]).unwrap(),
                16 => open.set_len(random.next_u64() % 3000).unwrap(),
                _ => drop(open.sync_data()),
            }
        }
    }
}
