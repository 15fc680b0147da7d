//! Whether a history of concurrent operations is linearizable: whether there is one order of them, as if each had
//! happened at one moment between its call and its answer, in which an object without any concurrency gives the same
//! answers.
//!
//! The search is that of Wing and Gong, with the memory of Lowe ("Testing for linearizability", 2016). It is
//! exponential in the operations that overlap, so keep histories within what was measured: at most 8 clients and 2,000
//! operations of a key, unique values, many keys.

mod counter;
mod events;
mod register;
mod search;
mod story;
#[cfg(test)]
mod tests;
mod unique;
mod zones;

use std::fmt::Debug;

pub use counter::{Counter, CounterCall, check_counter};
pub use register::{Register, RegisterAnswer, RegisterCall, check_registers};

/// An object without concurrency: what it answers, and what becomes of it.
pub trait Model {
    /// All that the object remembers.
    type State: Clone + Ord + Debug;
    /// What a client asks. Two equal calls do the same.
    type Call: Ord + Debug;
    /// What a client is told.
    type Answer: Debug;

    /// The object before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `call`, or nothing if it would not be answered with `answer` in this state. Without an answer
    /// it is as if the client had not listened.
    fn step(
        &self,
        state: &Self::State,
        call: &Self::Call,
        answer: Option<&Self::Answer>,
    ) -> Option<Self::State>;
}

/// What one client asked once, and how it ended.
///
/// Times are of one clock for all clients: numbers of events, or virtual time. What ends at the moment at which
/// another begins counts as concurrent with it, so numbers of events find more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<C, A> {
    /// Who asked; for the story only.
    pub client: u32,
    /// What was asked.
    pub call: C,
    /// When.
    pub invoked: u64,
    /// How it ended.
    pub ended: End<A>,
}

/// An operation of a model.
type OpOf<M> = Operation<<M as Model>::Call, <M as Model>::Answer>;

impl<C, A> Operation<C, A> {
    /// What the client was told, if it was.
    pub fn answer(&self) -> Option<&A> {
        match &self.ended {
            End::Answered { answer, .. } => Some(answer),
            End::Unknown | End::Failed => None,
        }
    }

    /// When the client was told.
    pub fn answered_at(&self) -> Option<u64> {
        match self.ended {
            End::Answered { at, .. } => Some(at),
            End::Unknown | End::Failed => None,
        }
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<A> {
    /// The client was told.
    Answered {
        /// When.
        at: u64,
        /// What.
        answer: A,
    },
    /// Nobody can tell: it takes effect once, at any time after it was invoked, or never.
    Unknown,
    /// The client was told that it had and will have no effect. It has no place in the order; who sees its effect
    /// sees something that nobody did.
    Failed,
}

/// How long to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Steps of the model.
    pub steps: u64,
}

impl Default for Budget {
    /// One to three seconds of a debug build at worst, and some 100 MiB.
    fn default() -> Self {
        Self { steps: 2_000_000 }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none.
    Violation {
        /// For people: how far the best order came, and what has no place in it.
        story: Vec<String>,
    },
    /// The budget was too small. Not a success.
    Inconclusive {
        /// The steps taken.
        steps: u64,
    },
}

impl Verdict {
    /// Whether an order was found; false if the search has given up.
    pub fn is_linearizable(&self) -> bool {
        *self == Self::Linearizable
    }

    /// Whether it is certain that there is no order.
    pub fn is_violation(&self) -> bool {
        matches!(self, Self::Violation { .. })
    }
}

/// Searches for an order of `operations`.
///
/// # Panics
///
/// If an operation ends before it is invoked: then the recorder is wrong, and no verdict is worth anything.
pub fn check<M: Model>(
    model: &M,
    operations: &[Operation<M::Call, M::Answer>],
    budget: Budget,
) -> Verdict {
    search::Search::new(model, operations).run(budget)
}
