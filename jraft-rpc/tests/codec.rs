//! The decoder and the conversion against bad bytes: never a panic, refused as early as can be told.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use bytes::Bytes;
use jraft_rpc::bolt::{
    Accepts, Class, Decoder, Frame, FrameError, RequestHead, ResponseFrame, ResponseHead,
    ResponseStatus, put_heartbeat,
};
use jraft_rpc::convert::{
    Expected, MAX_ENTRIES, Refusal, ResponseError, decode_request, decode_response,
    decode_user_response, encode_error, encode_request, encode_response,
};
use jraft_spi::message::*;
use jraft_spi::{EntryPeers, EntryType, LogEntry, LogId, LogIndex, RaftError, Status, Term};
use proptest::prelude::*;
use support::*;

const LIMIT: usize = 1000;

fn decode(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    let mut decoder = Decoder::new(Accepts::Requests, LIMIT);
    decoder.feed(bytes);
    decoder.next_frame()
}

fn frame_of(request: &RaftRequest) -> Bytes {
    encode_request(request, 1).to_frame(7, 5000)
}

fn request_of(bytes: &[u8]) -> Result<RaftRequest, Refusal> {
    let mut decoder = Decoder::new(Accepts::Requests, 1 << 20);
    decoder.feed(bytes);
    let Ok(Some(Frame::Request(frame))) = decoder.next_frame() else { panic!("no frame") };
    let class = Class::find(&frame.class).unwrap();
    decode_request(class, &frame.header, &frame.content)
}

#[test]
fn a_frame_split_at_every_byte_is_the_same_frame() {
    let frame = frame_of(&append(5, 3));
    let whole = decode(&frame).unwrap();
    assert!(whole.is_some() && frame.len() > 200);
    for at in 1..frame.len() {
        let mut decoder = Decoder::new(Accepts::Requests, LIMIT);
        decoder.feed(&frame[..at]);
        assert_eq!(decoder.next_frame(), Ok(None), "{at}");
        assert!(decoder.is_partial());
        decoder.make_room();
        decoder.feed(&frame[at..]);
        assert_eq!(decoder.next_frame().unwrap(), whole, "{at}");
        assert!(!decoder.is_partial());
    }
}

#[test]
fn glued_frames_come_apart() {
    let frame = frame_of(&append(5, 3));
    let mut decoder = Decoder::new(Accepts::Requests, LIMIT);
    for byte in frame.iter().chain(&frame).copied() {
        decoder.feed(&[byte]);
    }
    let mut heartbeat = Vec::new();
    put_heartbeat(&mut heartbeat, 9);
    decoder.feed(&heartbeat);
    assert_eq!(decoder.next_frame(), decode(&frame));
    assert_eq!(decoder.next_frame(), decode(&frame));
    assert_eq!(decoder.next_frame(), Ok(Some(Frame::Heartbeat { id: 9 })));
    assert_eq!(decoder.next_frame(), Ok(None));
}

#[test]
fn a_flipped_bit_never_panics() {
    for request in [append(5, 3), append(5, 0), vote("counter", 3), RaftRequest::Ping] {
        let frame = frame_of(&request);
        for bit in 0..frame.len() * 8 {
            let mut bytes = frame.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(Some(Frame::Request(frame))) = decode(&bytes) else { continue };
            for class in Class::ALL {
                drop(decode_request(*class, &frame.header, &frame.content));
            }
        }
    }
}

