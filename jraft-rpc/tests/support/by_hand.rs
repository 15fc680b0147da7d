//! A client on a network that can refuse and hang, and the side it connects to, played by hand.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jraft_rpc::BoltRpcFactory;
use jraft_rpc::bolt::{Accepts, Class, Decoder, Frame, ResponseHead, put_heartbeat_ack};
use jraft_rpc::io::{Accept, Net, PipeNet, Stream};
use jraft_spi::env::BoxFuture;
use jraft_spi::message::*;
use jraft_spi::rpc::*;
use jraft_spi::{Endpoint, RpcOptions};
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use super::{LONG, env, wait_ms};

/// A network that can refuse and hang, and counts attempts.
#[derive(Clone, Default)]
pub struct Unreliable {
    pipes: PipeNet,
    pub state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    attempts: Vec<Duration>,
    began: Option<Instant>,
    pub hangs: bool,
    pub slow: bool,
}

impl Net for Unreliable {
    #[allow(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    fn connect(&self, to: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let mut state = self.state.lock();
        let began = *state.began.get_or_insert_with(Instant::now);
        state.attempts.push(began.elapsed());
        if state.hangs {
            return Box::pin(std::future::pending());
        }
        let (connected, slow) = (self.pipes.connect(to), state.slow);
        Box::pin(async move {
            if slow {
                wait_ms(100).await;
            }
            connected.await
        })
    }
    fn listen(&self, at: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Accept>>> {
        self.pipes.listen(at)
    }
}

/// A client, and the place where the other side listens if a test wants it.
pub struct Setup {
    pub net: Unreliable,
    pub client: Arc<dyn RaftClientService>,
    pub at: Endpoint,
}

impl Setup {
    pub fn new() -> Self {
        let net = Unreliable::default();
        let shared: Arc<dyn Net> = Arc::new(net.clone());
        let client = BoltRpcFactory::new(env(), shared, RpcOptions::default()).client();
        Self { net, client, at: "a:1".parse().unwrap() }
    }

    pub async fn listen(&self) -> Box<dyn Accept> {
        self.net.listen(&self.at).await.unwrap()
    }

    pub fn ping(&self) -> BoxFuture<'static, Result<RaftResponse, RpcError>> {
        self.client.call(&self.at, RaftRequest::Ping, LONG)
    }

    pub fn attempts_ms(&self) -> Vec<u128> {
        self.net.state.lock().attempts.iter().map(Duration::as_millis).collect()
    }
}

/// The side that is connected to, by hand.
pub struct Other {
    pub stream: Box<dyn Stream>,
    pub decoder: Decoder,
}

impl Other {
    pub async fn accept(accept: &mut dyn Accept) -> Self {
        let stream = accept.accept().await.unwrap().stream;
        Self { stream, decoder: Decoder::new(Accepts::Requests, 64 << 20) }
    }

    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(frame);
            }
            if self.stream.read_buf(self.decoder.buffer()).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The id of the next request; heartbeats before it get no answer.
    pub async fn request_id(&mut self) -> i32 {
        loop {
            match self.frame().await {
                Some(Frame::Request(request)) => return request.id,
                Some(Frame::Heartbeat { .. }) => {}
                other => panic!("no request: {other:?}"),
            }
        }
    }

    pub async fn ack(&mut self, id: i32) {
        let mut ack = Vec::new();
        put_heartbeat_ack(&mut ack, id);
        self.send(&ack).await;
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        tokio::io::AsyncWriteExt::write_all(&mut self.stream, bytes).await.unwrap();
    }

    pub async fn pong(&mut self, id: i32) {
        let mut out = Vec::new();
        ResponseHead::success(id, 1, Class::ErrorResponse.name().as_bytes(), 2).put(&mut out);
        out.extend_from_slice(&[8, 0]);
        self.send(&out).await;
    }
}

/// The clock of the tests.
pub trait NowHere {
    fn now_here() -> Self;
}

impl NowHere for Instant {
    #[allow(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    fn now_here() -> Self {
        Self::now()
    }
}
