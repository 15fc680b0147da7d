//! What is on the disk: files, and names for them; each as the process sees it, and as a power loss would leave it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::file::File;
use super::pages::Pages;
use super::pending::Pending;
use crate::disk::above;

/// Files and names.
#[derive(Clone, Default)]
pub(super) struct Image {
    pub(super) files: BTreeMap<u64, File>,
    next_file: u64,
    /// The names as the process sees them.
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) durable_names: BTreeMap<PathBuf, u64>,
    /// What makes the one of the other, oldest first, each with the number of its call.
    pub(super) changes: Vec<(u64, Change)>,
    pub(super) dirs: BTreeSet<PathBuf>,
    /// Those of `dirs` whose own names are not durable.
    pub(super) made: Vec<(u64, PathBuf)>,
    pub(super) pending: Pending,
    /// The number of the last call that changed something.
    pub(super) last_op: u64,
    /// Bytes of all files together.
    pub(super) capacity: Option<u64>,
}

/// A change of names, all of them in one directory.
#[derive(Clone)]
pub(super) enum Change {
    Link(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Unlink(PathBuf, u64),
}

impl Image {
    pub(super) fn id(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn file(&self, id: u64) -> &File {
        self.files.get(&id).expect("a file is kept while it is open or has a name")
    }

    /// Changes a file, and keeps the account of what is not durable.
    pub(super) fn change<T>(&mut self, id: u64, run: impl FnOnce(&mut File) -> T) -> T {
        let file = self.files.get_mut(&id).expect("a file is kept while it is open or has a name");
        let before = file.floor();
        let result = run(file);
        let after = file.floor();
        if before != after {
            self.pending.replace(file.dir(), before, after);
        }
        result
    }

    pub(super) fn open(&mut self, path: &Path) -> io::Result<u64> {
        let id = self.id(path)?;
        self.change(id, |file| file.handles += 1);
        Ok(id)
    }

    /// Makes a file and opens it; one that is there is emptied and stays the same file, as `O_TRUNC` does.
    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        if let Ok(id) = self.id(path) {
            let number = self.last_op;
            self.change(id, |file| file.set_len(number, 0));
        } else {
            let id = self.add(File::new(path));
            self.change_names(Change::Link(path.to_path_buf(), id));
        }
        self.open(path)
    }

    /// Takes in a file that has no name yet.
    pub(super) fn add(&mut self, file: File) -> u64 {
        self.next_file += 1;
        self.files.insert(self.next_file, file);
        self.next_file
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.id(from)?;
        if above(from) != above(to) {
            // What of such a change is durable when only one of the directories was synced?
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        if from != to {
            self.change_names(Change::Rename(from.to_path_buf(), to.to_path_buf(), id));
            self.change(id, |file| file.name = to.to_path_buf());
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let id = self.id(path)?;
        self.change_names(Change::Unlink(path.to_path_buf(), id));
        Ok(())
    }

    fn change_names(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.insert(change.dir(), self.last_op);
        self.changes.push((self.last_op, change));
    }

    /// Whether there is such a directory; the root always is.
    pub(super) fn has_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || self.dirs.contains(path)
    }

    /// Makes a directory and those above it.
    pub(super) fn make_dirs(&mut self, dir: &Path) {
        let mut missing: Vec<&Path> = dir.ancestors().collect();
        missing.retain(|dir| !self.has_dir(dir));
        for dir in missing.into_iter().rev() {
            self.dirs.insert(dir.to_path_buf());
            self.made.push((self.last_op, dir.to_path_buf()));
        }
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        for (number, change) in std::mem::take(&mut self.changes) {
            if change.dir() == dir {
                self.pending.remove(dir, number);
                change.apply(&mut self.durable_names);
            } else {
                self.changes.push((number, change));
            }
        }
        self.made.retain(|(_, made)| above(made) != dir);
        self.collect();
    }

    /// Writes as much of `bytes` as fits onto the disk, and at most `limit`; says how much.
    pub(super) fn write(&mut self, id: u64, at: u64, bytes: &[u8], limit: usize) -> usize {
        let room = self.room(id).saturating_sub(at).min(bytes.len() as u64) as usize;
        let (number, fits) = (self.last_op, room.min(limit));
        self.change(id, |file| file.write(number, at, &bytes[..fits]));
        fits
    }

    pub(super) fn set_len(&mut self, id: u64, len: u64) -> io::Result<()> {
        if len > self.room(id) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let number = self.last_op;
        self.change(id, |file| file.set_len(number, len));
        Ok(())
    }

    /// How long a file can become.
    fn room(&self, id: u64) -> u64 {
        let Some(capacity) = self.capacity else { return u64::MAX };
        let used: u64 = self.files.values().map(|file| file.written.len()).sum();
        self.file(id).written.len() + capacity.saturating_sub(used)
    }

    /// The names in a directory, those of directories too.
    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let all = self.names.keys().chain(&self.dirs).filter(|path| path.parent() == Some(dir));
        let names = all.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        let names: BTreeSet<String> = names.collect();
        if names.is_empty() && !self.has_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(names.into_iter().collect())
    }

