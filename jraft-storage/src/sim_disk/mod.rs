//! A simulated disk: it keeps apart what was written and what is durable, fails as told, and crashes at any instant.
//!
//! A [`SimDisk`] is the disk of one machine, in memory. It asks no operating system and no clock, and what is left to
//! chance comes from seeds: same calls, same bytes. Its [`Disk`](crate::Disk) side is for the process that runs on the
//! machine: a crash ends all handles and open files of that process, and returns the handle for the next one. All else
//! is for whoever simulates the machine, and works through any handle, a dead one too.
//!
//! What it keeps: a write is readable at once, and durable after `sync_data` of the file. That does not make the name
//! of the file durable; `sync_dir` of its directory does. A crash that takes the power undoes what is not durable: all
//! of it, or any part, in sectors of 512 bytes. There is no order between files, nor among the writes to one file.

mod crash;
mod faults;
mod file;
mod handles;
mod image;
mod pages;
mod pending;
mod rest;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

pub use crash::Crash;
pub use faults::{Hook, ReadFault, Verdict, When};

use faults::{Faults, dead, told_to_fail};
use image::Image;

/// Bytes that reach the platter as a whole, or not at all.
pub const SECTOR: u64 = 512;

/// A call that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Makes a file, or empties it.
    Create(PathBuf),
    /// Writes so many bytes at an offset.
    Write(PathBuf, u64, usize),
    /// Cuts or lengthens a file.
    SetLen(PathBuf, u64),
    /// Makes a file's bytes and length durable.
    Sync(PathBuf),
    /// Gives a file another name.
    Rename(PathBuf, PathBuf),
    /// Removes a file.
    Remove(PathBuf),
    /// Makes a directory and those above it.
    MakeDir(PathBuf),
    /// Makes the names in a directory durable.
    SyncDir(PathBuf),
}

/// A simulated disk: see the module.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    epoch: u64,
}

struct State {
    image: Image,
    faults: Faults,
    /// Who holds a lock; the locks of a dead process are gone.
    locked: BTreeMap<PathBuf, u64>,
    /// How many processes died.
    epoch: u64,
    ghosts: u64,
    recorded: Option<Vec<Op>>,
    unique: u64,
}

impl SimDisk {
    /// An empty disk. `seed` tells which numbers [`Disk::unique`](crate::Disk::unique) returns.
    pub fn new(seed: u64) -> Self {
        Self::from_parts(Image::default(), seed, None, 0)
    }

    fn from_parts(image: Image, unique: u64, recorded: Option<Vec<Op>>, epoch: u64) -> Self {
        let (faults, locked) = (Faults::default(), BTreeMap::new());
        let state = State { image, faults, locked, epoch, ghosts: 0, recorded, unique };
        Self { state: Arc::new(Mutex::new(state)), epoch }
    }

    /// Ends the process that uses the disk, and returns the handle for the next one.
    ///
    /// May be called at any instant, also by a hook inside a call. Hook, read fault and capacity stay; what was told by
    /// [`fail`](Self::fail) and [`lose_next_sync`](Self::lose_next_sync) is forgotten.
    pub fn crash(&self, how: Crash) -> Self {
        self.state.lock().crash(how);
        self.boot()
    }

    /// A handle for the process that runs now: after a crash, the one that [`crash`](Self::crash) returned.
    pub fn boot(&self) -> Self {
        let epoch = self.state.lock().epoch;
        Self { state: Arc::clone(&self.state), epoch }
    }

    /// A disk with the same content, durable or not, that shares nothing: no hook, no fault, no lock, no open file.
    pub fn fork(&self) -> Self {
        let state = self.state.lock();
        let mut image = state.image.clone();
        image.crash(Crash::Kill); // nobody has a file of the copy open
        let recorded = state.recorded.as_ref().map(|_| Vec::new());
        Self::from_parts(image, state.unique, recorded, state.epoch)
    }

    /// The number of the last call that changed something, 0 if there was none. Numbers rise by one, through crashes
    /// too; syncs have one, refused calls have none.
    pub fn last_op(&self) -> u64 {
        self.state.lock().image.last_op
    }

    /// The smallest number of a call that changed something in `dir` or below, and that a power loss could undo now:
    /// a write or a length that was not synced, a name, or a directory's own name; `u64::MAX` if there is none. Calls up
    /// to `n` are durable there if this is above `n`. Cheap.
    pub fn unsynced_floor(&self, dir: &Path) -> u64 {
        self.state.lock().image.floor(dir).unwrap_or(u64::MAX)
    }

