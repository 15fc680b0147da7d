//! What the public API promises, on whole nodes in memory: endings, orders, refusals, failures.

mod kit;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jraft_core::memory::{MemoryLogEngine, MemoryMetaStorage, Network};
use jraft_core::{
    ApplyError, ApplyTaskMode, Entries, Node, NodeOptions, Outcome, ProposeError, RaftError,
    RaftGroupService, Rejected, Role, Runtime, SharedLogEngine, StartError, StateMachine, Task,
    Term,
};
use kit::{FAIL, PANIC, PEERS, Sum, TEXT, Trio, number, quick, tick, within};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn t_node_9_proposals_and_tasks_of_one_thread_keep_their_order() {
    within(LIMIT, async {
        let trio = Trio::start(quick()).await;
        let node = trio.lead_node().await;
        let (sender, ends) = mpsc::channel();
        let mut proposals = Vec::new();
        for round in 0..50 {
            proposals.push(node.propose::<i64>(number(1)));
            let sender = sender.clone();
            let task = Task::new(number(1)).done(move |outcome| {
                let Outcome::Committed(mut committed) = outcome else { panic!("{outcome:?}") };
                sender.send((round, committed.reply.take::<i64>())).unwrap();
            });
            node.apply(task).unwrap();
        }
        for (round, proposal) in (0..).zip(proposals) {
            assert_eq!(proposal.await.unwrap(), 2 * round + 1);
            assert_eq!(ends.recv().unwrap(), (round, Some(2 * round + 2)));
        }
    });
}

#[test]
fn a_batch_that_is_committed_in_pieces_ends_in_pieces() {
    within(LIMIT, async {
        let mut options = quick();
        options.raft.max_entries_size = 1;
        let trio = Trio::start(options).await;
        let node = trio.lead_node().await;
        // Taken in together, and sent one by one.
        let proposals: Vec<_> = (0..200).map(|_| node.propose::<i64>(number(1))).collect();
        for (total, proposal) in (1..).zip(proposals) {
            assert_eq!(proposal.await.unwrap(), total);
        }
    });
}

#[test]
fn m36_a_leader_that_loses_its_group_leaves_the_outcome_unknown() {
    within(LIMIT, async {
        let mut trio = Trio::start(quick()).await;
        let leader = trio.leader().await;
        let service = trio.services.swap_remove(leader);
        let heard = trio.heard.swap_remove(leader);
        for other in trio.services.drain(..) {
            other.shutdown().await;
        }
        let error = service.node().propose::<i64>(number(1)).await.unwrap_err();
        assert!(!error.is_refused(), "it may still be written");
        let ProposeError::Unknown { status } = error else { panic!("{error}") };
        assert!(status.is(RaftError::EPERM), "{status}");
        assert_eq!(service.node().status().role, Role::Follower);
        let refused = service.node().propose::<i64>(number(1)).await.unwrap_err();
        assert!(refused.is_refused(), "{refused}");
        service.shutdown().await;
        let heard = heard.lock().unwrap().clone();
        let lost = heard.iter().position(|what| what == "no leader: ERAFTTIMEDOUT");
        assert!(lost.is_some() && heard.last().unwrap() == "shutdown", "{heard:?}");
    });
}

#[test]
fn refusals_say_why_and_change_nothing() {
    within(LIMIT, async {
        let trio = Trio::start(quick()).await;
        let leader = trio.leader().await;
        let node = trio.services[leader].node().clone();
        let follower = trio.services[(leader + 1) % 3].node().clone();

        let refused = follower.propose::<i64>(number(1)).await.unwrap_err();
        let ProposeError::Refused { status, leader: Some(known) } = refused else { panic!() };
        assert!(status.is(RaftError::EPERM) && known == *node.id(), "{status}");

        let (sender, ends) = mpsc::channel();
        let task = Task::new(number(1)).expected_term(Term(999));
        let task = task.done(move |outcome| sender.send(outcome.status().clone()).unwrap());
        node.apply(task).unwrap();
        let status = ends.recv().unwrap();
        assert!(status.is(RaftError::EPERM) && status.message().contains("999"), "{status}");

        let huge = vec![0; NodeOptions::default().rpc.max_frame_bytes as usize];
        let rejected = node.apply(Task::new(huge)).unwrap_err();
        assert!(rejected.status.is(RaftError::EINVAL), "{rejected}");
        assert_eq!(node.propose::<i64>(number(7)).await.unwrap(), 7, "nothing was added");
    });
}