#[test]
fn refuses_a_bad_fixed_part_as_soon_as_it_is_there() {
    let start = [1, 1, 0, 1, 1, 0, 0, 0, 7, 1, 0, 0, 19, 0x88];
    let with = |tail: &[u8]| [&start[..], tail].concat();
    let not_bolt = |text: &str| FrameError::NotBolt { looks_like: text.to_owned() };
    let negative = |part, len| FrameError::NegativeLength { part, len };
    let too_long = |len| FrameError::TooLong { len, limit: LIMIT };
    let cases: Vec<(Vec<u8>, FrameError)> = vec![
        (vec![0], not_bolt("nothing known (first byte 0x00)")),
        (vec![0xff], not_bolt("nothing known (first byte 0xff)")),
        (b"GET / HTTP/1.1\r\n".to_vec(), not_bolt("an HTTP request")),
        (b"PRI * HTTP/2.0\r\n".to_vec(), not_bolt("HTTP/2 or gRPC")),
        (vec![0x16, 3, 1, 2, 0], not_bolt("a TLS handshake")),
        (b"SSH-2.0-OpenSSH".to_vec(), not_bolt("SSH")),
        (vec![2], FrameError::ProtocolTwo),
        (vec![1, 3], FrameError::UnknownType(3)),
        (vec![1, 0], FrameError::WrongSide(0)),
        (vec![1, 1, 0, 2], FrameError::UnknownCommand { kind: 1, command: 2 }),
        (vec![1, 2, 1, 0], FrameError::UnknownCommand { kind: 2, command: 256 }),
        (with(&[0xff, 0xff, 0, 0, 0, 0, 0, 0]), negative("class name", -1)),
        (with(&[0, 0, 0x80, 0, 0, 0, 0, 0]), negative("header", -32768)),
        (with(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), negative("content", -1)),
        (with(&[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]), too_long(i32::MAX as usize)),
        (with(&[0, 0, 0, 0, 0, 0, 3, 0xe9]), too_long(1001)),
    ];
    for (bytes, error) in cases {
        assert_eq!(decode(&bytes), Err(error.clone()), "{bytes:02x?}");
        let mut decoder = Decoder::new(Accepts::Requests, LIMIT);
        decoder.feed(&bytes);
        decoder.make_room();
        assert!(decoder.buffer().capacity() < 100_000, "{error}");
        assert_eq!(decoder.next_frame(), Err(error.clone()));
        assert_eq!(decoder.next_frame(), Err(error), "it stays an error");
    }
    // Content at the limit is waited for.
    assert_eq!(decode(&with(&[0, 0, 0, 0, 0, 0, 3, 0xe8])), Ok(None));
    // Neither the version of the command nor the codec nor the timeout is looked at.
    let odd = [1, 1, 0, 1, 77, 0, 0, 0, 7, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let Ok(Some(Frame::Request(frame))) = decode(&odd) else { panic!() };
    assert_eq!((frame.codec, frame.timeout_ms), (0xff, i32::MIN));
}

#[test]
fn a_length_alone_costs_no_memory() {
    let mut decoder = Decoder::new(Accepts::Requests, 64 << 20);
    let mut start = vec![1, 1, 0, 1, 1, 0, 0, 0, 7, 1, 0, 0, 19, 0x88, 0, 0, 0, 0];
    start.extend_from_slice(&(64_u32 << 20).to_be_bytes());
    decoder.feed(&start);
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.make_room();
    assert!(decoder.buffer().capacity() < 100_000);
    decoder.feed(&vec![0; 1 << 20]);
    decoder.make_room();
    assert!(decoder.buffer().capacity() < 4 << 20);
}

#[test]
fn an_unknown_response_status_closes() {
    let mut bytes = Vec::new();
    ResponseHead::bare(7, ResponseStatus::Error).put(&mut bytes);
    bytes[11] = 0x20;
    let mut decoder = Decoder::new(Accepts::Responses, LIMIT);
    decoder.feed(&bytes);
    assert_eq!(decoder.next_frame(), Err(FrameError::UnknownStatus(0x20)));
}

/// Protobuf by hand, to say what the encoder never says.
#[derive(Clone, Default)]
struct Proto(Vec<u8>);

impl Proto {
    fn number(mut self, field: u8, mut value: u64) -> Self {
        self.0.push(field << 3);
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }
    fn bytes(mut self, field: u8, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self = self.number(field, bytes.len() as u64);
        let key =
            self.0.len() - 1 - usize::from(bytes.len() >= 128) - usize::from(bytes.len() >= 16384);
        self.0[key - 1] |= 2;
        self.0.extend_from_slice(bytes);
        self
    }
    fn ids(self) -> Self {
        self.bytes(1, "counter").bytes(2, "a:1").bytes(3, "b:2")
    }
    fn append(self, prev: u64, metas: &[Self], data: Option<&[u8]>) -> Self {
        let mut all = self.ids().number(4, 1).number(5, 1).number(6, prev);
        for meta in metas {
            all = all.bytes(7, &meta.0);
        }
        let all = all.number(8, 0);
        data.map_or_else(|| all.clone(), |data| all.clone().bytes(9, data))
    }
    fn meta(kind: u64, len: u64) -> Self {
        Self::default().number(1, 1).number(2, kind).number(4, len)
    }
}

const MINUS_ONE: u64 = u64::MAX;

fn decode_append(content: Proto) -> Result<AppendEntriesRequest, String> {
    let header = Proto::default().ids();
    match decode_request(Class::AppendEntriesRequest, &header.0, &content.0.into()) {
        Ok(RaftRequest::AppendEntries(append)) => Ok(append),
        Ok(other) => panic!("{other:?}"),
        Err(Refusal::Unparsable(why)) => Err(format!("unparsable: {why}")),
        Err(Refusal::Invalid(status)) => {
            assert!(status.is(RaftError::EINVAL));
            Err(status.message().to_owned())
        }
        Err(Refusal::NotSupported(status)) => panic!("{status}"),
    }
}

#[test]
fn bad_entries_are_refused_with_a_reason() {
    let (data, meta) = (Some(&b"hello"[..]), Proto::meta);
    let conf = |kind| meta(kind, 0).bytes(3, "a:1");
    let case = |metas: &[Proto], data| decode_append(Proto::default().append(4, metas, data));
    let cases = [
        (case(&[meta(2, 6)], data), "data is shorter than the sum of data_len"),
        (case(&[meta(2, 4)], data), "data is longer than the sum of data_len"),
        (case(&[], data), "data is longer than the sum of data_len"),
        (case(&[meta(2, 5)], None), "data is shorter than the sum of data_len"),
        (
            case(&[meta(2, 5), meta(2, i64::MAX as u64)], data),
            "data is shorter than the sum of data_len",
        ),
        (case(&[meta(2, MINUS_ONE)], data), "data_len is negative: -1"),
        (case(&[meta(0, 5)], data), "an entry of type UNKNOWN"),
        (case(&[meta(4, 5)], data), "unparsable: EntryMeta lacks its required field type"),
        (
            case(&[Proto::default().number(2, 2)], None),
            "unparsable: EntryMeta lacks its required field term",
        ),
        (case(&[Proto::default()], None), "unparsable: EntryMeta lacks its required field term"),
        (case(&[meta(3, 0)], None), "a configuration entry without peers"),
        (case(&[meta(3, 0).bytes(5, "a:1")], None), "a configuration entry without peers"),
        (case(&[conf(2)], None), "peers in an entry that is no configuration"),
        (case(&[conf(1)], None), "peers in an entry that is no configuration"),
        (
            case(&[conf(3).bytes(7, "nobody")], None),
            "a peer of an entry: peer id \"nobody\": no port",
        ),
        (
            case(&[Proto::default().number(1, MINUS_ONE).number(2, 2)], None),
            "the term of an entry is negative: -1",
        ),
    ];
    for (result, why) in cases {
        assert_eq!(result.unwrap_err(), why);
    }
    assert_eq!(case(&[meta(2, 5)], data).unwrap().kind, AppendKind::Entries);
    assert_eq!(case(&[conf(3)], None).unwrap().entries.len(), 1);
    assert_eq!(case(&[], Some(&[])).unwrap().kind, AppendKind::Probe);
    assert_eq!(case(&[], None).unwrap().kind, AppendKind::Heartbeat);
}

#[test]
fn bad_numbers_and_names_are_refused_with_a_reason() {
    let case = |prev, metas: &[Proto]| decode_append(Proto::default().append(prev, metas, None));
    let last = i64::MAX as u64;
    assert_eq!(case(last - 1, &[Proto::meta(2, 0)]).unwrap().entries.entries()[0].id.index.0, last);
    let why = case(last, &[Proto::meta(2, 0)]).unwrap_err();
    assert_eq!(why, "prev_log_index and the entries pass the last index");
    assert_eq!(case(MINUS_ONE, &[]).unwrap_err(), "prev_log_index is negative: -1");
    assert!(case(last, &[]).is_ok());
    let with = |change: fn(Proto) -> Proto| {
        decode_append(change(Proto::default().append(4, &[], None))).unwrap_err()
    };
    // The last of a field that comes twice counts, and then the header does not fit.
    let other = "the bolt header names another group, sender or peer than the request";
    assert_eq!(with(|body| body.bytes(1, "else")), other);
    assert_eq!(with(|body| body.number(4, MINUS_ONE)), "term is negative: -1");
    assert_eq!(with(|body| body.number(5, MINUS_ONE)), "prev_log_term is negative: -1");
    assert_eq!(with(|body| body.number(8, MINUS_ONE)), "committed_index is negative: -1");
    assert_eq!(with(|body| body.bytes(4, "x")), "unparsable: wire type 2 in field 4");
    let ids = Proto::default().ids();
    assert_eq!(
        decode_append(ids).unwrap_err(),
        "unparsable: AppendEntriesRequest lacks its required field term"
    );
}

/// A node that adopts such a term has no term left to stand in, and keeps it for ever.
#[test]
fn terms_that_no_election_made_are_refused_in_every_message() {
    let last = Term::LAST.0;
    let ids = || Proto::default().ids();
    let vote = |term, of_log| ids().number(4, term).number(5, of_log).number(6, 0).number(7, 0);
    let entry = |term| Proto::default().number(1, term).number(2, 1);
    let append = |term, prev, of_entry| {
        let body = ids().number(4, term).number(5, prev).number(6, 0);
        body.bytes(7, entry(of_entry).0).number(8, 0)
    };
    let ask = |class, body: &Proto| decode_request(class, &ids().0, &body.0.clone().into());
    let answer = |class: Class, expected, term| {
        let content = Proto::default().number(1, term).number(2, 1).0;
        let mut bytes = Vec::new();
        ResponseHead::success(1, 1, class.name().as_bytes(), content.len()).put(&mut bytes);
        bytes.extend_from_slice(&content);
        let mut decoder = Decoder::new(Accepts::Responses, LIMIT);
        decoder.feed(&bytes);
        let Ok(Some(Frame::Response(frame))) = decoder.next_frame() else { panic!("no frame") };
        decode_response(expected, &frame)
    };
    let answers = [
        (Class::RequestVoteResponse, Expected::RequestVote),
        (Class::AppendEntriesResponse, Expected::AppendEntries),
        (Class::TimeoutNowResponse, Expected::TimeoutNow),
    ];
    for term in [last + 1, i64::MAX as u64] {
        for (class, body, field) in [
            (Class::RequestVoteRequest, vote(term, 1), "term"),
            (Class::RequestVoteRequest, vote(1, term), "last_log_term"),
            (Class::AppendEntriesRequest, append(term, 1, 1), "term"),
            (Class::AppendEntriesRequest, append(1, term, 1), "prev_log_term"),
            (Class::AppendEntriesRequest, append(1, 1, term), "the term of an entry"),
            (Class::TimeoutNowRequest, ids().number(4, term), "term"),
        ] {
            let why = format!("{field} is beyond the last term, {last}: {term}");
            let invalid = Err(Refusal::Invalid(Status::new(RaftError::EINVAL, why)));
            assert_eq!(ask(class, &body), invalid, "{class:?}");
        }
        for (class, expected) in answers {
            assert!(matches!(answer(class, expected, term), Err(ResponseError::Unexpected(_))));
        }
    }
    assert!(ask(Class::RequestVoteRequest, &vote(last, last)).is_ok());
    assert!(ask(Class::AppendEntriesRequest, &append(last, last, last)).is_ok());
    assert!(ask(Class::TimeoutNowRequest, &ids().number(4, last)).is_ok());
    for (class, expected) in answers {
        assert!(answer(class, expected, last).is_ok());
    }
}

#[test]
fn more_entries_than_the_limit_are_refused() {
    let metas = vec![Proto::meta(1, 0); MAX_ENTRIES];
    assert_eq!(
        decode_append(Proto::default().append(0, &metas, None)).unwrap().entries.len(),
        MAX_ENTRIES
    );
    let metas = vec![Proto::meta(1, 0); MAX_ENTRIES + 1];
    let why = decode_append(Proto::default().append(0, &metas, None)).unwrap_err();
    assert_eq!(why, "more than 65536 entries");
    let mut meta = Proto::meta(3, 0);
    for _ in 0..10_000 {
        meta = meta.bytes(3, "a:1");
    }
    let why = decode_append(Proto::default().append(0, &[meta], None)).unwrap_err();
    assert_eq!(why, "more than 4096 peers in an entry");
}

#[test]
fn bad_groups_and_peers_are_refused_with_a_reason() {
    let vote = |group: &str, server: &str, peer: &str| {
        let ids = Proto::default().bytes(1, group).bytes(2, server).bytes(3, peer);
        let rest = ids.number(4, 1).number(5, 0).number(6, 0).number(7, 1);
        match decode_request(Class::RequestVoteRequest, &[], &rest.0.into()) {
            Err(Refusal::Invalid(status)) => status.message().to_owned(),
            other => format!("{other:?}"),
        }
    };
    for group in ["", "../x", "1", "a/b"] {
        assert!(vote(group, "a:1", "b:1").starts_with("group_id: group id"), "{group}");
    }
    for peer in ["a", "a:", "a:b", "::1:80", "[x]:1", "a:1:2:3:4", "a:99999999999"] {
        assert!(vote("g", peer, "b:1").starts_with("server_id: peer id"), "{peer}");
        assert!(vote("g", "a:1", peer).starts_with("peer_id: peer id"), "{peer}");
    }
    let long = "x".repeat(16_000);
    assert!(vote(&format!("1{long}"), "a:1", "b:1").len() < 200);
    assert!(vote("g", &long, "b:1").len() < 200);
}

#[test]
fn only_a_bare_exception_says_that_no_processor_has_the_name() {
    let told = |status, class: &'static [u8], content: &'static [u8]| {
        let (class, content) = (Bytes::from_static(class), Bytes::from_static(content));
        let frame = ResponseFrame { id: 1, codec: 1, status, class, header: Bytes::new(), content };
        let Err(ResponseError::Remote(status)) = decode_user_response(&frame) else { panic!() };
        status.error()
    };
    assert_eq!(told(ResponseStatus::ServerException, b"", b""), RaftError::ENOENT);
    assert_eq!(told(ResponseStatus::NoProcessor, b"", b""), RaftError::ENOENT);
    // So says a Java server, if a processor threw as well.
    let java = b"com.alipay.remoting.rpc.exception.RpcServerException";
    assert_eq!(told(ResponseStatus::ServerException, java, b"O"), RaftError::EINTERNAL);
    assert_eq!(told(ResponseStatus::ServerException, java, b""), RaftError::EINTERNAL);
    assert_eq!(told(ResponseStatus::ServerThreadpoolBusy, b"", b""), RaftError::EINTERNAL);
}

#[test]
fn errors_reach_the_caller() {
    let frame = |put: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        put(&mut bytes);
        let mut decoder = Decoder::new(Accepts::Responses, LIMIT);
        decoder.feed(&bytes);
        match decoder.next_frame().unwrap().unwrap() {
            Frame::Response(response) => response,
            other => panic!("{other:?}"),
        }
    };
    let of_class = |class: &'static str, content: Vec<u8>| {
        frame(&|out| {
            ResponseHead::success(1, 1, class.as_bytes(), content.len()).put(out);
            out.extend_from_slice(&content);
        })
    };
    let busy = Status::new(RaftError::EBUSY, "later");
    let error = frame(&|out| encode_error(out, 1, 1, &busy));
    let remote = Err(ResponseError::Remote(busy.clone()));
    assert_eq!(decode_response(Expected::AppendEntries, &error), remote);
    assert_eq!(decode_response(Expected::Ping, &error), remote);
    assert_eq!(decode_user_response(&error), Err(ResponseError::Remote(busy)));
    // A status of code 0 must not look like an answer.
    let ok = frame(&|out| encode_error(out, 1, 1, &Status::ok()));
    assert!(matches!(decode_response(Expected::Ping, &ok), Err(ResponseError::Remote(_))));
    // Field 99, as over gRPC.
    let error = Proto::default().number(1, 1002).bytes(2, "again");
    let mut inner = Proto::default().number(1, 1).number(2, 0);
    inner.0.extend_from_slice(&[0x9a, 0x06, error.0.len() as u8]);
    inner.0.extend_from_slice(&error.0);
    let frame_99 = of_class(Class::RequestVoteResponse.name(), inner.0);
    let again = Status::new(RaftError::EAGAIN, "again");
    let remote = Err(ResponseError::Remote(again));
    assert_eq!(decode_response(Expected::RequestVote, &frame_99), remote);
    for (frame, why) in [
        (of_class("", vec![]), "class \"\" of 0 bytes"),
        (of_class("com.example.X", vec![1]), "class \"com.example.X\" of 1 bytes"),
        (
            of_class(Class::RequestVoteResponse.name(), vec![8, 1]),
            "message RequestVoteResponse lacks its required field 2",
        ),
        (
            of_class(Class::RequestVoteResponse.name(), vec![]),
            "message RequestVoteResponse lacks its required field 1",
        ),
        (
            of_class(Class::ErrorResponse.name(), vec![8, 0]),
            "class \"com.alipay.sofa.jraft.rpc.RpcRequests$ErrorResponse\" of 2 bytes",
        ),
    ] {
        let unexpected = Err(ResponseError::Unexpected(why.to_owned()));
        assert_eq!(decode_response(Expected::RequestVote, &frame), unexpected);
    }
}

