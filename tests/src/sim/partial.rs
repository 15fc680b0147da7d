//! Between the faults and the end of all of them: a majority of the voters, the core, is well and whole, and everybody else
//! stays down or cut off somehow. The core owes what a whole group owes: a leader that lasts, and answers (I-27, I-28).
//!
//! Which nodes these are, and how the others are cut off, are dice of the seed. What Raft does not promise is not asked for:
//! nodes that are told not to step down when a vote times out may raise their term for ever once they stand for election, and
//! are heard by nobody here.

use std::sync::Arc;

use jraft_core::{Role, Term};

use super::dice::Dice;
use super::plan::Load;
use super::run::{describe, is_up_to};
use super::world::World;
use crate::checks::Seen;

/// So many of the longest election timeouts may pass until there is a leader: as in the check of I-27.
const TIMEOUTS: u64 = 10;
/// It must have led for so many of them until it is called one that lasts: longer than the lease of a leader that is deaf.
const LASTING: u64 = 2;
/// Then it leads for so many more.
const CALM: u64 = 6;
/// A start, and a shutdown before it, take less than this.
const LONGEST_START: u64 = 30_000_000_000;

/// How a node outside of the core is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Away {
    /// It is down.
    Down,
    /// It hears nothing of the core, nor is it heard.
    Cut,
    /// It hears, and is not heard.
    Mute,
    /// It is heard, and hears nothing.
    Deaf,
    /// It hears this one of the core, and is heard by it.
    Bridged(usize),
}

impl Away {
    fn draw(dice: &mut Dice, members: &[usize]) -> Self {
        let bridge = members[dice.place(members.len())];
        dice.one(&[
            Self::Down,
            Self::Cut,
            Self::Mute,
            Self::Deaf,
            Self::Deaf,
            Self::Bridged(bridge),
        ])
    }

    /// The same for a node that may be heard by nobody.
    const fn unheard(self) -> Self {
        match self {
            Self::Deaf => Self::Mute,
            Self::Bridged(_) => Self::Cut,
            other => other,
        }
    }

    /// The kind of fault.
    const fn kind(self) -> &'static str {
        match self {
            Self::Down => "left down",
            Self::Cut => "left cut off",
            Self::Mute => "left mute",
            Self::Deaf => "left deaf",
            Self::Bridged(_) => "left bridged",
        }
    }
}

/// See the [module](self).
struct Core {
    members: Vec<usize>,
    outside: Vec<(usize, Away)>,
    /// Those outside are connected to each other.
    whole_outside: bool,
    dice: Dice,
}

/// A majority is well, then one node after the other.
pub(super) fn hold_out(world: &Arc<World>, load: Load) {
    // Without clients nothing is ever committed, and nothing owed.
    let Some(mut core) = Core::draw(world).filter(|_| load.clients > 0) else { return };
    core.begin(world);
    if core.gets_up(world) && core.finds_a_leader(world) && core.keeps_it(world, load) {
        core.takes_back(world);
    }
}

impl Core {
    /// None without a majority of disks that may be believed, and without anybody to be outside.
    fn draw(world: &World) -> Option<Self> {
        let voters = world.voters();
        let quorum = voters / 2 + 1;
        let mut dice = Dice::new(world.hub.seed, "core");
        let is_whole =
            |node: &usize| !world.is_refused(*node) && !*world.nodes[*node].damaged.lock();
        let mut members: Vec<usize> = (0..voters).filter(is_whole).collect();
        if members.len() < quorum || quorum == voters {
            return None;
        }
        let most = members.len().min(voters - 1);
        let size = if dice.chance(700) {
            quorum
        } else {
            dice.within(quorum as u64, most as u64) as usize
        };
        while members.len() > size {
            members.remove(dice.place(members.len()));
        }
        let may_be_heard = world.options().raft.step_down_when_vote_timedout;
        let others = (0..world.nodes.len()).filter(|node| !members.contains(node));
        let outside = others.map(|node| {
            let away = Away::draw(&mut dice, &members);
            (node, if may_be_heard { away } else { away.unheard() })
        });
        let outside = outside.collect();
        Some(Self { members, outside, whole_outside: dice.chance(500), dice })
    }

    fn away(&self, node: usize) -> Option<Away> {
        self.outside.iter().find(|(other, _)| *other == node).map(|&(_, away)| away)
    }

    /// Whether messages of one node get to another.
    fn reaches(&self, from: usize, to: usize) -> bool {
        match (self.away(from), self.away(to)) {
            (None, None) => true,
            (Some(Away::Deaf), None) | (None, Some(Away::Mute)) => true,
            (Some(Away::Bridged(over)), None) => over == to,
            (None, Some(Away::Bridged(over))) => over == from,
            (Some(_), Some(_)) => self.whole_outside,
            _ => false,
        }
    }

