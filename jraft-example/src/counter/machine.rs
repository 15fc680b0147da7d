//! The counter as a state machine (`CounterStateMachine`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jraft_core::{ApplyError, Entries, StateMachine};

use super::messages::Command;
use super::state::CounterState;

/// Applies the commands of the log to a [`CounterState`].
#[derive(Debug, Default)]
pub struct CounterMachine {
    state: CounterState,
    seen: Arc<AtomicI64>,
}

impl CounterMachine {
    /// The value as of the last batch, for whoever shows it: it may be stale.
    pub fn seen(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.seen)
    }
}

impl StateMachine for CounterMachine {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        for entry in entries {
            // The service refuses what is no command. If one is in the log all the same, then another version put it
            // there, and a replica that skipped it would no longer be equal to the others.
            let command = Command::decode(entry.data())?;
            let answer = self.state.apply(entry.id().index, &command);
            entry.reply(answer);
        }
        self.seen.store(self.state.value(), Ordering::Relaxed);
        Ok(())
    }
}
