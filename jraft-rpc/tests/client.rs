//! What a client does when the other side is slow, silent, gone or back again.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jraft_rpc::io::{Net, PipeNet};
use jraft_spi::RpcOptions;
use jraft_spi::message::*;
use jraft_spi::rpc::*;
use support::by_hand::*;
use support::*;
use tokio::time::Instant;

#[test]
fn the_first_calls_wait_for_the_connection() {
    run_paused(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        assert!(!setup.client.is_connected(&setup.at));
        let (first, second) = (setup.ping(), setup.ping());
        let mut other = Other::accept(&mut *accept).await;
        for _ in 0..2 {
            let id = other.request_id().await;
            other.pong(id).await;
        }
        assert_eq!((first.await, second.await), (Ok(RaftResponse::Ping), Ok(RaftResponse::Ping)));
        assert!(setup.client.is_connected(&setup.at));
    });
}

#[test]
fn without_a_server_calls_fail_at_once_and_attempts_go_on_in_the_background() {
    run_paused(async {
        let setup = Setup::new();
        let error = setup.ping().await.unwrap_err();
        assert!(error.is_not_sent(), "{error}");
        assert_eq!(error.to_string(), "not connected to a:1: connection refused");
        let began = Instant::now_here();
        for _ in 0..100 {
            assert!(setup.ping().await.unwrap_err().is_not_sent());
        }
        assert_eq!(began.elapsed(), Duration::ZERO, "calls do not wait for the next attempt");
        wait_ms(4000).await;
        assert_eq!(setup.attempts_ms()[..8], [0, 50, 150, 350, 750, 1550, 2550, 3550]);
        // The server comes: connected within a second, without a call.
        let mut accept = setup.listen().await;
        let mut other = Other::accept(&mut *accept).await;
        assert!(setup.client.is_connected(&setup.at));
        let answer = setup.ping();
        let id = other.request_id().await;
        other.pong(id).await;
        assert_eq!(answer.await, Ok(RaftResponse::Ping));
    });
}

#[test]
fn a_lost_connection_fails_its_calls_and_is_made_anew_at_once() {
    run_paused(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        let (first, second) = (setup.ping(), setup.ping());
        let mut other = Other::accept(&mut *accept).await;
        let id = other.request_id().await;
        other.pong(id).await;
        assert_eq!(first.await, Ok(RaftResponse::Ping));
        drop(other);
        let lost = second.await.unwrap_err();
        assert!(matches!(lost, RpcError::Lost { .. }) && !lost.is_not_sent(), "{lost}");
        // Calls wait for the new connection.
        let third = setup.ping();
        let mut other = Other::accept(&mut *accept).await;
        let id = other.request_id().await;
        other.pong(id).await;
        assert_eq!(third.await, Ok(RaftResponse::Ping));
        assert_eq!(setup.attempts_ms(), [0, 0]);
    });
}