    fn cut_links(&self, world: &World) {
        let mut links = world.net.links.lock();
        let nodes = world.nodes.len();
        for (from, to) in (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to))) {
            links.set_cut(from, to, from != to && !self.reaches(from, to));
        }
    }

    fn begin(&self, world: &Arc<World>) {
        world.note(None, || {
            format!("the core {:?} is well; outside: {:?}", self.members, self.outside)
        });
        world.ease();
        self.cut_links(world);
        for &(node, away) in &self.outside {
            world.faults.lock().count(away.kind());
            match away {
                Away::Down => world.crash(node, super::plan::Death::Kill),
                // Its link is all that is wrong with it: it may lead.
                Away::Bridged(_) => world.mend(node),
                _ if world.is_refused(node) => {}
                _ => world.boot(node),
            }
        }
        self.members.iter().for_each(|&node| world.mend(node));
    }

    /// Whoever failed when the faults ended, or was on its way down, starts again.
    fn keep_up(&self, world: &Arc<World>) {
        let whole = self.members.iter().filter(|&&node| !world.is_refused(node));
        whole.for_each(|&node| world.boot(node));
    }

    fn gets_up(&self, world: &Arc<World>) -> bool {
        let runs = |world: &World, node: usize| {
            world.watch.node(node).is_some_and(|node| node.status().role != Role::Error)
        };
        let all = |world: &Arc<World>| {
            self.keep_up(world);
            self.members.iter().all(|&node| runs(world, node))
        };
        is_up_to(world, LONGEST_START, all, || "I-27: the core does not start".to_owned())
    }

    /// The leader that a majority follows, and its term.
    fn leader(world: &World) -> Option<(usize, Term)> {
        let status = |node: usize| world.watch.node(node).map(|node| node.status());
        let known: Vec<_> = (0..world.voters()).map(status).collect();
        let leads = |node: &usize| {
            let Some(mine) = known[*node].as_ref() else { return false };
            let peer = Some(&world.peers()[*node]);
            let follows = known
                .iter()
                .flatten()
                .filter(|other| other.term == mine.term && other.leader.as_ref() == peer);
            mine.role == Role::Leader && follows.count() > known.len() / 2
        };
        let leader = (0..known.len()).find(leads)?;
        Some((leader, known[leader].as_ref()?.term))
    }

    /// One leader lasts, and whatever was under way when the faults ended has come to its end.
    fn finds_a_leader(&self, world: &Arc<World>) -> bool {
        world.watch.see(&Seen::Core { members: &self.members });
        let longest = world.election_timeout().as_nanos() as u64;
        // So long a request may be on its way, and its sender wait for an answer.
        let under_way = world.options().rpc.rpc_default_timeout * 1_000_000;
        let begun = world.hub.now();
        let mut last = None;
        let mut since = begun;
        let lasts = |world: &Arc<World>| {
            self.keep_up(world);
            let (now, leader) = (world.hub.now(), Self::leader(world));
            if leader.is_none() || leader != last {
                (last, since) = (leader, now);
            }
            now - since >= LASTING * longest && now - begun >= under_way
        };
        let patience = (TIMEOUTS + LASTING) * longest + under_way;
        is_up_to(world, patience, lasts, || {
            let millis = patience / 1_000_000;
            format!("I-28: no leader of the core {:?} lasts within {millis} ms", self.members)
        })
    }

    /// Nobody deposes it (see the check of I-28), and it serves.
    fn keeps_it(&self, world: &Arc<World>, load: Load) -> bool {
        world.watch.see(&Seen::Calm);
        let calm = CALM * world.election_timeout().as_nanos() as u64;
        // Time for a client that has asked the wrong node, and for its next operation.
        let client = load.patience * 1_000_000 + load.think.1 * 1000;
        let before = world.history.endings().answered;
        world.run_until(world.hub.now() + calm + client, |_| false);
        if world.hub.broken().is_some() {
            return false;
        }
        if world.history.endings().answered == before {
            let (state, members) = (describe(world), &self.members);
            world.hub.fail(format!("I-27: the core {members:?} answers no client: {state}"));
            return false;
        }
        true
    }

    /// The others come back one after the other.
    fn takes_back(&mut self, world: &Arc<World>) {
        let longest = world.election_timeout().as_nanos() as u64;
        while !self.outside.is_empty() && world.hub.broken().is_none() {
            let place = self.dice.place(self.outside.len());
            let (node, _) = self.outside.remove(place);
            world.note(None, || format!("{node} is well again"));
            self.members.push(node);
            self.cut_links(world);
            world.mend(node);
            world.watch.see(&Seen::Core { members: &self.members });
            let wait = self.dice.within(0, 2 * longest);
            world.run_until(world.hub.now() + wait, |world| {
                self.keep_up(world);
                false
            });
        }
    }
}
