//! The counter itself: pure, and the same on every replica.

use jraft_core::LogIndex;

use super::messages::{Add, Answer, Audit, ClientId, ClientShare, Command};
use super::sessions::{MAX_CLIENTS, Session, Sessions};

/// The value, and the clients that have added to it.
#[derive(Debug)]
pub struct CounterState {
    value: i64,
    sessions: Sessions,
}

impl Default for CounterState {
    fn default() -> Self {
        Self::new(MAX_CLIENTS)
    }
}

impl CounterState {
    /// Zero, remembering at most `max_clients` clients.
    pub fn new(max_clients: usize) -> Self {
        Self { value: 0, sessions: Sessions::new(max_clients) }
    }

    /// The value.
    pub const fn value(&self) -> i64 {
        self.value
    }

    /// The clients.
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Applies the entry at `index`.
    pub fn apply(&mut self, index: LogIndex, command: &Command) -> Answer {
        match command {
            Command::Get => Answer::Value(self.value),
            Command::Audit(client) => {
                let client = self.sessions.find(*client).map(|session| session.share);
                Answer::Audit(Audit { value: self.value, client })
            }
            Command::Hello => self.welcome(index),
            Command::Add(add) => self.add(index, add),
        }
    }

    fn add(&mut self, index: LogIndex, add: &Add) -> Answer {
        let Some(session) = self.sessions.find(add.client).copied() else {
            return Answer::NoSession;
        };
        let last = session.share.sequence;
        if add.sequence == last {
            return Answer::Value(session.value);
        }
        if add.sequence < last {
            // It was applied, or given up by its client, which sends one addition at a time; its answer is forgotten.
            return Answer::Unknown(format!("addition {} came after {last}", add.sequence));
        }
        if add.sequence != last + 1 {
            return Answer::Refused(format!("addition {} came right after {last}", add.sequence));
        }
        self.add_next(index, add, &session)
    }

    fn welcome(&mut self, index: LogIndex) -> Answer {
        let client = ClientId(index.0);
        let share = ClientShare { sequence: 0, total: 0 };
        self.sessions.remember(client, index, share, self.value);
        Answer::Welcome(client)
    }

    fn add_next(&mut self, index: LogIndex, add: &Add, session: &Session) -> Answer {
        let sums = (self.value.checked_add(add.delta), session.share.total.checked_add(add.delta));
        let (Some(value), Some(total)) = sums else {
            return Answer::Refused(format!("{} and {} do not fit", self.value, add.delta));
        };
        self.value = value;
        let share = ClientShare { sequence: add.sequence, total };
        self.sessions.remember(add.client, index, share, value);
        Answer::Value(value)
    }
}
