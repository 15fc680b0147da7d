//! What the group remembers of its clients, so that a repeated addition is not applied twice. Bounded.

use std::collections::BTreeMap;

use jraft_core::LogIndex;

use super::messages::{ClientId, ClientShare};

/// How many clients a group remembers.
pub const MAX_CLIENTS: usize = 1024;

/// What is remembered of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The number of its last addition, and the sum of all.
    pub share: ClientShare,
    /// What its last addition was answered with.
    pub value: i64,
    used: LogIndex,
}

/// The table of clients. Which client is forgotten depends on the log alone, so all replicas forget the same one.
#[derive(Debug)]
pub struct Sessions {
    limit: usize,
    clients: BTreeMap<ClientId, Session>,
    by_use: BTreeMap<LogIndex, ClientId>,
}

impl Sessions {
    /// A table of at most `limit` clients, which must not be 0.
    pub fn new(limit: usize) -> Self {
        assert!(limit > 0, "a table of no clients cannot recognise a repetition");
        Self { limit, clients: BTreeMap::new(), by_use: BTreeMap::new() }
    }

    /// What is remembered of `client`.
    pub fn find(&self, client: ClientId) -> Option<&Session> {
        self.clients.get(&client)
    }

    /// How many clients are remembered.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether no client is remembered.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Remembers `share` and `value` of `client`, as of the entry at `index`, of which there is one per call. If the
    /// table is full, forgets whoever added least recently.
    pub fn remember(&mut self, client: ClientId, index: LogIndex, share: ClientShare, value: i64) {
        if let Some(old) = self.clients.insert(client, Session { share, value, used: index }) {
            self.by_use.remove(&old.used);
        }
        let other = self.by_use.insert(index, client);
        assert!(other.is_none(), "an entry is of one client");
        while self.clients.len() > self.limit {
            let (_, oldest) = self.by_use.pop_first().expect("every client has a last use");
            self.clients.remove(&oldest);
        }
        assert_eq!(self.clients.len(), self.by_use.len(), "every client has one last use");
    }
}
