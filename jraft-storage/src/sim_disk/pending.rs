//! Which calls a power loss could still undo, by directory: asked after every step of a simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};

/// Numbers of calls by directory: of each file the first one that is not durable, and every change of a name.
#[derive(Clone, Default)]
pub(super) struct Pending {
    /// No set is empty. Paths are ordered by their components: those below a directory stand behind it, together.
    by_dir: BTreeMap<PathBuf, BTreeSet<u64>>,
}

impl Pending {
    pub(super) fn insert(&mut self, dir: &Path, number: u64) {
        match self.by_dir.get_mut(dir) {
            Some(numbers) => drop(numbers.insert(number)),
            None => drop(self.by_dir.insert(dir.to_path_buf(), BTreeSet::from([number]))),
        }
    }

    pub(super) fn remove(&mut self, dir: &Path, number: u64) {
        let Some(numbers) = self.by_dir.get_mut(dir) else { return };
        numbers.remove(&number);
        if numbers.is_empty() {
            self.by_dir.remove(dir);
        }
    }

    /// A file's first number became another one, or none.
    pub(super) fn replace(&mut self, dir: &Path, before: Option<u64>, after: Option<u64>) {
        before.into_iter().for_each(|number| self.remove(dir, number));
        after.into_iter().for_each(|number| self.insert(dir, number));
    }

    pub(super) fn clear(&mut self) {
        self.by_dir.clear();
    }

    /// The smallest number in `dir` and all below it.
    pub(super) fn floor(&self, dir: &Path) -> Option<u64> {
        let from = (Bound::Included(dir), Bound::Unbounded);
        let inside =
            self.by_dir.range::<Path, _>(from).take_while(|(path, _)| path.starts_with(dir));
        inside.filter_map(|(_, numbers)| numbers.first().copied()).min()
    }
}
