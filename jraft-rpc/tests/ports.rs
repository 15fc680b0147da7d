//! Where TCP ports are opened.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::Arc;

use jraft_rpc::io::{Net, TcpNet};
use jraft_spi::message::*;
use jraft_spi::rpc::*;
use jraft_spi::{Endpoint, RpcOptions};
use support::*;

async fn listen(at: &str) -> Server {
    let net: Arc<dyn Net> = Arc::new(TcpNet);
    Server::start_at(at, net, Arc::default(), RpcOptions::default()).await
}

async fn ping(server: &Server, host: &str) -> Result<RaftResponse, RpcError> {
    let to = Endpoint::new(host, server.at.port());
    server.factory.client().call(&to, RaftRequest::Ping, LONG).await
}

#[test]
fn an_address_is_opened_alone() {
    run(async {
        let first = listen("127.0.0.1:0").await;
        assert_eq!(first.at.host(), "127.0.0.1");
        assert!(ping(&first, "127.0.0.2").await.unwrap_err().is_not_sent());
        let second = listen(&format!("127.0.0.2:{}", first.at.port())).await;
        assert_eq!(ping(&first, "127.0.0.1").await, Ok(RaftResponse::Ping));
        assert_eq!(ping(&second, "127.0.0.2").await, Ok(RaftResponse::Ping));
    });
}

#[test]
fn names_and_foreign_addresses_open_all() {
    run(async {
        // 203.0.113.0/24 is for documentation: no machine has it.
        for at in ["localhost:0", "203.0.113.7:0", ":0"] {
            let server = listen(at).await;
            assert_eq!(ping(&server, "127.0.0.1").await, Ok(RaftResponse::Ping), "{at}");
            assert_eq!(ping(&server, "127.0.0.2").await, Ok(RaftResponse::Ping), "{at}");
        }
        let server = listen("localhost:0").await;
        assert_eq!(ping(&server, "localhost").await, Ok(RaftResponse::Ping), "a name is resolved");
    });
}

#[test]
fn ports_that_are_none_are_refused() {
    run(async {
        let server = listen("127.0.0.1:0").await;
        for at in ["127.0.0.1:65536", "127.0.0.1:-1"] {
            let at: Endpoint = at.parse().unwrap();
            let node: Arc<FakeNode> = Arc::default();
            let error = server.factory.listen(&at, node, users()).await.err().unwrap();
            assert!(error.to_string().contains("no valid port"), "{error}");
            let client = server.factory.client();
            let error = client.call(&at, RaftRequest::Ping, LONG).await.unwrap_err();
            assert!(error.is_not_sent() && error.to_string().contains("no valid port"), "{error}");
        }
    });
}