    /// The smallest number of a call in `dir` or below that a power loss could undo.
    pub(super) fn floor(&self, dir: &Path) -> Option<u64> {
        // A directory whose name is lost takes along all that is in it.
        let touches = |made: &Path| made.starts_with(dir) || dir.starts_with(made);
        let made = self.made.iter().filter(|(_, made)| touches(made)).map(|(number, _)| *number);
        made.chain(self.pending.floor(dir)).min()
    }

    /// The same, of the files and names that count.
    pub(super) fn floor_of(&self, dir: &Path, counts: &dyn Fn(&Path) -> bool) -> Option<u64> {
        let touches = |made: &Path| made.starts_with(dir) || dir.starts_with(made);
        let made = self.made.iter().filter(|(_, made)| touches(made)).map(|(number, _)| *number);
        let inside = |path: &Path| path.starts_with(dir) && counts(path);
        let files = self.files.values().filter(|file| inside(&file.name)).filter_map(File::floor);
        let names = self.changes.iter().filter(|(_, change)| inside(change.path()));
        made.chain(files).chain(names.map(|(number, _)| *number)).min()
    }

    /// One handle less.
    pub(super) fn close(&mut self, id: u64) {
        let handles = self.change(id, |file| {
            file.handles -= 1;
            file.handles
        });
        if handles == 0 && self.names.get(&self.file(id).name) != Some(&id) {
            self.collect();
        }
    }

    /// Lets go of files that no name leads to, now or after a crash, and that nobody has open.
    pub(super) fn collect(&mut self) {
        let names = self.names.values().chain(self.durable_names.values()).copied();
        let named: BTreeSet<u64> =
            names.chain(self.changes.iter().map(|(_, change)| change.file())).collect();
        let pending = &mut self.pending;
        self.files.retain(|id, file| {
            if !named.contains(id) {
                pending.replace(file.dir(), file.floor(), None);
                file.orphan();
            }
            named.contains(id) || file.handles > 0
        });
    }

    /// The bytes of a file as the process sees them.
    pub(super) fn written(&self, path: &Path) -> Option<&Pages> {
        self.names.get(path).map(|id| &self.file(*id).written)
    }
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Link(path, _) | Self::Rename(_, path, _) | Self::Unlink(path, _) => path,
        }
    }

    pub(super) fn dir(&self) -> &Path {
        above(self.path())
    }

    fn file(&self) -> u64 {
        match self {
            Self::Link(_, file) | Self::Rename(_, _, file) | Self::Unlink(_, file) => *file,
        }
    }

    /// Changes the names, if they are still about this file: an earlier change may be lost.
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Link(path, file) => drop(names.insert(path.clone(), *file)),
            Self::Rename(from, to, file) if names.get(from) == Some(file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Unlink(path, file) if names.get(path) == Some(file) => drop(names.remove(path)),
            Self::Rename(..) | Self::Unlink(..) => {}
        }
    }
}
