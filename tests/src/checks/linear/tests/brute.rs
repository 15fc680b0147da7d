//! Short histories, against a search that tries every order and remembers nothing.

use super::kit::{CounterOp, Dice, Load, OpOf, RegisterOp, counter, register};
use crate::checks::linear::counter::add_up;
use crate::checks::linear::{
    Budget, Counter, End, Model, Register, RegisterAnswer, RegisterCall, check, check_counter,
    check_registers,
};

const ROUNDS: u64 = 8_000;

/// Whether an order of some of the operations that are not `placed` goes on from `state`.
fn any_order<M: Model>(
    model: &M,
    history: &[OpOf<M>],
    placed: &mut [bool],
    state: &M::State,
) -> bool {
    let is_left = |place: usize, placed: &[bool]| !placed[place];
    if (0..history.len()).all(|place| placed[place] || history[place].answered_at().is_none()) {
        return true;
    }
    for (place, operation) in history.iter().enumerate() {
        if matches!(operation.ended, End::Failed) {
            continue;
        }
        let too_late = |other: usize| {
            is_left(other, placed)
                && history[other].answered_at().is_some_and(|at| at < operation.invoked)
        };
        if !is_left(place, placed) || (0..history.len()).any(too_late) {
            continue;
        }
        if let Some(after) = model.step(state, &operation.call, operation.answer()) {
            placed[place] = true;
            let found = any_order(model, history, placed, &after);
            placed[place] = false;
            if found {
                return true;
            }
        }
    }
    false
}

fn brute<M: Model>(model: &M, history: &[OpOf<M>]) -> bool {
    any_order(model, history, &mut vec![false; history.len()], &model.initial())
}

fn load(dice: &mut Dice) -> Load {
    let operations = 2 + dice.index(6);
    Load { clients: 2 + dice.index(3), operations, unknown: 30, failed: 8 }
}

/// Makes other times, with many that are equal, or another end. Values stay unique.
fn spoil<C, A: Clone>(
    history: &mut [crate::checks::linear::Operation<C, A>],
    dice: &mut Dice,
    lie: impl Fn(&mut Dice, &C) -> A,
) {
    let latest = 2 * history.len() as u64;
    for _ in 0..dice.below(4) {
        let place = dice.index(history.len());
        let operation = &mut history[place];
        match dice.below(4) {
            0 => operation.ended = End::Failed,
            1 => operation.ended = End::Unknown,
            2 => {
                let answer = lie(dice, &operation.call);
                operation.ended =
                    End::Answered { at: operation.invoked + dice.below(latest), answer };
            }
            _ => {
                operation.invoked = dice.below(latest);
                if let End::Answered { at, .. } = &mut operation.ended {
                    *at = operation.invoked + dice.below(latest);
                }
            }
        }
    }
}

fn spoiled_register(dice: &mut Dice) -> Vec<RegisterOp> {
    let load = load(dice);
    let swaps = [0, 30, 60][dice.index(3)];
    let mut history = register(load, swaps, dice);
    let highest = history.len() as u64 + 1;
    spoil(&mut history, dice, |dice, call| match call {
        RegisterCall::Read => {
            let value = dice.below(highest + 1);
            RegisterAnswer::Value((value > 0).then_some(value))
        }
        RegisterCall::Write(_) => RegisterAnswer::Written,
        RegisterCall::CompareAndSet { .. } => RegisterAnswer::Swapped(dice.percent(50)),
    });
    history
}

fn spoiled_counter(most: u64, dice: &mut Dice) -> Vec<CounterOp> {
    let load = load(dice);
    let mut history = counter(load, most, dice);
    let highest = history.len() as u64 * most;
    spoil(&mut history, dice, |dice, _| dice.below(highest + 1));
    history
}

/// Both verdicts must come often, or the agreement says little.
fn assert_mixed(right: u64) {
    let share = right * 100 / ROUNDS;
    assert!((15..=85).contains(&share), "{share} % of the histories are right");
}

#[test]
fn the_register_agrees_with_all_orders() {
    let mut right = 0;
    for seed in 0..ROUNDS {
        let history = spoiled_register(&mut Dice::new(seed));
        let expected = brute(&Register, &history);
        right += u64::from(expected);
        let searched = check(&Register, &history, Budget::default());
        assert_eq!(searched.is_linearizable(), expected, "{seed}: {searched:?}\n{history:#?}");
        assert_eq!(searched.is_violation(), !expected, "{seed}: {searched:?}\n{history:#?}");
        let keyed = history.iter().cloned().map(|operation| ('k', operation));
        let settled = check_registers(keyed, Budget::default());
        assert_eq!(settled.is_linearizable(), expected, "{seed}: {settled:?}\n{history:#?}");
        assert_eq!(settled.is_violation(), !expected, "{seed}: {settled:?}\n{history:#?}");
    }
    assert_mixed(right);
}

#[test]
fn the_counter_agrees_with_all_orders() {
    let mut right = 0;
    for seed in 0..ROUNDS {
        let history = spoiled_counter(3, &mut Dice::new(seed));
        let expected = brute(&Counter, &history);
        right += u64::from(expected);
        let searched = check(&Counter, &history, Budget::default());
        assert_eq!(searched.is_linearizable(), expected, "{seed}: {searched:?}\n{history:#?}");
        let both = check_counter(&history, Budget::default());
        assert_eq!(both.is_linearizable(), expected, "{seed}: {both:?}\n{history:#?}");
    }
    assert_mixed(right);
}

#[test]
fn adding_up_ones_finds_what_all_orders_find() {
    let mut right = 0;
    for seed in 0..ROUNDS {
        let history = spoiled_counter(1, &mut Dice::new(seed));
        let expected = brute(&Counter, &history);
        right += u64::from(expected);
        let sums = add_up(&history);
        assert_eq!(sums.is_ok(), expected, "{seed}: {sums:?}\n{history:#?}");
    }
    assert_mixed(right);
}