fn entry() -> impl Strategy<Value = LogEntry> {
    let peers = || {
        proptest::collection::vec(
            (1..9_i32).prop_map(|n| format!("h{n}:{n}::{n}").parse().unwrap()),
            0..3,
        )
    };
    let conf = (peers(), peers(), peers(), peers()).prop_map(
        |(mut peers, old_peers, learners, old_learners)| {
            peers.push("a:1".parse().unwrap());
            EntryPeers { peers, old_peers, learners, old_learners }
        },
    );
    let id = any::<u32>().prop_map(|term| LogId::new(LogIndex(0), Term(term.into())));
    let data = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    (id, 1..4_u8, conf, data, any::<Option<u64>>()).prop_map(|(id, kind, conf, data, checksum)| {
        let mut entry = match kind {
            1 => LogEntry::no_op(id),
            2 => LogEntry::data(id, Bytes::new()),
            _ => LogEntry::configuration(id, conf),
        };
        (entry.data, entry.checksum) = (data, checksum);
        assert_ne!(entry.kind, EntryType::Unknown);
        entry
    })
}

proptest! {
    #[test]
    fn appends_come_back(
        mut entries in proptest::collection::vec(entry(), 0..20),
        prev in 0..u64::from(u32::MAX), term in 0..=Term::LAST.0, probe in any::<bool>(),
    ) {
        let RaftRequest::AppendEntries(mut append) = append(5, 0) else { unreachable!() };
        for (at, entry) in entries.iter_mut().enumerate() {
            entry.id.index = LogIndex(prev + 1 + at as u64);
        }
        append.prev = LogId::new(LogIndex(prev), Term(term));
        append.kind = match (entries.is_empty(), probe) {
            (false, _) => AppendKind::Entries,
            (true, true) => AppendKind::Probe,
            (true, false) => AppendKind::Heartbeat,
        };
        append.entries = EntryBatch::new(entries);
        let request = RaftRequest::AppendEntries(append);
        prop_assert_eq!(request_of(&encode_request(&request, 0).to_frame(1, 1)).unwrap(), request);
    }

    #[test]
    fn responses_come_back(term in 0..=Term::LAST.0, yes: bool, last in proptest::option::of(0..u64::MAX / 2)) {
        let last = last.map(LogIndex);
        let term = Term(term);
        for response in [
            RaftResponse::RequestVote(RequestVoteResponse { term, granted: yes }),
            RaftResponse::AppendEntries(AppendEntriesResponse { term, success: yes, last_log_index: last }),
            RaftResponse::TimeoutNow(TimeoutNowResponse { term, success: yes }),
        ] {
            let mut bytes = Vec::new();
            encode_response(&mut bytes, 3, 1, &response);
            let mut decoder = Decoder::new(Accepts::Responses, LIMIT);
            decoder.feed(&bytes);
            let Ok(Some(Frame::Response(frame))) = decoder.next_frame() else { panic!() };
            prop_assert!(!frame.content.is_empty());
            let expected = match response {
                RaftResponse::RequestVote(_) => Expected::RequestVote,
                RaftResponse::AppendEntries(_) => Expected::AppendEntries,
                _ => Expected::TimeoutNow,
            };
            prop_assert_eq!(decode_response(expected, &frame), Ok(response));
        }
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&bytes));
        let content = Bytes::from(bytes);
        for class in Class::ALL {
            drop(decode_request(*class, &content, &content));
        }
    }

    #[test]
    fn any_content_of_a_valid_frame_is_decoded_or_refused(
        at in 0..200_usize, patch in proptest::collection::vec(any::<u8>(), 1..6),
    ) {
        let mut bytes = frame_of(&append(5, 3)).to_vec();
        for (place, byte) in bytes.iter_mut().skip(60 + at).zip(patch) {
            *place = byte;
        }
        if let Ok(Some(Frame::Request(frame))) = decode(&bytes) {
            drop(decode_request(Class::AppendEntriesRequest, &frame.header, &frame.content));
        }
    }
}

#[test]
fn the_head_of_a_request_is_22_bytes() {
    let mut bytes = Vec::new();
    let head = RequestHead {
        id: 1,
        one_way: true,
        codec: 1,
        timeout_ms: -1,
        class: b"",
        header_len: 0,
        content_len: 0,
    };
    head.put(&mut bytes);
    assert_eq!(bytes, [1, 2, 0, 1, 1, 0, 0, 0, 1, 1, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
}
