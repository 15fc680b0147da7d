//! What unique values tell about operations of unknown outcome, before any search.
//!
//! An operation of unknown outcome never ends, so it overlaps with all that follows; a hundred of them are too many for
//! any search. With unique values each of them turns into something that the search can bear, because a value that
//! somebody saw was brought by one operation only.

use std::collections::{BTreeMap, BTreeSet};

use super::register::{RegisterAnswer, RegisterCall};
use super::{End, Operation, story};

/// An operation of a register.
pub(super) type Op = Operation<RegisterCall, RegisterAnswer>;

/// A value, and the operation that brings it.
type Sources<'a> = BTreeMap<u64, &'a Op>;

/// A value, and a time by which it had been there.
type Seen = BTreeMap<u64, u64>;

/// What refused compare-and-sets did not find, each with the end of the last that did not.
type Refusals = BTreeMap<Option<u64>, u64>;

/// A history with the same verdict and with few unknown outcomes, or why there is no order.
///
/// * A read of unknown outcome tells nothing and changes nothing: it goes.
/// * If the value was seen, then the operation has taken effect before whoever saw it first was done: it is answered
///   by then.
/// * If it was not seen, then nobody needs what it brings, and all that it may be good for is what it takes away: a
///   compare-and-set that does not find it is refused. If there is no such refusal that it could explain, it goes.
/// * Of those that stay, if no refusal that may come later expects what they bring, then nothing tells one of these
///   values from another: all bring the same one, and the search takes equal calls in the order in which they were
///   invoked.
///
/// Why the third is sound: of all orders with the fewest such unseen operations, take one in which they come as late as
/// can be. Look at some that follow each other, at the value `e` before them, and at what comes next. It is no read and
/// no compare-and-set that was done, for these would have seen a value of theirs. It is no write, and not the end, for
/// then they could all be left out. So it is a refusal. It expects `e`, or it could come before them. And it comes right
/// after the first of them, which is enough for it. So each of them is followed by a refusal that expects what it has
/// taken away.
pub(super) fn settle(history: &[Op]) -> Result<Vec<Op>, Vec<String>> {
    let seen = seen(history, &sources(history))?;
    let refusals = refusals(history);
    let mut settled = Vec::with_capacity(history.len());
    for operation in history {
        let seen_at = operation.call.brings().and_then(|value| seen.get(&value).copied());
        let ended = match (operation.ended, seen_at) {
            (End::Answered { at, answer }, Some(seen_at)) => {
                End::Answered { at: at.min(seen_at), answer }
            }
            (End::Unknown, Some(at)) => End::Answered { at, answer: effect(&operation.call) },
            (End::Unknown, None) if !may_explain(operation, &refusals) => continue,
            (as_it_is, _) => as_it_is,
        };
        settled.push(Op { ended, ..*operation });
    }
    is_taken_once(&settled)?;
    make_alike(&mut settled, &refusals);
    Ok(settled)
}

fn refusals(history: &[Op]) -> Refusals {
    let mut refusals = Refusals::new();
    for operation in history {
        if let RegisterCall::CompareAndSet { expected, .. } = operation.call
            && let End::Answered { at, answer: RegisterAnswer::Swapped(false) } = operation.ended
        {
            let last = refusals.entry(expected).or_insert(at);
            *last = at.max(*last);
        }
    }
    refusals
}

/// Whether one of them may be due to `operation`.
fn may_explain(operation: &Op, refusals: &Refusals) -> bool {
    let in_time = |at: &u64| operation.invoked <= *at;
    match operation.call {
        RegisterCall::Read => false,
        RegisterCall::Write(_) => refusals.values().any(in_time),
        RegisterCall::CompareAndSet { expected, .. } => {
            refusals.get(&expected).is_some_and(in_time)
        }
    }
}

