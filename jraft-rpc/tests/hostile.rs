//! A live server gets hostile bytes (testing.md 6.3). A healthy connection beside it must not notice.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::future::Future;
use std::sync::Arc;

use jraft_rpc::bolt::{Class, Frame, RequestHead, ResponseStatus, put_heartbeat};
use jraft_rpc::convert::encode_request;
use jraft_rpc::io::{Net, PipeNet, TcpNet};
use jraft_spi::RpcOptions;
use jraft_spi::message::*;
use jraft_spi::rpc::*;
use support::*;
use tokio::sync::mpsc;

/// Runs a test against a server over a pipe and over TCP, with a healthy client that is asked before and after.
fn check<F: Future<Output = ()>>(options: RpcOptions, test: impl Fn(Arc<Server>) -> F) {
    let nets: [Arc<dyn Net>; 2] = [Arc::new(PipeNet::new()), Arc::new(TcpNet)];
    for net in nets {
        run(async {
            let server = Arc::new(Server::start(net, Arc::default(), options.clone()).await);
            let client = server.factory.client();
            assert_eq!(client.call(&server.at, append(1, 1), LONG).await, Ok(appended(1)));
            test(Arc::clone(&server)).await;
            assert!(client.is_connected(&server.at), "the healthy connection was closed");
            assert_eq!(client.call(&server.at, append(2, 1), LONG).await, Ok(appended(2)));
        });
    }
}

fn frame(class: &[u8], header: &[u8], content: &[u8], timeout_ms: i32) -> Vec<u8> {
    let mut out = Vec::new();
    let (header_len, content_len) = (header.len(), content.len());
    RequestHead { id: 7, one_way: false, codec: 1, timeout_ms, class, header_len, content_len }
        .put(&mut out);
    [&out[..], header, content].concat()
}

fn ping(id: i32) -> Vec<u8> {
    encode_request(&RaftRequest::Ping, 1).to_frame(id, 1000).to_vec()
}

/// The server answers a ping on this connection.
async fn assert_alive(raw: &mut Raw) {
    raw.send(&ping(4711)).await;
    let pong = raw.response().await;
    assert_eq!((pong.id, &pong.content[..]), (4711, &b"\x08\0\x12\x02OK"[..]));
}

