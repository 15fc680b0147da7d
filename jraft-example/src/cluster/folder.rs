//! The folder in which the nodes of a cluster keep their data: a given one, or one that is removed at the end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::real_time;

/// A folder.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    temporary: bool,
}

impl DataFolder {
    /// The folder at `path`, which is made if need be and kept; without a path, a new one that is removed when this
    /// value is dropped.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let temporary = path.is_none();
        let path = path.map_or_else(new_name, Path::to_owned);
        fs::create_dir_all(&path)?;
        Ok(Self { path, temporary })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Do not remove it: somebody has to look what went wrong.
    pub fn keep(&mut self) {
        self.temporary = false;
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed stays in the folder for temporary files, which others clean.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn new_name() -> PathBuf {
    std::env::temp_dir().join(format!("counter-cluster-{:016x}", real_time::random()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_folder_is_removed() {
        let made = DataFolder::open(None).unwrap();
        let path = made.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(made);
        assert!(!path.exists());

        let mut kept = DataFolder::open(None).unwrap();
        kept.keep();
        let path = kept.path().to_owned();
        drop(kept);
        assert!(path.exists());

        drop(DataFolder::open(Some(&path)).unwrap());
        assert!(path.exists());
        fs::remove_dir(&path).unwrap();
    }
}