#[test]
fn a_reply_of_another_type_says_where_the_entry_stands() {
    within(LIMIT, async {
        let trio = Trio::start(quick()).await;
        let node = trio.lead_node().await;
        let error = node.propose::<i64>(number(TEXT)).await.unwrap_err();
        let ProposeError::NoReply { at, .. } = error else { panic!("{error}") };
        assert_eq!(at.index, node.status().committed);
        node.propose::<()>(number(TEXT)).await.unwrap();
        assert_eq!(node.propose::<&str>(number(TEXT)).await.unwrap(), "a text");
    });
}

#[test]
fn a_state_machine_that_fails_or_panics_stops_its_nodes() {
    for what in [FAIL, PANIC] {
        within(LIMIT, async {
            let mut trio = Trio::start(quick()).await;
            let leader = trio.leader().await;
            let node = trio.services[leader].node().clone();
            assert_eq!(node.propose::<i64>(number(5)).await.unwrap(), 5);
            let error = node.propose::<i64>(number(what)).await.unwrap_err();
            let ProposeError::Unknown { status } = error else { panic!("{error}") };
            assert!(status.is(RaftError::ESTATEMACHINE), "{status}");
            let stopped = trio.services[leader].stopped().await;
            assert!(stopped.is(RaftError::ESTATEMACHINE), "{stopped}");
            assert_eq!(node.status().applied.0, 2, "the failed entry is not applied");
            trio.services.remove(leader).shutdown().await;
            let heard = trio.heard[leader].lock().unwrap().clone();
            assert!(heard.contains(&"error: ESTATEMACHINE".into()), "{heard:?}");
        });
    }
}

#[test]
fn a_panic_in_a_closure_hurts_nobody_else() {
    within(LIMIT, async {
        let trio = Trio::start(quick()).await;
        let node = trio.lead_node().await;
        node.apply(Task::new(number(1)).done(|_| panic!("of the user"))).unwrap();
        assert_eq!(node.propose::<i64>(number(1)).await.unwrap(), 2);
    });
}

#[test]
fn t_node_2_every_closure_runs_once_whatever_the_queue_says() {
    within(LIMIT, async {
        let mut options = quick();
        options.raft.disruptor_buffer_size = 2;
        let trio = Trio::start(options).await;
        let node = trio.lead_node().await;
        let runs = Arc::new(AtomicUsize::new(0));
        let mut given_back = 0;
        for _ in 0..2000 {
            let runs = Arc::clone(&runs);
            let count = move |_| {
                runs.fetch_add(1, Ordering::SeqCst);
            };
            if let Err(rejected) = node.apply(Task::new(number(1)).done(count)) {
                assert!(rejected.status.is(RaftError::EBUSY), "{rejected}");
                rejected.refuse();
                given_back += 1;
            }
        }
        while node.propose::<i64>(number(0)).await.is_err() {}
        assert_eq!(runs.load(Ordering::SeqCst), 2000, "{given_back} were given back");
    });
}

#[test]
fn a_blocking_entrance_waits_for_room() {
    within(LIMIT, async {
        let mut options = quick();
        options.raft.disruptor_buffer_size = 2;
        options.apply_task_mode = ApplyTaskMode::Blocking;
        let trio = Trio::start(options).await;
        let node = trio.lead_node().await;
        for _ in 0..500 {
            node.apply(Task::new(number(1))).unwrap();
        }
        let proposals: Vec<_> = (0..100).map(|_| node.propose::<i64>(number(1))).collect();
        for proposal in proposals {
            proposal.await.unwrap();
        }
        assert_eq!(node.propose::<i64>(number(0)).await.unwrap(), 600);
    });
}

