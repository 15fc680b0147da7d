//! A disk in memory that keeps apart what was written and what was synced, and fails or crashes as told.
//!
//! A crash keeps any subset of the 512-byte pieces of unsynced writes, and any subset of the unsynced changes of names.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jraft_spi::storage::StorageError;
use parking_lot::Mutex;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

use crate::disk::{Disk, DiskFile, DiskLock};

/// A call that changes something, as it is recorded and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create(PathBuf),
    Write(PathBuf, u64, usize),
    SetLen(PathBuf, u64),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncDir(PathBuf),
}

/// What a crash does with what was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    /// The process died: all that was written stays, and stays unsynced.
    Kill,
    /// All of it is lost.
    Lose,
    /// A random part of it stays.
    Tear(u64),
}

/// See the module.
#[derive(Clone)]
pub(crate) struct FaultyDisk {
    state: Arc<Mutex<State>>,
    epoch: u64,
}

#[derive(Default)]
struct State {
    files: Vec<FileState>,
    /// The names as the process sees them.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    changes: Vec<(PathBuf, Change)>,
    dirs: Vec<PathBuf>,
    locked: BTreeMap<PathBuf, u64>,
    ops: Vec<Op>,
    /// Fails the call when so many have been made; all later ones too.
    fail_at: Option<usize>,
    /// Fails only calls this names.
    fail_kind: Option<fn(&Op) -> bool>,
    matching: usize,
    lose_sync: bool,
    on_read: Option<Box<dyn FnOnce() + Send>>,
    /// Dead handles of a process that crashed do nothing.
    epoch: u64,
    unique: u64,
}

#[derive(Default, Clone)]
struct FileState {
    written: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

#[derive(Clone)]
enum Unsynced {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Clone)]
enum Change {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

struct FaultyFile {
    disk: FaultyDisk,
    id: usize,
}

struct FaultyLock {
    disk: FaultyDisk,
    path: PathBuf,
}

impl FaultyDisk {
    pub(crate) fn new() -> Self {
        let state = State { unique: 0x9e37_79b9, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), epoch: 0 }
    }

    /// The disk after a crash. Handles of before are dead.
    pub(crate) fn crash(&self, how: Crash) -> Self {
        let mut state = self.state.lock();
        state.epoch += 1;
        state.locked.clear();
        (state.fail_at, state.fail_kind) = (None, None);
        match how {
            Crash::Kill => {}
            Crash::Lose => state.power_loss(&mut |_| false),
            Crash::Tear(seed) => {
                let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
                let odds = random.next_u64() % 5;
                state.power_loss(&mut |_| random.next_u64() % 4 < odds);
            }
        }
        let epoch = state.epoch;
        Self { state: Arc::clone(&self.state), epoch }
    }

    /// A copy that shares nothing.
    pub(crate) fn fork(&self) -> Self {
        let state = self.state.lock();
        let copy = State {
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            changes: state.changes.clone(),
            dirs: state.dirs.clone(),
            unique: state.unique,
            epoch: self.epoch,
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(copy)), epoch: self.epoch }
    }

    /// Fails the `n`-th call from now on, counted from 0, that `kind` names, and every one behind it.
    pub(crate) fn fail(&self, n: usize, kind: fn(&Op) -> bool) {
        let mut state = self.state.lock();
        (state.fail_at, state.fail_kind, state.matching) = (Some(n), Some(kind), 0);
    }

    /// The calls so far that changed something.
    pub(crate) fn ops(&self) -> Vec<Op> {
        self.state.lock().ops.clone()
    }

    /// The bytes of a file, as the process sees them.
    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.state.lock();
        state.files[state.names[path]].written.clone()
    }

    /// Changes the bytes of a file at rest.
    pub(crate) fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        let id = state.names[path];
        let file = &mut state.files[id];
        assert!(file.unsynced.is_empty(), "{} is not at rest", path.display());
        change(&mut file.written);
        file.durable.clone_from(&file.written);
    }

    /// Changes the bytes of a file under the process that has it open.
    pub(crate) fn crash_free_edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        let id = state.names[path];
        change(&mut state.files[id].written);
    }

    /// The next sync fails, and what it should have written counts as clean: it will never reach the disk.
    pub(crate) fn lose_next_sync(&self) {
        self.state.lock().lose_sync = true;
    }

    /// Runs something in the middle of the next read, before it gets its bytes.
    pub(crate) fn on_read(&self, run: impl FnOnce() + Send + 'static) {
        self.state.lock().on_read = Some(Box::new(run));
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.state.lock().names.keys().cloned().collect()
    }

    /// Runs a call that changes something, unless it is told to fail.
    fn change<T>(&self, op: Op, run: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock();
        if state.epoch != self.epoch {
            return Err(io::Error::other("this process is dead"));
        }
        if state.fail_kind.is_some_and(|kind| kind(&op)) {
            state.matching += 1;
        }
        if state.fail_at.is_some_and(|at| state.matching > at) {
            return Err(io::Error::other("told to fail"));
        }
        state.ops.push(op);
        run(&mut state)
    }
}

