//! A client and a server that talk with each other, over TCP and over pipes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::Arc;

use jraft_rpc::io::{Net, PipeNet, TcpNet};
use jraft_spi::message::*;
use jraft_spi::rpc::*;
use jraft_spi::{RaftError, RpcOptions, Status, Term};
use support::*;

fn nets() -> [Arc<dyn Net>; 2] {
    [Arc::new(TcpNet), Arc::new(PipeNet::new())]
}

#[test]
fn every_message_comes_back() {
    for net in nets() {
        run(async {
            let server = Server::start(net, Arc::default(), RpcOptions::default()).await;
            let client = server.factory.client();
            let call = |request| client.call(&server.at, request, LONG);
            assert_eq!(call(RaftRequest::Ping).await, Ok(RaftResponse::Ping));
            assert!(client.is_connected(&server.at));
            let granted = RequestVoteResponse { term: Term(7), granted: true };
            assert_eq!(call(vote("counter", 7)).await, Ok(RaftResponse::RequestVote(granted)));
            let refused = Status::new(RaftError::ENOENT, "no such group");
            assert_eq!(call(vote("refused", 7)).await, Err(RpcError::Remote(refused)));
            assert_eq!(call(append(5, 0)).await, Ok(appended(5)));
            assert_eq!(call(append(5, 3)).await, Ok(appended(5)));
            let now = RaftRequest::TimeoutNow(TimeoutNowRequest {
                group: "counter".parse().unwrap(),
                server: "127.0.0.1:8081".parse().unwrap(),
                peer: "127.0.0.1:8082".parse().unwrap(),
                term: Term(3),
            });
            let started = TimeoutNowResponse { term: Term(4), success: true };
            assert_eq!(call(now).await, Ok(RaftResponse::TimeoutNow(started)));
            let leader = GetLeaderRequest {
                group: "counter".parse().unwrap(),
                peer: Some("127.0.0.1:8082::7".parse().unwrap()),
            };
            let answer = call(RaftRequest::GetLeader(leader)).await;
            assert_eq!(answer, Ok(RaftResponse::GetLeader("127.0.0.1:8082".parse().unwrap())));
            let seen = server.node.seen.lock();
            assert_eq!(seen[2], append(5, 0));
            assert_eq!(seen[3], append(5, 3));
            assert_eq!(seen.len(), 6);
        });
    }
}

#[test]
fn requests_of_the_application_go_by_name() {
    for net in nets() {
        run(async {
            let server = Server::start(net, Arc::default(), RpcOptions::default()).await;
            let client = server.factory.client();
            let invoke = |name: &str, body: &'static [u8]| {
                client.invoke(&server.at, UserMessage::new(name, body), LONG)
            };
            let echoed = UserMessage::new("test.Echoed", &b"hello"[..]);
            assert_eq!(invoke("test.Echo", b"hello").await, Ok(echoed));
            let empty = UserMessage::new("test.Echoed", &b""[..]);
            assert_eq!(invoke("test.Echo", b"").await, Ok(empty));
            let refused = Status::new(RaftError::EPERM, "refused");
            assert_eq!(invoke("test.Echo", b"refuse").await, Err(RpcError::Remote(refused)));
            let error = invoke("test.Echo", b"drop").await.unwrap_err();
            assert!(error.to_string().contains("dropped the request"), "{error}");
            let error = invoke("test.Echo", b"large").await.unwrap_err();
            assert!(error.to_string().contains("too long"), "{error}");
            let error = invoke("test.Unknown", b"").await.unwrap_err();
            let RpcError::Remote(status) = error else { panic!("{error}") };
            assert!(status.is(RaftError::ENOENT), "nothing was done: {status}");
            assert!(status.message().contains("SERVER_EXCEPTION"), "{status}");
        });
    }
}

#[test]
fn entries_of_a_pair_are_answered_in_order_and_heartbeats_do_not_wait() {
    for net in nets() {
        run(async {
            let server = Server::start(net, FakeNode::holding(), RpcOptions::default()).await;
            let client = server.factory.client();
            let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
            let mut waits = Vec::new();
            for first in [1, 2, 3] {
                let (answer, order) =
                    (client.call(&server.at, append(first, 1), LONG), order.clone());
                waits.push(spawn(async move {
                    assert_eq!(answer.await, Ok(appended(first)));
                    order.lock().push(first);
                }));
            }
            until("all arrive", || server.node.held.lock().len() == 3).await;
            assert_eq!(server.node.seen_indexes(), [1, 2, 3]);
            assert_eq!(client.call(&server.at, append(9, 0), LONG).await, Ok(appended(9)));
            server.node.release(3);
            server.node.release(2);
            wait_ms(20).await;
            assert!(order.lock().is_empty());
            server.node.release(1);
            until("all answered", || order.lock().len() == 3).await;
            assert_eq!(*order.lock(), [1, 2, 3]);
            drop(waits);
        });
    }
}