#[test]
fn proposals_wait_for_room_as_long_as_there_will_be_some() {
    within(LIMIT, async {
        let mut options = quick();
        options.raft.disruptor_buffer_size = 2;
        options.apply_task_mode = ApplyTaskMode::Blocking;
        let mut trio = Trio::start(options).await;
        let leader = trio.leader().await;
        let service = trio.services.swap_remove(leader);
        let propose = || (0..100).map(|_| service.node().propose::<i64>(number(1)));
        // All are woken when there is room, and most find none.
        #[allow(clippy::disallowed_methods, reason = "a test has tasks of its own")]
        let tasks: Vec<_> = propose().map(tokio::spawn).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let waiting: Vec<_> = propose().collect();
        service.shutdown().await;
        let mut refused = 0;
        for proposal in waiting {
            refused += usize::from(proposal.await.is_err_and(|error| error.is_refused()));
        }
        assert!(refused > 50, "{refused} were told that there will be no room");
    });
}

#[test]
fn callers_without_a_pause_starve_nobody() {
    within(3 * LIMIT, async {
        let mut options = quick();
        options.raft.max_logs_in_memory_bytes = 1 << 20;
        let trio = Trio::start(options).await;
        let node = trio.lead_node().await;
        let stop = Arc::new(AtomicBool::new(false));
        let push = |node: Node, stop: Arc<AtomicBool>| {
            move || {
                while !stop.load(Ordering::Relaxed) {
                    node.apply(Task::new(number(1))).unwrap_or_else(Rejected::refuse);
                }
            }
        };
        #[allow(clippy::disallowed_methods, reason = "threads of an application")]
        let callers: Vec<_> =
            (0..2).map(|_| std::thread::spawn(push(node.clone(), Arc::clone(&stop)))).collect();
        // Again and again entries are committed, for which the loop has to do more than to listen to them.
        for _ in 0..10 {
            tick(100).await;
            let before = node.status().committed;
            node.watch().until(|status| status.committed > before).await;
        }
        stop.store(true, Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
}

/// Applies nothing until it is told to.
struct Stuck(mpsc::Receiver<()>);

impl StateMachine for Stuck {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        self.0.recv().unwrap_or_default();
        entries.for_each(drop);
        Ok(())
    }
}

#[test]
fn a_busy_state_machine_does_not_let_refusals_pile_up() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let (go_on, told) = mpsc::channel();
        let builder = RaftGroupService::builder("g", "a:1").initial_conf("a:1");
        let builder = builder.runtime(&runtime).in_memory(&network).options(quick());
        let builder = builder.configure(|options| options.raft.disruptor_buffer_size = 8);
        let service = builder.start(Stuck(told)).await.unwrap();
        let node = service.node();
        node.watch().until(|status| status.role == Role::Leader).await;
        node.apply(Task::new(number(1))).unwrap();
        let ends = Arc::new(AtomicUsize::new(0));
        let mut accepted = 0;
        let refuse = || {
            let ends = Arc::clone(&ends);
            let count = move |_| {
                ends.fetch_add(1, Ordering::SeqCst);
            };
            // A term that is over: refused, by the lane, which is busy.
            node.apply(Task::new(number(1)).expected_term(Term(999)).done(count))
        };
        while refuse().is_ok() {
            accepted += 1;
            assert!(accepted < 500, "nobody says that it is too much");
            tick(1).await;
        }
        // The lane goes on: there is room again, and all are told.
        drop(go_on);
        node.watch().until(|status| status.applied == status.committed).await;
        while refuse().is_err() {
            tick(1).await;
        }
        service.shutdown().await;
        assert_eq!(ends.load(Ordering::SeqCst), accepted + 1);
    });
}

