//! A live group of three gets bytes from strangers: their own connection suffers, nothing else does.
//!
//! What the transport alone does with hostile bytes is tested in `jraft-rpc/tests/hostile.rs`; here a node is behind it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jraft_core::env::{Rng, SeededRng};
use jraft_core::message::{
    AppendEntriesRequest, AppendKind, EntryBatch, GetLeaderRequest, RaftRequest,
    RequestVoteRequest, TimeoutNowRequest,
};
use jraft_core::{LogEntry, LogId, LogIndex, RaftError, RaftGroupService, Term, block_on};
use jraft_rpc::bolt::{Class, Frame, ResponseStatus};
use jraft_tests::trio::{self, Trio};
use jraft_tests::wire::{Answer, Raw, class, frame, recorded, request_frame};
use jraft_tests::{until, wait};

/// How long a proposal may take beside all this, on a machine that does other things as well.
const HEALTHY: Duration = Duration::from_secs(5);
/// How much memory a stranger may cost, in KiB.
const MEMORY: u64 = 64 << 10;

/// What the node does with bytes that it should not have got.
#[derive(Debug)]
enum Expect {
    /// Closes the connection, without a word.
    Closed,
    /// Answers with a status of the transport and nothing else; the connection lives on.
    Bare(ResponseStatus),
    /// Answers with this error, the text of which contains this; the connection lives on.
    Error(RaftError, &'static str),
    /// Says nothing; the connection lives on.
    Ignored,
    /// Says nothing and waits for the rest.
    Waits,
}

struct Check {
    trio: Trio,
    memory: u64,
    terms: Vec<Term>,
}

impl Check {
    fn new(group: &'static str) -> Self {
        let mut trio = Trio::start(group, &trio::options(2000));
        trio.add(1);
        trio.agree();
        let terms = trio.status().iter().map(|status| status.term).collect();
        Self { trio, memory: memory_kib(), terms }
    }

    /// Sends `bytes` to a follower and to the leader.
    fn send(&mut self, what: &str, bytes: &[u8], expect: &Expect) {
        let leader = self.trio.leader().unwrap();
        for at in [leader, (leader + 1) % 3] {
            let mut raw = Raw::connect(self.trio.address(at));
            raw.send(bytes);
            check_answer(what, &mut raw, expect);
            self.healthy(what);
        }
    }

    /// The group works, in time, and has not grown.
    #[expect(clippy::disallowed_methods, reason = "how long it takes in real time is the question")]
    fn healthy(&mut self, what: &str) {
        let began = Instant::now();
        self.trio.add(3);
        let took = began.elapsed();
        assert!(took < HEALTHY, "{what}: a proposal took {took:?}");
        let grown = memory_kib().saturating_sub(self.memory);
        assert!(grown < MEMORY, "{what}: {grown} KiB more");
    }

