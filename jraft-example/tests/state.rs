//! The state of the counter: no addition is applied twice, the table of clients is bounded, replicas are equal.
#![allow(clippy::unwrap_used, reason = "a test may panic, in helpers as well")]

use std::collections::BTreeSet;

use jraft_core::LogIndex;
use jraft_core::env::{Rng, SeededRng};
use jraft_example::counter::{
    Add, Answer, Audit, ClientId, ClientShare, Command, CounterState, MAX_CLIENTS,
};

fn add(client: u64, sequence: u64, delta: i64) -> Command {
    Command::Add(Add { client: ClientId(client), sequence, delta })
}

/// Applies commands as entries 1, 2, 3 and so on.
fn check(state: &mut CounterState, script: &[(Command, Answer)]) {
    for (index, (command, answer)) in (1..).zip(script) {
        assert_eq!(state.apply(LogIndex(index), command), *answer, "{index}: {command:?}");
    }
}

#[test]
fn a_repetition_is_answered_with_what_the_first_was_answered_with() {
    check(
        &mut CounterState::default(),
        &[
            (Command::Hello, Answer::Welcome(ClientId(1))),
            (add(1, 1, 5), Answer::Value(5)),
            (Command::Hello, Answer::Welcome(ClientId(3))),
            (add(3, 1, 10), Answer::Value(15)),
            (add(1, 1, 5), Answer::Value(5)),
            (add(1, 2, 1), Answer::Value(16)),
            (add(1, 2, 1), Answer::Value(16)),
            (Command::Get, Answer::Value(16)),
        ],
    );
}

#[test]
fn strangers_gaps_and_late_comers_add_nothing() {
    let mut state = CounterState::default();
    assert_eq!(state.apply(LogIndex(1), &add(2, 1, 5)), Answer::NoSession);
    state.apply(LogIndex(2), &Command::Hello);
    state.apply(LogIndex(3), &add(2, 1, 1));
    assert!(matches!(state.apply(LogIndex(4), &add(2, 3, 5)), Answer::Refused(_)));
    state.apply(LogIndex(5), &add(2, 2, 1));
    assert!(matches!(state.apply(LogIndex(6), &add(2, 1, 1)), Answer::Unknown(_)));
    assert!(matches!(state.apply(LogIndex(7), &add(2, 0, 1)), Answer::Unknown(_)));
    assert_eq!(state.value(), 2);
}

#[test]
fn a_sum_that_does_not_fit_is_refused_and_changes_nothing() {
    let mut state = CounterState::default();
    state.apply(LogIndex(1), &Command::Hello);
    state.apply(LogIndex(2), &add(1, 1, i64::MAX));
    assert!(matches!(state.apply(LogIndex(3), &add(1, 2, 1)), Answer::Refused(_)));
    assert_eq!(state.apply(LogIndex(4), &add(1, 2, -1)), Answer::Value(i64::MAX - 1));
}

#[test]
fn an_audit_tells_what_one_client_has_added() {
    let share = ClientShare { sequence: 2, total: 7 };
    check(
        &mut CounterState::default(),
        &[
            (Command::Hello, Answer::Welcome(ClientId(1))),
            (add(1, 1, 5), Answer::Value(5)),
            (add(1, 2, 2), Answer::Value(7)),
            (Command::Audit(ClientId(1)), Answer::Audit(Audit { value: 7, client: Some(share) })),
            (Command::Audit(ClientId(8)), Answer::Audit(Audit { value: 7, client: None })),
        ],
    );
}

#[test]
fn the_table_is_bounded_and_whoever_added_least_recently_is_forgotten() {
    let mut state = CounterState::default();
    let most = MAX_CLIENTS as u64;
    for client in 1..=most {
        assert_eq!(
            state.apply(LogIndex(client), &Command::Hello),
            Answer::Welcome(ClientId(client))
        );
    }
    // The first one adds and is the youngest; being asked about is no use.
    state.apply(LogIndex(most + 1), &add(1, 1, 1));
    state.apply(LogIndex(most + 2), &Command::Audit(ClientId(2)));
    state.apply(LogIndex(most + 3), &Command::Hello);
    assert_eq!(state.sessions().len(), MAX_CLIENTS);
    assert!(state.sessions().find(ClientId(1)).is_some());
    assert!(state.sessions().find(ClientId(2)).is_none());
    assert_eq!(state.apply(LogIndex(most + 4), &add(2, 1, 1)), Answer::NoSession);
    assert_eq!(state.value(), 1);
}

/// Clients that send, repeat and give up, in a table that is too small for them: whatever arrives, and however often,
/// each addition is applied at most once, and a second replica does the same.
#[test]
fn no_schedule_applies_an_addition_twice() {
    const TABLE: usize = 4;
    let mut applications = 0;
    for seed in 0..200 {
        let mut chance = SeededRng::new(seed).stream("schedule");
        let (mut one, mut two) = (CounterState::new(TABLE), CounterState::new(TABLE));
        let (mut applied, mut sum) = (BTreeSet::new(), 0);
        let mut sent = vec![Command::Hello];
        let mut clients: Vec<(u64, u64)> = Vec::new();
        for index in (1..).map(LogIndex).take(400) {
            // One of the last clients goes on, whether it was answered or not.
            if chance().is_multiple_of(2) && !clients.is_empty() {
                let some = clients.len() - 1 - chance() as usize % clients.len().min(TABLE + 1);
                let (client, sequence) = &mut clients[some];
                sent.push(add(*client, *sequence, 1 + (chance() % 9) as i64));
                *sequence += 1;
            }
            // Any of those that were ever sent arrives, the later ones more often.
            let back = (chance() % 8).min(chance() % sent.len() as u64) as usize;
            let arrives = match chance() % 4 {
                0 => sent[chance() as usize % sent.len()],
                _ => sent[sent.len() - 1 - back],
            };
            let answer = one.apply(index, &arrives);
            assert_eq!(answer, two.apply(index, &arrives), "seed {seed}");
            match (arrives, answer) {
                (Command::Hello, Answer::Welcome(client)) => clients.push((client.0, 1)),
                (Command::Add(add), Answer::Value(_)) if one.value() != sum => {
                    let name = (add.client, add.sequence);
                    assert!(applied.insert(name), "seed {seed}: {add:?} is applied twice");
                    sum += add.delta;
                }
                _ => {}
            }
            assert_eq!(one.value(), sum, "seed {seed}");
            assert!(one.sessions().len() <= TABLE, "seed {seed}");
        }
        applications += applied.len();
    }
    assert!(applications > 3_000, "only {applications} additions were tried");
}