#[test]
fn nobody_is_told_to_lead_whose_state_machine_is_behind() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let (engine, meta) =
            (SharedLogEngine::new(MemoryLogEngine::new()), MemoryMetaStorage::new());
        let start = |machine: Sum| {
            let builder = RaftGroupService::builder("g", "a:1").initial_conf("a:1");
            let builder = builder.runtime(&runtime).in_memory(&network).options(quick());
            builder.log_engine(&engine).meta_storage(meta.clone()).start(machine)
        };
        for term in 1..3 {
            let machine = Sum::default();
            let heard = Arc::clone(&machine.heard);
            let service = start(machine).await.unwrap();
            if term == 1 {
                service.node().watch().until(|status| status.role == Role::Leader).await;
                service.node().propose::<i64>(number(FAIL)).await.unwrap_err();
            }
            let stopped = service.stopped().await;
            assert!(stopped.is(RaftError::ESTATEMACHINE), "{stopped}");
            service.shutdown().await;
            let heard = heard.lock().unwrap().clone();
            let led = heard.iter().any(|what| what.starts_with("leader of"));
            assert_eq!(led, term == 1, "{heard:?}");
        }
    });
}

#[test]
fn t_node_55_following_starts_and_stops_in_pairs() {
    within(LIMIT, async {
        let mut trio = Trio::start(quick()).await;
        let leader = trio.leader().await;
        trio.services[leader].node().propose::<i64>(number(1)).await.unwrap();
        trio.services.remove(leader).shutdown().await;
        let heard = trio.heard.remove(leader).lock().unwrap().clone();
        assert_eq!(
            heard.iter().filter(|what| what.starts_with("leader of")).count(),
            1,
            "{heard:?}"
        );
        assert_eq!(heard.last().unwrap(), "shutdown");
        let next = trio.leader().await;
        trio.services[next].node().propose::<i64>(number(1)).await.unwrap();
        let follower = trio.heard[1 - next].lock().unwrap().clone();
        assert_eq!(
            (follower[0].as_str(), follower[1].as_str(), follower.len()),
            (&*format!("following {}", PEERS[leader]), &*format!("lost {}", PEERS[leader]), 3),
            "{follower:?}"
        );
    });
}

#[test]
fn a_start_says_what_is_missing_or_there_twice() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let builder = |me: &str| RaftGroupService::builder("trio", me).runtime(&runtime);
        let error = builder("a:1").start(Sum::default()).await.unwrap_err();
        assert!(matches!(error, StartError::Missing { call: "data_dir", .. }), "{error}");
        let error = builder("nonsense").in_memory(&network).start(Sum::default()).await;
        assert!(matches!(error, Err(StartError::Parse(_))));
        let error = builder("0.0.0.0:0").in_memory(&network).start(Sum::default()).await;
        assert!(matches!(error, Err(StartError::Identity { .. })));
        let wrong = builder("a:1").in_memory(&network).configure(|o| o.election_timeout_ms = 0);
        assert!(matches!(wrong.start(Sum::default()).await, Err(StartError::Options(_))));

        let first = builder("a:1").in_memory(&network).start(Sum::default()).await.unwrap();
        let twice = builder("a:1").in_memory(&network).start(Sum::default()).await;
        assert!(matches!(twice, Err(StartError::Duplicate(_))));
        first.shutdown().await;
        let again = builder("a:1").in_memory(&network).start(Sum::default()).await;
        again.expect("the address is free again").shutdown().await;
    });
}

