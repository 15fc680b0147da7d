//! Short histories that are stories: each broken promise is found, and what is no promise is not demanded.

use super::kit::{CounterOp, RegisterOp};
use crate::checks::linear::{
    Budget, Counter, CounterCall, End, Operation, Register, RegisterAnswer, RegisterCall, Verdict,
    check, check_counter, check_registers,
};

fn answered<C, A>(client: u32, call: C, times: (u64, u64), answer: A) -> Operation<C, A> {
    let (invoked, at) = times;
    Operation { client, call, invoked, ended: End::Answered { at, answer } }
}

fn write(client: u32, value: u64, times: (u64, u64)) -> RegisterOp {
    answered(client, RegisterCall::Write(value), times, RegisterAnswer::Written)
}

fn read(client: u32, value: u64, times: (u64, u64)) -> RegisterOp {
    answered(client, RegisterCall::Read, times, RegisterAnswer::Value(Some(value)))
}

fn swap(client: u32, old: u64, new: u64, times: (u64, u64), done: bool) -> RegisterOp {
    let call = RegisterCall::CompareAndSet { expected: Some(old), new };
    answered(client, call, times, RegisterAnswer::Swapped(done))
}

fn lost(client: u32, value: u64, invoked: u64) -> RegisterOp {
    Operation { client, call: RegisterCall::Write(value), invoked, ended: End::Unknown }
}

fn add(client: u32, times: (u64, u64), total: u64) -> CounterOp {
    answered(client, CounterCall::Add(1), times, total)
}

/// Both ways to ask give the same verdict.
fn is_right(history: &[RegisterOp]) -> bool {
    let searched = check(&Register, history, Budget::default());
    let keyed = history.iter().cloned().map(|operation| (1, operation));
    let settled = check_registers(keyed, Budget::default());
    assert_eq!(searched.is_linearizable(), settled.is_linearizable(), "{searched:?} {settled:?}");
    searched.is_linearizable()
}

fn counts_right(history: &[CounterOp]) -> bool {
    let searched = check(&Counter, history, Budget::default());
    let both = check_counter(history, Budget::default());
    assert_eq!(searched.is_linearizable(), both.is_linearizable(), "{searched:?} {both:?}");
    searched.is_linearizable()
}

fn stale() -> [RegisterOp; 3] {
    [write(1, 10, (1, 2)), write(1, 11, (3, 4)), read(2, 10, (5, 6))]
}

#[test]
fn a_read_is_neither_stale_nor_early() {
    let writes = [write(1, 10, (1, 2)), write(1, 11, (5, 8))];
    let with = |more: RegisterOp| [writes.to_vec(), vec![more]].concat();
    assert!(is_right(&with(read(2, 10, (3, 4)))));
    assert!(is_right(&with(read(2, 10, (6, 7)))), "the second write may come later");
    assert!(is_right(&with(read(2, 11, (6, 7)))), "or earlier");
    assert!(!is_right(&with(read(2, 11, (3, 4)))), "from the future");
    assert!(!is_right(&with(read(2, 10, (9, 10)))), "stale");
    assert!(is_right(&with(read(2, 10, (8, 10)))), "in the moment of the answer");
}

#[test]
fn nobody_reads_backwards() {
    let history = [write(1, 10, (1, 2)), write(1, 11, (3, 9))];
    let then = |one, other| [history.to_vec(), vec![one, other]].concat();
    assert!(is_right(&then(read(2, 10, (4, 5)), read(3, 11, (6, 7)))));
    assert!(!is_right(&then(read(2, 11, (4, 5)), read(3, 10, (6, 7)))));
}

#[test]
fn a_write_is_not_lost_and_not_applied_twice() {
    let absent = answered(2, RegisterCall::Read, (3, 4), RegisterAnswer::Value(None));
    assert!(!is_right(&[write(1, 10, (1, 2)), absent]));
    let (first, second) = (write(1, 10, (1, 2)), write(1, 11, (3, 4)));
    let again = [first, second, read(2, 11, (5, 6)), read(2, 10, (7, 8))];
    assert!(!is_right(&again));
}

