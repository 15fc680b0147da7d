//! The disk as a process sees it: the seam to the file system.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jraft_spi::storage::StorageError;

use super::faults::{Verdict, told_to_fail};
use super::{Op, SimDisk};
use crate::disk::{Disk, DiskFile, DiskLock, above};

struct SimFile {
    disk: SimDisk,
    id: u64,
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.look()?.image.open(path)?;
        Ok(Arc::new(SimFile { disk: self.clone(), id }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let op = Op::Create(path.to_path_buf());
        // Made within the call: if the process dies behind it, the file is closed.
        let file = self
            .change(op, |image, _| Ok(SimFile { disk: self.clone(), id: image.create(path)? }))?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let op = Op::Rename(from.to_path_buf(), to.to_path_buf());
        self.change(op, |image, _| image.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(Op::Remove(path.to_path_buf()), |image, _| image.remove(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.look()?.image.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.look()?;
        Ok(state.image.names.contains_key(path) || state.image.has_dir(path))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        if self.state.lock().image.has_dir(dir) {
            return self.look().map(drop);
        }
        self.change(Op::MakeDir(dir.to_path_buf()), |image, _| {
            image.make_dirs(dir);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(Op::SyncDir(dir.to_path_buf()), |image, _| {
            image.sync_dir(dir);
            Ok(())
        })
    }

    fn lock(&self, file: &Path) -> Result<Box<dyn DiskLock>, StorageError> {
        let failed = |error| StorageError::io(format!("lock {}", file.display()), error);
        let mut state = self.look().map_err(failed)?;
        if let Some(holder) = state.locked.get(file) {
            let (path, holder) = (above(file).to_path_buf(), format!("process {holder}"));
            return Err(StorageError::Locked { path, holder });
        }
        state.locked.insert(file.to_path_buf(), self.epoch);
        Ok(Box::new(SimLock { disk: self.clone(), path: file.to_path_buf() }))
    }

    fn unique(&self) -> u64 {
        let mut state = self.state.lock();
        if state.epoch == self.epoch {
            state.unique = state.unique.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        }
        state.unique
    }
}

impl SimFile {
    /// The name it has now, or had last.
    fn path(&self) -> PathBuf {
        let state = self.disk.state.lock();
        state.image.files.get(&self.id).map(|file| file.name.clone()).unwrap_or_default()
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.look()?.image.file(self.id).written.len())
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let fault = self.disk.look()?.faults.read.clone();
        if let Some(kind) = fault.and_then(|fault| fault(&self.path(), at, into.len())) {
            return Err(told_to_fail(kind));
        }
        Ok(self.disk.look()?.image.file(self.id).written.read(at, into))
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.change(Op::Write(self.path(), at, bytes.len()), |image, verdict| {
            let limit = if let Verdict::Short(limit) = verdict { Some(limit) } else { None };
            let done = image.write(self.id, at, bytes, limit.unwrap_or(bytes.len()));
            if done < bytes.len() || limit.is_some() {
                return Err(told_to_fail(io::ErrorKind::StorageFull));
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.change(Op::SetLen(self.path(), len), |image, _| image.set_len(self.id, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.change(Op::Sync(self.path()), |image, verdict| {
            if let Verdict::FailLosing(kind) = verdict {
                image.change(self.id, |file| file.lose());
                return Err(io::Error::new(kind, "told to lose pages"));
            }
            image.change(self.id, |file| file.sync());
            Ok(())
        })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        // The files of a dead process were closed when it died.
        if state.epoch == self.disk.epoch {
            state.image.close(self.id);
        }
    }
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        if state.epoch == self.disk.epoch {
            state.locked.remove(&self.path);
        }
    }
}
