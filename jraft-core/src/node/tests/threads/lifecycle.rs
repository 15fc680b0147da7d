//! Start and end of a whole node, a group of one, while others use it.

use std::sync::Arc;

use jraft_spi::message::{RaftRequest, RequestVoteRequest};
use jraft_spi::status::Role;
use jraft_spi::{LogId, NodeOptions, Status, Term};
use shuttle::future::block_on;

use super::{id, nobody};
use crate::closure::Task;
use crate::fsm::{ApplyError, Entries, StateMachine};
use crate::log::lane::LogLane;
use crate::memory::{MemoryLogEngine, MemoryMetaStorage};
use crate::node::lifecycle::{Core, NodeParts};
use crate::node::{Node, ReadLane};
use crate::sync::tests::kit::{Call, Count, at_once, env, explore};
use crate::timer::Timer;

struct Machine {
    shutdowns: Count,
}

impl StateMachine for Machine {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        entries.for_each(drop);
        Ok(())
    }

    fn on_shutdown(&mut self) {
        self.shutdowns.add(1);
    }
}

/// A node that is open, and what must be closed behind it.
struct Bench {
    node: Node,
    log: Arc<LogLane>,
    read: Arc<ReadLane>,
    shutdowns: Count,
    /// How tasks ended: how many were taken in, and how many were told.
    taken_in: Count,
    told: Count,
}

impl Bench {
    fn open() -> Self {
        let (env, _) = env();
        let log = LogLane::start(&env, "test", Box::new(MemoryLogEngine::new()));
        let read = ReadLane::start(&env, "test", false);
        let shutdowns = Count::default();
        let parts = NodeParts {
            id: id(),
            options: NodeOptions::default(),
            initial_conf: "a:1".parse().unwrap(),
            timer: Timer::start(&env),
            env,
            client: nobody(),
            lane: Arc::clone(&log),
            reader: Arc::clone(&read),
            meta: Box::new(MemoryMetaStorage::new()),
            machine: Box::new(Machine { shutdowns: shutdowns.clone() }),
        };
        let node = Node::new(block_on(Core::open(parts)).unwrap());
        Self { node, log, read, shutdowns, taken_in: Count::default(), told: Count::default() }
    }

    fn start(&self) -> Call {
        let node = self.node.clone();
        Box::new(move || node.core().start())
    }

    fn shutdown(&self) -> Call {
        let node = self.node.clone();
        Box::new(move || {
            block_on(node.shutdown());
            assert_eq!(node.status().role, Role::Shutdown);
        })
    }

    fn apply(&self) -> Call {
        let (node, told) = (self.node.clone(), self.told.clone());
        let taken_in = self.taken_in.clone();
        Box::new(move || {
            let task = Task::new("x").done(move |_| told.add(1));
            match node.apply(task) {
                Ok(()) => taken_in.add(1),
                // The closure of a task that came back does not run.
                Err(rejected) => drop(rejected),
            }
        })
    }

    fn propose(&self) -> Call {
        let node = self.node.clone();
        Box::new(move || drop(block_on(node.propose::<()>("y"))))
    }

    /// A request that waits for the disk: it raises the term.
    fn ask(&self) -> Call {
        let node = self.node.clone();
        let request = RequestVoteRequest {
            group: id().group,
            server: "b:1".parse().unwrap(),
            peer: id().peer,
            term: Term(9),
            last_log: LogId::default(),
            pre_vote: false,
        };
        let answer = move || block_on(node.handle(RaftRequest::RequestVote(request)));
        Box::new(move || drop::<Result<_, Status>>(answer()))
    }

    /// All threads are done, one of them with a shutdown.
    fn check(self) {
        assert_eq!(self.node.status().role, Role::Shutdown);
        assert_eq!(self.shutdowns.get(), 1);
        assert_eq!(self.told.get(), self.taken_in.get(), "whoever was taken in was told, once");
        assert!(self.node.apply(Task::new("late")).is_err());
        self.read.close();
        self.log.close();
        block_on(self.log.ended());
    }
}

#[test]
fn all_who_shut_a_node_down_wait_for_the_same_end() {
    explore(300, || {
        let bench = Bench::open();
        bench.start()();
        at_once([
            bench.apply(),
            bench.propose(),
            bench.ask(),
            bench.shutdown(),
            bench.apply(),
            bench.shutdown(),
        ]);
        bench.check();
    });
}

#[test]
fn a_node_that_is_shut_down_while_it_starts_stays_down() {
    explore(300, || {
        let bench = Bench::open();
        at_once([bench.start(), bench.shutdown(), bench.apply(), bench.propose()]);
        bench.check();
    });
}

#[test]
fn a_node_that_never_started_shuts_down_and_tells_whoever_waits() {
    explore(300, || {
        let bench = Bench::open();
        at_once([bench.apply(), bench.shutdown(), bench.propose(), bench.shutdown()]);
        bench.check();
    });
}