#[test]
fn one_compare_and_set_wins() {
    let race = |one, other| {
        is_right(&[
            write(1, 10, (1, 2)),
            swap(2, 10, 11, (3, 6), one),
            swap(3, 10, 12, (4, 5), other),
        ])
    };
    assert!(race(true, false));
    assert!(race(false, true));
    assert!(!race(true, true));
    assert!(!race(false, false));
}

#[test]
fn an_unknown_write_takes_effect_once_later_or_never() {
    let history = |values: [u64; 3]| {
        let reads = values.iter().zip(5..).map(|(value, at)| read(2, *value, (2 * at, 2 * at)));
        [vec![write(1, 10, (1, 2)), lost(3, 99, 3), write(1, 11, (4, 5))], reads.collect()].concat()
    };
    assert!(is_right(&history([11, 11, 11])));
    assert!(is_right(&history([99, 99, 99])));
    assert!(is_right(&history([11, 99, 99])));
    assert!(!is_right(&history([11, 99, 11])), "twice, or undone");
    assert!(!is_right(&[read(2, 99, (1, 2)), lost(3, 99, 3)]), "before it was asked for");
}

#[test]
fn a_refusal_may_be_due_to_an_unknown_write_that_nobody_saw() {
    let refused = swap(2, 10, 11, (5, 6), false);
    assert!(!is_right(&[write(1, 10, (1, 2)), refused]));
    assert!(is_right(&[write(1, 10, (1, 2)), lost(3, 99, 3), refused]));
    assert!(!is_right(&[write(1, 10, (1, 2)), refused, lost(3, 99, 7)]), "too late");
    // Each write explains one refusal, and two of them two.
    let twice =
        [write(1, 10, (1, 2)), refused, write(1, 12, (7, 8)), swap(2, 12, 13, (9, 10), false)];
    assert!(!is_right(&[twice.to_vec(), vec![lost(3, 99, 3)]].concat()));
    assert!(is_right(&[twice.to_vec(), vec![lost(3, 99, 3), lost(4, 98, 4)]].concat()));
    assert!(!is_right(&[twice.to_vec(), vec![lost(3, 99, 3), lost(4, 98, 11)]].concat()));
    // The last refusal counts, not the first.
    let early = swap(5, 10, 14, (0, 0), false);
    assert!(is_right(&[early, write(1, 10, (1, 2)), lost(3, 99, 3), refused]));
    // What a refused client expected was not there at that moment: the explanation is not the value itself.
    let expects_it = swap(2, 99, 11, (5, 6), false);
    let other = swap(2, 10, 14, (7, 8), false);
    assert!(is_right(&[write(1, 10, (1, 2)), lost(3, 99, 3), expects_it, other]));
    assert!(!is_right(&[
        write(1, 10, (1, 2)),
        lost(3, 99, 3),
        other,
        swap(2, 99, 15, (9, 10), false)
    ]));
}

#[test]
fn what_has_failed_is_never_seen() {
    let failed = Operation { ended: End::Failed, ..lost(3, 99, 3) };
    let history = [write(1, 10, (1, 2)), failed, read(2, 99, (5, 6))];
    assert!(!is_right(&history));
    let keyed = history.map(|operation| ("k", operation));
    let Verdict::Violation { story } = check_registers(keyed, Budget::default()) else { panic!() };
    assert!(story.iter().any(|line| line.contains("failed")), "{story:#?}");
}

#[test]
fn keys_are_checked_each_by_itself() {
    let of = |keys: [u32; 3]| check_registers(keys.into_iter().zip(stale()), Budget::default());
    assert_eq!(of([1, 2, 1]), Verdict::Linearizable);
    let Verdict::Violation { story } = of([7, 7, 7]) else { panic!("stale") };
    assert_eq!(
        story,
        [
            "key 7",
            "Some(10) and Some(11) would each have to be there before the other",
            "client 1, 1 to 2: Write(10) -> Written",
            "client 1, 3 to 4: Write(11) -> Written",
            "client 2, 5 to 6: Read -> Value(Some(10))",
        ]
    );
}