#[test]
fn several_groups_share_an_address_and_nothing_else() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::builder().loops(2).build().unwrap(), Network::new());
        let mut services = Vec::new();
        for group in ["left", "right"] {
            for me in PEERS {
                let builder = RaftGroupService::builder(group, me).initial_conf(PEERS.join(","));
                let builder = builder.runtime(&runtime).in_memory(&network).options(quick());
                services.push(builder.start(Sum::default()).await.unwrap());
            }
        }
        for (group, by) in [("left", 3), ("right", 4)] {
            let nodes = runtime.node_manager().nodes_of(&group.try_into().unwrap());
            assert_eq!(nodes.len(), 3);
            let found = nodes[0].watch().until(|status| status.leader.is_some()).await;
            let leader = nodes.iter().find(|node| Some(node.id()) == found.leader.as_ref());
            let leader = leader.expect("the leader is one of them");
            leader.watch().until(|status| status.role == Role::Leader).await;
            assert_eq!(leader.propose::<i64>(number(by)).await.unwrap(), by, "{group}");
        }
        // One group leaves, the other keeps the port.
        for left in services.drain(..3) {
            left.shutdown().await;
        }
        let right = runtime.node_manager().all();
        assert_eq!(right.len(), 3);
        let leader = right.iter().find(|node| node.is_leader()).expect("undisturbed");
        assert_eq!(leader.propose::<i64>(number(1)).await.unwrap(), 5);
        runtime.shutdown().await;
        assert!(runtime.node_manager().all().is_empty());
    });
}

#[test]
fn after_a_shutdown_everything_is_refused_and_all_wait_for_the_same_end() {
    within(LIMIT, async {
        let mut trio = Trio::start(quick()).await;
        let leader = trio.leader().await;
        let node = trio.services[leader].node().clone();
        let open = node.propose::<i64>(number(1));
        let service = trio.services.remove(leader);
        let (other, third) = (node.clone(), node.clone());
        tokio::join!(service.shutdown(), other.shutdown(), third.shutdown());
        assert!(open.await.is_ok_and(|total| total == 1) || node.status().role == Role::Shutdown);
        let rejected = node.apply(Task::new(number(1))).unwrap_err();
        assert!(rejected.status.is(RaftError::ENODESHUTDOWN), "{rejected}");
        let refused = node.propose::<i64>(number(1)).await.unwrap_err();
        assert!(refused.is_refused(), "{refused}");
        trio.runtime.shutdown().await;
    });
}

/// Stops in its first batch until it may go on, and counts what it applies.
struct Gated {
    reached: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
    applied: Arc<AtomicUsize>,
}

impl StateMachine for Gated {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        if self.reached.send(()).is_ok() {
            let _ = self.go_on.recv();
        }
        self.applied.fetch_add(entries.count(), Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn a_shutdown_does_not_wait_until_a_long_log_is_applied_again() {
    const TASKS: u64 = 5000;
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let (engine, meta) =
            (SharedLogEngine::new(MemoryLogEngine::new()), MemoryMetaStorage::new());
        let builder = || {
            let builder = RaftGroupService::builder("g", "a:1").initial_conf("a:1");
            let builder = builder.runtime(&runtime).in_memory(&network).options(quick());
            builder.log_engine(&engine).meta_storage(meta.clone())
        };
        let service = builder().start(Sum::default()).await.unwrap();
        service.node().watch().until(|status| status.role == Role::Leader).await;
        for _ in 0..TASKS {
            service.node().propose::<i64>(number(1)).await.unwrap();
        }
        service.shutdown().await;

        let ((reached, is_there), (go, go_on)) = (mpsc::channel(), mpsc::channel());
        let applied = Arc::new(AtomicUsize::new(0));
        let machine = Gated { reached, go_on, applied: Arc::clone(&applied) };
        let service = builder().start(machine).await.unwrap();
        is_there.recv().unwrap();
        drop(is_there);
        let node = service.node().clone();
        let release = async {
            node.watch().until(|status| status.role == Role::Shutting).await;
            go.send(()).unwrap();
        };
        tokio::join!(service.shutdown(), release);
        let applied = applied.load(Ordering::SeqCst);
        assert!(applied > 0 && applied < TASKS as usize, "{applied}");
    });
}