    /// The same, of those files and names in `dir` and below that count. Looks at each file.
    pub fn unsynced_floor_of(&self, dir: &Path, counts: impl Fn(&Path) -> bool) -> u64 {
        self.state.lock().image.floor_of(dir, &counts).unwrap_or(u64::MAX)
    }

    /// How many calls that would have changed something came from dead processes. They were refused.
    pub fn ghost_ops(&self) -> u64 {
        self.state.lock().ghosts
    }

    /// From now on remembers all changing calls that were not refused.
    pub fn record(&self) {
        self.state.lock().recorded.get_or_insert_default();
    }

    /// The calls remembered so far, oldest first.
    pub fn ops(&self) -> Vec<Op> {
        self.state.lock().recorded.clone().unwrap_or_default()
    }

    /// Asks `hook` before and after each changing call of a living process. A hook that holds a handle of this disk
    /// keeps it alive: take it out again.
    pub fn set_hook(&self, hook: Option<Hook>) {
        let old = std::mem::replace(&mut self.state.lock().faults.hook, hook);
        drop(old); // without the lock: it may own open files of this disk
    }

    /// Asks `fault` before each read of a living process.
    pub fn set_read_fault(&self, fault: Option<ReadFault>) {
        let old = std::mem::replace(&mut self.state.lock().faults.read, fault);
        drop(old); // as above
    }

    /// How many bytes all files together may have; a removed file counts until its removal is durable. A write beyond
    /// it writes what fits; it, or a new length beyond it, fails with [`io::ErrorKind::StorageFull`].
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().image.capacity = bytes;
    }

    /// Fails the `n`-th call from now on, counted from 0, that `kind` names, and every call behind it.
    pub fn fail(&self, n: usize, kind: fn(&Op) -> bool) {
        self.state.lock().faults.fail(n, kind);
    }

    /// The next sync of a file fails as with [`Verdict::FailLosing`].
    pub fn lose_next_sync(&self) {
        self.state.lock().faults.lose_sync = true;
    }

    /// Runs a changing call, unless its process is dead or it is told to fail.
    fn change<T>(
        &self,
        op: Op,
        run: impl FnOnce(&mut Image, Verdict) -> io::Result<T>,
    ) -> io::Result<T> {
        let (told, hook) = self.state.lock().admit(self.epoch, &op)?;
        let ask = |when| hook.as_ref().map_or(Verdict::Go, |hook| hook(&op, when)).about(&op, when);
        let verdict = told.unwrap_or_else(|| ask(When::Before));
        let result = self.living(verdict)?.run(&op, verdict, run);
        // Of several reasons to fail the caller hears the last one.
        drop(self.living(ask(When::After))?);
        result
    }

    /// The state, if the process is still alive after a hook, and the call goes on.
    fn living(&self, verdict: Verdict) -> io::Result<parking_lot::MutexGuard<'_, State>> {
        let mut state = self.state.lock();
        if state.epoch == self.epoch && verdict == Verdict::Dead {
            state.crash(Crash::Kill);
        }
        match verdict {
            _ if state.epoch != self.epoch => Err(dead()),
            Verdict::Fail(kind) => Err(told_to_fail(kind)),
            _ => Ok(state),
        }
    }

    /// The state, for a call that changes nothing.
    fn look(&self) -> io::Result<parking_lot::MutexGuard<'_, State>> {
        self.living(Verdict::Go)
    }
}

impl State {
    fn crash(&mut self, how: Crash) {
        self.epoch += 1;
        self.locked.clear();
        self.faults.crash();
        self.image.crash(how);
    }

    /// Lets a changing call of a living process in: with what was told about it, and the hook to be asked.
    fn admit(&mut self, epoch: u64, op: &Op) -> io::Result<(Option<Verdict>, Option<Hook>)> {
        if epoch != self.epoch {
            self.ghosts += 1;
            return Err(dead());
        }
        Ok((self.faults.told(op), self.faults.hook.clone()))
    }

    fn run<T>(
        &mut self,
        op: &Op,
        verdict: Verdict,
        run: impl FnOnce(&mut Image, Verdict) -> io::Result<T>,
    ) -> io::Result<T> {
        self.image.last_op += 1;
        if let Some(recorded) = &mut self.recorded {
            recorded.push(op.clone());
        }
        run(&mut self.image, verdict)
    }
}

#[cfg(test)]
mod tests;