#[test]
fn bytes_that_are_no_frames_close_their_connection_only() {
    let cases: Vec<Vec<u8>> = vec![
        vec![0],
        vec![0xff; 100],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        vec![2, 1, 1, 0, 0, 1],
        vec![1, 3],
        vec![1, 0, 0, 2, 1, 0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![1, 1, 0, 9],
        frame(b"x", b"", b"", 1)[..14].iter().copied().chain([0xff; 8]).collect(),
        frame(b"x", b"", b"", 1)[..18].iter().copied().chain([0x7f, 0xff, 0xff, 0xff]).collect(),
        frame(b"x", b"", b"", 1)[..18].iter().copied().chain([4, 0, 0, 1]).collect(),
        [ping(1), b"garbage after a valid frame".to_vec()].concat(),
    ];
    check(RpcOptions::default(), |server| {
        let cases = cases.clone();
        async move {
            for bytes in cases {
                let mut raw = server.raw().await;
                raw.send(&bytes).await;
                // The valid frame before the garbage is still answered.
                let answer = raw.frame().await;
                assert_eq!(answer.is_some(), bytes.starts_with(&ping(1)), "{bytes:02x?}");
                assert_eq!(raw.frame().await, None, "{bytes:02x?}");
            }
        }
    });
}

#[test]
fn unknown_names_are_answered_with_status_2() {
    let ping = Class::PingRequest.name();
    let names: Vec<Vec<u8>> = vec![
        vec![],
        b"x".to_vec(),
        vec![b'y'; 32767],
        vec![0xff, 0xfe, b'a'],
        format!("{ping}\0").into(),
        b"../../etc/passwd".to_vec(),
        b"org.apache.commons.collections.functors.InvokerTransformer".to_vec(),
        ping.to_lowercase().into(),
        Class::ErrorResponse.name().into(),
        Class::LearnersOpResponse.name().into(),
    ];
    check(RpcOptions::default(), |server| {
        let names = names.clone();
        async move {
            let mut raw = server.raw().await;
            for name in names {
                raw.send(&frame(&name, b"", b"body", 1000)).await;
                let answer = raw.response().await;
                assert_eq!(answer.status, ResponseStatus::ServerException);
                assert!(answer.class.is_empty() && answer.content.is_empty());
                assert_eq!(answer.id, 7);
            }
            assert_alive(&mut raw).await;
        }
    });
}

#[test]
fn what_does_not_parse_is_answered_with_status_18() {
    check(RpcOptions::default(), |server| async move {
        let mut raw = server.raw().await;
        for (class, content) in [
            (Class::PingRequest, &b""[..]),
            (Class::PingRequest, b"\xff\xff\xff"),
            (Class::RequestVoteRequest, b"\x0a\x01g"),
            (Class::TimeoutNowRequest, b""),
            (Class::GetLeaderRequest, b""),
            (Class::AppendEntriesRequest, b"\x08"),
            // Trailing bytes after a valid message.
            (Class::PingRequest, b"\x08\x01\x00"),
        ] {
            raw.send(&frame(class.name().as_bytes(), b"h", content, 1000)).await;
            let answer = raw.response().await;
            assert_eq!(answer.status, ResponseStatus::ServerDeserialException, "{class:?}");
            assert!(answer.class.is_empty() && answer.content.is_empty());
        }
        assert_alive(&mut raw).await;
    });
}

#[test]
fn known_classes_of_later_versions_are_refused_as_such() {
    check(RpcOptions::default(), |server| async move {
        let mut raw = server.raw().await;
        let known = [
            Class::PingRequest,
            Class::AppendEntriesRequest,
            Class::RequestVoteRequest,
            Class::TimeoutNowRequest,
            Class::GetLeaderRequest,
        ];
        let later = Class::ALL.iter().filter(|class| class.is_request() && !known.contains(class));
        let mut count = 0;
        for class in later {
            raw.send(&frame(class.name().as_bytes(), b"", b"anything", 1000)).await;
            let answer = raw.response().await;
            assert_eq!(answer.status, ResponseStatus::Success);
            assert_eq!(answer.class, Class::ErrorResponse.name());
            let text = format!("{} is not supported by this version", class.short());
            assert!(answer.content.ends_with(text.as_bytes()), "{answer:?}");
            assert_eq!(answer.content[..3], [8, 0xf7, 7], "EINVAL");
            count += 1;
        }
        assert_eq!(count, 13);
    });
}

#[test]
fn entries_without_header_and_one_way_requests_are_not_answered() {
    check(RpcOptions::default(), |server| async move {
        let mut raw = server.raw().await;
        let request = encode_request(&append(50, 0), 1).to_frame(1, 1);
        let content = &request[22 + 58 + 41..];
        let class = Class::AppendEntriesRequest.name().as_bytes();
        raw.send(&frame(class, b"", content, 1000)).await;
        let mut one_way = ping(3);
        one_way[1] = 2;
        raw.send(&one_way).await;
        let mut one_way = encode_request(&vote("counter", 9), 1).to_frame(1, 1).to_vec();
        one_way[1] = 2;
        raw.send(&one_way).await;
        assert_alive(&mut raw).await;
        let seen = server.node.seen.lock();
        assert!(seen.contains(&vote("counter", 9)), "a one-way request is handled");
        assert!(!seen.contains(&append(50, 0)));
    });
}

#[test]
fn odd_fields_do_no_harm() {
    check(RpcOptions::default(), |server| async move {
        let mut raw = server.raw().await;
        for timeout in [0, -1, i32::MAX, i32::MIN] {
            let request = encode_request(&vote("counter", 3), 1).to_frame(9, timeout);
            raw.send(&request).await;
            assert_eq!(raw.response().await.class, Class::RequestVoteResponse.name());
        }
        for codec in [0, 1, 11, 0xff] {
            let mut request = ping(5);
            request[9] = codec;
            raw.send(&request).await;
            assert_eq!(raw.response().await.codec, codec);
        }
        let mut heartbeat = Vec::new();
        put_heartbeat(&mut heartbeat, 12);
        raw.send(&heartbeat).await;
        assert_eq!(raw.frame().await, Some(Frame::HeartbeatAck { id: 12 }));
        // With a body.
        let mut heartbeat = frame(b"class", b"header", b"content", 0);
        heartbeat[3] = 0;
        raw.send(&heartbeat).await;
        assert_eq!(raw.frame().await, Some(Frame::HeartbeatAck { id: 7 }));
        assert_alive(&mut raw).await;
    });
}

#[test]
fn ten_thousand_pings_in_one_piece_are_all_answered() {
    check(RpcOptions::default(), |server| async move {
        let mut raw = server.raw().await;
        let all: Vec<u8> = (0..10_000).flat_map(ping).collect();
        let (read_half, mut write_half) = tokio::io::split(raw.stream);
        let sent = spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut write_half, &all).await.unwrap();
        });
        raw = Raw::new(Box::new(tokio::io::join(read_half, tokio::io::sink())));
        for id in 0..10_000 {
            assert_eq!(raw.response().await.id, id);
        }
        sent.await.unwrap();
    });
}

#[test]
fn over_the_limit_of_open_requests_nothing_more_is_read() {
    let mut options = RpcOptions::default();
    options.max_open_requests_per_connection = 4;
    check(options, |server| async move {
        *server.node.holds_entries.lock() = true;
        let mut raw = server.raw().await;
        for first in 11..=30 {
            let request = encode_request(&append(first, 1), 1).to_frame(first as i32, 60_000);
            raw.send(&request).await;
        }
        until("four arrive", || server.node.held.lock().len() == 4).await;
        wait_ms(50).await;
        assert_eq!(server.node.held.lock().len(), 4);
        for first in 11..=30 {
            until("the next arrives", || !server.node.held.lock().is_empty()).await;
            assert!(server.node.held.lock().len() <= 4);
            server.node.release(first);
            assert_eq!(raw.response().await.id, first as i32);
        }
        *server.node.holds_entries.lock() = false;
    });
}

