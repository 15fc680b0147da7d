//! Between the faults and the end of all of them: a majority of the voters, the core, is well and whole, and everybody else
//! stays down or cut off somehow. The core owes what a whole group owes: a leader that lasts, and answers (I-27, I-28).
//!
//! Which nodes these are, and how the others are cut off, are dice of the seed. Sometimes all are well before, equal and idle,
//! and clients do nothing until the end: only then the log of a node that hears no leader is not behind, so that nothing but
//! the leader's being alive speaks against its pre-votes. What Raft does not promise is not asked for:
//! nodes that are told not to step down when a vote times out may raise their term for ever once they stand for election, and
//! are heard by nobody here.

use std::sync::Arc;

use jraft_core::{Role, Term};

use super::dice::Dice;
use super::plan::Load;
use super::run::{describe, is_even, is_up_to};
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
    /// All was well and equal before, and no client works.
    idle: bool,
    dice: Dice,
}

/// A majority is well, then one node after the other.
pub(super) fn hold_out(world: &Arc<World>, load: Load) {
    // Without clients nothing is ever committed, and nothing owed; of two voters none can be missed.
    if load.clients == 0 || world.voters() < 3 {
        return;
    }
    let idle = Dice::new(world.hub.seed, "idle core").chance(500) && comes_to_rest(world);
    let core = Core::draw(world, idle);
    if core.is_none() || !idle || world.hub.broken().is_some() {
        world.history.lull(false);
    }
    let Some(mut core) = core else { return };
    core.begin(world);
    if core.gets_up(world) && core.finds_a_leader(world) && core.keeps_it(world, load) {
        core.takes_back(world);
    }
}

/// All is well, and clients pause: whether all are equal then. If that takes longer, the last phase finds out why.
fn comes_to_rest(world: &Arc<World>) -> bool {
    world.history.lull(true);
    world.ease();
    let mend = |world: &Arc<World>| (0..world.nodes.len()).for_each(|node| world.mend(node));
    mend(world);
    world.run_until(world.hub.now() + under_way(world), |_| false);
    let patience = TIMEOUTS * world.election_timeout().as_nanos() as u64;
    world.run_until(world.hub.now() + patience, |world| {
        mend(world);
        is_even(world)
    })
}

/// So long a request may be on its way, and its sender wait for an answer.
const fn under_way(world: &World) -> u64 {
    world.options().rpc.rpc_default_timeout * 1_000_000
}