/// What was there is replaced once, and does not come back: no two compare-and-sets find the same.
fn is_taken_once(settled: &[Op]) -> Result<(), Vec<String>> {
    let mut winners = BTreeMap::new();
    for operation in settled {
        if let RegisterCall::CompareAndSet { expected, .. } = operation.call
            && operation.answer() == Some(&RegisterAnswer::Swapped(true))
            && let Some(other) = winners.insert(expected, operation)
        {
            let told = format!("{expected:?} was replaced twice");
            return Err(vec![told, story::line(other), story::line(operation)]);
        }
    }
    Ok(())
}

/// Lets those that are still unknown, and whose value no refusal expects from then on, all bring the same new value.
fn make_alike(settled: &mut [Op], refusals: &Refusals) {
    let named: BTreeSet<u64> = settled
        .iter()
        .flat_map(|operation| [operation.call.brings(), expects(&operation.call)])
        .flatten()
        .collect();
    let Some(shared) = (0..).find(|value| !named.contains(value)) else { return };
    for operation in settled.iter_mut().filter(|operation| operation.ended == End::Unknown) {
        let refused = refusals.get(&operation.call.brings());
        if refused.is_none_or(|last| *last < operation.invoked) {
            operation.call = bringing(operation.call, shared);
        }
    }
}

/// Which operation brings which value.
fn sources(history: &[Op]) -> Sources<'_> {
    let mut sources = Sources::new();
    for operation in history {
        let Some(value) = operation.call.brings() else { continue };
        if let Some(other) = sources.insert(value, operation) {
            panic!("{value} twice: {} and {}", story::line(other), story::line(operation));
        }
    }
    sources
}

/// The values that were certainly there, each with a time by which it was.
fn seen(history: &[Op], sources: &Sources<'_>) -> Result<Seen, Vec<String>> {
    let mut seen = Seen::new();
    let mut open = Vec::new();
    for operation in history {
        let End::Answered { at, answer } = operation.ended else { continue };
        let value = match answer {
            RegisterAnswer::Value(value) => value,
            RegisterAnswer::Swapped(true) => expects(&operation.call),
            RegisterAnswer::Swapped(false) | RegisterAnswer::Written => None,
        };
        open.extend(value.map(|value| (value, at, operation)));
    }
    while let Some((value, at, by)) = open.pop() {
        if seen.get(&value).is_some_and(|earlier| *earlier <= at) {
            continue;
        }
        seen.insert(value, at);
        let source = sources.get(&value).copied();
        let came_from = source.filter(|source| may_have_effect(source) && source.invoked <= at);
        let Some(came_from) = came_from else {
            let source = source.map_or_else(|| "nobody asked for it".to_owned(), story::line);
            return Err(vec![format!("{value} was there by {at}: {}", story::line(by)), source]);
        };
        // If it was a compare-and-set, then it has found what it expected, by the same time.
        open.extend(expects(&came_from.call).map(|expected| (expected, at, came_from)));
    }
    Ok(seen)
}

/// Whether it was not answered that it has none.
fn may_have_effect(operation: &Op) -> bool {
    !matches!(
        operation.ended,
        End::Failed | End::Answered { answer: RegisterAnswer::Swapped(false), .. }
    )
}

/// The value without which the call does nothing.
fn expects(call: &RegisterCall) -> Option<u64> {
    match *call {
        RegisterCall::CompareAndSet { expected, .. } => expected,
        RegisterCall::Read | RegisterCall::Write(_) => None,
    }
}

/// The answer to a call that has taken effect.
fn effect(call: &RegisterCall) -> RegisterAnswer {
    match call {
        RegisterCall::CompareAndSet { .. } => RegisterAnswer::Swapped(true),
        RegisterCall::Read | RegisterCall::Write(_) => RegisterAnswer::Written,
    }
}

/// The same call with another value.
fn bringing(call: RegisterCall, value: u64) -> RegisterCall {
    match call {
        RegisterCall::Read => call,
        RegisterCall::Write(_) => RegisterCall::Write(value),
        RegisterCall::CompareAndSet { expected, .. } => {
            RegisterCall::CompareAndSet { expected, new: value }
        }
    }
}
