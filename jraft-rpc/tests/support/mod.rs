//! What the tests of this package share: an environment on tokio, a node that answers, raw frames.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

pub mod by_hand;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use jraft_rpc::BoltRpcFactory;
use jraft_rpc::bolt::{Accepts, Decoder, Frame, ResponseFrame};
use jraft_rpc::io::{Net, Stream};
use jraft_spi::env::{BoxFuture, Clock, Env, MonoTime, Place, SeededRng, Spawner, TaskHandle};
use jraft_spi::message::*;
use jraft_spi::rpc::*;
use jraft_spi::{Endpoint, LogEntry, LogId, LogIndex, RaftError, RpcOptions, Status, Term};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> MonoTime {
        // Not zero at the start, as real clocks are not.
        MonoTime::from_nanos(1_000_000_000 + self.0.elapsed().as_nanos() as u64)
    }
    #[allow(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        let at = self.0 + Duration::from_nanos(at.as_nanos().saturating_sub(1_000_000_000));
        Box::pin(tokio::time::sleep_until(at))
    }
}

struct TokioSpawner(tokio::runtime::Handle);

struct Handle(tokio::task::AbortHandle);

impl TaskHandle for Handle {
    fn abort(&self) {
        self.0.abort();
    }
}

impl Spawner for TokioSpawner {
    fn spawn(
        &self,
        _name: &'static str,
        _place: &Place,
        task: BoxFuture<'static, ()>,
    ) -> Box<dyn TaskHandle> {
        Box::new(Handle(self.0.spawn(task).abort_handle()))
    }
}

/// An environment on the runtime that is running. Virtual time if that is paused.
#[allow(clippy::disallowed_methods, reason = "this is the clock of the tests")]
pub fn env() -> Env {
    env_with_log(slog::Logger::root(slog::Discard, slog::o!()))
}

#[allow(clippy::disallowed_methods, reason = "this is the clock of the tests")]
pub fn env_with_log(log: slog::Logger) -> Env {
    Env::new(
        Arc::new(TokioClock(Instant::now())),
        Arc::new(SeededRng::new(1)),
        Arc::new(TokioSpawner(tokio::runtime::Handle::current())),
        log,
    )
}

/// Runs a test on a loop of one thread.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    run_on(test, false)
}

/// The same with time that passes only when nobody has anything to do.
pub fn run_paused<T>(test: impl Future<Output = T>) -> T {
    run_on(test, true)
}

fn run_on<T>(test: impl Future<Output = T>, paused: bool) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(paused)
        .build()
        .unwrap();
    // A test that waits for ever fails instead: after ten seconds, or a day of time that only seems to pass.
    let limit = Duration::from_secs(if paused { 86_400 } else { 10 });
    #[allow(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    let test = async { tokio::time::timeout(limit, test).await };
    runtime.block_on(test).expect("the test takes too long")
}

pub fn wait_ms(ms: u64) -> impl Future<Output = ()> {
    #[allow(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    tokio::time::sleep(Duration::from_millis(ms))
}

/// Waits until `done`; fails after ten seconds of the clock.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        wait_ms(1).await;
    }
    panic!("never: {what}");
}

type Held = tokio::sync::oneshot::Sender<Result<RaftResponse, Status>>;

/// A node that answers everything, notes what came, and keeps back the answers to what it is told to.
#[derive(Default)]
pub struct FakeNode {
    pub seen: Mutex<Vec<RaftRequest>>,
    /// Whether AppendEntries with entries wait until they are released.
    pub holds_entries: Mutex<bool>,
    pub held: Mutex<Vec<(u64, Held)>>,
}

impl FakeNode {
    pub fn holding() -> Arc<Self> {
        let node = Self::default();
        *node.holds_entries.lock() = true;
        Arc::new(node)
    }

    /// Answers the held request whose first entry has this index.
    pub fn release(&self, first: u64) {
        let mut held = self.held.lock();
        let at = held.iter().position(|(index, _)| *index == first).unwrap();
        let (index, to) = held.remove(at);
        drop(to.send(Ok(appended(index))));
    }

    pub fn seen_indexes(&self) -> Vec<u64> {
        let seen = self.seen.lock();
        seen.iter()
            .filter_map(|request| match request {
                RaftRequest::AppendEntries(append) => Some(append.prev.index.0 + 1),
                _ => None,
            })
            .collect()
    }
}

/// The answer to entries that tells which: real followers leave the index out.
pub fn appended(first: u64) -> RaftResponse {
    RaftResponse::AppendEntries(AppendEntriesResponse {
        term: Term(1),
        success: true,
        last_log_index: Some(LogIndex(first)),
    })
}

