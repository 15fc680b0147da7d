//! How tasks and nodes end.

use jraft_spi::status::Role;
use jraft_spi::{LogIndex, NodeOptions, RaftError, Status, Term};

use super::kit::Group;
use super::random::check_timers;
use crate::closure::Outcome;
use crate::fsm::FsmNotice;
use crate::node::effect::{Effect, TimerKind};
use crate::node::state::NodeState;

pub(super) fn status() -> Status {
    Status::new(RaftError::EIO, "test")
}

/// How a task ended, with the code.
#[track_caller]
fn check(group: &Group, task: u64, ending: &str, code: RaftError) {
    assert_eq!(group.ending(task), ending);
    let endings = group.endings.lock();
    assert_eq!(endings[&task][0].status().error(), code);
}

#[test]
fn tasks_are_refused_by_whoever_does_not_lead() {
    let mut group = Group::new(3);
    let task = group.propose(0, 2);
    check(&group, task, "refused", RaftError::EPERM);
    check(&group, task + 1, "refused", RaftError::EPERM);
    group.elect(0);
    group.act(0, |state, now, fx| state.on_shutdown(now, fx));
    let task = group.propose(0, 1);
    check(&group, task, "refused", RaftError::ENODESHUTDOWN);
    group.act(1, |state, now, fx| state.on_error(&status(), now, fx));
    let task = group.propose(1, 1);
    check(&group, task, "refused", RaftError::EPERM);
}

#[test]
fn an_expected_term_refuses_one_task_and_not_its_neighbours() {
    let mut group = Group::new(1);
    let tasks = (1..=3).map(|number| match group.task(number) {
        task if number == 2 => task.expected_term(Term(7)),
        task => task,
    });
    let tasks = tasks.collect();
    group.act(0, |state, _, fx| state.on_apply(tasks, fx));
    check(&group, 2, "refused", RaftError::EPERM);
    assert_eq!((group.ending(1), group.ending(3)), ("committed", "committed"));
    let endings = group.endings.lock();
    let index = |task: u64| match &endings[&task][0] {
        Outcome::Committed(committed) => committed.id.index.0,
        _ => 0,
    };
    assert_eq!((index(1), index(3)), (2, 3), "no gap");
}

#[test]
pub(super) fn m36_a_step_down_leaves_the_outcome_unknown() {
    let mut group = Group::new(3);
    group.elect(0);
    group.isolate(0);
    let task = group.propose(0, 2);
    group.settle();
    group.act(0, |state, now, fx| state.step_down(Term(1), &status(), now, fx));
    check(&group, task, "unknown", RaftError::EPERM);
    check(&group, task + 1, "unknown", RaftError::EPERM);
    // The same entries may be committed yet, and end nothing twice.
    group.heal();
    group.elect(0);
    assert!(group.state(0).committed().0 >= 4);
    check(&group, task, "unknown", RaftError::EPERM);
}

#[test]
fn what_is_committed_before_a_step_down_of_the_same_turn_is_committed() {
    let mut group = Group::new(1);
    group.slow(0);
    let task = group.queue(0, 1);
    let other = group.queue(0, 1);
    group.turn(0);
    // Durable and deposed, and only then a turn.
    while group.write(0) {}
    let ticket = group.members[0].disk.sync().unwrap();
    group.step(0, |state, now, fx| state.on_log_durable(ticket, now, fx));
    let late = group.queue(0, 1);
    group.step(0, |state, now, fx| state.step_down(Term(5), &status(), now, fx));
    group.turn(0);
    assert_eq!((group.ending(task), group.ending(other)), ("committed", "committed"));
    check(&group, late, "unknown", RaftError::EPERM);
}

#[test]
fn a_leader_deposed_with_unwritten_entries_writes_them_first() {
    let mut group = Group::new(3);
    group.elect(0);
    let task = group.queue(0, 3);
    group.heartbeat(1, 0, 4).accepted();
    assert_eq!(group.ending(task), "unknown");
    assert_eq!(group.disk(0).durable.log.len(), 4, "the log on the disk has no hole");
    let replaced =
        super::asks::append((1, 0), 4, super::kit::at(1, 1), &[super::kit::data(2, 4)], 1);
    assert!(group.append(replaced).accepted().unwrap().1);
    assert_eq!(group.disk(0).durable.log.len(), 2);
}

