//! Members of an `App` in one process: what they refuse, and what whoever proposed hears.

use std::future::Future;
use std::time::Duration;

use jraft_spi::rpc::{UserMessage, UserProcessor};
use jraft_spi::status::Role;
use jraft_spi::{RaftError, Status};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use super::codec::{Ending, decode_ending, encode_command};
use super::depth::MAX_DEPTH;
use super::{App, AppHandle, ReadError, forward};
use crate::assemble::{RaftGroupBuilder, RaftGroupService, Runtime};
use crate::fsm::{ApplyError, Entries, StateMachine};
use crate::memory::Network;
use crate::node::{Node, ProposeError};

const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test that must not take for ever.
fn within<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        #[allow(clippy::disallowed_methods, reason = "a test's patience is in real time")]
        let outcome = tokio::time::timeout(LIMIT, test).await;
        outcome.expect("the test ends in time")
    })
}

struct Host {
    runtime: Runtime,
    network: Network,
}

impl Host {
    fn new() -> Self {
        Self { runtime: Runtime::new().unwrap(), network: Network::new() }
    }

    fn builder(&self, me: &str, conf: &str) -> RaftGroupBuilder {
        let builder = RaftGroupService::builder("g", me).initial_conf(conf);
        let builder = builder.runtime(&self.runtime).in_memory(&self.network);
        builder.configure(|options| options.election_timeout_ms = 1000)
    }

    /// One that stands for no election as long as a test lasts, and does not try long.
    fn follower(&self, me: &str, conf: &str) -> RaftGroupBuilder {
        self.builder(me, conf).configure(|options| {
            options.election_timeout_ms = 600_000;
            options.rpc.rpc_default_timeout = 300;
        })
    }

    /// Sends a body to the processor of `service`, as anybody could who reaches its port.
    async fn send<A: App>(
        &self,
        service: &RaftGroupService<AppHandle<A>>,
        body: Vec<u8>,
    ) -> Ending<A::Out> {
        let name = forward::Processor::<A>::new(service.node()).request_name().to_owned();
        let client = self.network.factory(&self.runtime.env()).client();
        let to = service.node().id().endpoint();
        let answer = client.invoke(to, UserMessage::new(name, body), LIMIT).await.unwrap();
        decode_ending(&answer.body).unwrap()
    }
}

/// No `App`: what is committed is passed over.
struct Bare;

impl StateMachine for Bare {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        entries.for_each(drop);
        Ok(())
    }
}

async fn follows<H>(service: &RaftGroupService<H>, leader: &Node) {
    service.node().watch().until(|status| status.leader.as_ref() == Some(leader.id())).await;
}

async fn leads<H>(service: &RaftGroupService<H>) {
    service.node().watch().until(|status| status.role == Role::Leader).await;
}

fn refusal(error: &ProposeError) -> &Status {
    let ProposeError::Refused { status, .. } = error else { panic!("{error}") };
    status
}

#[derive(Default, Serialize, Deserialize)]
struct Count(i64);

impl App for Count {
    type Cmd = i64;
    type Out = i64;

    fn apply(&mut self, by: i64) -> i64 {
        self.0 += by;
        self.0
    }
}

#[test]
fn a_command_of_somebody_else_that_nobody_can_read_is_refused() {
    within(async {
        let host = Host::new();
        let service = host.builder("a:1", "a:1").start_app(Count::default()).await.unwrap();
        leads(&service).await;
        for body in [vec![], vec![1, 0, 0xc1], vec![9, 9], encode_command(&"text").unwrap()] {
            let Ending::Refused(status) = host.send(&service, body.clone()).await else {
                panic!("{body:?}")
            };
            assert!(status.is(RaftError::EINVAL), "{status}");
            assert!(status.message().starts_with("a:1 cannot read the command"), "{status}");
        }
        let body = encode_command(&5i64).unwrap();
        assert!(matches!(host.send(&service, body).await, Ending::Committed(_, Some(5))));
        assert_eq!(service.handle().propose(2).await.unwrap(), 7);
        service.shutdown().await;
    });
}

/// As deep as one likes. The decoder counts the levels of lists and maps, but not these.
#[derive(Serialize, Deserialize)]
enum Nest {
    Leaf,
    Inner(Box<Self>),
}

