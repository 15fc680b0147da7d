//! Histories as long as those of a run: right ones, and ones with a mistake that is certain.

use std::time::{Duration, Instant};

use super::kit::{CounterOp, Dice, Load, RegisterOp, counter, register};
use crate::checks::linear::{
    Budget, Counter, End, Register, RegisterAnswer, RegisterCall, Verdict, check, check_counter,
    check_registers,
};

const LONG: Load = Load { clients: 5, operations: 2_000, unknown: 5, failed: 5 };

/// Prints how long it took: no promise, but a change for the worse is seen.
#[expect(clippy::disallowed_methods, reason = "how long a check takes in real time is of interest")]
fn timed(what: &str, check: impl FnOnce() -> Verdict) -> Verdict {
    let start = Instant::now();
    let verdict = check();
    let took: Duration = start.elapsed();
    println!("{what}: {took:?}");
    verdict
}

fn judge(what: &str, history: &[RegisterOp]) -> Verdict {
    let keyed = history.iter().cloned().map(|operation| (1, operation));
    timed(what, || check_registers(keyed, Budget::default()))
}

/// The loads for which the checker must come to a verdict.
fn loads() -> impl Iterator<Item = (String, Load, u64, u64)> {
    let seeds = 0..2;
    seeds.flat_map(|seed| {
        [(5, 0, 0), (5, 20, 0), (5, 5, 30), (5, 20, 30), (8, 5, 30), (8, 20, 0)].map(
            |(clients, unknown, swaps)| {
                let what = format!(
                    "seed {seed}, {clients} clients, {unknown} % unknown, {swaps} % compare and set"
                );
                (what, Load { clients, unknown, ..LONG }, swaps, seed)
            },
        )
    })
}

#[test]
fn long_histories_that_are_right_are_found_right() {
    for (what, load, swaps, seed) in loads() {
        let history = register(load, swaps, &mut Dice::new(seed));
        assert_eq!(judge(&format!("right, {what}"), &history), Verdict::Linearizable, "{what}");
    }
}

/// Gives the last read a value that was certainly written over.
fn make_stale(history: &mut [RegisterOp]) {
    let is_write = |operation: &&RegisterOp| matches!(operation.call, RegisterCall::Write(_));
    let read = history
        .iter()
        .rposition(|operation| {
            operation.call == RegisterCall::Read && operation.answered_at().is_some()
        })
        .unwrap();
    let mut before = history[read].invoked;
    let mut writes = history.iter().rev().filter(is_write).filter(|w| w.answered_at().is_some());
    // Two writes, one after the other, both before the read.
    let over = writes.find(|write| write.answered_at().unwrap() < before).unwrap();
    before = over.invoked;
    let stale = writes.find(|write| write.answered_at().unwrap() < before).unwrap();
    let value = stale.call.brings();
    if let End::Answered { answer, .. } = &mut history[read].ended {
        *answer = RegisterAnswer::Value(value);
    }
}

#[test]
fn a_stale_read_at_the_end_of_a_long_history_is_found() {
    for (what, load, swaps, seed) in loads() {
        let mut history = register(load, swaps, &mut Dice::new(seed));
        make_stale(&mut history);
        assert!(judge(&format!("stale, {what}"), &history).is_violation(), "{what}");
    }
}

#[test]
fn an_early_read_in_a_long_history_is_found_with_and_without_what_unique_values_tell() {
    let mut history = register(Load { unknown: 0, ..LONG }, 30, &mut Dice::new(4));
    let last = history.iter().rev().find_map(|operation| operation.call.brings());
    let read = history.iter().position(|operation| operation.call == RegisterCall::Read).unwrap();
    let at = history[read].invoked + 1;
    history[read].ended = End::Answered { at, answer: RegisterAnswer::Value(last) };
    assert!(judge("early", &history).is_violation());
    assert!(check(&Register, &history, Budget::default()).is_violation());
}