#[test]
fn m39_a_shutdown_ends_every_task_once() {
    let mut group = Group::new(3);
    group.elect(0);
    group.isolate(0);
    let task = group.propose(0, 3);
    for _ in 0..2 {
        group.act(0, |state, now, fx| state.on_shutdown(now, fx));
    }
    for task in task..task + 3 {
        assert_eq!(group.ending(task), "unknown");
    }
    assert_eq!(group.state(0).role(), Role::Shutting);
    check_timers(&group);
}

#[test]
fn an_error_while_leading_stops_everything() {
    let mut group = Group::new(3);
    group.elect(0);
    let task = group.queue(0, 1);
    group.act(0, |state, now, fx| state.on_error(&status(), now, fx));
    assert_eq!(group.ending(task), "unknown");
    let story: Vec<&str> = (group.members[0].notices.iter())
        .map(|notice| match notice {
            FsmNotice::LeaderStart(_) => "start",
            FsmNotice::LeaderStop(_) => "stop",
            FsmNotice::Error(_) => "error",
            _ => "follow",
        })
        .collect();
    assert_eq!(story, ["start", "stop", "error"]);
    check_timers(&group);
    for kind in TimerKind::ALL {
        group.fire(0, kind);
    }
    group.settle();
    assert_eq!(group.state(0).role(), Role::Error);
    assert!(group.net.is_empty() && group.state(0).replicators.is_empty());
}

#[test]
fn a_shutdown_while_standing_ends_the_candidacy() {
    let mut group = Group::new(3);
    group.slow(0);
    group.act(0, |state, now, fx| state.elect_self("test", now, fx));
    group.act(0, |state, now, fx| state.on_shutdown(now, fx));
    group.save(0);
    assert!(group.net.is_empty(), "no RequestVote leaves");
    check_timers(&group);
}

#[test]
fn a_broken_invariant_ends_the_node_and_not_its_shutdown() {
    let mut group = Group::new(3);
    group.elect(0);
    group.propose(0, 1);
    let task = group.task(7);
    let state = group.members[0].state.as_mut().unwrap();
    let mut fx = Vec::new();
    // Half of a decision was made when it broke.
    let now = group.now;
    state.on_apply(vec![task], &mut fx);
    state.set_term_and_vote(Term(9), None);
    state.term = Term(0);
    state.break_down("test", &mut fx);
    state.finish_step(&mut fx);
    state.on_turn_end(LogIndex::ZERO, now, &mut fx);
    let reaches_disk =
        |one: &Effect| matches!(one, Effect::PersistMeta { .. } | Effect::WriteLog { .. });
    assert!(!fx.iter().any(reaches_disk), "{fx:?}");
    state.on_shutdown(now, &mut fx);
    state.finish_step(&mut fx);
    state.on_closed();
    state.finish_step(&mut fx);
    assert_eq!(state.role(), Role::Shutdown, "or whoever waits for the end waits for ever");
}

#[test]
fn a_full_log_refuses_tasks_until_it_is_applied() {
    let mut options = NodeOptions::default();
    options.raft.max_logs_in_memory_bytes = 1500;
    let mut group = Group::with(3, options);
    group.elect(0);
    let first = group.propose(0, 8);
    let busy = group.propose(0, 1);
    check(&group, busy, "refused", RaftError::EBUSY);
    group.settle();
    assert_eq!(group.ending(first), "committed");
    let again = group.propose(0, 1);
    group.settle();
    // The peers' logs were full, too, until they heard of the commit.
    group.pass(200);
    group.fire(0, TimerKind::Heartbeat);
    group.settle();
    assert_eq!(group.ending(again), "committed");
}

#[test]
fn a_node_that_fails_before_its_start_never_takes_part() {
    let mut group = Group::new(3);
    group.crash(0, 0, false);
    group.open(0);
    group.act(0, |state, now, fx| state.on_error(&status(), now, fx));
    group.act(0, NodeState::on_start);
    assert_eq!(group.state(0).role(), Role::Error);
    let task = group.propose(0, 1);
    check(&group, task, "refused", RaftError::EPERM);
}
