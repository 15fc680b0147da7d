//! A model whose few states come back again and again by many ways: what the search remembers is put to the test.

use super::agree::{assert_mixed, brute, load, spoil};
use super::kit::{Dice, Load, Object, play};
use crate::checks::linear::{Budget, Model, OpOf, Verdict, check};

/// A number below three.
struct Dial;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum DialCall {
    Read,
    /// Answered, but the answer does not tell where the dial stood.
    Turn(u64),
    Set(u64),
}

impl Model for Dial {
    type State = u64;
    type Call = DialCall;
    /// Of reads.
    type Answer = Option<u64>;

    fn initial(&self) -> u64 {
        0
    }

    fn step(&self, state: &u64, call: &DialCall, answer: Option<&Option<u64>>) -> Option<u64> {
        let (after, right) = self.act(state, call);
        answer.is_none_or(|answer| *answer == right).then_some(after)
    }
}

impl Object for Dial {
    fn act(&self, state: &u64, call: &DialCall) -> (u64, Option<u64>) {
        match call {
            DialCall::Read => (*state, Some(*state)),
            DialCall::Turn(by) => ((state + by) % 3, None),
            DialCall::Set(to) => (*to, None),
        }
    }
}

fn dial(load: Load, dice: &mut Dice) -> Vec<OpOf<Dial>> {
    play(&Dial, load, dice, |dice, _, _| match dice.below(10) {
        0..4 => DialCall::Read,
        4..8 => DialCall::Turn(1 + dice.below(2)),
        _ => DialCall::Set(dice.below(3)),
    })
}

#[test]
fn the_search_agrees_with_all_orders_where_states_come_back() {
    let (rounds, mut right) = (20_000, 0);
    for seed in 0..rounds {
        let dice = &mut Dice::new(seed);
        let mut history = dial(Load { unknown: 15, ..load(dice) }, dice);
        // One lie of three is true.
        for _ in 0..3 {
            spoil(&mut history, dice, |dice, call| match call {
                DialCall::Read => Some(dice.below(3)),
                DialCall::Turn(_) | DialCall::Set(_) => None,
            });
        }
        let expected = brute(&Dial, &history);
        right += u64::from(expected);
        let searched = check(&Dial, &history, Budget::default());
        assert_eq!(searched.is_linearizable(), expected, "{seed}: {searched:?}\n{history:#?}");
    }
    assert_mixed(right, rounds);
}

#[test]
fn a_long_history_is_right_though_it_was_in_each_state_before() {
    for seed in 0..20 {
        let load = Load { clients: 3, operations: 400, unknown: 0, failed: 0 };
        let history = dial(load, &mut Dice::new(seed));
        assert_eq!(check(&Dial, &history, Budget::default()), Verdict::Linearizable, "{seed}");
    }
}
