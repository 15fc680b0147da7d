//! I-9 and I-13: a node votes for one candidate in a term, over all its lives, and never before the vote is durable.

use std::collections::BTreeMap;

use jraft_core::message::{RaftRequest, RaftResponse, RequestVoteRequest};
use jraft_core::{PeerId, Role, Term};

use super::facts::Facts;
use super::look::Look;
use super::{Check, Seen, Verdict};

/// Who voted for whom.
#[derive(Default)]
pub struct Votes(BTreeMap<(usize, Term), PeerId>);

/// A vote is not changed or taken back within a term, and a durable one is remembered.
fn keeps_vote(node: usize, inside: &dyn Look, facts: &Facts) -> Verdict {
    let (before, now) = (&facts.nodes[node], inside.voted_for());
    if before.role != Role::Uninitialized && before.voted_for.as_ref() == now {
        return Ok(());
    }
    let durable = before.record.lock().durable_meta();
    let known =
        [(before.term, before.voted_for.as_ref()), (durable.term, durable.voted_for.as_ref())];
    for (_, vote) in known.into_iter().filter(|(term, _)| *term == inside.term()) {
        if vote.is_some() && vote != now {
            let term = inside.term();
            let name =
                |vote: Option<&PeerId>| vote.map_or_else(|| "nobody".to_owned(), PeerId::to_string);
            let (was, is) = (name(vote), name(now));
            return Err(format!("I-9: node {node} voted for {was} in term {term}, now for {is}"));
        }
    }
    Ok(())
}

impl Votes {
    /// A vote of `node` for the sender of the request leaves it.
    fn votes(&mut self, node: usize, request: &RequestVoteRequest, facts: &Facts) -> Verdict {
        let (term, candidate) = (request.term, &request.server);
        let mut record = facts.nodes[node].record.lock();
        if !record.was_durable(term, candidate) {
            let durable = record.durable_meta();
            return Err(format!(
                "I-13: node {node} votes for {candidate} in term {term}, durable is {durable:?}"
            ));
        }
        match self.0.get(&(node, term)) {
            Some(first) if first != candidate => Err(format!(
                "I-9: node {node} votes for {first} and for {candidate} in term {term}"
            )),
            Some(_) => Ok(()),
            None => {
                self.0.insert((node, term), candidate.clone());
                Ok(())
            }
        }
    }
}

/// What must hold of a grant, whoever got the vote before.
fn is_in_order(node: usize, request: &RequestVoteRequest, term: Term, facts: &Facts) -> Verdict {
    let me = &facts.nodes[node];
    if term != request.term {
        return Err(format!("I-9: node {node} of term {term} votes in term {}", request.term));
    }
    let stands = me.role == Role::Candidate || me.role.is_leader_like();
    if stands && me.term == term && request.server != facts.peers[node] {
        let (role, other) = (me.role, &request.server);
        return Err(format!("I-9: node {node}, {role} of term {term}, votes for {other}"));
    }
    Ok(())
}

impl Check for Votes {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Looked { node, inside } => keeps_vote(*node, *inside, facts),
            Seen::Sends { node, request: RaftRequest::RequestVote(request) }
                if !request.pre_vote =>
            {
                if request.server != facts.peers[*node] {
                    let other = &request.server;
                    return Err(format!("I-9: node {node} asks for votes for {other}"));
                }
                self.votes(*node, request, facts)
            }
            Seen::Answers {
                node,
                request: RaftRequest::RequestVote(request),
                answer: RaftResponse::RequestVote(answer),
                ..
            } if answer.granted && !request.pre_vote => {
                is_in_order(*node, request, answer.term, facts)?;
                self.votes(*node, request, facts)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{Fake, World, assert_breaks, peer, vote, voted};
    use super::*;

    fn grants(world: &mut World<Votes>, candidate: usize, term: u64) -> Verdict {
        world.answers(0, &vote(candidate, term, (0, 0), false), &voted(term, true))
    }

    #[test]
    fn a_vote_may_be_repeated_and_be_overtaken_by_a_newer_term() {
        let mut world = World::new(Votes::default());
        world.meta(0, 3, Some(1));
        grants(&mut world, 1, 3).unwrap();
        world.start(0).unwrap();
        grants(&mut world, 1, 3).unwrap();
        world.meta(0, 4, Some(0));
        grants(&mut world, 1, 3).unwrap();
        world.sends(0, &vote(0, 4, (0, 0), false)).unwrap();
        world.sends(0, &vote(0, 5, (0, 0), true)).unwrap();
        world.answers(0, &vote(2, 9, (0, 0), true), &voted(4, true)).unwrap();
    }

    #[test]
    fn a_vote_that_is_not_durable_is_found() {
        let mut world = World::new(Votes::default());
        assert_breaks(&grants(&mut world, 1, 3), "I-13");
        world.meta(0, 3, Some(2));
        assert_breaks(&grants(&mut world, 1, 3), "I-13");
        world.disks[0].set(0);
        world.meta(0, 4, Some(0));
        assert_breaks(&world.sends(0, &vote(0, 4, (0, 0), false)), "I-13");
    }

    #[test]
    fn two_votes_in_one_term_are_found() {
        let mut world = World::new(Votes::default());
        world.meta(0, 3, Some(1));
        grants(&mut world, 1, 3).unwrap();
        world.start(0).unwrap();
        world.meta(0, 3, Some(2));
        assert_breaks(&grants(&mut world, 2, 3), "I-9");
    }

    #[test]
    fn a_vote_that_is_forgotten_or_changed_is_found() {
        let voted = |term, vote: Option<usize>| Fake {
            vote: vote.map(peer),
            ..Fake::new(Role::Follower, term, &[])
        };
        let mut world = World::new(Votes::default());
        world.look(0, &voted(3, None)).unwrap();
        world.look(0, &voted(3, Some(1))).unwrap();
        assert_breaks(&world.look(0, &voted(3, Some(2))), "I-9");
        assert_breaks(&world.look(0, &voted(3, None)), "I-9");
        world.look(0, &voted(4, None)).unwrap();
        world.meta(0, 4, Some(2));
        world.start(0).unwrap();
        assert_breaks(&world.look(0, &voted(4, None)), "I-9");
        world.look(0, &voted(4, Some(2))).unwrap();
    }

    #[test]
    fn votes_of_those_who_stand_and_for_other_terms_are_found() {
        let mut world = World::new(Votes::default());
        world.meta(0, 3, Some(1));
        let vote_kept = Fake { vote: Some(peer(1)), ..Fake::new(Role::Candidate, 3, &[]) };
        world.look(0, &vote_kept).unwrap();
        assert_breaks(&grants(&mut world, 1, 3), "I-9");
        let request = vote(1, 3, (0, 0), false);
        assert_breaks(&world.answers(0, &request, &voted(4, true)), "I-9");
        assert_breaks(&world.sends(0, &request), "I-9");
    }
}