#[test]
fn calls_wait_for_the_attempt_right_after_a_loss_and_not_for_later_ones() {
    run_paused(async {
        let setup = Setup::new();
        setup.net.state.lock().slow = true;
        let mut accept = setup.listen().await;
        let first = setup.ping();
        let mut other = Other::accept(&mut *accept).await;
        let id = other.request_id().await;
        other.pong(id).await;
        first.await.unwrap();
        drop(other);
        until("lost", || !setup.client.is_connected(&setup.at)).await;
        let second = setup.ping();
        let mut other = Other::accept(&mut *accept).await;
        let id = other.request_id().await;
        other.pong(id).await;
        assert_eq!(second.await, Ok(RaftResponse::Ping));
        drop((other, accept));
        until("refused", || setup.attempts_ms().len() == 4).await;
        let began = Instant::now_here();
        assert!(setup.ping().await.unwrap_err().is_not_sent());
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
}

#[test]
fn connections_that_are_closed_at_once_count_as_failures() {
    run_paused(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        let call = setup.ping();
        for _ in 0..5 {
            drop(accept.accept().await.unwrap());
        }
        assert!(call.await.is_err());
        assert_eq!(setup.attempts_ms()[..5], [0, 50, 150, 350, 750]);
    });
}

#[test]
fn nobody_connects_for_an_endpoint_that_is_not_used_any_more() {
    run_paused(async {
        let setup = Setup::new();
        assert!(setup.ping().await.is_err());
        wait_ms(70_000).await;
        let attempts = setup.attempts_ms().len();
        wait_ms(600_000).await;
        assert_eq!(setup.attempts_ms().len(), attempts);
        let mut accept = setup.listen().await;
        let call = setup.ping();
        let mut other = Other::accept(&mut *accept).await;
        let id = other.request_id().await;
        other.pong(id).await;
        assert_eq!(call.await, Ok(RaftResponse::Ping), "the next call begins anew");
    });
}

#[test]
fn connecting_has_a_limit_and_so_have_the_calls_that_wait_for_it() {
    run_paused(async {
        let setup = Setup::new();
        setup.net.state.lock().hangs = true;
        let began = Instant::now_here();
        let short = setup.client.call(&setup.at, RaftRequest::Ping, Duration::from_millis(300));
        let long = setup.ping();
        assert!(matches!(short.await, Err(RpcError::TimedOut { .. })));
        assert_eq!(began.elapsed().as_millis(), 300);
        let error = long.await.unwrap_err();
        assert_eq!(error.to_string(), "not connected to a:1: no connection within 1s");
        assert_eq!(began.elapsed().as_millis(), 1000);
        // What waits is bounded.
        let setup = Setup::new();
        setup.net.state.lock().hangs = true;
        let body = Bytes::from(vec![0; 1 << 20]);
        let calls: Vec<_> = (0..10)
            .map(|_| setup.client.invoke(&setup.at, UserMessage::new("x", body.clone()), LONG))
            .collect();
        let mut overflows = 0;
        for call in calls {
            let error = call.await.unwrap_err();
            assert!(error.is_not_sent());
            overflows += usize::from(error.to_string().contains("write overflow"));
        }
        assert_eq!(overflows, 6);
    });
}

#[test]
fn calls_time_out_each_at_its_own_time_and_late_answers_are_dropped() {
    run_paused(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        let began = Instant::now_here();
        let call = |ms| setup.client.call(&setup.at, RaftRequest::Ping, Duration::from_millis(ms));
        let calls = [call(5000), call(500), call(1500), call(70_000)];
        let mut other = Other::accept(&mut *accept).await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(other.request_id().await);
        }
        let [slow, fast, middle, longest] = calls;
        let timed_out = |ms| RpcError::TimedOut {
            to: "a:1".parse().unwrap(),
            after: Duration::from_millis(ms),
        };
        assert_eq!(fast.await, Err(timed_out(500)));
        assert_eq!(began.elapsed().as_millis(), 500);
        assert_eq!(middle.await, Err(timed_out(1500)));
        other.pong(ids[1]).await;
        other.pong(4711).await;
        assert_eq!(slow.await, Err(timed_out(5000)));
        assert_eq!(began.elapsed().as_millis(), 5000);
        other.pong(ids[3]).await;
        assert_eq!(longest.await, Ok(RaftResponse::Ping));
        // A call that is made later and expires earlier.
        let (_slow, began) = (call(5000), Instant::now_here());
        wait_ms(10).await;
        assert_eq!(call(300).await, Err(timed_out(300)));
        assert_eq!(began.elapsed().as_millis(), 310);
    });
}

#[test]
fn requests_leave_in_the_order_of_the_calls_from_any_thread() {
    run(async {
        let net: Arc<dyn Net> = Arc::new(PipeNet::new());
        let server = Server::start(net, Arc::default(), RpcOptions::default()).await;
        let client = server.factory.client();
        let mut calls = Vec::new();
        for first in 1..=2000 {
            calls.push(client.call(&server.at, append(first, first % 3), LONG));
            if first % 500 == 0 {
                wait_ms(1).await;
            }
        }
        for (at, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await, Ok(appended(at as u64 + 1)));
        }
        let seen = server.node.seen_indexes();
        assert_eq!(seen, (1..=2000).collect::<Vec<_>>());

        let (other_client, at) = (Arc::clone(&client), server.at.clone());
        #[allow(clippy::disallowed_methods, reason = "a foreign thread is what this tests")]
        let thread = std::thread::spawn(move || {
            (3001..=3500)
                .map(|first| other_client.call(&at, append(first, 1), LONG))
                .collect::<Vec<_>>()
        });
        let calls = loop {
            if thread.is_finished() {
                break thread.join().unwrap();
            }
            wait_ms(1).await;
        };
        for (at, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await, Ok(appended(at as u64 + 3001)));
        }
        assert_eq!(server.node.seen_indexes()[2000..], (3001..=3500).collect::<Vec<_>>());
    });
}

