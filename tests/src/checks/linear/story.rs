//! A violation, told to people.

use std::fmt::Debug;

use super::{End, Model, OpOf, Operation};

/// As many of the last operations of the order are told.
const LAST: usize = 12;

/// One operation, as a line.
pub(super) fn line<C: Debug, A: Debug>(operation: &Operation<C, A>) -> String {
    let Operation { client, call, invoked, ended } = operation;
    match ended {
        End::Answered { at, answer } => {
            format!("client {client}, {invoked} to {at}: {call:?} -> {answer:?}")
        }
        End::Unknown => format!("client {client}, from {invoked}: {call:?} -> unknown"),
        End::Failed => format!("client {client}, at {invoked}: {call:?} -> failed"),
    }
}

/// How far the longest order came (places in the history), and who cannot go on from there.
pub(super) fn tell<M: Model>(model: &M, history: &[OpOf<M>], longest: &[usize]) -> Vec<String> {
    let mut order = Vec::new();
    let mut state = model.initial();
    for &place in longest {
        let operation = &history[place];
        state = model.step(&state, &operation.call, operation.answer()).unwrap_or(state);
        order.push(format!("  {} => {state:?}", line(operation)));
    }
    let mut left: Vec<(u64, &OpOf<M>)> = Vec::new();
    for (place, operation) in history.iter().enumerate() {
        let at = operation.answered_at().filter(|_| !longest.contains(&place));
        left.extend(at.map(|at| (at, operation)));
    }
    left.sort_by_key(|(at, _)| *at);
    let deadline = left.first().map_or(0, |(at, _)| *at);

    let hidden = order.len().saturating_sub(LAST);
    let mut story = vec![format!(
        "no order: the longest has {} operations and leaves {} out, and ends with",
        order.len(),
        left.len()
    )];
    story.extend(order.drain(hidden..));
    story.push(format!(
        "then, from {state:?}, none of these can be next, and one must by {deadline}:"
    ));
    let next = left.iter().filter(|(_, operation)| operation.invoked <= deadline);
    story.extend(next.map(|(_, operation)| format!("  {}", line(operation))));
    story
}
