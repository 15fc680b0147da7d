//! Frames recorded from the reference decode to the values that were recorded with them, and encode to the same bytes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use jraft_rpc::bolt::{
    Accepts, Class, Decoder, Frame, FrameError, RequestFrame, ResponseFrame, ResponseStatus,
    put_heartbeat, put_heartbeat_ack,
};
use jraft_rpc::convert::{
    Expected, Refusal, ResponseError, decode_request, decode_response, encode_error,
    encode_request, encode_response,
};
use jraft_spi::message::{AppendEntriesRequest, AppendKind, RaftRequest, RaftResponse};
use jraft_spi::{EntryPeers, EntryType, PeerId};

type Values = BTreeMap<String, String>;

/// A file of recorded values and the frame.
struct Recorded {
    name: String,
    values: Values,
    bytes: Vec<u8>,
}

impl Recorded {
    fn parse(name: String, text: &str) -> Self {
        let (mut values, mut bytes) = (Values::new(), Vec::new());
        for line in text.lines() {
            if let Some(line) = line.strip_prefix("# ") {
                let (key, value) =
                    line.split_once(": ").unwrap_or_else(|| (line.trim_end_matches(":"), ""));
                values.insert(key.to_owned(), value.to_owned());
            } else {
                let digits = line.as_bytes().chunks(2);
                let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
                bytes.extend(digits.map(|pair| byte(pair).unwrap()));
            }
        }
        assert_eq!(values["length"], bytes.len().to_string(), "{name}");
        Self { name, values, bytes }
    }

