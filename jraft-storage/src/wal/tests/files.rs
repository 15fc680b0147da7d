//! How many files a long log holds open.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use jraft_spi::entity::LogIndex;
use parking_lot::Mutex;

use super::super::files::{MAX_NEWEST, MAX_OLDER};
use super::*;
use crate::disk::{Disk, DiskFile, DiskLock};
use crate::testing::{new_disk, sized};

/// A disk that counts the files that are open.
#[derive(Clone)]
struct Counting {
    disk: SimDisk,
    counts: Arc<Counts>,
    /// Runs once, in the middle of the next opening.
    on_open: Arc<Mutex<Option<Hook>>>,
}

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    most: AtomicUsize,
    opened: AtomicUsize,
}

struct Counted {
    file: Arc<dyn DiskFile>,
    counts: Arc<Counts>,
}

impl Counting {
    fn new() -> Self {
        Self { disk: new_disk(), counts: Arc::default(), on_open: Arc::default() }
    }

    fn counted(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let counts = Arc::clone(&self.counts);
        let open = counts.open.fetch_add(1, Ordering::Relaxed) + 1;
        counts.most.fetch_max(open, Ordering::Relaxed);
        counts.opened.fetch_add(1, Ordering::Relaxed);
        Arc::new(Counted { file, counts })
    }

    /// The most files that were open at a time since the last question, and how often one was opened.
    fn take(&self) -> (usize, usize) {
        let open = self.counts.open.load(Ordering::Relaxed);
        let most = self.counts.most.swap(open, Ordering::Relaxed);
        (most, self.counts.opened.swap(0, Ordering::Relaxed))
    }

    fn log(&self) -> Log {
        open_at(Arc::new(self.clone()), &dir(), SMALL).unwrap()
    }

    fn segments(&self) -> usize {
        let is_segment = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "wal");
        self.disk.paths().iter().filter(is_segment).count()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl DiskFile for Counted {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(at, into)
    }
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(at, bytes)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Disk for Counting {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let hook = self.on_open.lock().take();
        hook.into_iter().for_each(|run| run());
        self.disk.open(path).map(|file| self.counted(file))
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(path).map(|file| self.counted(file))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.disk.exists(path)
    }
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir_all(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self, file: &Path) -> Result<Box<dyn DiskLock>, StorageError> {
        self.disk.lock(file)
    }
    fn unique(&self) -> u64 {
        self.disk.unique()
    }
}

/// The limits, one file that is being opened, and one that is being filled.
const MOST: usize = MAX_NEWEST + MAX_OLDER + 2;

#[test]
fn a_long_log_holds_few_files_open() {
    let disk = Counting::new();
    let mut log = disk.log();
    let written: Vec<LogEntry> = (1..=120).map(|index| sized(index, 1, 5000)).collect();
    for entry in &written {
        log.storage.append(std::slice::from_ref(entry)).unwrap();
        log.sync().unwrap();
        let old = entry.id.index.0 / 3 + 1;
        assert_eq!(read(&*log.reader, old, 1), written[old as usize - 1..][..1]);
    }
    assert!(disk.segments() > 2 * MOST, "{} segments", disk.segments());
    assert!(disk.take().0 <= MOST);
    // Forwards and backwards through all that is there.
    assert_eq!(read(&*log.reader, 1, 200), written);
    for index in (1..=120).rev() {
        assert_eq!(read(&*log.reader, index, 1), written[index as usize - 1..][..1]);
    }
    assert!(disk.take().0 <= MOST);
    log.engine.close().unwrap();
    drop(log);
    assert_eq!(disk.counts.open.load(Ordering::Relaxed), 0);
    disk.take();
    let mut log = disk.log();
    let (most, opened) = disk.take();
    assert!(most <= MOST, "{most} files were open during recovery");
    assert!(opened <= 2 * disk.segments() + 2, "{opened} files were opened");
    assert_eq!(log.all(), written);
    // Segments that are given back are closed, or the disk would have no use of it.
    log.storage.truncate_prefix(LogIndex(119)).unwrap();
    while disk.segments() > 3 {
        log.sync().unwrap();
    }
    assert!(disk.counts.open.load(Ordering::Relaxed) <= 3 + MAX_OLDER);
}

#[test]
fn the_newest_and_what_is_read_again_are_not_opened_again() {
    let disk = Counting::new();
    let mut log = disk.log();
    for index in 1..=120 {
        log.storage.append(&[sized(index, 1, 5000)]).unwrap();
    }
    log.sync().unwrap();
    disk.take();
    for _ in 0..3 {
        // Two entries a segment, and one of the files is that of the segment to come.
        for index in (121 - 2 * (MAX_NEWEST as u64 - 1))..=120 {
            assert_eq!(read(&*log.reader, index, 1).len(), 1);
        }
    }
    assert_eq!(disk.take().1, 0);
    for _ in 0..3 {
        for index in 1..=2 * MAX_OLDER as u64 {
            assert_eq!(read(&*log.reader, index, 1).len(), 1);
        }
    }
    assert_eq!(disk.take().1, MAX_OLDER);
}

/// A reader that looked up where entries stand, and finds no such file when it gets there.
#[test]
fn a_segment_given_back_before_it_is_opened_is_not_missed() {
    let disk = Counting::new();
    let mut log = disk.log();
    for index in 1..=120 {
        log.storage.append(&[sized(index, 1, 5000)]).unwrap();
    }
    log.sync().unwrap();
    let reader = Arc::clone(&log.reader);
    let rest = disk.clone();
    *disk.on_open.lock() = Some(Box::new(move || {
        log.storage.truncate_prefix(LogIndex(119)).unwrap();
        while rest.segments() > 3 {
            log.sync().unwrap();
        }
    }));
    assert_eq!(read(&*reader, 1, 9), []);
    assert!(disk.on_open.lock().is_none() && !disk.disk.paths().contains(&segment(1)));
    assert_eq!(read(&*reader, 119, 9).len(), 2);
}
