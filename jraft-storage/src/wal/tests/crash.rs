//! A crash between any two calls to the disk leaves what some prefix of the calls left, no shorter than the last sync.

use proptest::prelude::*;

use super::model::{Call, Crash, Runner};
use super::*;

/// Does a bit of everything, over several segments.
fn script() -> Vec<Call> {
    use Call::*;
    vec![
        Append(3, 0),
        Sync,
        Append(1, 700),
        Configure,
        Sync,
        Suffix(2),
        Append(4, 300),
        Append(1, 5000),
        Sync,
        Append(1, 5000),
        Prefix(3),
        Sync,
        Reopen,
        Append(2, 6000),
        Sync,
        Append(1, 20_000),
        Sync,
        Prefix(7),
        Sync,
        Append(3, 3000),
        Suffix(1),
        Append(1, 10),
        Sync,
        Reset(5),
        Append(2, 2000),
        Sync,
        Append(2, 2000),
        Prefix(9),
        Sync,
        Append(5, 100),
        Sync,
    ]
}

/// Crashes at the `at`-th call to the disk, then once more while it recovers, then goes on.
fn crash_at(script: &[Call], at: usize, how: Crash, again: Option<(usize, Crash)>) -> bool {
    let mut runner = Runner::new();
    runner.disk.fail(at, |_| true);
    if runner.run(script).is_ok() {
        return false;
    }
    if let Some((at, how)) = again {
        runner.log = None;
        runner.disk = runner.disk.crash(how);
        runner.disk.fail(at, |_| true);
        let _ = runner.open();
    }
    runner.crash(how).unwrap_or_else(|error| panic!("after a crash at {at}, {how:?}: {error}"));
    runner.check_now();
    let more = [Call::Append(2, 0), Call::Sync, Call::Append(1, 9000), Call::Sync];
    runner.run(&more).unwrap_or_else(|error| panic!("after a crash at {at}, {how:?}: {error}"));
    runner.check_now();
    runner.crash(Crash::Lose).unwrap();
    runner.check_now();
    true
}

#[test]
fn the_script_works_without_a_crash_and_reaches_several_segments() {
    let mut runner = Runner::new();
    for call in script() {
        runner.run(&[call]).unwrap();
        if runner.log.is_some() {
            runner.check_now();
        }
    }
    let paths = runner.disk.paths();
    assert!(paths.iter().any(|path| *path >= segment(5)), "{paths:?}");
}

#[test]
fn crash_between_any_two_calls_to_the_disk() {
    let mut at = 0;
    while crash_at(&script(), at, Crash::Kill, None) {
        crash_at(&script(), at, Crash::Lose, None);
        for seed in 0..12 {
            crash_at(&script(), at, Crash::Tear(seed), None);
        }
        at += 1;
    }
    assert!(at > 80, "{at} calls");
}

#[test]
fn crash_while_recovering_from_a_crash() {
    let mut at = 0;
    while crash_at(&script(), at, Crash::Kill, Some((0, Crash::Kill))) {
        for again in 0..8 {
            let seed = (at * 8 + again) as u64;
            crash_at(&script(), at, Crash::Tear(seed), Some((again, Crash::Kill)));
            crash_at(&script(), at, Crash::Tear(seed), Some((again, Crash::Tear(seed + 1))));
        }
        at += 1;
    }
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => (1..6_u64, prop_oneof![Just(0), 1..200_usize, 1000..6000_usize]).prop_map(|(n, b)| Call::Append(n, b)),
        1 => (13_000..40_000_usize).prop_map(|bytes| Call::Append(1, bytes)),
        1 => Just(Call::Configure),
        2 => (0..20_u64).prop_map(Call::Prefix),
        2 => (0..8_u64).prop_map(Call::Suffix),
        1 => (0..9_u64).prop_map(Call::Reset),
        6 => Just(Call::Sync),
        1 => Just(Call::Reopen),
    ]
}

fn crash() -> impl Strategy<Value = Crash> {
    prop_oneof![Just(Crash::Kill), Just(Crash::Lose), any::<u64>().prop_map(Crash::Tear)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several lives, each of them ended by a crash at a random call.
    #[test]
    fn t_sto_11_truncations_and_crashes_at_random(
        lives in prop::collection::vec((prop::collection::vec(call(), 1..40), 0..60_usize, crash()), 1..6)
    ) {
        let mut runner = Runner::new();
        for (script, at, how) in lives {
            runner.disk.fail(at, |_| true);
            let _ = runner.run(&script);
            if runner.crash(how).is_ok() {
                runner.check_now();
            } else {
                panic!("{:?}", runner.crash(how).map(|_| ()));
            }
        }
    }
}