#[test]
fn connections_over_the_limit_are_closed_at_once() {
    let mut options = RpcOptions::default();
    options.max_connections = 3;
    check(options, |server| async move {
        let (mut first, mut second) = (server.raw().await, server.raw().await);
        assert_alive(&mut first).await;
        assert_alive(&mut second).await;
        let mut third = server.raw().await;
        assert_eq!(third.frame().await, None);
        // A place that becomes free is given away.
        drop(second);
        let mut connected = false;
        for _ in 0..100 {
            wait_ms(2).await;
            let mut fourth = server.raw().await;
            let sent = tokio::io::AsyncWriteExt::write_all(&mut fourth.stream, &ping(1)).await;
            if sent.is_ok() && fourth.frame().await.is_some() {
                connected = true;
                break;
            }
        }
        assert!(connected);
    });
}

#[test]
fn half_frames_and_silent_connections_are_closed() {
    run_paused(async {
        let net: Arc<dyn Net> = Arc::new(PipeNet::new());
        let server = Server::start(net, Arc::default(), RpcOptions::default()).await;
        let began = tokio::time::Instant::now();
        let mut silent = server.raw().await;
        assert_eq!(silent.frame().await, None);
        assert!((90..=100).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());

        let began = tokio::time::Instant::now();
        let mut slow = server.raw().await;
        let bytes = ping(1);
        let mut sent = 0;
        // One byte a second would take more than a minute.
        while tokio::io::AsyncWriteExt::write_all(&mut slow.stream, &bytes[sent..=sent])
            .await
            .is_ok()
        {
            sent += 1;
            wait_ms(1000).await;
        }
        assert!((30..=40).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());

        // With traffic a connection stays.
        let mut busy = server.raw().await;
        for _ in 0..10 {
            wait_ms(60_000).await;
            assert_alive(&mut busy).await;
        }
    });
}

#[test]
fn many_stalled_frames_cost_little_and_harm_nobody() {
    check(RpcOptions::default(), |server| async move {
        let mut stalled = Vec::new();
        for _ in 0..500 {
            let mut raw = server.raw().await;
            let start = frame(b"x", b"", b"", 1);
            raw.send(&start[..18]).await;
            raw.send(&(64_u32 << 20).to_be_bytes()).await;
            stalled.push(raw);
        }
        wait_ms(20).await;
    });
}

#[test]
fn a_request_that_is_never_answered_frees_its_place_after_its_timeout() {
    run_paused(async {
        let mut options = RpcOptions::default();
        options.max_open_requests_per_connection = 2;
        let net: Arc<dyn Net> = Arc::new(PipeNet::new());
        let server = Server::start(net, FakeNode::holding(), options).await;
        let mut raw = server.raw().await;
        for first in 1..=2 {
            raw.send(&encode_request(&append(first, 1), 1).to_frame(first as i32, 500)).await;
        }
        until("both arrive", || server.node.held.lock().len() == 2).await;
        *server.node.holds_entries.lock() = false;
        raw.send(&encode_request(&append(3, 1), 1).to_frame(3, 500)).await;
        // The expired ones are not answered and do not hold up the third.
        assert_eq!(raw.response().await.id, 3);
    });
}

#[test]
fn bad_connections_are_logged_once_a_second_with_what_they_look_like() {
    run_paused(async {
        let (lines, mut logged) = mpsc::unbounded_channel();
        let log = slog::Logger::root(slog::Drain::fuse(Lines(lines)), slog::o!());
        let net: Arc<dyn Net> = Arc::new(PipeNet::new());
        let at = "a:1".parse().unwrap();
        let options = RpcOptions::default();
        let factory = jraft_rpc::BoltRpcFactory::new(env_with_log(log), Arc::clone(&net), options);
        let node: Arc<FakeNode> = Arc::default();
        let _listening = factory.listen(&at, node, users()).await.unwrap();
        for _ in 0..100 {
            let mut raw = Raw::new(net.connect(&at).await.unwrap());
            raw.send(b"GET / HTTP/1.1\r\n\r\n").await;
            assert_eq!(raw.frame().await, None);
        }
        wait_ms(1500).await;
        let mut raw = Raw::new(net.connect(&at).await.unwrap());
        raw.send(&[0x16, 3, 1]).await;
        assert_eq!(raw.frame().await, None);
        let mut texts = Vec::new();
        while let Ok(line) = logged.try_recv() {
            texts.extend(Some(line).filter(|line| line.contains("closed a connection")));
        }
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("an HTTP request"), "{texts:?}");
        assert!(texts[1].contains("a TLS handshake"), "{texts:?}");
        assert!(texts[1].contains("suppressed=99"), "{texts:?}");
    });
}
