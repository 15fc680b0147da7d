//! I-32, the other half: nobody encourages an election who leads, has just heard of a leader, or is ahead of the candidate's
//! term.
//!
//! A grant may leave a while after it was decided, so it is wrong only if it was wrong all the time since its request came.

use jraft_core::message::{RaftRequest, RaftResponse, RequestVoteRequest};
use jraft_core::{PeerId, Term};

use super::facts::Facts;
use super::fresh_leader::is_fresh;
use super::{Check, Seen, Verdict};

/// A request for a pre-vote that is not answered yet, and the node as it was when that came.
struct Asked {
    at: u64,
    server: PeerId,
    term: Term,
    leads: bool,
    /// When the newest request came that it had accepted from the leader of that term, if it knew one.
    contact: Option<u64>,
}

#[derive(Default)]
struct Life {
    asked: Vec<Asked>,
    contact: Option<(u64, Term)>,
}

/// See the [module](self).
pub struct PreVotes(Vec<Life>);

/// Requests whose answers never come are forgotten in the end.
const MOST_ASKED: usize = 64;

impl PreVotes {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self((0..nodes).map(|_| Life::default()).collect())
    }

    fn hears(&mut self, node: usize, request: &RequestVoteRequest, facts: &Facts) {
        let (life, me) = (&mut self.0[node], &facts.nodes[node]);
        if life.asked.len() == MOST_ASKED {
            life.asked.remove(0);
        }
        let of_this_term = life.contact.filter(|(_, term)| *term == me.term && me.leader.is_some());
        life.asked.push(Asked {
            at: facts.now,
            server: request.server.clone(),
            term: me.term,
            leads: me.role.is_leader_like(),
            contact: of_this_term.map(|(at, _)| at),
        });
    }

    fn grants(&mut self, node: usize, server: &PeerId, heard: u64) -> Option<Asked> {
        let asked = &mut self.0[node].asked;
        let place = asked.iter().position(|one| one.at == heard && one.server == *server)?;
        Some(asked.remove(place))
    }
}

fn may_grant(node: usize, request: &RequestVoteRequest, asked: &Asked, facts: &Facts) -> Verdict {
    let (me, server) = (&facts.nodes[node], &request.server);
    let wrong = |why: &str| Err(format!("I-32: node {node} grants {server} a pre-vote and {why}"));
    if request.term < asked.term {
        return wrong(&format!("is in term {}, not {}", asked.term, request.term));
    }
    if me.term != asked.term {
        return Ok(());
    }
    if asked.leads && me.role.is_leader_like() {
        return wrong(&format!("leads term {}", me.term));
    }
    match asked.contact {
        Some(contact) if me.leader.is_some() && is_fresh(node, contact, facts) => {
            let micros = (facts.now - contact) / 1000;
            wrong(&format!("has heard of a leader {micros} us ago"))
        }
        _ => Ok(()),
    }
}

impl Check for PreVotes {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Started { node, .. } => self.0[*node] = Life::default(),
            Seen::Hears { node, request: RaftRequest::RequestVote(request) }
                if request.pre_vote =>
            {
                self.hears(*node, request, facts);
            }
            Seen::Answers { node, heard, answer: RaftResponse::AppendEntries(answer), .. }
                if answer.success =>
            {
                let contact = &mut self.0[*node].contact;
                let older = contact.filter(|(_, term)| *term == answer.term).map(|(at, _)| at);
                *contact = Some((older.unwrap_or_default().max(*heard), answer.term));
            }
            Seen::Answers {
                node,
                request: RaftRequest::RequestVote(request),
                heard,
                answer: RaftResponse::RequestVote(answer),
            } if request.pre_vote => {
                let asked = self.grants(*node, &request.server, *heard);
                return match asked.filter(|_| answer.granted) {
                    Some(asked) => may_grant(*node, request, &asked, facts),
                    None => Ok(()),
                };
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, accepted, append, assert_breaks, peer, vote, voted};
    use super::*;

    /// Node 0 follows node 1 in term 3, and has heard of it 100 ms ago.
    fn world() -> World<PreVotes> {
        let mut world = World::new(PreVotes::new(3));
        let beat = append(1, 3, (0, 0), &[]);
        world.wait(5_000);
        let follower = Fake { leader: Some(peer(1)), ..Fake::new(Role::Follower, 3, &[]) };
        world.look(0, &follower).unwrap();
        world.hears(0, &beat).unwrap();
        world.answers(0, &beat, &accepted(3)).unwrap();
        world.wait(100);
        world
    }

    fn grants(world: &mut World<PreVotes>, term: u64) -> Verdict {
        let request = vote(2, term, (0, 0), true);
        world.hears(0, &request).unwrap();
        world.answers(0, &request, &voted(3, true))
    }

    #[test]
    fn whoever_has_waited_may_encourage_others() {
        let mut patient = world();
        patient.wait(650);
        grants(&mut patient, 4).unwrap();
        let mut refusing = world();
        let request = vote(2, 4, (0, 0), true);
        refusing.hears(0, &request).unwrap();
        refusing.answers(0, &request, &voted(3, false)).unwrap();
        let mut lost = world();
        lost.look(0, &Fake::new(Role::Follower, 3, &[])).unwrap();
        grants(&mut lost, 4).unwrap();
        let mut jumped = world();
        jumped.see(&Seen::Jumps { node: 0 }).unwrap();
        grants(&mut jumped, 4).unwrap();
    }

    #[test]
    fn an_answer_may_be_late() {
        let mut world = world();
        let request = vote(2, 4, (0, 0), true);
        world.hears(0, &request).unwrap();
        world.look(0, &Fake::new(Role::Leader, 4, &[])).unwrap();
        world.answers(0, &request, &voted(4, true)).unwrap();
    }

    #[test]
    fn encouragement_against_a_leader_is_found() {
        assert_breaks(&grants(&mut world(), 4), "I-32");
        let mut leader = world();
        leader.wait(2_000);
        leader.look(0, &Fake::new(Role::Leader, 4, &[])).unwrap();
        assert_breaks(&grants(&mut leader, 5), "I-32");
    }

    #[test]
    fn encouragement_of_an_older_term_is_found() {
        let mut world = world();
        world.wait(2_000);
        assert_breaks(&grants(&mut world, 2), "I-32");
    }
}