#[test]
fn a_reader_that_stops_makes_calls_fail_instead_of_filling_the_memory() {
    run_paused(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        let connected = setup.ping();
        let mut other = Other::accept(&mut *accept).await;
        let id = other.request_id().await;
        other.pong(id).await;
        connected.await.unwrap();
        let body = Bytes::from(vec![0; 1 << 20]);
        let calls: Vec<_> = (0..200)
            .map(|_| setup.client.invoke(&setup.at, UserMessage::new("x", body.clone()), LONG))
            .collect();
        let (mut overflows, mut others) = (0, 0);
        for call in calls {
            match call.await.unwrap_err() {
                RpcError::NotConnected { why, .. } if why.contains("write overflow") => {
                    overflows += 1
                }
                RpcError::TimedOut { .. } => others += 1,
                error => panic!("{error}"),
            }
        }
        assert_eq!((overflows, others), (136, 64));
        // It reads again: everything recovers.
        for _ in 0..64 {
            other.request_id().await;
        }
        let answer = setup.ping();
        let id = other.request_id().await;
        other.pong(id).await;
        assert_eq!(answer.await, Ok(RaftResponse::Ping));
    });
}

#[test]
fn a_request_over_the_frame_limit_is_not_sent() {
    run(async {
        let mut options = RpcOptions::default();
        options.max_frame_bytes = 2000;
        let net: Arc<dyn Net> = Arc::new(PipeNet::new());
        let server = Server::start(net, Arc::default(), options).await;
        let client = server.factory.client();
        let send =
            |len| client.invoke(&server.at, UserMessage::new("test.Echo", vec![7; len]), LONG);
        assert!(send(2000).await.is_ok());
        let error = send(2001).await.unwrap_err();
        assert!(error.is_not_sent() && error.to_string().contains("max_frame_bytes"), "{error}");
        let name = "x".repeat(32_768);
        let error = client.invoke(&server.at, UserMessage::new(name, ""), LONG).await.unwrap_err();
        assert!(error.is_not_sent(), "{error}");
        assert!(send(1).await.is_ok());
    });
}

#[test]
fn answers_that_are_none_close_the_connection() {
    run_paused(async {
        for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], &[2, 1], &[1, 1, 0, 1]] {
            let setup = Setup::new();
            let mut accept = setup.listen().await;
            let call = setup.ping();
            let mut other = Other::accept(&mut *accept).await;
            other.request_id().await;
            other.send(bytes).await;
            assert!(matches!(call.await, Err(RpcError::Lost { .. })), "{bytes:?}");
        }
    });
}

#[test]
fn the_end_of_the_client_closes_its_connections_and_fails_its_calls() {
    run_paused(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        let call = setup.ping();
        let mut other = Other::accept(&mut *accept).await;
        other.request_id().await;
        drop(setup.client);
        assert!(matches!(call.await, Err(RpcError::Lost { .. })));
        assert_eq!(other.frame().await, None);
    });
}

#[test]
fn the_end_of_the_loop_fails_the_calls_of_its_client() {
    let its_loop = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (setup, call, other) = its_loop.block_on(async {
        let setup = Setup::new();
        let mut accept = setup.listen().await;
        let call = setup.ping();
        let mut other = Other::accept(&mut *accept).await;
        other.request_id().await;
        (setup, call, other)
    });
    drop(its_loop);
    run(async {
        assert!(matches!(call.await, Err(RpcError::Lost { .. })));
        drop(other);
        for _ in 0..2 {
            let error = setup.ping().await.unwrap_err();
            assert!(error.is_not_sent(), "{error}");
            assert!(error.to_string().ends_with("the loop of the client has ended"), "{error}");
        }
    });
}

#[test]
fn a_closed_port_closes_its_connections_and_can_be_opened_again() {
    for net in [Arc::new(PipeNet::new()) as Arc<dyn Net>, Arc::new(jraft_rpc::io::TcpNet)] {
        run(async {
            // Nobody connects from this address: its port stays free while nobody listens.
            let (any, node) = ("127.0.0.3:0", FakeNode::holding());
            let server = Server::start_at(any, Arc::clone(&net), node, RpcOptions::default()).await;
            let client = server.factory.client();
            let call = client.call(&server.at, append(1, 1), LONG);
            until("it arrives", || server.node.held.lock().len() == 1).await;
            let at = server.at.to_string();
            let node: Arc<FakeNode> = Arc::default();
            let twice = server.factory.listen(&server.at, node, users()).await;
            let error = twice.err().unwrap().to_string();
            assert_eq!(error, format!("cannot listen on {at}: the address is in use"));
            server.listening.close().await;
            assert!(matches!(call.await, Err(RpcError::Lost { .. })));
            assert!(client.call(&server.at, RaftRequest::Ping, LONG).await.is_err());
            let again = Server::start_at(&at, net, Arc::default(), RpcOptions::default()).await;
            until("connected again", || client.is_connected(&again.at)).await;
            let answer = client.call(&again.at, RaftRequest::Ping, LONG).await;
            assert_eq!(answer, Ok(RaftResponse::Ping));
        });
    }
}
