//! `StateMachine`: what an application is to the library.

use std::fmt;

use jraft_spi::status::LeaderChange;
use jraft_spi::{Configuration, LogId, Status, Term};

use super::entries::Entries;

/// A deterministic machine: replicas that apply the same entries are in the same state.
///
/// All methods run on one lane, a plain thread of its own, in order and never concurrently; they may block. What they
/// must not do is wait for a proposal of their own group.
pub trait StateMachine: Send + 'static {
    /// Applies committed entries, in log order, each once per start of the node.
    ///
    /// `Ok` means that all of them are applied. An error says that the entry handed out last is *not*, and stops this
    /// node for good: an error of the business is a reply, not an `Err`, since all replicas must take the same path.
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError>;

    /// This node leads, and everything committed before is applied.
    fn on_leader_start(&mut self, _term: Term) {}

    /// This node leads no longer.
    fn on_leader_stop(&mut self, _why: &Status) {}

    /// A leader was found.
    fn on_start_following(&mut self, _change: &LeaderChange) {}

    /// The leader was lost.
    fn on_stop_following(&mut self, _change: &LeaderChange) {}

    /// A stable configuration was committed at `at`.
    fn on_configuration_committed(&mut self, _conf: &Configuration, _at: LogId) {}

    /// The node failed; nothing more is applied.
    fn on_error(&mut self, _why: &Status) {}

    /// The node shuts down; the last call.
    fn on_shutdown(&mut self) {}
}

/// Forwards every method by hand: a forgotten one would silently be the default.
impl<S: StateMachine + ?Sized> StateMachine for Box<S> {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        (**self).on_apply(entries)
    }

    fn on_leader_start(&mut self, term: Term) {
        (**self).on_leader_start(term);
    }

    fn on_leader_stop(&mut self, why: &Status) {
        (**self).on_leader_stop(why);
    }

    fn on_start_following(&mut self, change: &LeaderChange) {
        (**self).on_start_following(change);
    }

    fn on_stop_following(&mut self, change: &LeaderChange) {
        (**self).on_stop_following(change);
    }

    fn on_configuration_committed(&mut self, conf: &Configuration, at: LogId) {
        (**self).on_configuration_committed(conf, at);
    }

    fn on_error(&mut self, why: &Status) {
        (**self).on_error(why);
    }

    fn on_shutdown(&mut self) {
        (**self).on_shutdown();
    }
}

/// Why a state machine cannot go on. Made from any error by `?`.
pub struct ApplyError {
    text: String,
    rolled_back: usize,
}

impl ApplyError {
    /// An error with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), rolled_back: 1 }
    }

    /// The last `count` entries handed out are not applied, instead of the last one.
    pub fn roll_back(mut self, count: usize) -> Self {
        self.rolled_back = count;
        self
    }

    pub(crate) const fn rolled_back(&self) -> usize {
        self.rolled_back
    }
}

impl<E: std::error::Error + Send + Sync> From<E> for ApplyError {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Debug for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApplyError({:?}, the last {} not applied)", self.text, self.rolled_back)
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
