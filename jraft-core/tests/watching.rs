//! What other threads see of a node, and what a node does while nobody answers it.

mod kit;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jraft_core::message::{
    AppendEntriesRequest, AppendKind, EntryBatch, GetLeaderRequest, RaftRequest, RaftResponse,
    RequestVoteRequest,
};
use jraft_core::rpc::RaftServerService;
use jraft_core::{
    LogId, LogIndex, Node, NodeManager, NodeStatus, PeerId, RaftGroupService, Role, Runtime, Term,
    memory,
};
use kit::nobody::Nobody;
use kit::{PEERS, Sum, Trio, number, quick, tick, within};

const LIMIT: Duration = Duration::from_secs(20);

/// Asks the node itself, as a peer would.
async fn ask(manager: &NodeManager, request: RaftRequest) -> RaftResponse {
    let answer = manager.handle(request);
    within_millis(500, answer).await.expect("an answer, not an error")
}

#[allow(clippy::disallowed_methods, reason = "a test's patience is in real time")]
async fn within_millis<T>(millis: u64, what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_millis(millis), what).await.expect("at once")
}

fn peer(text: &str) -> PeerId {
    text.parse().expect("an address")
}

fn vote(pre_vote: bool, term: u64) -> RaftRequest {
    RaftRequest::RequestVote(RequestVoteRequest {
        group: "trio".try_into().expect("a name"),
        server: peer("b:1"),
        peer: peer("a:1"),
        term: Term(term),
        last_log: LogId::NONE,
        pre_vote,
    })
}

fn heartbeat(term: u64) -> RaftRequest {
    RaftRequest::AppendEntries(AppendEntriesRequest {
        group: "trio".try_into().expect("a name"),
        server: peer("b:1"),
        peer: peer("a:1"),
        term: Term(term),
        prev: LogId::NONE,
        committed: LogIndex(0),
        kind: AppendKind::Heartbeat,
        entries: EntryBatch::default(),
    })
}

#[test]
fn s0_01_a_node_whose_calls_never_end_still_answers() {
    within(LIMIT, async {
        let runtime = Runtime::new().expect("threads");
        let mut options = quick();
        options.election_timeout_ms = 50;
        options.raft.max_election_delay_ms = 10;
        let builder = RaftGroupService::builder("trio", "a:1").initial_conf(PEERS.join(","));
        let builder = builder.runtime(&runtime).options(options).rpc(Arc::new(Nobody::Silent));
        let builder = builder.in_memory(&memory::Network::new());
        let service = builder.start(Sum::default()).await.expect("a start");
        let node: &Node = service.node();
        let manager = runtime.node_manager();
        // Several rounds of pre-votes are out by then, each unanswered.
        tick(300).await;
        assert_eq!(node.status().role, Role::Follower);
        let RaftResponse::RequestVote(answer) = ask(manager, vote(true, 1)).await else { panic!() };
        assert!(answer.granted && answer.term == Term(0), "{answer:?}");
        let RaftResponse::RequestVote(answer) = ask(manager, vote(false, 7)).await else {
            panic!()
        };
        assert!(answer.granted && answer.term == Term(7), "{answer:?}");
        let RaftResponse::AppendEntries(answer) = ask(manager, heartbeat(7)).await else {
            panic!()
        };
        assert!(answer.success, "{answer:?}");
        let who = GetLeaderRequest { group: node.group().clone(), peer: None };
        let RaftResponse::GetLeader(leader) = ask(manager, RaftRequest::GetLeader(who)).await
        else {
            panic!()
        };
        assert_eq!((leader, node.status().term), (peer("b:1"), Term(7)));
        within_millis(2000, service.shutdown()).await;
    });
}

/// What must hold in every view, whoever looks, whenever.
fn check_view(status: &NodeStatus) {
    let leads = status.role == Role::Leader;
    assert!(!leads || status.leader.as_ref() == Some(&status.id), "{status:?}");
    assert!(status.committed <= status.last_log.index, "{status:?}");
    assert!(status.last_log.term <= status.term, "{status:?}");
}

