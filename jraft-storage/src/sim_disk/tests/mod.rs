//! The simulated disk: each thing it keeps, loses or refuses, once.

mod account;
mod crashes;
mod hooks;
mod rest;

use super::*;
use crate::disk::{Disk, DiskFile};

fn path(name: &str) -> PathBuf {
    Path::new("/d").join(name)
}

/// A file of these bytes, durable, and its name too.
fn file(disk: &SimDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.create(&path(name)).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file
}

fn read(file: &dyn DiskFile) -> Vec<u8> {
    let mut bytes = vec![0; file.size().unwrap() as usize];
    assert_eq!(file.read_at(0, &mut bytes).unwrap(), bytes.len());
    bytes
}

/// What a power loss would leave of a file now.
fn durable(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    let disk = disk.fork().crash(Crash::Lose);
    disk.exists(&path(name)).unwrap().then(|| disk.bytes(&path(name)))
}

fn floor(disk: &SimDisk) -> u64 {
    disk.unsynced_floor(Path::new("/d"))
}

#[test]
fn pages_are_bytes() {
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
    let mut random = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(1);
    for _ in 0..200 {
        let (mut pages, mut bytes) = (pages::Pages::default(), Vec::new());
        for _ in 0..30 {
            let at = (random.next_u64() % 20_000) as usize;
            let end = at + (random.next_u64() % 9_000) as usize;
            let copy = (pages.clone(), bytes.clone());
            match random.next_u64() % 4 {
                0 => {
                    pages.set_len(at as u64);
                    bytes.resize(at, 0);
                }
                1 => {
                    pages.zero(at as u64, end as u64);
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[at..end].fill(0);
                }
                _ => {
                    let new: Vec<u8> = (at..end).map(|byte| byte as u8 | 1).collect();
                    pages.write(at as u64, &new);
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[at..end].copy_from_slice(&new);
                }
            }
            assert_eq!(pages.to_vec(), bytes);
            assert_eq!(copy.0.to_vec(), copy.1, "a copy was changed");
            let mut some = vec![7; end - at];
            let read = pages.read(at as u64, &mut some);
            assert_eq!(some[..read], bytes[at.min(bytes.len())..end.min(bytes.len())]);
            let part = |bytes: &[u8]| bytes[at.min(bytes.len())..end.min(bytes.len())].to_vec();
            let agree = part(&bytes) == part(&copy.1);
            assert_eq!(pages.agree(&copy.0, at as u64, end as u64), agree);
        }
    }
}

#[test]
fn unique_numbers_come_from_the_seed() {
    let draw = |disk: &SimDisk| (0..9).map(|_| disk.unique()).collect::<Vec<_>>();
    let first = draw(&SimDisk::new(1));
    assert_eq!(first, draw(&SimDisk::new(1)));
    let second = draw(&SimDisk::new(2));
    assert!(first.iter().all(|number| !second.contains(number) && first[0] != second[0]));
}

#[test]
fn a_fork_shares_nothing() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", b"one");
    disk.set_hook(Some(Arc::new(|_, _| Verdict::Fail(io::ErrorKind::Other))));
    let copy = disk.fork();
    disk.set_hook(None);
    let other = copy.open(&path("f")).unwrap();
    other.write_at(0, b"two").unwrap();
    assert_eq!((read(&*open), read(&*other)), (b"one".to_vec(), b"two".to_vec()));
    assert_eq!((floor(&disk), floor(&copy)), (u64::MAX, disk.last_op() + 1));
    copy.crash(Crash::Lose);
    assert!(other.size().is_err());
    assert_eq!(read(&*open), b"one");
}

#[test]
fn a_removed_file_lives_as_long_as_it_is_open_or_could_come_back() {
    let disk = SimDisk::new(1);
    let files = |disk: &SimDisk| disk.state.lock().image.files.len();
    let open = file(&disk, "f", b"one");
    disk.remove(&path("f")).unwrap();
    assert_eq!(read(&*open), b"one");
    assert_eq!(durable(&disk, "f").unwrap(), b"one", "the removal is not durable");
    disk.sync_dir(Path::new("/d")).unwrap();
    open.write_at(3, b" more").unwrap();
    assert_eq!(read(&*open), b"one more");
    assert_eq!(floor(&disk), u64::MAX, "no crash can take what no name leads to");
    assert_eq!(files(&disk), 1);
    drop(open);
    assert_eq!(files(&disk), 0);
    for _ in 0..20 {
        // As the metadata are saved.
        drop(file(&disk, "tmp", b"x"));
        disk.rename(&path("tmp"), &path("x")).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
    }
    assert_eq!(files(&disk), 1);
}

#[test]
fn a_rename_stays_in_its_directory_and_directories_are_listed() {
    let disk = SimDisk::new(1);
    disk.create_dir_all(&path("sub")).unwrap();
    file(&disk, "f", b"one");
    let error = disk.rename(&path("f"), &path("sub/f")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::CrossesDevices);
    assert_eq!(disk.list(Path::new("/d")).unwrap(), ["f", "sub"]);
    assert_eq!(disk.list(&path("sub")).unwrap(), [""; 0]);
    assert_eq!(disk.list(&path("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(disk.exists(Path::new("/")).unwrap() && !disk.exists(&path("none")).unwrap());
    for error in [disk.open(&path("g")).err(), disk.remove(&path("g")).err()] {
        assert_eq!(error.unwrap().kind(), io::ErrorKind::NotFound);
    }
}
