//! Three nodes in one process, without a file or a socket.
#![allow(clippy::unwrap_used, reason = "a test ends there, as it should")]
#![allow(dead_code, reason = "each test program takes what it needs")]

pub(crate) mod nobody;

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use jraft_core::memory::Network;
use jraft_core::{
    ApplyError, Entries, LeaderChange, Node, NodeOptions, RaftGroupService, Replier, Runtime,
    StateMachine, Status, Term, UserProcessor, UserRequest,
};

/// Adds numbers, and writes down what it hears.
#[derive(Clone, Default)]
pub(crate) struct Sum {
    pub(crate) total: i64,
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
}

impl Sum {
    fn hear(&self, what: impl Into<String>) {
        self.heard.lock().unwrap().push(what.into());
    }
}

/// A payload that panics, fails, and answers with a text instead of a number.
pub(crate) const PANIC: i64 = -1;
pub(crate) const FAIL: i64 = -2;
pub(crate) const TEXT: i64 = -3;

impl StateMachine for Sum {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        for entry in entries {
            let by = i64::from_be_bytes(entry.data()[..].try_into()?);
            match by {
                PANIC => panic!("told to panic"),
                FAIL => return Err(ApplyError::new("told to fail")),
                TEXT => entry.reply("a text"),
                _ => {
                    self.total += by;
                    entry.reply(self.total);
                }
            }
        }
        Ok(())
    }

    fn on_leader_start(&mut self, term: Term) {
        self.hear(format!("leader of {term}, total {}", self.total));
    }

    fn on_leader_stop(&mut self, why: &Status) {
        self.hear(format!("no leader: {}", why.error()));
    }

    fn on_start_following(&mut self, change: &LeaderChange) {
        self.hear(format!("following {}", change.leader));
    }

    fn on_stop_following(&mut self, change: &LeaderChange) {
        self.hear(format!("lost {}", change.leader));
    }

    fn on_error(&mut self, why: &Status) {
        self.hear(format!("error: {}", why.error()));
    }

    fn on_shutdown(&mut self) {
        self.hear("shutdown");
    }
}

/// Answers nobody.
pub(crate) struct Unused;

impl UserProcessor for Unused {
    fn request_name(&self) -> &str {
        "unused"
    }

    fn handle(&self, _: UserRequest, _: Replier) {}
}

pub(crate) fn number(value: i64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

pub(crate) const PEERS: [&str; 3] = ["a:1", "b:1", "c:1"];

pub(crate) fn quick() -> NodeOptions {
    let mut options = NodeOptions::default();
    // Long enough for a busy machine: tests run side by side, and most of them want one leader to the end.
    options.election_timeout_ms = 2000;
    options.raft.max_election_delay_ms = 200;
    options
}

pub(crate) struct Trio {
    pub(crate) runtime: Runtime,
    pub(crate) services: Vec<RaftGroupService>,
    pub(crate) heard: Vec<Arc<Mutex<Vec<String>>>>,
}

impl Trio {
    pub(crate) async fn start(options: NodeOptions) -> Self {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let (mut services, mut heard) = (Vec::new(), Vec::new());
        for me in PEERS {
            let machine = Sum::default();
            heard.push(Arc::clone(&machine.heard));
            let builder = RaftGroupService::builder("trio", me).initial_conf(PEERS.join(","));
            let builder = builder.runtime(&runtime).in_memory(&network).options(options.clone());
            services.push(builder.start(machine).await.unwrap());
        }
        Self { runtime, services, heard }
    }

    /// The place of the leader, once the others follow it.
    pub(crate) async fn leader(&self) -> usize {
        let mut watches: Vec<_> = self.services.iter().map(|one| one.node().watch()).collect();
        loop {
            for (place, service) in self.services.iter().enumerate() {
                let me = Some(service.node().id().clone());
                if self.services.iter().all(|other| other.node().leader() == me) {
                    return place;
                }
            }
            // Any of them may be the last to learn who leads.
            let mut changes: Vec<_> =
                watches.iter_mut().map(|watch| Box::pin(watch.changed())).collect();
            poll_fn(|context| {
                let some =
                    changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready());
                if some { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    pub(crate) async fn lead_node(&self) -> Node {
        self.services[self.leader().await].node().clone()
    }
}

/// Runs a test that must not take for ever.
pub(crate) fn within<T>(limit: Duration, test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        #[allow(clippy::disallowed_methods, reason = "a test's patience is in real time")]
        let outcome = tokio::time::timeout(limit, test).await;
        outcome.expect("the test ends in time")
    })
}

/// Waits in real time, as a test may.
#[allow(clippy::disallowed_methods, reason = "the test waits in real time")]
pub(crate) async fn tick(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
