//! Messages of the counter: there and back, and bytes that are none.
#![allow(clippy::unwrap_used, reason = "a test may panic, in helpers as well")]

use jraft_core::env::{Rng, SeededRng};
use jraft_example::counter::{
    Add, Answer, Audit, ClientId, ClientShare, Command, MAX_TEXT, Stats, VERSION,
};

fn commands() -> Vec<Command> {
    let add =
        |client, sequence, delta| Command::Add(Add { client: ClientId(client), sequence, delta });
    vec![
        Command::Get,
        Command::Hello,
        Command::Audit(ClientId(7)),
        Command::Audit(ClientId(u64::MAX)),
        add(1, 2, 3),
        add(u64::MAX, 0, i64::MIN),
        add(1, u64::MAX, -1),
    ]
}

fn answers() -> Vec<Answer> {
    let share = ClientShare { sequence: 9, total: -4 };
    vec![
        Answer::Value(i64::MIN),
        Answer::Audit(Audit { value: 3, client: None }),
        Answer::Audit(Audit { value: -3, client: Some(share) }),
        Answer::NotLeader(None),
        Answer::NotLeader(Some("127.0.0.1:8081:2".parse().unwrap())),
        Answer::Busy("full".to_owned()),
        Answer::Refused(String::new()),
        Answer::NoSession,
        Answer::Welcome(ClientId(5)),
        Answer::Unknown("Zürich".to_owned()),
    ]
}

fn stats() -> Stats {
    Stats {
        group: "counter".to_owned(),
        role: "leader".to_owned(),
        term: 3,
        leader: Some("127.0.0.1:8081".parse().unwrap()),
        committed: 12,
        applied: 11,
        value: -5,
        fsyncs: 99,
    }
}

#[test]
fn there_and_back() {
    for command in commands() {
        assert_eq!(Command::decode(&command.encode()).unwrap(), command);
    }
    for answer in answers() {
        assert_eq!(Answer::decode(&answer.encode()).unwrap(), answer);
    }
    for stats in [stats(), Stats { leader: None, ..stats() }] {
        assert_eq!(Stats::decode(&stats.encode()).unwrap(), stats);
    }
}

#[test]
fn an_addition_is_version_client_sequence_delta() {
    let add = Add { client: ClientId(0x0102), sequence: 3, delta: -1 };
    let bytes = Command::Add(add).encode();
    let expected = [
        &[VERSION, 0, 0, 0, 0, 0, 0, 1, 2][..],
        &[0, 0, 0, 0, 0, 0, 0, 3],
        &[255, 255, 255, 255, 255, 255, 255, 255],
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn a_request_carries_the_group_and_the_bytes_of_the_log() {
    let group = "counter".parse().unwrap();
    for command in commands() {
        let request = command.to_request(&group);
        assert_eq!(request.name, command.request_name());
        let (of, back, payload) = Command::from_request(&request.body).unwrap();
        assert_eq!((of, back), ("counter", command));
        assert_eq!(payload, command.encode());
    }
}

#[test]
fn another_version_is_refused() {
    for bytes in [commands()[4].encode(), answers()[0].encode(), stats().encode()] {
        let mut bytes = bytes.to_vec();
        bytes[0] = VERSION + 1;
        assert!(Command::decode(&bytes).unwrap_err().to_string().contains("version 2"));
        assert!(Answer::decode(&bytes).is_err());
        assert!(Stats::decode(&bytes).is_err());
    }
}

#[test]
fn a_long_text_is_cut_and_stays_text() {
    let long = "ü".repeat(MAX_TEXT);
    let Answer::Busy(text) = Answer::decode(&Answer::Busy(long).encode()).unwrap() else {
        panic!("another answer");
    };
    assert_eq!(text, "ü".repeat(MAX_TEXT / 2));
}

#[test]
fn what_is_too_short_or_too_long_is_no_message() {
    for whole in answers().iter().map(Answer::encode) {
        for length in 0..whole.len() {
            assert!(Answer::decode(&whole[..length]).is_err(), "{length} of {whole:?}");
        }
        assert!(Answer::decode(&[&whole[..], &[0]].concat()).is_err(), "{whole:?}");
    }
    let whole = stats().encode();
    for length in 0..whole.len() {
        assert!(Stats::decode(&whole[..length]).is_err());
    }
    assert!(Command::decode(&[&[VERSION][..], &[0; 23], &[1]].concat()).is_err());
    for length in (2..64).filter(|length| ![9, 25].contains(length)) {
        assert!(Command::decode(&vec![VERSION; length]).is_err(), "{length}");
    }
}

/// Whatever arrives: an error or a message, no panic, and a message says its bytes again.
#[test]
fn hostile_bytes_do_no_harm() {
    let mut chance = SeededRng::new(1).stream("hostile bytes");
    let seeds: Vec<Vec<u8>> = (answers().iter().map(Answer::encode))
        .chain(commands().iter().map(Command::encode))
        .chain([stats().encode()])
        .map(|bytes| bytes.to_vec())
        .collect();
    for _ in 0..20_000 {
        let mut bytes = seeds[chance() as usize % seeds.len()].clone();
        for _ in 0..chance() % 4 {
            let at = chance() as usize % bytes.len();
            bytes[at] = chance() as u8;
        }
        bytes.truncate(1 + chance() as usize % 80);
        if let Ok(command) = Command::decode(&bytes) {
            assert_eq!(command.encode(), bytes);
        }
        if let Ok(answer) = Answer::decode(&bytes) {
            // A leader may be written in two ways, `a:01` for one.
            assert_eq!(Answer::decode(&answer.encode()).unwrap(), answer);
        }
        let _ = Stats::decode(&bytes);
        let _ = Command::from_request(&bytes.into());
    }
}
