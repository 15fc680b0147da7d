//! How fast entries are encoded, decoded and carried. Numbers, not a check: run with
//! `cargo test --release -p jraft-rpc --test speed -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jraft_rpc::bolt::{Accepts, Class, Decoder, Frame};
use jraft_rpc::convert::{decode_request, encode_batch, encode_request};
use jraft_rpc::io::{Net, TcpNet};
use jraft_spi::RpcOptions;
use jraft_spi::message::*;
use jraft_spi::rpc::*;
use support::*;
use tokio::time::Instant;

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn encode_and_decode() {
    for (count, size) in [(1_u64, 16), (64, 16), (1024, 16), (64, 1024)] {
        let payloads: Vec<Bytes> = (0..count).map(|_| Bytes::from(vec![7; size])).collect();
        let RaftRequest::AppendEntries(request) = append_of(1_000_000, payloads) else { panic!() };
        let rounds = 2_000_000 / count.max(8);
        let entries = request.entries.entries();
        let began = Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(encode_batch(std::hint::black_box(entries)));
        }
        let encode = began.elapsed();
        let request = RaftRequest::AppendEntries(request);
        let frame = encode_request(&request, 0).to_frame(7, 5000);
        let began = Instant::now();
        for _ in 0..rounds {
            // The batch is encoded already, as for the second peer.
            std::hint::black_box(encode_request(&request, 0).to_frame(7, 5000));
        }
        let again = began.elapsed();
        let began = Instant::now();
        for _ in 0..rounds {
            let mut decoder = Decoder::new(Accepts::Requests, 64 << 20);
            decoder.feed(&frame);
            let Ok(Some(Frame::Request(frame))) = decoder.next_frame() else { panic!() };
            let class = Class::find(&frame.class).unwrap();
            std::hint::black_box(decode_request(class, &frame.header, &frame.content).unwrap());
        }
        let decode = began.elapsed();
        let per_entry = |time: Duration| time.as_nanos() as u64 / (rounds * count);
        println!(
            "{count:5} x {size:4} B: encode {:4} ns an entry, frame of an encoded batch {:5} ns, decode {:4} ns an entry",
            per_entry(encode),
            again.as_nanos() as u64 / rounds,
            per_entry(decode)
        );
    }
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn over_tcp_on_one_loop() {
    for (count, size, open) in
        [(0, 0, 1), (1_u64, 16, 1), (1, 16, 64), (64, 16, 16), (256, 16, 16), (64, 1024, 16)]
    {
        run(async {
            let net: Arc<dyn Net> = Arc::new(TcpNet);
            let node: Arc<FakeNode> = Arc::default();
            let server = Server::start(net, Arc::clone(&node), RpcOptions::default()).await;
            let client = server.factory.client();
            let mut waiting = std::collections::VecDeque::new();
            let (began, mut calls) = (Instant::now(), 0_u64);
            while began.elapsed() < Duration::from_millis(800) {
                while waiting.len() < open {
                    let payloads = (0..count).map(|_| Bytes::from(vec![7; size])).collect();
                    waiting.push_back(client.call(&server.at, append_of(1, payloads), LONG));
                }
                let answer: Result<RaftResponse, RpcError> = waiting.pop_front().unwrap().await;
                answer.unwrap();
                calls += 1;
                node.seen.lock().clear();
            }
            let seconds = began.elapsed().as_secs_f64();
            println!(
                "{count:4} x {size:4} B, {open:2} open: {:8.0} calls/s, {:9.0} entries/s",
                calls as f64 / seconds,
                (calls * count) as f64 / seconds
            );
        });
    }
}
