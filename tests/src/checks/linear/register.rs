//! A key with one value: read, write, compare and set.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::{Budget, Model, Operation, Verdict, check, unique, zones};

/// A key, absent at first.
#[derive(Clone, Copy, Debug)]
pub struct Register;

/// What a client asks of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegisterCall {
    /// The value.
    Read,
    /// A new value.
    Write(u64),
    /// A new value, if the old one is the expected.
    CompareAndSet {
        /// The old one; absent if none.
        expected: Option<u64>,
        /// The new one.
        new: u64,
    },
}

impl RegisterCall {
    /// The value that the call brings.
    pub(super) fn brings(&self) -> Option<u64> {
        match *self {
            Self::Read => None,
            Self::Write(value) | Self::CompareAndSet { new: value, .. } => Some(value),
        }
    }
}

/// What a client is told of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterAnswer {
    /// To a read.
    Value(Option<u64>),
    /// To a write.
    Written,
    /// To a compare and set: whether the value was the expected one, and is the new one now.
    Swapped(bool),
}

impl Model for Register {
    type State = Option<u64>;
    type Call = RegisterCall;
    type Answer = RegisterAnswer;

    fn initial(&self) -> Self::State {
        None
    }

    fn step(
        &self,
        state: &Self::State,
        call: &RegisterCall,
        answer: Option<&RegisterAnswer>,
    ) -> Option<Self::State> {
        let (after, right) = match *call {
            RegisterCall::Read => (*state, RegisterAnswer::Value(*state)),
            RegisterCall::Write(value) => (Some(value), RegisterAnswer::Written),
            RegisterCall::CompareAndSet { expected, new } => {
                let swapped = *state == expected;
                (if swapped { Some(new) } else { *state }, RegisterAnswer::Swapped(swapped))
            }
        };
        answer.is_none_or(|answer| *answer == right).then_some(after)
    }
}

/// Checks each key by itself, with the whole budget for each: a history is linearizable if that of every key is.
///
/// Values are unique: no two writes or compare-and-sets of a key, failed ones included, bring the same. That is what
/// makes reads tell which write they saw, and long histories cheap.
///
/// # Panics
///
/// If values are not unique, or an operation ends before it is invoked: then the workload or the recorder is wrong.
pub fn check_registers<K: Ord + Debug>(
    history: impl IntoIterator<Item = (K, Operation<RegisterCall, RegisterAnswer>)>,
    budget: Budget,
) -> Verdict {
    let mut keys: BTreeMap<K, Vec<_>> = BTreeMap::new();
    for (key, operation) in history {
        keys.entry(key).or_default().push(operation);
    }
    let mut unsure = None;
    for (key, operations) in &keys {
        let story = match unique::settle(operations).and_then(zones::narrow) {
            Err(story) => story,
            Ok(narrowed) => match check(&Register, &narrowed, budget) {
                Verdict::Linearizable => continue,
                Verdict::Inconclusive { steps } => {
                    unsure = Some(steps);
                    continue;
                }
                Verdict::Violation { mut story } => {
                    story.push("(times and unknown outcomes as other answers narrow them)".into());
                    story
                }
            },
        };
        return Verdict::Violation { story: [vec![format!("key {key:?}")], story].concat() };
    }
    unsure.map_or(Verdict::Linearizable, |steps| Verdict::Inconclusive { steps })
}