impl Core {
    /// None without a majority of disks that may be believed.
    fn draw(world: &World, idle: bool) -> Option<Self> {
        let voters = world.voters();
        let quorum = voters / 2 + 1;
        let mut dice = Dice::new(world.hub.seed, "core");
        let is_whole =
            |node: &usize| !world.is_refused(*node) && !*world.nodes[*node].damaged.lock();
        let mut members: Vec<usize> = (0..voters).filter(is_whole).collect();
        if members.len() < quorum {
            return None;
        }
        let most = members.len().min(voters - 1);
        let size = if dice.chance(700) {
            quorum
        } else {
            dice.within(quorum as u64, most as u64) as usize
        };
        // A leader that is cut off is what is most worth a look; one that stays is the other half of it.
        let leader = Self::leader(world).map(|(leader, _)| leader);
        let cut_off = leader.filter(|_| members.len() > size && dice.chance(400));
        members.retain(|&node| Some(node) != cut_off);
        while members.len() > size {
            members.remove(dice.place(members.len()));
        }
        // Or all others hang on one of the core together: in a chain, or over a bridge.
        let bridges: Vec<usize> =
            members.iter().copied().filter(|&node| Some(node) != leader).collect();
        let bridge = dice.one(&bridges);
        let is_bridge = dice.chance(400);
        let may_be_heard = world.options().raft.step_down_when_vote_timedout;
        let others = (0..world.nodes.len()).filter(|node| !members.contains(node));
        let outside = others.map(|node| {
            let away = Away::draw(&mut dice, &members);
            let away = if is_bridge { Away::Bridged(bridge) } else { away };
            (node, if may_be_heard { away } else { away.unheard() })
        });
        let outside = outside.collect();
        let whole_outside = is_bridge || dice.chance(500);
        Some(Self { members, outside, whole_outside, idle, dice })
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
        let stays = Self::leader(world).is_some_and(|(leader, _)| self.members.contains(&leader));
        if self.idle && stays {
            // All was well until now: nothing may depose it from the first moment on.
            world.watch.see(&Seen::Calm);
        }
        let longest = world.election_timeout().as_nanos() as u64;
        let under_way = if self.idle { 0 } else { under_way(world) };
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
        let patience = (TIMEOUTS + LASTING) * longest + self::under_way(world);
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
        world.run_until(world.hub.now() + calm, |_| false);
        world.history.lull(false);
        let before = world.history.endings().answered;
        world.run_until(world.hub.now() + client, |_| false);
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

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::super::run::run;
    use super::*;

    fn core(away: Away) -> Core {
        let outside = vec![(3, away), (4, Away::Cut)];
        let dice = Dice::new(1, "core");
        Core { members: vec![0, 1, 2], outside, whole_outside: false, idle: false, dice }
    }

    #[test]
    fn the_core_is_whole_and_the_rest_is_cut_off_as_it_is_said() {
        for (away, hears, is_heard) in [
            (Away::Down, vec![], vec![]),
            (Away::Cut, vec![], vec![]),
            (Away::Mute, vec![0, 1, 2], vec![]),
            (Away::Deaf, vec![], vec![0, 1, 2]),
            (Away::Bridged(1), vec![1], vec![1]),
        ] {
            let core = core(away);
            let ways = |reach: &dyn Fn(usize) -> bool| (0..3).filter(|&one| reach(one)).collect();
            let (in_, out): (Vec<_>, Vec<_>) =
                (ways(&|one| core.reaches(one, 3)), ways(&|one| core.reaches(3, one)));
            assert_eq!((in_, out), (hears, is_heard), "{away:?}");
            assert!(core.reaches(0, 2) && core.reaches(2, 0) && !core.reaches(4, 0));
            assert!(!core.reaches(3, 4) && !core.reaches(4, 3));
            let whole = Core { whole_outside: true, ..core };
            assert!(whole.reaches(3, 4) && whole.reaches(4, 3) && !whole.reaches(4, 0));
        }
        for away in [Away::Deaf, Away::Bridged(1)] {
            let core = core(away.unheard());
            assert!((0..3).all(|one| !core.reaches(3, one)), "{away:?}");
        }
    }

    /// Which kinds of nodes were left outside in a run, and how many.
    fn left(plan: &Plan) -> u64 {
        let report = run(plan, false).unwrap();
        assert_eq!(report.broken, None, "{plan}");
        report.faults.0.iter().filter(|(kind, _)| kind.starts_with("left ")).map(|(_, n)| n).sum()
    }

    #[test]
    fn a_plan_switches_it_on_and_a_minority_is_outside() {
        let option = |name: &str, value: u64| (name.to_owned(), value.to_string());
        let options = vec![
            option("election_timeout_ms", 200),
            option("raft.max_election_delay_ms", 50),
            option("rpc.rpc_default_timeout", 1000),
        ];
        let load = Load { clients: 1, think: (50_000, 90_000), ..Plan::default().load };
        let plan = Plan { hurt: 500, nodes: 5, partial: true, options, load, ..Plan::default() };
        let counts: Vec<u64> = (1..5).map(|seed| left(&Plan { seed, ..plan.clone() })).collect();
        assert!(counts.iter().all(|count| (1..=2).contains(count)), "{counts:?}");
        assert_eq!(left(&Plan { partial: false, ..plan.clone() }), 0);
        assert_eq!(left(&Plan { nodes: 2, ..plan.clone() }), 0);
        let nobody = Plan { load: Load { clients: 0, ..plan.load }, ..plan };
        assert_eq!(left(&nobody), 0);
    }
}
