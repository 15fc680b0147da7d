//! A number that only grows, and answers each addition with the new total.

use super::{Budget, End, Model, Operation, Verdict, check, story};

/// Zero at first.
#[derive(Clone, Copy, Debug)]
pub struct Counter;

/// What a client asks of a counter. The answer is the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CounterCall {
    /// As many more.
    Add(u64),
    /// The total.
    Read,
}

impl CounterCall {
    fn adds(&self) -> u64 {
        match *self {
            Self::Add(more) => more,
            Self::Read => 0,
        }
    }
}

impl Model for Counter {
    type State = u64;
    type Call = CounterCall;
    type Answer = u64;

    fn initial(&self) -> u64 {
        0
    }

    fn step(&self, state: &u64, call: &CounterCall, answer: Option<&u64>) -> Option<u64> {
        let after = state.checked_add(call.adds())?;
        answer.is_none_or(|answer| *answer == after).then_some(after)
    }
}

type Op = Operation<CounterCall, u64>;

/// Adds up what the clients were told, and then searches.
///
/// # Panics
///
/// If an operation ends before it is invoked: then the recorder is wrong.
pub fn check_counter(history: &[Op], budget: Budget) -> Verdict {
    match add_up(history) {
        Ok(()) => check(&Counter, history, budget),
        Err(story) => Verdict::Violation { story },
    }
}

/// An operation with an answer: from which total to which.
#[derive(Clone, Copy)]
struct Move<'a> {
    from: u64,
    to: u64,
    at: u64,
    operation: &'a Op,
}

/// Finds contradictions without a search: every answer says between which totals its operation stands.
///
/// If all add one, it finds every violation, so it is a second opinion on the search: in the order of totals, each
/// answered operation has its place, and each gap is filled by the unknown additions that were invoked first.
pub(super) fn add_up(history: &[Op]) -> Result<(), Vec<String>> {
    let mut moves = Vec::new();
    for operation in history {
        let End::Answered { at, answer: to } = operation.ended else { continue };
        let more = operation.call.adds();
        let Some(from) = to.checked_sub(more) else {
            return Err(vec![format!("less than it added: {}", story::line(operation))]);
        };
        moves.push(Move { from, to, at, operation });
    }
    in_real_time(&moves)?;
    // A read of a total after the addition that has led to it.
    moves.sort_by_key(|step| (step.to, step.from));
    without_overlap(&moves)?;
    gaps_are_covered(&moves, history)
}

/// Nobody begins at a smaller total than one that was answered before.
fn in_real_time(moves: &[Move<'_>]) -> Result<(), Vec<String>> {
    let mut calls: Vec<&Move<'_>> = moves.iter().collect();
    calls.sort_by_key(|step| step.operation.invoked);
    let mut returns = calls.clone();
    returns.sort_by_key(|step| step.at);
    let mut returns = returns.into_iter().peekable();
    let mut highest: Option<&Move<'_>> = None;
    for call in calls {
        while let Some(over) = returns.next_if(|over| over.at < call.operation.invoked) {
            if highest.is_none_or(|highest| highest.to < over.to) {
                highest = Some(over);
            }
        }
        if let Some(before) = highest.filter(|before| call.from < before.to) {
            return Err(both("a total of the past", before, call));
        }
    }
    Ok(())
}

/// No unit is added twice, and no total lies within an addition. `moves` are sorted.
fn without_overlap(moves: &[Move<'_>]) -> Result<(), Vec<String>> {
    let mut highest: Option<&Move<'_>> = None;
    for step in moves {
        if let Some(before) = highest.filter(|before| step.from < before.to) {
            return Err(both("the same total twice", before, step));
        }
        highest = Some(step);
    }
    Ok(())
}

/// What nobody was told to have added was added by those who were told nothing, and were there in time. `moves` are
/// sorted.
fn gaps_are_covered(moves: &[Move<'_>], history: &[Op]) -> Result<(), Vec<String>> {
    let mut unknown: Vec<(u64, u64)> = history
        .iter()
        .filter(|operation| operation.ended == End::Unknown)
        .map(|operation| (operation.invoked, operation.call.adds()))
        .collect();
    unknown.sort_unstable();
    let mut sum = 0_u64;
    for (_, more) in &mut unknown {
        sum = sum.saturating_add(*more);
        *more = sum;
    }
    let mut known = 0;
    for step in moves {
        let missing = step.from - known;
        let invoked = unknown.partition_point(|(invoked, _)| *invoked <= step.at);
        let covered = invoked.checked_sub(1).map_or(0, |last| unknown[last].1);
        if missing > covered {
            return Err(vec![
                format!(
                    "{missing} more than was added, of which unknown additions explain {covered}"
                ),
                story::line(step.operation),
            ]);
        }
        known += step.to - step.from;
    }
    Ok(())
}

fn both(what: &str, one: &Move<'_>, other: &Move<'_>) -> Vec<String> {
    vec![what.to_owned(), story::line(one.operation), story::line(other.operation)]
}
