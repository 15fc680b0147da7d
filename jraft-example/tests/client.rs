//! The client against a group without sockets: whom it asks, what it repeats, how it ends.
#![allow(clippy::unwrap_used, reason = "a test may panic, in helpers as well")]

#[path = "kit/fake.rs"]
mod fake;

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use fake::{Fake, Fate, PEERS};
use jraft_core::env::{Rng, SeededRng};
use jraft_example::client::commands::{self, ACKED, ClientArgs, REFUSED, UNKNOWN};
use jraft_example::client::{Ending, NotAcked};
use jraft_example::cluster::verify;
use jraft_example::counter::{Answer, ClientId, Command};
use jraft_example::load::Promise;
use jraft_example::real_time;

/// Runs `counter-client counter a:1,b:1,c:1 ARGUMENTS`: exit status, standard output, standard error.
async fn run(fake: &Arc<Fake>, arguments: &[&str]) -> (u8, String, String) {
    let line = ["counter-client", "counter", PEERS].iter().chain(arguments);
    let args = ClientArgs::try_parse_from(line).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = commands::run(args, Arc::clone(fake) as _, &mut out, &mut err).await.unwrap();
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn follower_of(leader: &str) -> Fate {
    Fate::Says(Answer::NotLeader(Some(leader.parse().unwrap())))
}

#[tokio::test(start_paused = true)]
async fn the_value_stands_alone_on_standard_output() {
    let fake = Fake::script(&[Fate::Applied]);
    assert_eq!(run(&fake, &["add", "5"]).await, (ACKED, "5\n".into(), String::new()));
    assert_eq!(run(&fake, &["add", "-7"]).await, (ACKED, "-2\n".into(), String::new()));
    assert_eq!(run(&fake, &["get"]).await, (ACKED, "-2\n".into(), String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_followed_and_remembered() {
    let fake = Fake::new(|to, _| if to == "c:1" { Fate::Applied } else { follower_of("c:1") });
    assert_eq!(run(&fake, &["add", "5"]).await.1, "5\n");
    assert_eq!(fake.asked(), ["a:1", "c:1", "c:1"], "redirected once, then hello and addition");
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_is_passed_over() {
    let fake = Fake::new(|to, _| if to == "a:1" { Fate::NotConnected } else { Fate::Applied });
    assert_eq!(run(&fake, &["get"]).await, (ACKED, "0\n".into(), String::new()));
    assert_eq!(fake.asked(), ["a:1", "b:1"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_it_is_refused_for_certain() {
    for fate in [Fate::Says(Answer::NotLeader(None)), Fate::NotConnected, follower_of("b:1")] {
        let fake = Fake::script(&[fate]);
        let (status, out, err) = run(&fake, &["add", "5", "--timeout-ms", "500"]).await;
        assert_eq!((status, out.as_str()), (REFUSED, ""));
        assert!(err.contains("nothing was changed"), "{err}");
        assert!(fake.asked().len() > 5, "it has tried until the time was over");
        assert!(fake.asked().len() < 100, "and not without a pause");
    }
}

#[tokio::test(start_paused = true)]
async fn an_addition_that_is_never_answered_is_unknown() {
    for fate in [Fate::Silence, Fate::AnswerLost, Fate::Says(Answer::Unknown("?".into()))] {
        let fake = Fake::script(&[Fate::Applied, fate]);
        let (status, out, err) = run(&fake, &["add", "5", "--timeout-ms", "500"]).await;
        assert_eq!((status, out.as_str()), (UNKNOWN, ""));
        assert!(err.contains("perhaps applied"), "{err}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_added_twice() {
    let fake = Fake::script(&[
        Fate::Applied,
        Fate::AnswerLost,
        Fate::Silence,
        Fate::AnswerLost,
        Fate::NotConnected,
        Fate::Applied,
    ]);
    assert_eq!(run(&fake, &["add", "5"]).await, (ACKED, "5\n".into(), String::new()));
    assert_eq!(fake.value(), 5);
    let commands = fake.commands();
    assert_eq!(commands.len(), 6);
    assert!(commands[1..].iter().all(|command| *command == commands[1]), "{commands:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_end_an_earlier_doubt() {
    for refusal in [
        Answer::NotLeader(None),
        Answer::Busy("full".into()),
        Answer::Refused("no".into()),
        Answer::NoSession,
    ] {
        let fake = Fake::script(&[Fate::Applied, Fate::AnswerLost, Fate::Says(refusal.clone())]);
        let (status, ..) = run(&fake, &["add", "5", "--timeout-ms", "500"]).await;
        assert_eq!(status, UNKNOWN, "{refusal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn to_asks_one_node_once() {
    let fake = Fake::script(&[follower_of("c:1")]);
    let (status, out, err) = run(&fake, &["--to", "b:1", "get"]).await;
    assert_eq!((status, out.as_str()), (REFUSED, ""));
    assert!(err.contains("the leader is c:1"), "{err}");
    assert_eq!(fake.asked(), ["b:1"]);

    let fake = Fake::script(&[Fate::Applied]);
    assert_eq!(run(&fake, &["get", "--to", "b:1"]).await, (ACKED, "0\n".into(), String::new()));

    let fake = Fake::script(&[Fate::Silence]);
    assert_eq!(run(&fake, &["--to", "b:1", "get"]).await.0, UNKNOWN);
    assert_eq!(fake.asked(), ["b:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_client_takes_a_new_name() {
    let fake = Fake::script(&[Fate::Applied]);
    let mut client = fake.client(Duration::from_secs(1));
    assert!(matches!(client.add(1).await, Ending::Acked(_)));
    let first = client.added_as();
    // Others push it out of the table.
    let mut other = fake.client(Duration::from_secs(1));
    for _ in 0..jraft_example::counter::MAX_CLIENTS {
        other = fake.client(Duration::from_secs(1));
        assert!(matches!(other.add(1).await, Ending::Acked(_)));
    }
    assert_eq!(
        client.add(1).await.acked().unwrap().value,
        other.get().await.acked().unwrap().value
    );
    assert_ne!(client.added_as(), first);
    assert_eq!(fake.value(), jraft_example::counter::MAX_CLIENTS as i64 + 2);
}

#[tokio::test(start_paused = true)]
async fn an_addition_that_nobody_waits_for_does_not_hide_the_next_one() {
    let fake = Fake::script(&[Fate::Applied, Fate::Applied, Fate::Silence, Fate::Applied]);
    let mut client = fake.client(Duration::from_secs(10));
    client.add(1).await.acked().unwrap();
    assert!(real_time::within(Duration::from_millis(100), client.add(10)).await.is_none());
    assert_eq!(client.add(100).await.acked().unwrap().value, 101);
}

#[tokio::test(start_paused = true)]
async fn load_prints_one_line_of_json() {
    let mut requests = 0;
    let fake = Fake::new(move |_, _| {
        requests += 1;
        // Time stands still while anybody can run.
        if requests % 100 == 0 { Fate::Silence } else { Fate::Applied }
    });
    let (status, out, _) = run(&fake, &["load", "--concurrency", "3", "--seconds", "5"]).await;
    assert_eq!(status, ACKED);
    assert_eq!(out.lines().count(), 1);
    let line: serde_json::Value = serde_json::from_str(&out).unwrap();
    let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["acked", "failed", "ops_per_s", "p50_us", "p99_us", "unknown"]);
    assert_eq!(line["acked"], fake.value());
    assert_eq!((&line["unknown"], &line["failed"]), (&0.into(), &0.into()));
    assert!(line["ops_per_s"].as_u64().unwrap() > 10);
}

#[test]
fn what_makes_no_sense_is_not_understood() {
    for arguments in [
        &["counter", PEERS][..],
        &["counter", "a", "get"],
        &["9", PEERS, "get"],
        &["counter", PEERS, "add"],
        &["counter", PEERS, "add", "x"],
        &["counter", PEERS, "load", "--concurrency", "0"],
        &["counter", PEERS, "load", "--concurrency", "1025"],
        &["counter", PEERS, "--to", "b", "get"],
    ] {
        let line = ["counter-client"].iter().chain(arguments);
        assert!(ClientArgs::try_parse_from(line).is_err(), "{arguments:?}");
    }
}

/// Any mixture of fates: what was acknowledged is there once, what is unknown is there once or not.
#[tokio::test(start_paused = true)]
async fn under_any_mixture_every_promise_is_kept() {
    for seed in 0..50 {
        let mut chance = SeededRng::new(seed).stream("fates");
        let fake = Fake::new(move |_, _| match chance() % 8 {
            0 => Fate::AnswerLost,
            1 => Fate::Silence,
            2 => Fate::NotConnected,
            3 => Fate::Says(Answer::NotLeader(None)),
            4 => follower_of("b:1"),
            5 => Fate::Says(Answer::Busy("full".into())),
            _ => Fate::Applied,
        });
        let mut promises: Vec<Promise> = Vec::new();
        let mut clients: Vec<_> = (0..3).map(|_| fake.client(Duration::from_millis(100))).collect();
        for turn in 0..90 {
            let (client, delta) = (&mut clients[turn % 3], 1 + turn as i64 % 7);
            let ending = client.add(delta).await;
            let name = client.added_as().unwrap_or(ClientId(0));
            let acked = if matches!(ending, Ending::Acked(_)) { delta } else { 0 };
            let unknown = matches!(ending, Ending::Unknown(_)).then_some(delta);
            match promises.iter_mut().find(|promise| promise.client == name) {
                Some(promise) => {
                    promise.acked += acked;
                    promise.unknown = promise.unknown.or(unknown);
                }
                None => promises.push(Promise { client: name, acked, unknown }),
            }
        }
        let mut auditor = fake.client(Duration::from_secs(1000));
        let verdict = verify(&mut auditor, 0, &promises).await.unwrap();
        assert!(verdict.is_kept(), "seed {seed}: {verdict:?}");
        assert!(verdict.acked > 0 && verdict.growth == fake.value(), "seed {seed}: {verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_audit_that_gets_no_answer_is_an_error() {
    let fake = Fake::script(&[Fate::NotConnected]);
    let promise = Promise { client: ClientId(1), acked: 1, unknown: None };
    let mut auditor = fake.client(Duration::from_secs(1));
    let error = verify(&mut auditor, 0, &[promise]).await.unwrap_err();
    assert!(matches!(error, NotAcked::Refused(_)));
    assert!(matches!(fake.commands()[0], Command::Audit(ClientId(1))));
}