    /// Nobody lost the leadership, and all nodes are equal.
    fn end(self) {
        self.trio.agree();
        let terms: Vec<Term> = self.trio.status().iter().map(|status| status.term).collect();
        assert_eq!(terms, self.terms, "there was an election");
        self.trio.shutdown();
    }
}

fn check_answer(what: &str, raw: &mut Raw, expect: &Expect) {
    match (
        expect,
        if matches!(expect, Expect::Ignored | Expect::Waits) {
            raw.silence()
        } else {
            raw.answer()
        },
    ) {
        (Expect::Closed, Answer::Closed) => {
            assert!(raw.received.is_empty(), "{what}: {:?}", raw.received)
        }
        (Expect::Bare(status), Answer::Frame(Frame::Response(response))) => {
            assert_eq!((response.id, response.status), (7, *status), "{what}");
            assert!(
                response.class.is_empty() && response.content.is_empty(),
                "{what}: {response:?}"
            );
            raw.assert_alive();
        }
        (Expect::Error(error, text), Answer::Frame(Frame::Response(response))) => {
            assert_eq!(response.status, ResponseStatus::Success, "{what}");
            assert_eq!(response.class, class(Class::ErrorResponse), "{what}");
            let (code, said) = error_of(&response.content);
            assert_eq!(code, error.number(), "{what}: {said}");
            assert!(said.contains(text), "{what}: {said}");
            raw.assert_alive();
        }
        (Expect::Ignored, Answer::Nothing) => raw.assert_alive(),
        (Expect::Waits, Answer::Nothing) => {}
        (expect, answer) => panic!("{what}: expected {expect:?}, got {answer:?}"),
    }
}

/// An ErrorResponse: its code, a varint of field 1, and its text, field 2.
fn error_of(content: &[u8]) -> (i32, String) {
    assert_eq!(content[0], 8, "{content:?}");
    let (mut code, mut at) = (0_i64, 1);
    loop {
        code |= i64::from(content[at] & 0x7f) << (7 * (at - 1));
        at += 1;
        if content[at - 1] < 0x80 {
            break;
        }
    }
    (i32::try_from(code).unwrap(), String::from_utf8_lossy(&content[at..]).into_owned())
}

fn memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Entries from a stranger who knows the names.
fn append(group: &str, from: &str, to: &str, payloads: &[&'static [u8]]) -> RaftRequest {
    let entry = |(at, data): (usize, &&'static [u8])| {
        let id = LogId::new(LogIndex(1001 + at as u64), Term(1));
        LogEntry::data(id, Bytes::from_static(data)).with_checksum()
    };
    RaftRequest::AppendEntries(AppendEntriesRequest {
        group: group.parse().unwrap(),
        server: from.parse().unwrap(),
        peer: to.parse().unwrap(),
        term: Term(1),
        prev: LogId::new(LogIndex(1000), Term(1)),
        committed: LogIndex(1000),
        kind: AppendKind::Entries,
        entries: EntryBatch::new(payloads.iter().enumerate().map(entry).collect()),
    })
}

fn vote(group: &str, from: &str, to: &str) -> RaftRequest {
    RaftRequest::RequestVote(RequestVoteRequest {
        group: group.parse().unwrap(),
        server: from.parse().unwrap(),
        peer: to.parse().unwrap(),
        term: Term(1_000_000),
        last_log: LogId::new(LogIndex(1_000_000), Term(999_999)),
        pre_vote: false,
    })
}

#[test]
fn bytes_that_are_no_frames_close_their_connection_only() {
    let mut check = Check::new("noise");
    let start = frame(b"x", b"", b"");
    let with_length = |length: i32| [&start[..18], &length.to_be_bytes()].concat();
    let mut chance = SeededRng::new(7).stream("garbage");
    let mut garbage: Vec<u8> = (0..8192).flat_map(|_| chance().to_be_bytes()).collect();
    garbage[0] = 0x80;
    let response = [&[1, 0, 0, 2, 1, 0, 0, 0, 7, 1][..], &[0; 10]].concat();
    for (what, bytes) in [
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a TLS hello", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4]),
        ("an SSH banner", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        ("a content of -1 bytes", with_length(-1)),
        ("a content of 2^31-1 bytes", with_length(i32::MAX)),
        ("a content over the limit", with_length((64 << 20) + 1)),
        ("a class name of -1 bytes", [&start[..14], &[0xff; 8]].concat()),
        ("an unknown type of frame", vec![1, 9, 0, 1]),
        ("an unknown command", vec![1, 1, 0, 9]),
        ("a frame of the second protocol", recorded("1.4.1/odd.ping_v2.request")),
        ("a response", response),
        ("garbage", garbage),
    ] {
        check.send(what, &bytes, &Expect::Closed);
    }
    check.end();
}

#[test]
fn frames_that_make_no_sense_are_answered_and_change_nothing() {
    let mut check = Check::new("sense");
    let group = check.trio.group();
    let me = check.trio.address(0).to_owned();
    let other = check.trio.address(1).to_owned();
    let parse = Expect::Bare(ResponseStatus::ServerDeserialException);
    let nobody = Expect::Bare(ResponseStatus::ServerException);
    check.send("an unknown class", &frame(b"org.example.Gadget", b"", b"x"), &nobody);
    check.send(
        "a class that is no request",
        &frame(class(Class::RequestVoteResponse), b"", b"x"),
        &nobody,
    );
    check.send(
        "a missing field",
        &frame(class(Class::RequestVoteRequest), b"", b"\x0a\x05sense"),
        &parse,
    );
    check.send("no protobuf", &frame(class(Class::TimeoutNowRequest), b"", &[0xff; 40]), &parse);
    check.send("no content", &frame(class(Class::PingRequest), b"", b""), &parse);
    let later = Expect::Error(RaftError::EINVAL, "is not supported by this version");
    check.send(
        "a request of later",
        &frame(class(Class::InstallSnapshotRequest), b"", b"x"),
        &later,
    );

    let lying = |by: u8| {
        let mut bytes =
            request_frame(&append(group, &other, &me, &[b"0123456789", b"0123456789"]), 7);
        let at = bytes
            .windows(2)
            .position(|two| two == [0x20, 10])
            .expect("the length of an entry's data");
        bytes[at + 1] = by;
        bytes
    };
    check.send(
        "more data promised than sent",
        &lying(11),
        &Expect::Error(RaftError::EINVAL, "shorter than the sum"),
    );
    check.send(
        "less data promised than sent",
        &lying(9),
        &Expect::Error(RaftError::EINVAL, "longer than the sum"),
    );
    let mut damaged = request_frame(&append(group, &other, &me, &[b"0123456789"]), 7);
    *damaged.last_mut().unwrap() ^= 1;
    // Only the node that it is addressed to looks at checksums; the other one does not know the name.
    for at in 0..3 {
        let mut raw = Raw::connect(check.trio.address(at));
        raw.send(&damaged);
        let error = match at {
            0 => Expect::Error(RaftError::EINVAL, "corrupted"),
            _ => Expect::Error(RaftError::ENOENT, "Peer id not found"),
        };
        check_answer("a damaged entry", &mut raw, &error);
    }
    check.healthy("a damaged entry");

    let headless = {
        let whole = request_frame(&append(group, &other, &me, &[b"x"]), 7);
        let header = u16::from_be_bytes([whole[16], whole[17]]) as usize;
        let content = &whole[22 + class(Class::AppendEntriesRequest).len() + header..];
        frame(class(Class::AppendEntriesRequest), b"", content)
    };
    check.send("entries without a header", &headless, &Expect::Ignored);
    let bomb = [b"\x3a\x04\x08\x01\x10\x02".repeat(200_000), b"\x4a\x00".to_vec()].concat();
    let bomb = frame(class(Class::AppendEntriesRequest), b"h", &bomb);
    check.send(
        "200,000 empty entries",
        &bomb,
        &Expect::Error(RaftError::EINVAL, "more than 65536 entries"),
    );
    check.end();
}

#[test]
fn strangers_are_told_that_they_have_the_wrong_door() {
    let mut check = Check::new("doors");
    let (group, me) = (check.trio.group(), check.trio.address(0).to_owned());
    let stranger = "192.0.2.1:1";
    let missing = || Expect::Error(RaftError::ENOENT, "Peer id not found");
    check.send(
        "a vote for another group",
        &request_frame(&vote("other", stranger, &me), 7),
        &missing(),
    );
    check.send(
        "a vote from another node",
        &request_frame(&vote(group, &me, stranger), 7),
        &missing(),
    );
    check.send(
        "entries for another group",
        &request_frame(&append("other", &me, &me, &[b"x"]), 7),
        &missing(),
    );
    check.send(
        "entries for another node",
        &request_frame(&append(group, &me, stranger, &[b"x"]), 7),
        &missing(),
    );
    let now = RaftRequest::TimeoutNow(TimeoutNowRequest {
        group: "other".parse().unwrap(),
        server: stranger.parse().unwrap(),
        peer: me.parse().unwrap(),
        term: Term(1),
    });
    check.send("TimeoutNow for another group", &request_frame(&now, 7), &missing());
    let leader =
        RaftRequest::GetLeader(GetLeaderRequest { group: "other".parse().unwrap(), peer: None });
    let empty = Expect::Error(RaftError::ENOENT, "Empty nodes in group other");
    check.send("the leader of another group", &request_frame(&leader, 7), &empty);
    check.end();
}

#[test]
fn half_frames_and_crowds_of_connections_disturb_nobody() {
    let mut check = Check::new("crowd");
    let start = frame(b"x", b"", b"");
    // A frame of 64 MiB, of which nothing but the head ever comes: it must not be reserved.
    let half = [&start[..18], &(64_i32 << 20).to_be_bytes(), &start[22..]].concat();
    let mut held = Vec::new();
    for _ in 0..50 {
        let mut raw = Raw::connect(check.trio.address(0));
        raw.send(&half);
        held.push(raw);
    }
    check_answer("half a frame", &mut held[49], &Expect::Waits);
    check.healthy("half frames held open");
    drop(held);
    for _ in 0..10 {
        let address = check.trio.address(0).to_owned();
        let crowd: Vec<TcpStream> =
            (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
        check.healthy("a hundred connections");
        drop(crowd);
    }
    check.healthy("a thousand connections opened and dropped");
    let ping = request_frame(&RaftRequest::Ping, 9);
    let mut raw = Raw::connect(check.trio.address(0));
    for byte in &ping {
        raw.send(&[*byte]);
    }
    assert_eq!(raw.response().id, 9, "a frame in pieces is a frame");
    check.end();
}

/// A node with the name that the recorded frames are addressed to. It never stands for election itself.
fn addressee(folder: &std::path::Path) -> RaftGroupService {
    let (me, peers) = ("127.0.0.1:18182", "127.0.0.1:18181,127.0.0.1:18182,127.0.0.1:18183");
    let mut started = None;
    until("the port of the recorded frames is free", Duration::from_secs(60), || {
        started = trio::start("vec", me, peers, folder, &trio::options(3_600_000)).ok();
        started.is_some()
    });
    started.unwrap().0
}

/// Sends a recorded request: the answer is the recorded one, byte for byte.
fn check_recorded(raw: &mut Raw, name: &str) {
    raw.send(&recorded(&format!("{name}.request")));
    raw.received.clear();
    assert!(matches!(raw.answer(), Answer::Frame(_)), "{name}");
    assert_eq!(raw.received, recorded(&format!("{name}.response")), "{name}");
}

#[test]
fn recorded_frames_of_java_nodes_are_answered_as_java_nodes_did() {
    for version in ["1.3.14", "1.4.1"] {
        let folder = tempfile::tempdir().unwrap();
        let service = addressee(folder.path());
        let mut raw = Raw::connect("127.0.0.1:18182");
        check_recorded(&mut raw, &format!("{version}/ping"));
        check_recorded(&mut raw, &format!("{version}/bolt.heartbeat"));
        check_recorded(&mut raw, &format!("{version}/error.unknown_group_vote"));
        check_recorded(&mut raw, &format!("{version}/request_vote.prevote_granted"));
        check_recorded(&mut raw, &format!("{version}/append_entries.probe"));
        // The first entry of the recorded leader, which was recorded on its way to another follower only.
        raw.send(&request_frame(&first_entry(), 1));
        assert_eq!(raw.response().content, &b"\x08\x01\x10\x01"[..]);
        check_recorded(&mut raw, &format!("{version}/append_entries.heartbeat"));
        let status = service.node().status();
        assert_eq!((status.term, status.committed), (Term(1), LogIndex(1)), "{version}");
        assert_eq!(status.leader.unwrap().to_string(), "127.0.0.1:18181", "{version}");
        block_on(service.shutdown());
        wait(Duration::from_millis(10));
    }
}

fn first_entry() -> RaftRequest {
    let peers =
        ["127.0.0.1:18181", "127.0.0.1:18182", "127.0.0.1:18183"].map(|peer| peer.parse().unwrap());
    let conf = jraft_core::Configuration::new(peers.to_vec(), Vec::new());
    let conf =
        jraft_core::ConfigurationEntry { id: LogId::NONE, conf, old_conf: Default::default() }
            .to_peers();
    RaftRequest::AppendEntries(AppendEntriesRequest {
        group: "vec".parse().unwrap(),
        server: "127.0.0.1:18181".parse().unwrap(),
        peer: "127.0.0.1:18182".parse().unwrap(),
        term: Term(1),
        prev: LogId::NONE,
        committed: LogIndex::ZERO,
        kind: AppendKind::Entries,
        entries: EntryBatch::new(vec![LogEntry::configuration(
            LogId::new(LogIndex(1), Term(1)),
            conf,
        )]),
    })
}