#[test]
fn s0_17_and_19_and_s4_14_sixteen_readers_never_see_half_a_change() {
    within(LIMIT, async {
        let mut trio = Trio::start(quick()).await;
        let stop = Arc::new(AtomicBool::new(false));
        let nodes: Vec<Node> = trio.services.iter().map(|one| one.node().clone()).collect();
        let read = |nodes: Vec<Node>, stop: Arc<AtomicBool>| {
            move || {
                let (mut looks, mut terms) = (0u64, vec![Term(0); nodes.len()]);
                while !stop.load(Ordering::Relaxed) {
                    for (node, known) in nodes.iter().zip(&mut terms) {
                        let status = node.status();
                        check_view(&status);
                        assert!(status.term >= *known, "a term fell: {status:?}");
                        *known = status.term;
                        looks += 1;
                    }
                }
                looks
            }
        };
        #[allow(clippy::disallowed_methods, reason = "sixteen threads are what is tried")]
        let readers: Vec<_> =
            (0..16).map(|_| std::thread::spawn(read(nodes.clone(), Arc::clone(&stop)))).collect();
        let leader = trio.leader().await;
        for _ in 0..200 {
            nodes[leader].propose::<i64>(number(1)).await.expect("a leader");
        }
        trio.services.remove(leader).shutdown().await;
        trio.leader().await;
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().expect("no assertion failed") > 100);
        }
    });
}

/// Keeps every line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl slog::Drain for Lines {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &slog::Record<'_>, _: &slog::OwnedKVList) -> Result<(), slog::Never> {
        struct Why(String);
        impl slog::Serializer for Why {
            fn emit_arguments(
                &mut self,
                key: slog::Key,
                value: &std::fmt::Arguments<'_>,
            ) -> slog::Result {
                self.0 += &format!(" {key}={value}");
                Ok(())
            }
        }
        let mut why = Why(String::new());
        // This serializer cannot fail.
        drop(slog::KV::serialize(&record.kv(), record, &mut why));
        self.0.lock().expect("no panic").push(format!("{}{}", record.msg(), why.0));
        Ok(())
    }
}

#[test]
fn s0_22_every_change_of_role_is_logged_with_terms_and_reason() {
    within(LIMIT, async {
        let lines = Lines::default();
        let logger = slog::Logger::root(slog::Drain::fuse(lines.clone()), slog::o!());
        let builder =
            RaftGroupService::builder("alone", "a:1").initial_conf("a:1").options(quick());
        let builder = builder.logger(logger).in_memory(&memory::Network::new());
        let service = builder.start(Sum::default()).await.expect("a start");
        service.node().watch().until(|status| status.role == Role::Leader).await;
        service.shutdown().await;
        let lines = lines.0.lock().expect("no panic").clone();
        for expected in [
            "not started of term 0 becomes follower of term 0 why=started",
            "follower of term 0 becomes candidate of term 1 why=it is the only member",
            "candidate of term 1 becomes leader of term 1 why=a majority voted for it",
            "leader of term 1 becomes follower of term 1 why=Raft node is going to quit.",
            "follower of term 1 becomes shutting down of term 1 why=asked to shut down",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected:?} in {lines:#?}");
        }
    });
}

#[test]
fn s0_15_queues_of_two_block_nobody() {
    within(LIMIT, async {
        let mut options = quick();
        options.raft.disruptor_buffer_size = 2;
        options.raft.apply_batch = 1;
        options.raft.max_entries_size = 1;
        options.raft.max_replicator_inflight_msgs = 1;
        options.raft.max_logs_in_memory_bytes = 2000;
        let trio = Trio::start(options).await;
        let node = trio.lead_node().await;
        let (mut done, mut refused) = (0, 0);
        #[allow(clippy::disallowed_methods, reason = "a bound in real time")]
        let start = Instant::now();
        while done < 200 {
            match node.propose::<i64>(number(1)).await {
                Ok(_) => done += 1,
                Err(error) => {
                    assert!(error.is_refused(), "{error}");
                    refused += 1;
                }
            }
            assert!(start.elapsed() < LIMIT / 2, "{done} done, {refused} refused");
        }
    });
}
