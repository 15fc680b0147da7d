//! What a client makes of a connection on which nothing arrives.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use jraft_rpc::bolt::Frame;
use jraft_spi::message::*;
use jraft_spi::rpc::*;
use support::by_hand::*;
use support::*;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

#[test]
fn a_silent_connection_is_asked_and_closed_if_it_does_not_answer() {
    run_paused(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        let call = setup.ping();
        let mut other = Other::accept(&mut *accept).await;
        let id = other.request_id().await;
        other.pong(id).await;
        call.await.unwrap();
        let began = Instant::now_here();
        // Acked heartbeats keep it.
        for round in 1..=8 {
            let Some(Frame::Heartbeat { id }) = other.frame().await else { panic!() };
            assert_eq!(began.elapsed().as_secs(), 15 * round);
            other.ack(id).await;
        }
        // So does an ack after two that are missing.
        for round in 1..=9 {
            let Some(Frame::Heartbeat { id }) = other.frame().await else { panic!() };
            if round % 3 == 0 {
                other.ack(id).await;
            }
        }
        let began = Instant::now_here();
        for _ in 0..3 {
            assert!(matches!(other.frame().await, Some(Frame::Heartbeat { .. })));
        }
        assert_eq!(other.frame().await, None);
        assert_eq!(began.elapsed().as_secs(), 46);
    });
}

/// As after a partition without a trace: what is queued waits for the kernel, which sends again later and later.
#[test]
fn a_connection_on_which_calls_expire_in_silence_is_made_anew() {
    run_paused(async {
        for (timeout_ms, ends_after_ms) in [(1100, 4300), (5000, 6000)] {
            let setup = Setup::new();
            let mut accept = setup.listen().await;
            let call = setup.ping();
            let mut silent = Other::accept(&mut *accept).await;
            let id = silent.request_id().await;
            silent.pong(id).await;
            call.await.unwrap();
            let timeout = Duration::from_millis(timeout_ms);
            for _ in 0..60 {
                // The last of them is lost with the connection.
                let call = setup.client.call(&setup.at, RaftRequest::Ping, timeout);
                assert!(!call.await.unwrap_err().is_not_sent());
                if setup.attempts_ms().len() == 2 {
                    break;
                }
            }
            assert_eq!(setup.attempts_ms(), [0, ends_after_ms]);
            let call = setup.ping();
            let mut other = Other::accept(&mut *accept).await;
            let id = other.request_id().await;
            other.pong(id).await;
            assert_eq!(call.await, Ok(RaftResponse::Ping));
        }
    });
}

#[test]
fn a_peer_that_only_takes_its_time_keeps_its_connection() {
    run_paused(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        let call = |ms| setup.client.call(&setup.at, RaftRequest::Ping, Duration::from_millis(ms));
        let slow = call(60_000);
        let mut other = Other::accept(&mut *accept).await;
        let slow_id = other.request_id().await;
        // It answers others: then it is not even asked.
        for _ in 0..4 {
            let (long, short) = (call(5000), call(2000));
            assert!(matches!(other.frame().await, Some(Frame::Request(_))));
            let Some(Frame::Request(request)) = other.frame().await else { panic!() };
            wait_ms(1000).await;
            other.pong(request.id).await;
            assert_eq!(short.await, Ok(RaftResponse::Ping));
            assert!(matches!(long.await, Err(RpcError::TimedOut { .. })));
            wait_ms(100).await;
        }
        // It answers nothing but heartbeats.
        for _ in 0..4 {
            let call = call(4000);
            assert!(matches!(other.frame().await, Some(Frame::Request(_))));
            let Some(Frame::Heartbeat { id }) = other.frame().await else { panic!() };
            other.ack(id).await;
            assert!(matches!(call.await, Err(RpcError::TimedOut { .. })));
            wait_ms(100).await;
        }
        other.pong(slow_id).await;
        assert_eq!(slow.await, Ok(RaftResponse::Ping));
        assert_eq!(setup.attempts_ms(), [0]);
    });
}

#[test]
fn a_large_request_on_a_slow_line_keeps_its_connection() {
    run_paused(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        let body = Bytes::from(vec![7; 1 << 20]);
        let large = setup.client.invoke(&setup.at, UserMessage::new("x", body), LONG);
        let mut other = Other::accept(&mut *accept).await;
        let (mut piece, began) = (vec![0; 32 << 10], Instant::now_here());
        let id = loop {
            if let Some(Frame::Request(request)) = other.decoder.next_frame().unwrap() {
                break request.id;
            }
            wait_ms(200).await;
            let read = other.stream.read(&mut piece).await.unwrap();
            assert_ne!(read, 0, "the connection was given up after {:?}", began.elapsed());
            other.decoder.feed(&piece[..read]);
        };
        assert!(matches!(large.await, Err(RpcError::TimedOut { .. })));
        other.pong(id).await;
        let call = setup.ping();
        let id = other.request_id().await;
        other.pong(id).await;
        assert_eq!(call.await, Ok(RaftResponse::Ping));
        assert_eq!(setup.attempts_ms(), [0]);
    });
}
