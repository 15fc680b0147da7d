//! The seam to the file system: everything the log and the metadata ask of it, and the real one.
//!
//! No mapping of memory, no buffering behind the caller's back: what is written here is written, what is synced is synced.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::BuildHasher;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jraft_spi::storage::StorageError;

/// A file system. Names of new, renamed and removed files are durable after [`Disk::sync_dir`] of their directory only.
pub trait Disk: Send + Sync + 'static {
    /// Opens an existing file to read and write.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes an empty file, in place of an old one of that name.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, in place of an old file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Whether there is a file or a directory of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes a directory and those above it.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Locks a directory by a file in it, until the lock is dropped; [`StorageError::Locked`] if someone else has it.
    fn lock(&self, file: &Path) -> Result<Box<dyn DiskLock>, StorageError>;
    /// A number that was never returned before, here or anywhere. A simulator takes it from its seed.
    fn unique(&self) -> u64;
}

/// An open file. Calls name their place in it; there is no cursor.
pub trait DiskFile: Send + Sync {
    /// The length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads up to `into.len()` bytes at `at`; fewer only at the end of the file.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes` at `at`. After an error any part of them may be there.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file, or fills it up with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes all that was written durable. After an error nothing is known, and calling again would not tell.
    fn sync_data(&self) -> io::Result<()>;
}

/// A held lock; dropping it releases it.
pub trait DiskLock: Send + Sync {}

/// The file system of the machine.
#[derive(Debug, Default)]
pub struct RealDisk {
    random: RandomState,
    count: AtomicU64,
}

impl RealDisk {
    /// The file system of the machine.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let how =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Arc::new(how))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, file: &Path) -> Result<Box<dyn DiskLock>, StorageError> {
        Ok(Box::new(lock_file(file)?))
    }

    fn unique(&self) -> u64 {
        self.random.hash_one(self.count.fetch_add(1, Ordering::Relaxed))
    }
}

impl DiskFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match FileExt::read_at(self, &mut into[done..], at + done as u64) {
                Ok(0) => break,
                Ok(some) => done += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }
}

/// The lock is the operating system's and belongs to this opening of the file, so that it also keeps out another
/// engine of the same process; it goes when the process goes, however that ends.
struct RealLock {
    file: File,
}

impl DiskLock for RealLock {}

impl Drop for RealLock {
    /// A process that somebody starts right now holds the file, too, until it has become another program: closing our end
    /// alone would leave the directory locked for that long.
    fn drop(&mut self) {
        // Closing it is all that is left to do if that fails.
        let _ = self.file.unlock();
    }
}

impl fmt::Debug for RealLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RealLock")
    }
}

fn lock_file(path: &Path) -> Result<RealLock, StorageError> {
    let failed = |error| StorageError::io(format!("lock {}", path.display()), error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let dir = path.parent().unwrap_or(path).to_path_buf();
            return Err(StorageError::Locked { path: dir, holder: holder(&file) });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).map_err(failed)?;
    (&file).write_all(process().as_bytes()).map_err(failed)?;
    Ok(RealLock { file })
}

/// What the holder wrote into the file; it may not have come to it yet.
fn holder(file: &File) -> String {
    let mut text = [0; 64];
    let read = DiskFile::read_at(file, 0, &mut text).unwrap_or(0);
    match str::from_utf8(&text[..read]) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "text for a human; decides nothing")]
fn process() -> String {
    format!("process {}", std::process::id())
}

/// Turns the error of a call into one that says what was tried, on what.
pub(crate) trait Context<T> {
    fn context(self, what: &str, path: &Path) -> Result<T, StorageError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: &str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|error| StorageError::io(format!("{what} {}", path.display()), error))
    }
}

/// Makes a directory and those above it, and makes their names durable.
///
/// Level by level, each name durable before the next one is made: a process that is killed here leaves at most the
/// lowest directory without a durable name, and that one is made durable by whoever finds it.
pub(crate) fn make_dir(disk: &dyn Disk, dir: &Path) -> Result<(), StorageError> {
    let mut missing = Vec::new();
    for level in dir.ancestors().filter(|level| !level.as_os_str().is_empty()) {
        if disk.exists(level).context("look for", level)? {
            match disk.sync_dir(above(level)) {
                // Where we may not look, somebody else made the directory.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                synced => synced.context("sync", above(level))?,
            }
            break;
        }
        missing.push(level);
    }
    for level in missing.into_iter().rev() {
        disk.create_dir_all(level).context("make", level)?;
        disk.sync_dir(above(level)).context("sync", above(level))?;
    }
    Ok(())
}

/// The directory that holds the name of this file or directory.
pub(crate) fn above(dir: &Path) -> &Path {
    match dir.parent() {
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => dir,
    }
}

/// Reads a whole small file; `limit` guards against one that is not.
pub(crate) fn read_small(
    disk: &dyn Disk,
    path: &Path,
    limit: u64,
) -> Result<Vec<u8>, StorageError> {
    let file = disk.open(path).context("open", path)?;
    let size = file.size().context("ask the size of", path)?;
    if size > limit {
        return Err(StorageError::Other(format!("{} has {size} bytes: too many", path.display())));
    }
    let mut bytes = vec![0; usize::try_from(size).expect("not above the limit")];
    let read = file.read_at(0, &mut bytes).context("read", path)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Replaces a small file, all or nothing: a temporary file, synced, renamed, the directory synced.
pub(crate) fn replace_small(
    disk: &dyn Disk,
    path: &Path,
    bytes: &[u8],
) -> Result<(), StorageError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let file = disk.create(temporary).context("make", temporary)?;
    file.write_at(0, bytes).context("write", temporary)?;
    file.sync_data().context("sync", temporary)?;
    disk.rename(temporary, path).context("rename", temporary)?;
    let dir = path.parent().expect("a file of ours lies in a directory");
    disk.sync_dir(dir).context("sync", dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_goes_when_it_is_dropped_even_if_a_child_still_has_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LOCK");
        let lock = lock_file(&path).unwrap();
        // What a child has between its fork and its exec.
        let inherited = lock.file.try_clone().unwrap();
        assert!(matches!(lock_file(&path), Err(StorageError::Locked { .. })));
        drop(lock);
        drop(lock_file(&path).unwrap());
        drop(inherited);
    }
}