#[test]
fn two_winners_in_a_long_history_are_found() {
    let mut history = register(LONG, 40, &mut Dice::new(5));
    let winner = |operation: &&RegisterOp| {
        matches!(operation.ended, End::Answered { answer: RegisterAnswer::Swapped(true), .. })
    };
    let (place, won) = history.iter().enumerate().rfind(|(_, o)| winner(o)).unwrap();
    let RegisterCall::CompareAndSet { expected, .. } = won.call else { panic!() };
    let second = RegisterCall::CompareAndSet { expected, new: 1_000_000 };
    let second = RegisterOp { client: 77, call: second, ..*won };
    history.insert(place, second);
    assert!(judge("two winners", &history).is_violation());
}

#[test]
fn more_refusals_than_anything_explains_are_found() {
    // The worst for the search: all ways to use the unknown ones up are tried. It bears fewer of them.
    let bearable = |load: &Load, swaps| load.clients == 5 && load.unknown + swaps < 50;
    for (what, load, swaps, seed) in loads().filter(|(_, load, swaps, _)| bearable(load, *swaps)) {
        let mut history = register(load, swaps, &mut Dice::new(seed));
        let unknown = history.iter().filter(|operation| operation.ended == End::Unknown).count();
        let mut now = history.iter().filter_map(RegisterOp::answered_at).max().unwrap();
        for value in (10_000_u64..).step_by(2).take(unknown + 1) {
            let write = (RegisterCall::Write(value), RegisterAnswer::Written);
            let swap = RegisterCall::CompareAndSet { expected: Some(value), new: value + 1 };
            for (call, answer) in [write, (swap, RegisterAnswer::Swapped(false))] {
                let ended = End::Answered { at: now + 2, answer };
                history.push(RegisterOp { client: 1, call, invoked: now + 1, ended });
                now += 3;
            }
        }
        assert!(judge(&format!("refused, {what}"), &history).is_violation(), "{what}");
    }
}

/// The totals that were asked for after the middle.
fn second_half(history: &mut [CounterOp]) -> impl Iterator<Item = &mut u64> {
    let middle = history[history.len() / 2].invoked;
    history.iter_mut().filter(move |operation| operation.invoked > middle).filter_map(|operation| {
        match &mut operation.ended {
            End::Answered { answer, .. } => Some(answer),
            End::Unknown | End::Failed => None,
        }
    })
}

#[test]
fn a_long_count_is_right_until_an_addition_is_lost_or_applied_twice() {
    for (unknown, most) in [(0, 1), (5, 1), (20, 1), (0, 5), (5, 5)] {
        let what = |kind: &str| format!("count {kind}, {unknown} % unknown, up to {most}");
        let judge = |kind: &str, history: &[CounterOp]| {
            timed(&what(kind), || check_counter(history, Budget::default()))
        };
        let search = |kind: &str, history: &[CounterOp]| {
            timed(&what(kind), || check(&Counter, history, Budget::default()))
        };
        let history = counter(Load { unknown, ..LONG }, most, &mut Dice::new(6));
        assert_eq!(judge("right", &history), Verdict::Linearizable);

        let mut less = history.clone();
        second_half(&mut less).for_each(|total| *total -= 1);
        assert!(judge("lost", &less).is_violation());
        assert!(search("lost, searched", &less).is_violation());

        let mut more = history.clone();
        second_half(&mut more).for_each(|total| *total += 1_000_000);
        assert!(judge("twice", &more).is_violation());
        assert!(search("twice, searched", &more).is_violation());
    }
}

#[test]
fn too_much_at_once_is_inconclusive_and_nothing_else() {
    // 24 writes at once, and a read of what nobody wrote among them: all sets of them are tried.
    let mut history =
        register(Load { clients: 1, unknown: 0, failed: 0, operations: 24 }, 0, &mut Dice::new(7));
    for (value, operation) in (1..).zip(&mut history) {
        operation.call = RegisterCall::Write(value);
        operation.invoked = 1;
        operation.ended = End::Answered { at: 100, answer: RegisterAnswer::Written };
    }
    history[23].call = RegisterCall::Read;
    history[23].ended = End::Answered { at: 100, answer: RegisterAnswer::Value(Some(99)) };
    let budget = Budget { steps: 20_000 };
    assert_eq!(check(&Register, &history, budget), Verdict::Inconclusive { steps: 20_000 });
}
