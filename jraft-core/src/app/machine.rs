//! `AppMachine`: the state machine behind an `App`.

use std::sync::Arc;

use jraft_spi::LogIndex;

use super::App;
use super::codec::{Payload, decode_payload};
use crate::fsm::{ApplyError, Entries, StateMachine};
use crate::sync::Mutex;

/// What whoever proposed an entry gets: where it stands, and the output unless it was a barrier.
pub(super) struct Answer<O> {
    pub(super) at: LogIndex,
    pub(super) out: Option<O>,
}

pub(super) struct AppMachine<A>(Arc<Mutex<A>>);

impl<A: App> AppMachine<A> {
    /// The machine, and the state for those who read it.
    pub(super) fn new(app: A) -> (Self, Arc<Mutex<A>>) {
        let state = Arc::new(Mutex::new(app));
        (Self(Arc::clone(&state)), state)
    }
}

impl<A: App> StateMachine for AppMachine<A> {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        let mut app = self.0.lock();
        for entry in entries {
            let at = entry.id().index;
            let payload = decode_payload::<A::Cmd>(entry.data())
                .map_err(|error| ApplyError::new(format!("the command at {at}: {error}")))?;
            let out = match payload {
                Payload::Command(cmd) => Some(app.apply(cmd)),
                Payload::Barrier => None,
            };
            entry.reply(Answer { at, out });
        }
        Ok(())
    }
}