    fn with_prefix(&self, prefix: &str) -> Values {
        let own = self.values.iter().filter(|(key, _)| key.starts_with(prefix));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn is_response(&self) -> bool {
        self.name.ends_with(".response.txt")
    }

    fn decode(&self) -> Result<Option<Frame>, FrameError> {
        let accepts = if self.is_response() { Accepts::Responses } else { Accepts::Requests };
        let mut decoder = Decoder::new(accepts, 1 << 20);
        decoder.feed(&self.bytes);
        let frame = decoder.next_frame()?;
        assert!(!decoder.is_partial(), "{}", self.name);
        Ok(frame)
    }
}

/// All recorded frames of bolt protocol V1 or V2.
fn recorded(protocol: &str) -> Vec<Recorded> {
    let mut all = Vec::new();
    for version in ["1.3.14", "1.4.1"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(version);
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = format!("{version}/{}", path.file_name().unwrap().to_str().unwrap());
            all.push(Recorded::parse(name, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    all.retain(|file| file.values["frame"].starts_with(&format!("bolt {protocol}")));
    all
}

#[test]
fn every_frame_has_the_recorded_fixed_part() {
    let mut seen = 0;
    for file in recorded("v1") {
        let values = match file.decode().unwrap().unwrap() {
            Frame::Request(frame) => describe_request_frame(&frame),
            Frame::Response(frame) => describe_response_frame(&frame),
            Frame::Heartbeat { id } => heartbeat(id, 1, "timeout", "-1"),
            Frame::HeartbeatAck { id } => heartbeat(id, 0, "status", "0"),
        };
        assert_eq!(values, file.with_prefix("bolt."), "{}", file.name);
        seen += 1;
    }
    assert_eq!(seen, 2 * 120);
}

#[test]
fn frames_of_protocol_two_are_refused() {
    let files = recorded("v2");
    assert_eq!(files.len(), 2 * 11);
    for file in files {
        assert_eq!(file.decode(), Err(FrameError::ProtocolTwo), "{}", file.name);
    }
}

#[test]
fn heartbeats_encode_to_the_recorded_bytes() {
    for file in recorded("v1") {
        let mut out = Vec::new();
        match file.decode().unwrap().unwrap() {
            Frame::Heartbeat { id } => put_heartbeat(&mut out, id),
            Frame::HeartbeatAck { id } => put_heartbeat_ack(&mut out, id),
            _ => continue,
        }
        assert_eq!(out, file.bytes, "{}", file.name);
    }
}

#[test]
fn requests_decode_to_the_recorded_values_and_encode_to_the_same_bytes() {
    let (mut ours, mut refused) = (0, Vec::new());
    for file in recorded("v1") {
        let Ok(Some(Frame::Request(frame))) = file.decode() else { continue };
        let Some(class) = Class::find(&frame.class) else { continue };
        let header = match frame.header.len() {
            // Its server loses it; what it says can be checked all the same.
            0 if file.name.ends_with("append_without_header.request.txt") => &frame.content[..39],
            _ => &frame.header[..],
        };
        let request = match decode_request(class, header, &frame.content) {
            Ok(request) => request,
            Err(refusal) => {
                refused.push((file.name.split_once('/').unwrap().1.to_owned(), refusal));
                continue;
            }
        };
        let timestamp = file.values.get("content.send_timestamp");
        let mut values = describe_request(&request);
        if let Some(timestamp) = timestamp {
            values.insert("content.send_timestamp".to_owned(), timestamp.clone());
        }
        assert_eq!(values, file.with_prefix("content."), "{}", file.name);
        let timestamp = timestamp.map_or(0, |text| text.parse().unwrap());
        let again = encode_request(&request, timestamp).to_frame(frame.id, frame.timeout_ms);
        if !frame.one_way && !file.name.ends_with("append_without_header.request.txt") {
            assert_eq!(again, file.bytes, "{}", file.name);
        }
        ours += 1;
    }
    assert_eq!(ours, 42 + 41);
    check_refused(refused);
}

fn check_refused(refused: Vec<(String, Refusal)>) {
    let mut texts = refused
        .into_iter()
        .map(|(name, refusal)| match refusal {
            Refusal::Unparsable(why) => format!("{name}: unparsable: {why}"),
            Refusal::Invalid(status) | Refusal::NotSupported(status) => format!("{name}: {status}"),
        })
        .collect::<Vec<_>>();
    texts.sort();
    // Both versions are refused alike.
    let (first, second): (Vec<_>, Vec<_>) = texts.chunks(2).map(|two| (&two[0], &two[1])).unzip();
    assert_eq!(first, second);
    let expected = include_str!("vectors/refused.txt");
    let texts: Vec<&str> = first.into_iter().map(String::as_str).collect();
    assert_eq!(texts, expected.lines().collect::<Vec<_>>());
}

#[test]
fn responses_decode_to_the_recorded_values_and_encode_to_the_same_bytes() {
    let (mut ours, mut errors, mut failures) = (0, 0, 0);
    for file in recorded("v1") {
        let Ok(Some(Frame::Response(frame))) = file.decode() else { continue };
        let mut out = Vec::new();
        match decode_response(expected_of(&frame), &frame) {
            Ok(response) => {
                assert_eq!(describe_response(&response), file.with_prefix("content."));
                encode_response(&mut out, frame.id, frame.codec, &response);
                ours += 1;
            }
            Err(ResponseError::Remote(status)) if frame.status == ResponseStatus::Success => {
                assert_eq!(file.values["content.errorCode"], status.code().to_string());
                let text = file.values.get("content.errorMsg").map_or("\"\"", String::as_str);
                assert_eq!(text, format!("{:?}", status.message()), "{}", file.name);
                encode_error(&mut out, frame.id, frame.codec, &status);
                errors += 1;
            }
            Err(ResponseError::Remote(status)) => {
                assert_eq!(status.code(), 1004, "{}", file.name);
                failures += 1;
                continue;
            }
            Err(ResponseError::Unexpected(what)) => {
                assert!(
                    file.name.ends_with("odd.null_answer.response.txt"),
                    "{}: {what}",
                    file.name
                );
                continue;
            }
        }
        assert_eq!(out, file.bytes, "{}", file.name);
    }
    assert_eq!((ours, errors, failures), (71, 26, 15));
}

fn expected_of(frame: &ResponseFrame) -> Expected {
    match Class::find(&frame.class) {
        Some(Class::RequestVoteResponse) => Expected::RequestVote,
        Some(Class::AppendEntriesResponse) => Expected::AppendEntries,
        Some(Class::TimeoutNowResponse) => Expected::TimeoutNow,
        Some(Class::GetLeaderResponse) => Expected::GetLeader,
        _ => Expected::Ping,
    }
}

/// Collects lines as the recorder wrote them.
#[derive(Default)]
struct Lines(Values);

impl Lines {
    fn add(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0.insert(key.to_owned(), value.to_string());
    }
    fn text(&mut self, key: &str, value: impl std::fmt::Display) {
        self.add(key, format!("\"{value}\""));
    }
}

fn describe_request_frame(frame: &RequestFrame) -> Values {
    let mut lines = Lines::default();
    lines.add("bolt.type", if frame.one_way { 2 } else { 1 });
    lines.add("bolt.cmdcode", 1);
    lines.add("bolt.timeout", frame.timeout_ms);
    let parts = [&frame.class[..], &frame.header, &frame.content];
    describe_parts(&mut lines, frame.id, frame.codec, parts);
    lines.0
}

fn describe_response_frame(frame: &ResponseFrame) -> Values {
    let mut lines = Lines::default();
    lines.add("bolt.type", 0);
    lines.add("bolt.cmdcode", 2);
    lines.add("bolt.status", frame.status.number());
    let parts = [&frame.class[..], &frame.header, &frame.content];
    describe_parts(&mut lines, frame.id, frame.codec, parts);
    lines.0
}

fn heartbeat(id: i32, kind: u8, last: &str, value: &str) -> Values {
    let mut lines = Lines::default();
    lines.add("bolt.type", kind);
    lines.add("bolt.cmdcode", 0);
    lines.add(&format!("bolt.{last}"), value);
    describe_parts(&mut lines, id, 1, [&[], &[], &[]]);
    lines.0
}

fn describe_parts(lines: &mut Lines, id: i32, codec: u8, [class, header, content]: [&[u8]; 3]) {
    lines.add("bolt.ver2", 1);
    lines.add("bolt.request_id", id);
    lines.add("bolt.codec", codec);
    lines.add("bolt.class", std::str::from_utf8(class).unwrap());
    lines.add("bolt.class_len", class.len());
    lines.add("bolt.header_len", header.len());
    lines.add("bolt.content_len", content.len());
}

fn describe_request(request: &RaftRequest) -> Values {
    let mut lines = Lines::default();
    if let Some((group, peer)) = request.target() {
        lines.text("content.group_id", group);
        if let Some(peer) = peer {
            lines.text("content.peer_id", peer);
        }
    }
    match request {
        RaftRequest::Ping | RaftRequest::GetLeader(_) => {}
        RaftRequest::RequestVote(vote) => {
            lines.text("content.server_id", &vote.server);
            lines.add("content.term", vote.term);
            lines.add("content.last_log_term", vote.last_log.term);
            lines.add("content.last_log_index", vote.last_log.index);
            lines.add("content.pre_vote", vote.pre_vote);
        }
        RaftRequest::TimeoutNow(now) => {
            lines.text("content.server_id", &now.server);
            lines.add("content.term", now.term);
        }
        RaftRequest::AppendEntries(append) => describe_append(&mut lines, append),
    }
    lines.0
}

fn describe_append(lines: &mut Lines, append: &AppendEntriesRequest) {
    lines.text("content.server_id", &append.server);
    lines.add("content.term", append.term);
    lines.add("content.prev_log_term", append.prev.term);
    lines.add("content.prev_log_index", append.prev.index);
    lines.add("content.committed_index", append.committed);
    let mut data = Vec::new();
    for (at, entry) in append.entries.entries().iter().enumerate() {
        let key = format!("content.entries[{at}]");
        lines.add(&key, "{");
        assert_eq!(entry.id.index.0, append.prev.index.0 + 1 + at as u64);
        lines.add(&format!("{key}.term"), entry.id.term);
        let kind = match entry.kind {
            EntryType::Data => "2 ENTRY_TYPE_DATA",
            EntryType::Configuration => "3 ENTRY_TYPE_CONFIGURATION",
            other => panic!("{other:?} was not recorded"),
        };
        lines.add(&format!("{key}.type"), kind);
        lines.add(&format!("{key}.data_len"), entry.data.len());
        if let Some(checksum) = entry.checksum {
            lines.add(&format!("{key}.checksum"), checksum.cast_signed());
        }
        if let Some(conf) = &entry.conf {
            describe_conf(lines, &key, conf);
        }
        data.extend_from_slice(&entry.data);
    }
    if append.kind == AppendKind::Probe || !data.is_empty() {
        lines.add("content.data", hex(&data));
    }
}

fn describe_conf(lines: &mut Lines, key: &str, conf: &EntryPeers) {
    let mut list = |name: &str, peers: &[PeerId]| {
        for (at, peer) in peers.iter().enumerate() {
            lines.text(&format!("{key}.{name}[{at}]"), peer);
        }
    };
    list("peers", &conf.peers);
    list("old_peers", &conf.old_peers);
    list("learners", &conf.learners);
    list("old_learners", &conf.old_learners);
}

/// As the recorder writes bytes: the first 32 of more than 256.
fn hex(data: &[u8]) -> String {
    let shown = if data.len() > 256 { &data[..32] } else { data };
    let mut text = format!("hex({}) ", data.len());
    shown.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
    if shown.len() < data.len() {
        text += "...";
    }
    text
}

fn describe_response(response: &RaftResponse) -> Values {
    let mut lines = Lines::default();
    match response {
        RaftResponse::Ping => {
            lines.add("content.errorCode", 0);
            lines.text("content.errorMsg", "OK");
        }
        RaftResponse::RequestVote(vote) => {
            lines.add("content.term", vote.term);
            lines.add("content.granted", vote.granted);
        }
        RaftResponse::AppendEntries(append) => {
            lines.add("content.term", append.term);
            lines.add("content.success", append.success);
            if let Some(last) = append.last_log_index {
                lines.add("content.last_log_index", last);
            }
        }
        RaftResponse::TimeoutNow(now) => {
            lines.add("content.term", now.term);
            lines.add("content.success", now.success);
        }
        RaftResponse::GetLeader(leader) => lines.text("content.leader_id", leader),
    }
    lines.0
}
