//! What a node asserts of itself, and what it says of its role.

use jraft_spi::status::Role;
use jraft_spi::{NodeOptions, Term};

use super::disk::{Image, voted};
use super::kit::{Group, log, peer};
use crate::node::effect::{Effect, Note};
use crate::node::state::NodeState;

/// A follower of term 3 that has voted for node 1, after `spoil`, at the end of a step.
fn after(spoil: impl FnOnce(&mut NodeState)) {
    let image = Image { meta: voted(3, Some(&peer(1))), log: log(&[1, 3]) };
    let mut group = Group::from(NodeOptions::default(), vec![image; 3], "a:1,b:1,c:1");
    let state = group.members[0].state.as_mut().unwrap();
    spoil(state);
    state.finish_step(&mut Vec::new());
}

#[test]
fn a_vote_may_be_repeated_and_a_newer_term_begins_without_one() {
    after(|state| {
        state.set_term_and_vote(Term(3), Some(peer(1)));
        state.set_term_and_vote(Term(4), None);
        state.set_term_and_vote(Term(4), Some(peer(2)));
    });
}

#[test]
#[should_panic(expected = "a vote is given once in a term")]
fn a_second_vote_in_a_term_is_never_written() {
    after(|state| state.set_term_and_vote(Term(3), Some(peer(2))));
}

#[test]
#[should_panic(expected = "a vote is given once in a term")]
fn a_vote_is_never_taken_back() {
    after(|state| state.set_term_and_vote(Term(3), None));
}

#[test]
#[should_panic(expected = "a term never falls")]
fn a_term_never_falls() {
    after(|state| state.set_term_and_vote(Term(2), Some(peer(1))));
}

#[test]
#[should_panic(expected = "no entry is newer than the term")]
fn a_log_of_a_newer_term_is_no_state() {
    after(|state| state.term = Term(2));
}

#[test]
#[should_panic(expected = "candidates vote for themselves")]
fn a_candidate_of_somebody_else_is_no_state() {
    after(|state| state.role = Role::Candidate);
}

#[test]
#[should_panic(expected = "a leader knows that it leads")]
fn a_leader_that_does_not_know_is_no_state() {
    after(|state| state.role = Role::Leader);
}

#[test]
fn a_node_that_is_down_is_asked_nothing() {
    after(|state| (state.role, state.term) = (Role::Shutdown, Term(2)));
}

#[test]
fn a_role_is_told_when_it_changes_and_only_then() {
    let mut group = Group::new(3);
    let state = group.members[0].state.as_mut().unwrap();
    let told = |fx: &[Effect]| {
        fx.iter().filter(|effect| matches!(effect, Effect::Note(Note::Role { .. }))).count()
    };
    let mut fx = Vec::new();
    state.change_role(Role::Follower, state.term, "again", &mut fx);
    assert_eq!(told(&fx), 0);
    state.change_role(Role::Candidate, state.term, "test", &mut fx);
    assert_eq!(told(&fx), 1);
    state.change_role(Role::Candidate, state.term.next(), "test", &mut fx);
    assert_eq!(told(&fx), 2, "the term is part of it");
}

/// A leader of one with a slow disk and a second entry, that may hold so many bytes: what it holds, and whether it is full.
fn holding(budget: usize) -> (usize, bool) {
    let mut options = NodeOptions::default();
    options.raft.max_logs_in_memory_bytes = budget as i64;
    let mut group = Group::with(1, options);
    group.slow(0);
    // The first entry is applied, and let go of at the end of a turn.
    group.turn(0);
    group.propose(0, 1);
    let state = group.state(0);
    (state.log.bytes_in_memory(), state.is_log_full())
}

#[test]
fn a_log_is_full_when_it_holds_more_than_it_may() {
    let (held, _) = holding(1 << 20);
    assert_eq!(holding(held), (held, false));
    assert_eq!(holding(held - 1), (held, true));
}
