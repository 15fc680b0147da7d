//! The state machine of the runs: registers and counters, by number.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use jraft_core::{ApplyError, Entries, LogEntry, StateMachine};

use super::hub::Life;
use super::watch::Watch;
use crate::checks::Seen;
use crate::checks::record::Mark;

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Sets a register. Every value is written once in a run.
    Write(u64),
    /// Reads a register.
    Read,
    /// Sets a register if it holds the first value.
    Swap(Option<u64>, u64),
    /// Adds to a counter; reads it, if it is 0.
    Add(u64),
}

/// What it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// It is written.
    Written,
    /// The register holds this.
    Holds(Option<u64>),
    /// Whether it was swapped.
    Swapped(bool),
    /// The counter stands at this.
    Total(u64),
}

/// An operation on its way through the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// The number of the operation.
    pub number: u64,
    /// The register or counter.
    pub key: u64,
    /// What to do.
    pub call: Call,
}

impl Command {
    /// As bytes, with so many more behind it.
    pub fn encode(&self, padding: u64) -> Bytes {
        let (kind, first, second) = match self.call {
            Call::Write(value) => (0, value, 0),
            Call::Read => (1, 0, 0),
            Call::Swap(expected, value) => (2, expected.map_or(0, |known| known + 1), value),
            Call::Add(count) => (3, count, 0),
        };
        let mut bytes = BytesMut::with_capacity(40 + padding as usize);
        for part in [self.number, self.key, kind, first, second] {
            bytes.put_u64_le(part);
        }
        bytes.put_bytes(b'.', padding as usize);
        bytes.freeze()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut parts = [0; 5];
        for (place, part) in parts.iter_mut().enumerate() {
            let word = bytes.get(place * 8..place * 8 + 8)?;
            *part = u64::from_le_bytes(word.try_into().ok()?);
        }
        let [number, key, kind, first, second] = parts;
        let call = match kind {
            0 => Call::Write(first),
            1 => Call::Read,
            2 => Call::Swap(first.checked_sub(1), second),
            3 => Call::Add(first),
            _ => return None,
        };
        Some(Self { number, key, call })
    }
}

/// Registers and counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    registers: BTreeMap<u64, u64>,
    counters: BTreeMap<u64, u64>,
    /// A hash over all commands in their order.
    pub history: u64,
}

impl Table {
    fn carry_out(&mut self, command: &Command) -> Got {
        match command.call {
            Call::Write(value) => {
                self.registers.insert(command.key, value);
                Got::Written
            }
            Call::Read => Got::Holds(self.registers.get(&command.key).copied()),
            Call::Swap(expected, value) => {
                let swaps = self.registers.get(&command.key).copied() == expected;
                if swaps {
                    self.registers.insert(command.key, value);
                }
                Got::Swapped(swaps)
            }
            Call::Add(count) => {
                let counter = self.counters.entry(command.key).or_default();
                *counter += count;
                Got::Total(*counter)
            }
        }
    }
}

/// The state machine of one process.
pub struct Machine {
    watch: Arc<Watch>,
    life: Life,
    table: Table,
    /// Where the state is shown after every batch.
    shown: Arc<parking_lot::Mutex<Table>>,
}

impl Machine {
    /// An empty machine.
    pub fn new(watch: Arc<Watch>, life: Life, shown: Arc<parking_lot::Mutex<Table>>) -> Self {
        *shown.lock() = Table::default();
        Self { watch, life, table: Table::default(), shown }
    }
}

impl StateMachine for Machine {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        for entry in entries {
            let mark = Mark::of(&LogEntry::data(entry.id(), entry.data().clone()));
            if self.watch.hub.is_alive(self.life) {
                self.watch.see(&Seen::Applies { node: self.life.node, mark });
            }
            let command = Command::decode(entry.data())
                .ok_or_else(|| ApplyError::new("an entry that nobody proposed"))?;
            let got = self.table.carry_out(&command);
            self.table.history = self.table.history.rotate_left(7) ^ mark.hash;
            entry.reply((command.number, got));
        }
        self.shown.lock().clone_from(&self.table);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_its_bytes() {
        let calls =
            [Call::Write(7), Call::Read, Call::Swap(None, 3), Call::Swap(Some(3), 4), Call::Add(2)];
        for call in calls {
            let command = Command { number: 9, key: 1, call };
            assert_eq!(Command::decode(&command.encode(5)), Some(command));
        }
        assert_eq!(Command::decode(b"short"), None);
    }

    #[test]
    fn a_swap_needs_what_it_expects() {
        let mut table = Table::default();
        let mut go = |call| table.carry_out(&Command { number: 0, key: 1, call });
        assert_eq!(go(Call::Swap(Some(1), 2)), Got::Swapped(false));
        assert_eq!(go(Call::Swap(None, 2)), Got::Swapped(true));
        assert_eq!(go(Call::Read), Got::Holds(Some(2)));
        assert_eq!((go(Call::Add(2)), go(Call::Add(3))), (Got::Total(2), Got::Total(5)));
    }
}