impl RaftServerService for FakeNode {
    fn handle(&self, request: RaftRequest) -> BoxFuture<'static, Result<RaftResponse, Status>> {
        self.seen.lock().push(request.clone());
        let answer = match request {
            RaftRequest::Ping => panic!("the transport answers pings"),
            RaftRequest::RequestVote(vote) if vote.group.as_str() == "refused" => {
                Err(Status::new(RaftError::ENOENT, "no such group"))
            }
            RaftRequest::RequestVote(vote) => Ok(RaftResponse::RequestVote(RequestVoteResponse {
                term: vote.term,
                granted: !vote.pre_vote,
            })),
            RaftRequest::AppendEntries(append) => {
                let first = append.prev.index.0 + 1;
                if append.kind == AppendKind::Entries && *self.holds_entries.lock() {
                    let (to, answered) = tokio::sync::oneshot::channel();
                    self.held.lock().push((first, to));
                    return Box::pin(async move { answered.await.unwrap() });
                }
                Ok(appended(first))
            }
            RaftRequest::TimeoutNow(now) => Ok(RaftResponse::TimeoutNow(TimeoutNowResponse {
                term: now.term.next(),
                success: true,
            })),
            RaftRequest::GetLeader(get) => get
                .peer
                .map(RaftResponse::GetLeader)
                .ok_or_else(|| Status::new(RaftError::EAGAIN, "Unknown leader")),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// Processors of an application, by name.
#[derive(Default)]
pub struct Users(pub BTreeMap<String, Arc<dyn UserProcessor>>);

impl UserProcessors for Users {
    fn find(&self, name: &str) -> Option<Arc<dyn UserProcessor>> {
        self.0.get(name).cloned()
    }
}

/// Answers with what it got, or refuses, or drops the request, as the body says.
pub struct Echo;

impl UserProcessor for Echo {
    fn request_name(&self) -> &'static str {
        "test.Echo"
    }
    fn handle(&self, request: UserRequest, reply: Replier) {
        match &request.body[..] {
            b"refuse" => reply.answer(Err(Status::new(RaftError::EPERM, "refused"))),
            b"drop" => drop(reply),
            b"large" => reply.answer(Ok(UserMessage::new("x", vec![0; (64 << 20) + 1]))),
            _ => reply.answer(Ok(UserMessage::new("test.Echoed", request.body))),
        }
    }
}

pub fn users() -> Arc<Users> {
    let echo: Arc<dyn UserProcessor> = Arc::new(Echo);
    Arc::new(Users(BTreeMap::from([(echo.request_name().to_owned(), echo)])))
}

pub struct Server {
    pub node: Arc<FakeNode>,
    pub at: Endpoint,
    pub listening: Box<dyn Listening>,
    pub net: Arc<dyn Net>,
    pub factory: BoltRpcFactory,
}

impl Server {
    pub async fn start(net: Arc<dyn Net>, node: Arc<FakeNode>, options: RpcOptions) -> Self {
        Self::start_at("127.0.0.1:0", net, node, options).await
    }

    pub async fn start_at(
        at: &str,
        net: Arc<dyn Net>,
        node: Arc<FakeNode>,
        options: RpcOptions,
    ) -> Self {
        let factory = BoltRpcFactory::new(env(), Arc::clone(&net), options);
        let at: Endpoint = at.parse().unwrap();
        let raft = Arc::clone(&node) as Arc<dyn RaftServerService>;
        let listening = factory.listen(&at, raft, users()).await.unwrap();
        let at = listening.endpoint().clone();
        Self { node, at, listening, net, factory }
    }

    pub async fn raw(&self) -> Raw {
        Raw::new(self.net.connect(&self.at).await.unwrap())
    }
}

/// A connection without a client behind it.
pub struct Raw {
    pub stream: Box<dyn Stream>,
    pub decoder: Decoder,
}

impl Raw {
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, decoder: Decoder::new(Accepts::Responses, 64 << 20) }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None` if the other side closes.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(frame);
            }
            match self.stream.read_buf(self.decoder.buffer()).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub async fn response(&mut self) -> ResponseFrame {
        match self.frame().await {
            Some(Frame::Response(response)) => response,
            other => panic!("no response: {other:?}"),
        }
    }
}

pub const LONG: Duration = Duration::from_secs(5);

pub fn vote(group: &str, term: u64) -> RaftRequest {
    RaftRequest::RequestVote(RequestVoteRequest {
        group: group.parse().unwrap(),
        server: "127.0.0.1:8081".parse().unwrap(),
        peer: "127.0.0.1:8082".parse().unwrap(),
        term: Term(term),
        last_log: LogId::new(LogIndex(3), Term(2)),
        pre_vote: false,
    })
}

/// A request with `count` entries from `first` on; a heartbeat if there are none.
pub fn append(first: u64, count: u64) -> RaftRequest {
    append_of(first, (0..count).map(|_| Bytes::from_static(b"0123456789abcdef")).collect())
}

pub fn append_of(first: u64, payloads: Vec<Bytes>) -> RaftRequest {
    let kind = if payloads.is_empty() { AppendKind::Heartbeat } else { AppendKind::Entries };
    let entry = |(at, data)| LogEntry::data(LogId::new(LogIndex(first + at as u64), Term(1)), data);
    RaftRequest::AppendEntries(AppendEntriesRequest {
        group: "counter".parse().unwrap(),
        server: "127.0.0.1:8081".parse().unwrap(),
        peer: "127.0.0.1:8082".parse().unwrap(),
        term: Term(1),
        prev: LogId::new(LogIndex(first - 1), Term(1)),
        committed: LogIndex(first - 1),
        kind,
        entries: EntryBatch::new(payloads.into_iter().enumerate().map(entry).collect()),
    })
}

/// Log lines, for tests that count them.
pub struct Lines(pub mpsc::UnboundedSender<String>);

impl slog::Drain for Lines {
    type Ok = ();
    type Err = slog::Never;
    fn log(
        &self,
        record: &slog::Record<'_>,
        values: &slog::OwnedKVList,
    ) -> Result<(), slog::Never> {
        struct Text(String);
        impl slog::Serializer for Text {
            fn emit_arguments(
                &mut self,
                key: slog::Key,
                value: &std::fmt::Arguments<'_>,
            ) -> slog::Result {
                self.0 += &format!(" {key}={value}");
                Ok(())
            }
        }
        use slog::KV;
        let mut text = Text(record.msg().to_string());
        record.kv().serialize(record, &mut text).ok();
        values.serialize(record, &mut text).ok();
        drop(self.0.send(text.0));
        Ok(())
    }
}

/// Runs something beside the test.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    #[allow(clippy::disallowed_methods, reason = "this is the loop of the tests")]
    tokio::spawn(task)
}