impl Nest {
    fn of_depth(depth: usize) -> Self {
        (0..depth).fold(Self::Leaf, |inner, _| Self::Inner(Box::new(inner)))
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Nests(usize);

impl App for Nests {
    type Cmd = Vec<Nest>;
    type Out = usize;

    fn apply(&mut self, nests: Vec<Nest>) -> usize {
        self.0 += nests.len();
        self.0
    }
}

#[test]
fn a_command_that_can_be_written_and_not_read_is_refused() {
    within(async {
        let host = Host::new();
        let service = host.builder("a:1", "a:1").start_app(Nests::default()).await.unwrap();
        leads(&service).await;
        let propose = |depth| service.handle().propose(vec![Nest::of_depth(depth)]);
        let error = propose(MAX_DEPTH).await.unwrap_err();
        let status = refusal(&error);
        assert!(status.is(RaftError::EINVAL), "{status}");
        assert!(status.message().contains("cannot be read back"), "{status}");
        // So deep that reading it would end the process.
        let hostile = [&[1, 0, 0x91][..], &b"\x81\xa5Inner".repeat(100_000), b"\xa4Leaf"].concat();
        let Ending::Refused(status) = host.send(&service, hostile).await else { panic!() };
        assert!(status.is(RaftError::EINVAL), "{status}");
        // Nothing was added, and what can be read is taken.
        assert_eq!(propose(MAX_DEPTH - 1).await.unwrap(), 1);
        service.shutdown().await;
    });
}

#[test]
fn a_leader_that_does_not_serve_the_app_has_certainly_not_taken_the_command() {
    within(async {
        let host = Host::new();
        let bare = host.builder("a:1", "a:1,b:1").start(Bare).await.unwrap();
        let service = host.follower("b:1", "a:1,b:1").start_app(Count::default()).await.unwrap();
        follows(&service, bare.node()).await;
        let error = service.handle().propose(1).await.unwrap_err();
        let status = refusal(&error);
        assert!(status.is(RaftError::ENOENT), "{status}");
        host.runtime.shutdown().await;
    });
}

#[derive(Default, Serialize, Deserialize)]
struct Text(String);

impl App for Text {
    type Cmd = String;
    type Out = usize;

    fn apply(&mut self, text: String) -> usize {
        self.0.push_str(&text);
        self.0.len()
    }
}

#[test]
fn a_command_that_no_leader_could_take_is_refused_at_once() {
    within(async {
        let host = Host::new();
        let count = host.builder("a:1", "a:1,b:1").start_app(Count::default()).await.unwrap();
        let text = host.follower("b:1", "a:1,b:1").configure(|options| {
            options.rpc.rpc_default_timeout = 600_000;
            options.raft.max_body_size = 1024;
            options.raft.max_byte_count_per_rpc = 1024;
            options.rpc.max_frame_bytes = 4096;
        });
        let text = text.start_app(Text::default()).await.unwrap();
        // Whoever leads, or nobody.
        let error = text.handle().propose("x".repeat(3000)).await.unwrap_err();
        let status = refusal(&error);
        assert!(status.is(RaftError::EINVAL) && status.message().contains("exceeds"), "{status}");
        // The leader's program knows no such command.
        follows(&text, count.node()).await;
        let error = text.handle().propose("x".to_owned()).await.unwrap_err();
        let status = refusal(&error);
        assert!(status.is(RaftError::EINVAL), "{status}");
        assert!(status.message().starts_with("a:1 cannot read"), "{status}");
        host.runtime.shutdown().await;
    });
}

#[test]
fn what_was_not_sent_before_the_end_of_the_node_is_refused() {
    within(async {
        let host = Host::new();
        let lonely = host.follower("b:1", "a:1,b:1");
        let lonely = lonely.configure(|options| options.rpc.rpc_default_timeout = 600_000);
        let service = lonely.start_app(Count::default()).await.unwrap();
        let handle = service.handle().clone();
        let waits_for_a_leader = handle.propose(1);
        service.shutdown().await;
        let mut errors = vec![waits_for_a_leader.await.unwrap_err()];
        errors.push(handle.propose(2).await.unwrap_err());
        drop(host.runtime);
        errors.push(handle.propose(3).await.unwrap_err());
        for error in errors {
            let status = refusal(&error);
            assert!(status.is(RaftError::ENODESHUTDOWN), "{status}");
        }
        let ReadError::Refused { status, .. } = handle.read(|count| count.0).await.unwrap_err();
        assert!(status.is(RaftError::ENODESHUTDOWN), "{status}");
    });
}

/// Replies that do not come back as they were: an option of nothing, a field that is left out, no encoding at all.
#[derive(Default, Serialize, Deserialize)]
struct Lossy;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reply {
    some: Option<()>,
    kept: i32,
    #[serde(skip)]
    skipped: i32,
    refuses: Refuses,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Refuses(bool);

impl Serialize for Refuses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 { Err(S::Error::custom("told to refuse")) } else { self.0.serialize(serializer) }
    }
}

impl App for Lossy {
    type Cmd = bool;
    type Out = Reply;

    fn apply(&mut self, refuses: bool) -> Reply {
        Reply { some: Some(()), kept: 1, skipped: 2, refuses: Refuses(refuses) }
    }
}

#[test]
fn a_reply_is_the_same_on_every_member() {
    within(async {
        let host = Host::new();
        let leader = host.builder("a:1", "a:1,b:1").start_app(Lossy).await.unwrap();
        // Proposed before it leads: it finds itself as the leader on the way.
        let early = leader.handle().propose(false);
        let follower = host.follower("b:1", "a:1,b:1").start_app(Lossy).await.unwrap();
        follows(&follower, leader.node()).await;
        let kept = Reply { some: None, kept: 1, skipped: 0, refuses: Refuses(false) };
        assert_eq!(early.await.unwrap(), kept);
        for service in [&leader, &follower] {
            assert_eq!(service.handle().propose(false).await.unwrap(), kept, "{service:?}");
            let error = service.handle().propose(true).await.unwrap_err();
            let ProposeError::Unknown { status } = error else { panic!("{error}") };
            assert!(status.is(RaftError::EINTERNAL), "{status}");
            assert!(status.message().ends_with("told to refuse"), "{status}");
        }
        host.runtime.shutdown().await;
    });
}
