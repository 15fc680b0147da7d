//! Damage at rest, and looks at the files from outside.
//!
//! Files are damaged as they are: what was written to a file before counts as durable from then on, and both what a
//! process would read and what a power loss would leave are changed. No file may be named that is not there: these
//! calls panic then.

use std::path::{Path, PathBuf};

use super::file::File;
use super::{SECTOR, SimDisk};
use crate::disk::above;

impl SimDisk {
    /// All files, sorted, with their lengths in bytes.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let image = &self.state.lock().image;
        let files = image.names.iter();
        files.map(|(path, id)| (path.clone(), image.file(*id).written.len())).collect()
    }

    /// The bytes of a file as a process reads them. Panics if there is no such file.
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.state.lock();
        let pages = state.image.written(path);
        pages.unwrap_or_else(|| panic!("there is no {}", path.display())).to_vec()
    }

    /// Changes the bytes of a file. Panics if there is no such file.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.bytes(path);
        change(&mut bytes);
        self.put_file(path, &bytes);
    }

    /// Flips a bit, 0 to 7, of a byte. Panics if there is no such byte.
    pub fn flip_bit(&self, path: &Path, byte: u64, bit: u8) {
        self.edit(path, |bytes| bytes[byte as usize] ^= 1 << bit);
    }

    /// Makes a sector of a file zeros; the last one may be a part. Panics if there is no such sector.
    pub fn zero_sector(&self, path: &Path, sector: u64) {
        self.edit(path, |bytes| sector_of(bytes, sector).fill(0));
    }

    /// Writes a sector over another one, as a misdirected write does; as much of it as there is room for. Panics if
    /// there is no such sector.
    pub fn copy_sector(&self, from: (&Path, u64), to: (&Path, u64)) {
        let mut source = self.bytes(from.0);
        let source = sector_of(&mut source, from.1);
        self.edit(to.0, |bytes| {
            let target = sector_of(bytes, to.1);
            let length = source.len().min(target.len());
            target[..length].copy_from_slice(&source[..length]);
        });
    }

    /// Cuts a file to `len` bytes, if it is longer.
    pub fn truncate(&self, path: &Path, len: u64) {
        self.edit(path, |bytes| bytes.truncate(len as usize));
    }

    /// Adds so many zeros to a file.
    pub fn extend_zeros(&self, path: &Path, count: u64) {
        self.edit(path, |bytes| bytes.resize(bytes.len() + count as usize, 0));
    }

    /// Removes a file. Panics if there is no such file.
    pub fn remove_file(&self, path: &Path) {
        let image = &mut self.state.lock().image;
        image.sync_dir(above(path));
        let removed = image.names.remove(path);
        assert!(removed.is_some(), "there is no {}", path.display());
        image.durable_names.remove(path);
        image.collect();
    }

    /// Puts a file there, or other bytes into it: a strange file, or one of an old backup.
    pub fn put_file(&self, path: &Path, bytes: &[u8]) {
        let image = &mut self.state.lock().image;
        let id = image.id(path).unwrap_or_else(|_| {
            let id = image.add(File::new(path));
            image.names.insert(path.to_path_buf(), id);
            image.durable_names.insert(path.to_path_buf(), id);
            id
        });
        image.change(id, |file| file.replace(bytes));
    }
}

fn sector_of(bytes: &mut [u8], sector: u64) -> &mut [u8] {
    let from = (sector * SECTOR) as usize;
    let to = (from + SECTOR as usize).min(bytes.len());
    assert!(from < to, "there is no sector {sector}");
    &mut bytes[from..to]
}
