//! The configurations of the log and that of the last snapshot (`ConfigurationManager`).

use std::collections::VecDeque;

use super::ConfigurationEntry;
use crate::entity::LogIndex;

/// Which configuration was in force at which index, as far as the log and the snapshot reach back.
#[derive(Debug, Clone, Default)]
pub struct ConfigurationManager {
    /// By index, without gaps in its order: each is greater than the one before.
    entries: VecDeque<ConfigurationEntry>,
    snapshot: ConfigurationEntry,
}

impl ConfigurationManager {
    /// Knows nothing yet: an empty configuration at index 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the configuration of an entry appended to the log. Refused, with `false`, if it is not the newest one.
    #[must_use = "a refused configuration is a broken log"]
    pub fn add(&mut self, entry: ConfigurationEntry) -> bool {
        let newest = self.entries.back().is_none_or(|last| last.id.index < entry.id.index);
        if newest {
            self.entries.push_back(entry);
        }
        newest
    }

    /// The log starts at `first_kept` now.
    pub fn truncate_prefix(&mut self, first_kept: LogIndex) {
        let gone = self.entries.partition_point(|entry| entry.id.index < first_kept);
        self.entries.drain(..gone);
    }

    /// The log ends at `last_kept` now.
    pub fn truncate_suffix(&mut self, last_kept: LogIndex) {
        let kept = self.entries.partition_point(|entry| entry.id.index <= last_kept);
        self.entries.truncate(kept);
    }

    /// The configuration at the end of the last snapshot, at the id of its last entry.
    pub fn set_snapshot(&mut self, entry: ConfigurationEntry) {
        self.snapshot = entry;
    }

    /// The configuration of the last snapshot.
    pub fn snapshot(&self) -> &ConfigurationEntry {
        &self.snapshot
    }

    /// The newest configuration of the log, or that of the snapshot.
    pub fn last(&self) -> &ConfigurationEntry {
        self.entries.back().unwrap_or(&self.snapshot)
    }

    /// The newest configuration of the log that is not behind `index`, or that of the snapshot.
    pub fn get(&self, index: LogIndex) -> &ConfigurationEntry {
        let not_behind = self.entries.partition_point(|entry| entry.id.index <= index);
        match not_behind.checked_sub(1) {
            Some(newest) => &self.entries[newest],
            None => &self.snapshot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Configuration;
    use crate::entity::{LogId, Term};

    fn at(index: u64) -> ConfigurationEntry {
        let conf = format!("a:{index}").parse().unwrap();
        let id = LogId::new(LogIndex(index), Term(1));
        ConfigurationEntry::new(id, conf, Configuration::default())
    }

    fn with(indices: &[u64]) -> ConfigurationManager {
        let mut manager = ConfigurationManager::new();
        for index in indices {
            assert!(manager.add(at(*index)));
        }
        manager
    }

    /// Index of the configuration in force at each index.
    fn found<const N: usize>(manager: &ConfigurationManager, indices: [u64; N]) -> [u64; N] {
        indices.map(|index| manager.get(LogIndex(index)).id.index.0)
    }

    #[test]
    fn newest_that_is_not_behind() {
        let mut manager = with(&[10, 20, 30]);
        assert_eq!(found(&manager, [9, 10, 19, 20, 29, 30, 99]), [0, 10, 10, 20, 20, 30, 30]);
        manager.set_snapshot(at(5));
        assert_eq!(found(&manager, [9, 10]), [5, 10]);
        assert_eq!(manager.snapshot(), &at(5));
        assert_eq!(manager.last(), &at(30));
    }

    #[test]
    fn only_newer_ones_are_added() {
        let mut manager = with(&[10]);
        assert!(!manager.add(at(10)));
        assert!(!manager.add(at(9)));
        assert!(manager.add(at(11)));
        assert_eq!(found(&manager, [9, 10, 11]), [0, 10, 11]);
    }

    #[test]
    fn truncated_at_both_ends() {
        let mut manager = with(&[10, 20, 30, 40]);
        manager.truncate_prefix(LogIndex(20));
        assert_eq!(found(&manager, [19, 20]), [0, 20]);
        manager.truncate_prefix(LogIndex(21));
        assert_eq!(found(&manager, [20, 30]), [0, 30]);
        manager.truncate_suffix(LogIndex(30));
        assert_eq!(manager.last(), &at(30));
        manager.truncate_suffix(LogIndex(29));
        assert_eq!(manager.last(), &ConfigurationEntry::default());
        assert!(manager.add(at(15)), "a truncated log may continue below its old end");
    }
}
