//! What a crash leaves of what was not synced.

use std::path::Path;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

use super::image::Image;

/// What a crash does with what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process died: all that was written stays, and stays unsynced. A later power loss can take it.
    Kill,
    /// The power is gone: all of it is lost.
    Lose,
    /// The power is gone: a part of it stays, drawn from this seed. Any of the sectors of each write, any changes of
    /// lengths and of names; now and then all of them, or none.
    Tear(u64),
}

impl Image {
    /// Nobody has a file open any more, and `how` says what else.
    pub(super) fn crash(&mut self, how: Crash) {
        self.files.values_mut().for_each(|file| file.handles = 0);
        self.collect();
        match how {
            Crash::Kill => {}
            Crash::Lose => self.power_loss(&mut || false),
            Crash::Tear(seed) => {
                let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
                let odds = random.next_u64() % 5;
                self.power_loss(&mut || random.next_u64() % 4 < odds);
            }
        }
    }

    fn power_loss(&mut self, keep: &mut dyn FnMut() -> bool) {
        for (_, change) in std::mem::take(&mut self.changes) {
            if keep() {
                change.apply(&mut self.durable_names);
            }
        }
        for (_, dir) in std::mem::take(&mut self.made) {
            if !keep() {
                self.lose_dir(&dir);
            }
        }
        self.names.clone_from(&self.durable_names);
        for (name, id) in &self.names {
            if let Some(file) = self.files.get_mut(id) {
                file.name.clone_from(name);
            }
        }
        self.files.values_mut().for_each(|file| file.power_loss(keep));
        self.pending.clear();
        self.collect();
    }

    /// A directory without a name takes along all that is in it.
    fn lose_dir(&mut self, lost: &Path) {
        self.dirs.retain(|dir| !dir.starts_with(lost));
        self.durable_names.retain(|name, _| !name.starts_with(lost));
    }
}
