//! Nodes over TCP and on the disk, through the API that users have: the reference's scenarios that need no more.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jraft_core::{
    LogIndex, NodeOptions, Outcome, ProposeError, RaftError, Rejected, Role, Task, block_on,
};
use jraft_tests::programs::free_addresses;
use jraft_tests::trio::{self, Trio};
use jraft_tests::{until, wait};

const LONGEST: Duration = Duration::from_secs(60);

/// The reference's suite has 300 ms, which a busy disk can take for one sync.
fn quick() -> NodeOptions {
    trio::options(1000)
}

#[test]
fn t_node_1_init_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let [me] = free_addresses();
    for _ in 0..2 {
        let (service, _) = trio::start("unit", &me, "", folder.path(), &quick()).unwrap();
        let status = service.node().status();
        assert_eq!((status.role, status.leader), (Role::Follower, None));
        let node = service.node().clone();
        block_on(service.shutdown());
        assert_eq!(node.status().role, Role::Shutdown);
        let refused = node.apply(Task::new(vec![0; 8])).unwrap_err();
        assert!(refused.status.is(RaftError::ENODESHUTDOWN), "{refused}");
    }
}

#[test]
fn t_node_2_node_task_overload() {
    let folder = tempfile::tempdir().unwrap();
    let [me] = free_addresses();
    let mut options = quick();
    options.raft.disruptor_buffer_size = 2;
    let (service, history) = trio::start("unit", &me, &me, folder.path(), &options).unwrap();
    let node = service.node();
    block_on(node.watch().until(|status| status.role == Role::Leader));
    let (ended, committed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    for number in 0..10_i64 {
        let (ended, committed) = (Arc::clone(&ended), Arc::clone(&committed));
        let task = Task::new(number.to_be_bytes().to_vec()).done(move |outcome| {
            ended.fetch_add(1, Ordering::SeqCst);
            match outcome {
                Outcome::Committed(_) => {
                    committed.fetch_add(1, Ordering::SeqCst);
                }
                Outcome::Refused(why) => {
                    assert!(why.is(RaftError::EBUSY) || why.is(RaftError::EPERM), "{why}");
                }
                Outcome::Unknown(why) => panic!("{why}"),
            }
        });
        node.apply(task).unwrap_or_else(Rejected::refuse);
    }
    until("every closure has run", LONGEST, || ended.load(Ordering::SeqCst) == 10);
    wait(Duration::from_millis(50));
    assert_eq!(ended.load(Ordering::SeqCst), 10, "once each");
    assert_eq!(history.numbers().len() as u64, committed.load(Ordering::SeqCst));
    block_on(service.shutdown());
}

#[test]
fn t_node_4_single_node() {
    let folder = tempfile::tempdir().unwrap();
    let [me] = free_addresses();
    let (service, history) = trio::start("unit", &me, &me, folder.path(), &quick()).unwrap();
    block_on(service.node().watch().until(|status| status.role == Role::Leader));
    for number in 0..10_i64 {
        let reply = service.node().propose::<usize>(number.to_be_bytes().to_vec());
        assert_eq!(block_on(reply).unwrap() as i64, number + 1);
    }
    assert_eq!(history.numbers(), (0..10).collect::<Vec<_>>());
    block_on(service.shutdown());
}

#[test]
fn t_node_5_no_leader() {
    let mut trio = Trio::empty("unit");
    trio.start_one(0, &quick());
    wait(Duration::from_secs(1));
    for number in 0..10 {
        match trio.propose(0, number) {
            Err(ProposeError::Refused { status, leader: None }) => {
                assert!(status.is(RaftError::EPERM), "{status}");
            }
            other => panic!("{other:?}"),
        }
    }
    trio.shutdown();
}

#[test]
fn t_node_7_vote_timedout_step_down() {
    let mut trio = Trio::start("unit", &quick());
    trio.add(1);
    let leader = trio.await_leader();
    let term = trio.node(leader).status().term;
    let followers = [(leader + 1) % 3, (leader + 2) % 3];
    followers.iter().for_each(|&at| trio.stop(at));
    until("it steps down", LONGEST, || trio.leader().is_none());
    wait(Duration::from_secs(5));
    let status = trio.node(leader).status();
    assert_eq!((status.role, status.term), (Role::Follower, term), "alone, it raises no term");
    followers.iter().for_each(|&at| trio.start_one(at, &quick()));
    trio.await_leader();
    trio.add(2);
    trio.agree();
    trio.shutdown();
}

#[test]
fn t_node_9_triple_nodes() {
    let mut trio = Trio::start("unit", &quick());
    trio.reach(1);
    for number in 0..10 {
        trio.add(number);
    }
    trio.reach(11);
    trio.agree();
    // A task that nobody waits for, and one with a closure.
    let leader = trio.await_leader();
    let (told, heard) = std::sync::mpsc::channel();
    let with_closure = Task::new(vec![0; 8]).done(move |outcome| told.send(outcome).unwrap());
    trio.node(leader).apply(Task::new(vec![0; 8])).unwrap();
    trio.node(leader).apply(with_closure).unwrap();
    let outcome = heard.recv_timeout(LONGEST).unwrap();
    let Outcome::Committed(committed) = outcome else { panic!("{outcome:?}") };
    assert_eq!(committed.id.index, LogIndex(13));
    trio.reach(13);
    trio.shutdown();
}

#[test]
fn t_node_11_triple_nodes_with_soft_mem_limit() {
    let mut options = quick();
    options.raft.max_logs_in_memory_bytes = 100;
    let mut trio = Trio::start("unit", &options);
    for number in 0..10 {
        trio.add(number);
    }
    trio.reach(11);
    trio.agree();
    trio.shutdown();
}

#[test]
fn t_node_23_checksum() {
    let with = |on: bool| {
        let mut options = quick();
        options.raft.enable_log_entry_checksum = on;
        options
    };
    let mut trio = Trio::empty("unit");
    for on in [[true; 3], [false, true, true], [false; 3], [true; 3]] {
        (0..3).for_each(|at| trio.start_one(at, &with(on[at])));
        trio.await_leader();
        trio.add(5);
        trio.agree();
        (0..3).for_each(|at| trio.stop(at));
    }
    trio.shutdown();
}

#[test]
fn t_node_30_leader_fail() {
    let mut trio = Trio::start("unit", &quick());
    (0..10).for_each(|number| trio.add(number));
    let old = trio.await_leader();
    trio.stop(old);
    (10..20).for_each(|number| trio.add(number));
    trio.wipe(old);
    trio.start_one(old, &quick());
    (20..30).for_each(|number| trio.add(number));
    trio.agree();
    trio.shutdown();
}

#[test]
fn t_node_45_leader_should_not_change() {
    let trio = Trio::start("unit", &trio::options(2000));
    trio.reach(1);
    let before: Vec<_> = trio.status().into_iter().map(|one| (one.term, one.leader)).collect();
    wait(Duration::from_secs(5));
    let after: Vec<_> = trio.status().into_iter().map(|one| (one.term, one.leader)).collect();
    assert_eq!(before, after);
    trio.shutdown();
}

#[test]
fn t_node_46_recover_follower() {
    let mut trio = Trio::start("unit", &quick());
    let follower = (trio.await_leader() + 1) % 3;
    trio.stop(follower);
    (0..30).for_each(|number| trio.add(number));
    trio.start_one(follower, &quick());
    trio.agree();
    trio.shutdown();
}