impl State {
    fn id(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn note(&mut self, path: &Path, change: Change) {
        let dir = path.parent().expect("in a directory").to_path_buf();
        apply_name(&mut self.names, &change);
        self.changes.push((dir, change));
    }

    fn power_loss(&mut self, keep: &mut dyn FnMut(()) -> bool) {
        for (_, change) in std::mem::take(&mut self.changes) {
            if keep(()) {
                apply_name(&mut self.durable_names, &change);
            }
        }
        self.names.clone_from(&self.durable_names);
        for file in &mut self.files {
            for op in std::mem::take(&mut file.unsynced) {
                match op {
                    Unsynced::Write(at, bytes) => tear(&mut file.durable, at, &bytes, keep),
                    Unsynced::SetLen(len) if keep(()) => file.durable.resize(len as usize, 0),
                    Unsynced::SetLen(_) => {}
                }
            }
            file.written.clone_from(&file.durable);
        }
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, usize>, change: &Change) {
    match change {
        Change::Link(path, id) => drop(names.insert(path.clone(), *id)),
        Change::Rename(from, to) => {
            if let Some(id) = names.remove(from) {
                names.insert(to.clone(), id);
            }
        }
        Change::Unlink(path) => drop(names.remove(path)),
    }
}

/// Keeps some of the 512-byte pieces of a write.
fn tear(file: &mut Vec<u8>, at: u64, bytes: &[u8], keep: &mut dyn FnMut(()) -> bool) {
    let (mut from, end) = (at, at + bytes.len() as u64);
    while from < end {
        let to = (from / 512 * 512 + 512).min(end);
        if keep(()) {
            put(file, from, &bytes[(from - at) as usize..(to - at) as usize]);
        }
        from = to;
    }
}

fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (at, end) = (at as usize, at as usize + bytes.len());
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at..end].copy_from_slice(bytes);
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.state.lock().id(path)?;
        Ok(Arc::new(FaultyFile { disk: self.clone(), id }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.change(Op::Create(path.to_path_buf()), |state| {
            let id = state.files.len();
            state.files.push(FileState::default());
            state.note(path, Change::Link(path.to_path_buf(), id));
            Ok(id)
        })?;
        Ok(Arc::new(FaultyFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (from.to_path_buf(), to.to_path_buf());
        self.change(Op::Rename(from.clone(), to.clone()), |state| {
            state.id(&from)?;
            state.note(&to.clone(), Change::Rename(from, to));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(Op::Remove(path.to_path_buf()), |state| {
            state.id(path)?;
            state.note(path, Change::Unlink(path.to_path_buf()));
            Ok(())
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| path.file_name()?.to_str().map(str::to_owned);
        Ok(inside.filter_map(name).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state.lock();
        Ok(state.names.contains_key(path) || state.dirs.iter().any(|dir| dir == path))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.state.lock().dirs.push(dir.to_path_buf());
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(Op::SyncDir(dir.to_path_buf()), |state| {
            let mut rest = Vec::new();
            for (place, change) in std::mem::take(&mut state.changes) {
                if place == dir {
                    apply_name(&mut state.durable_names, &change);
                } else {
                    rest.push((place, change));
                }
            }
            state.changes = rest;
            Ok(())
        })
    }

    fn lock(&self, file: &Path) -> Result<Box<dyn DiskLock>, StorageError> {
        let mut state = self.state.lock();
        if let Some(holder) = state.locked.get(file) {
            let (path, holder) = (file.to_path_buf(), format!("process {holder}"));
            return Err(StorageError::Locked { path, holder });
        }
        state.locked.insert(file.to_path_buf(), self.epoch);
        Ok(Box::new(FaultyLock { disk: self.clone(), path: file.to_path_buf() }))
    }

    fn unique(&self) -> u64 {
        let mut state = self.state.lock();
        state.unique = state.unique.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        state.unique
    }
}

impl DiskFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.state.lock().files[self.id].written.len() as u64)
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let hook = self.disk.state.lock().on_read.take();
        if let Some(run) = hook {
            run();
        }
        let state = self.disk.state.lock();
        let bytes = &state.files[self.id].written;
        let from = (at as usize).min(bytes.len());
        let count = into.len().min(bytes.len() - from);
        into[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.change(Op::Write(self.path(), at, bytes.len()), |state| {
            let file = &mut state.files[self.id];
            put(&mut file.written, at, bytes);
            file.unsynced.push(Unsynced::Write(at, bytes.to_vec()));
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.change(Op::SetLen(self.path(), len), |state| {
            let file = &mut state.files[self.id];
            file.written.resize(len as usize, 0);
            file.unsynced.push(Unsynced::SetLen(len));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.change(Op::Sync(self.path()), |state| {
            let file = &mut state.files[self.id];
            let unsynced = std::mem::take(&mut file.unsynced);
            if std::mem::take(&mut state.lose_sync) {
                return Err(io::Error::other("told to lose pages"));
            }
            // Not a copy of what was written: a page that was lost before counts as clean and stays lost.
            for op in unsynced {
                match op {
                    Unsynced::Write(at, bytes) => put(&mut file.durable, at, &bytes),
                    Unsynced::SetLen(len) => file.durable.resize(len as usize, 0),
                }
            }
            Ok(())
        })
    }
}

impl FaultyFile {
    /// The name it has now.
    fn path(&self) -> PathBuf {
        let state = self.disk.state.lock();
        let named = state.names.iter().find(|(_, id)| **id == self.id);
        named.map(|(path, _)| path.clone()).unwrap_or_default()
    }
}

impl DiskLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        if state.epoch == self.disk.epoch {
            state.locked.remove(&self.path);
        }
    }
}