#[test]
fn the_story_of_a_search_says_how_far_it_came() {
    // It first tries 10 before 11, and comes no further than that.
    let history =
        [write(1, 10, (1, 4)), write(2, 11, (2, 3)), read(3, 10, (5, 6)), read(3, 11, (7, 8))];
    let Verdict::Violation { story } = check(&Register, &history, Budget::default()) else {
        panic!("backwards")
    };
    assert_eq!(
        story,
        [
            "no order: the longest has 3 operations and leaves 1 out, and ends with",
            "  client 2, 2 to 3: Write(11) -> Written => Some(11)",
            "  client 1, 1 to 4: Write(10) -> Written => Some(10)",
            "  client 3, 5 to 6: Read -> Value(Some(10)) => Some(10)",
            "then, from Some(10), none of these can be next, and one must by 8:",
            "  client 3, 7 to 8: Read -> Value(Some(11))",
        ]
    );
}

#[test]
fn two_winners_are_named() {
    let history =
        [write(1, 10, (1, 2)), swap(2, 10, 11, (3, 6), true), swap(3, 10, 12, (4, 5), true)];
    let keyed = history.map(|operation| ((), operation));
    let Verdict::Violation { story } = check_registers(keyed, Budget::default()) else { panic!() };
    assert_eq!(story[1], "Some(10) was replaced twice");
    assert_eq!(story.len(), 4);
}

#[test]
fn a_violation_of_one_key_outweighs_the_budget_of_another() {
    let slow = (1..=9).map(|value| (1, write(1, value, (value, 20 - value))));
    let slow = slow.chain([(1, read(2, 3, (30, 31)))]);
    let wrong = [(2, read(2, 77, (1, 2)))];
    let budget = Budget { steps: 5 };
    assert_eq!(check_registers(slow.clone(), budget), Verdict::Inconclusive { steps: 5 });
    assert!(check_registers(slow.clone().chain(wrong), budget).is_violation());
    assert!(check_registers(slow, Budget::default()).is_linearizable());
}

#[test]
fn totals_are_distinct_in_order_and_without_gaps() {
    let unknown =
        |invoked| Operation { client: 9, call: CounterCall::Add(1), invoked, ended: End::Unknown };
    let total = |times, total| answered(3, CounterCall::Read, times, total);
    assert!(counts_right(&[add(1, (1, 4), 2), add(2, (2, 3), 1), total((5, 6), 2)]));
    assert!(!counts_right(&[add(1, (1, 4), 1), add(2, (2, 3), 1)]), "the same twice");
    assert!(!counts_right(&[add(1, (1, 2), 2), add(2, (3, 4), 1)]), "against real time");
    assert!(!counts_right(&[add(1, (1, 2), 1), total((3, 4), 0)]), "lost");
    assert!(!counts_right(&[add(1, (1, 2), 1), total((3, 4), 2)]), "applied twice");
    assert!(counts_right(&[add(1, (1, 2), 1), unknown(1), total((3, 4), 2)]));
    assert!(!counts_right(&[add(1, (1, 2), 1), unknown(5), total((3, 4), 2)]), "too early");
    assert!(!counts_right(&[add(1, (1, 2), 1), unknown(1), total((3, 4), 3)]), "one is not two");
    let failed = Operation { ended: End::Failed, ..unknown(1) };
    assert!(!counts_right(&[add(1, (1, 2), 1), failed, total((3, 4), 2)]), "but it has failed");
}

#[test]
#[should_panic(expected = "7 twice")]
fn values_that_are_not_unique_are_a_mistake_of_the_workload() {
    let history = [write(1, 7, (1, 2)), Operation { ended: End::Failed, ..lost(2, 7, 3) }];
    let _ = check_registers(history.map(|operation| (1, operation)), Budget::default());
}

#[test]
#[should_panic(expected = "answered before that")]
fn time_that_runs_backwards_is_a_mistake_of_the_recorder() {
    let _ = check(&Register, &[write(1, 7, (2, 1))], Budget::default());
}
