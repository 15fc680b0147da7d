//! I-8: what a leader believes of its peers makes sense, and is true.

use jraft_core::{LogIndex, PeerProgress, Term};

use super::facts::Facts;
use super::look::Look;
use super::{Check, Seen, Verdict};

/// What a leader believed of a peer when it was looked at last.
struct Believed {
    /// Which node that is.
    peer: Option<usize>,
    matched: LogIndex,
    next: LogIndex,
}

#[derive(Default)]
struct Leadership {
    term: Term,
    /// In the order in which they are shown.
    peers: Vec<Believed>,
}

/// For each node, its last leadership.
pub struct Replication(Vec<Leadership>);

impl Replication {
    /// For so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self((0..nodes).map(|_| Leadership::default()).collect())
    }

    fn looked(&mut self, node: usize, inside: &dyn Look, facts: &Facts) -> Verdict {
        let led = &mut self.0[node];
        if led.term != inside.term() {
            *led = Leadership { term: inside.term(), peers: Vec::new() };
        }
        let (mut place, mut verdict) = (0, Ok(()));
        inside.each_peer(&mut |now| {
            if verdict.is_err() {
                return;
            }
            if led.peers.len() == place {
                let peer = facts.node_of(now.peer);
                let (matched, next) = (LogIndex::ZERO, LogIndex(u64::MAX));
                led.peers.push(Believed { peer, matched, next });
            }
            let believed = &mut led.peers[place];
            place += 1;
            if (believed.matched, believed.next) != (now.matched, now.next) {
                verdict = judge(believed, &now, inside, facts)
                    .map_err(|wrong| format!("I-8: leader {node} of {}: {wrong}", inside.term()));
                (believed.matched, believed.next) = (now.matched, now.next);
            }
        });
        verdict
    }
}

fn judge(before: &Believed, now: &PeerProgress<'_>, inside: &dyn Look, facts: &Facts) -> Verdict {
    let (matched, next, last) = (now.matched, now.next, inside.last_log().index);
    if matched >= next || next > last.next() {
        return Err(format!("{} matched {matched}, next {next}, last {last}", now.peer));
    }
    let Some(peer) = before.peer else {
        return Err(format!("{} is a stranger", now.peer));
    };
    if before.matched == matched || facts.nodes[peer].forgetful {
        return Ok(());
    }
    if matched < before.matched {
        return Err(format!("{} matched {}, now {matched}", now.peer, before.matched));
    }
    // With a newer term it may have been told to forget some of it.
    let newer = facts.durable_meta_term(peer) > inside.term();
    if newer || !facts.is_answerable() {
        return Ok(());
    }
    let (here, there) = (inside.term_of(matched), facts.durable_term(peer, matched));
    if here == there {
        return Ok(());
    }
    Err(format!("{} matched {matched} of term {here:?}, and holds {there:?} there", now.peer))
}

impl Check for Replication {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        match seen {
            Seen::Started { node, .. } => self.0[*node] = Leadership::default(),
            Seen::Looked { node, inside } if inside.role().is_leader_like() => {
                return self.looked(*node, *inside, facts);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks};
    use super::*;

    fn leader(matched: u64, next: u64) -> Fake {
        Fake::new(Role::Leader, 3, &[1, 3, 3]).peer(1, matched, next)
    }

    fn world() -> World<Replication> {
        let world = World::new(Replication::new(3));
        world.durable(1, &[1, 3]);
        world.meta(1, 3, None);
        world
    }

    #[test]
    fn a_peer_catches_up() {
        let mut world = world();
        for (matched, next) in [(0, 4), (0, 2), (1, 2), (2, 3), (2, 4)] {
            world.look(0, &leader(matched, next)).unwrap();
        }
        world.start(0).unwrap();
        world.look(0, &leader(0, 4)).unwrap();
    }

    #[test]
    fn nonsense_is_found() {
        for (matched, next) in [(2, 2), (0, 0), (1, 5)] {
            assert_breaks(&world().look(0, &leader(matched, next)), "I-8");
        }
    }

    #[test]
    fn a_belief_that_falls_or_is_not_true_is_found() {
        let mut falls = world();
        falls.look(0, &leader(2, 3)).unwrap();
        assert_breaks(&falls.look(0, &leader(1, 3)), "I-8");
        assert_breaks(&world().look(0, &leader(3, 4)), "I-8");
        let other = Fake { log: vec![1, 2, 3], ..leader(2, 3) };
        assert_breaks(&world().look(0, &other), "I-8");
    }

    #[test]
    fn who_forgets_or_follows_a_newer_leader_is_excused() {
        let mut forgetful = world();
        forgetful.facts.nodes[1].forgetful = true;
        forgetful.look(0, &leader(3, 4)).unwrap();
        forgetful.look(0, &leader(0, 1)).unwrap();
        let mut newer = world();
        newer.meta(1, 4, None);
        newer.look(0, &leader(3, 4)).unwrap();
    }
}
