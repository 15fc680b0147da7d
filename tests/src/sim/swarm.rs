//! From a seed to a plan: which faults exist at all in this run, how often, and with which options. Each run leaves much out,
//! since one kind of fault can hide another.

use super::dice::Dice;
use super::net::links::NetPace;
use super::plan::{Action, Death, Event, Load, Plan};
use super::policy::Policy;
use super::store::DiskPace;

/// The plan of a seed.
pub fn plan_of(seed: u64) -> Plan {
    let mut dice = Dice::new(seed, "plan");
    let nodes = dice.one(&[1, 2, 3, 3, 3, 3, 5, 5, 5, 7]);
    let hurt = dice.one(&[5_000, 10_000, 10_000, 20_000]);
    let mut plan = Plan {
        seed,
        nodes,
        learners: learners(seed, nodes),
        hurt,
        wire: dice.chance(150),
        policy: policy(&mut dice, nodes),
        net: net(&mut dice),
        disk: disk(&mut dice),
        segment: dice.one(&[16 << 10, 64 << 10, 64 << 10, 256 << 10]),
        drifts: drifts(&mut dice, nodes),
        options: options(&mut dice),
        load: load(&mut dice),
        // By dice of its own: all else stays as it is without it.
        partial: Dice::new(seed, "partial").chance(500),
        ..Plan::default()
    };
    let voters = nodes - plan.learners;
    let faults = Faults::new(&mut dice, nodes, voters);
    if faults.death == KILL && Dice::new(seed, "sync").chance(300) {
        // Nobody loses power: what the operating system has is enough.
        plan.options.push(("raft.sync".to_owned(), "false".to_owned()));
    }
    plan.events = faults.events(&mut dice, hurt * 1000);
    plan
}

/// Seldom some, and two voters at least. By dice of their own: all else stays as it is without them.
fn learners(seed: u64, nodes: usize) -> usize {
    let mut dice = Dice::new(seed, "learners");
    let some = nodes > 2 && dice.chance(150);
    if some { dice.one(&[1, 1, 2]).min(nodes - 2) } else { 0 }
}

fn policy(dice: &mut Dice, nodes: usize) -> Policy {
    const TASKS: [&str; 8] =
        ["node", "fsm", "log", "log disk", "meta disk", "timer", "rpc answer", "port"];
    match dice.below(10) {
        0 | 1 => Policy::Fair,
        2..=4 => Policy::Uniform,
        5 => Policy::Lifo,
        6 | 7 => Policy::Pct,
        8 => Policy::StarveTask(dice.one(&TASKS).to_owned(), dice.one(&[200, 2_000, 20_000])),
        _ => Policy::StarveNode(dice.place(nodes), dice.one(&[100, 1_000, 5_000])),
    }
}

fn net(dice: &mut Dice) -> NetPace {
    let delay = dice.one(&[(50, 200), (100, 1_000), (1_000, 10_000), (500, 50_000)]);
    let sometimes = |dice: &mut Dice, values: &[u64]| {
        if dice.chance(500) { dice.one(values) } else { 0 }
    };
    NetPace {
        delay,
        tail: (sometimes(dice, &[2, 10, 50]), dice.one(&[20_000, 300_000, 4_000_000])),
        loss: sometimes(dice, &[1, 10, 50, 200]),
        twice: sometimes(dice, &[5, 50, 300]),
        in_order: dice.chance(600),
        tells: dice.chance(600),
    }
}

fn disk(dice: &mut Dice) -> DiskPace {
    const PACES: [(u64, u64); 6] =
        [(0, 0), (50, 200), (100, 2_000), (1_000, 10_000), (5_000, 60_000), (0, 300_000)];
    DiskPace { log: dice.one(&PACES), meta: dice.one(&PACES) }
}

fn drifts(dice: &mut Dice, nodes: usize) -> Vec<i64> {
    if dice.chance(600) {
        return Vec::new();
    }
    let most = dice.one(&[1_000, 20_000, 300_000]);
    (0..nodes).map(|_| dice.within(0, 2 * most) as i64 - most as i64).collect()
}

fn options(dice: &mut Dice) -> Vec<(String, String)> {
    let mut options = Vec::new();
    let mut set = |name: &str, value: u64| options.push((name.to_owned(), value.to_string()));
    let timeout = dice.one(&[200, 500, 1000, 1000]);
    set("election_timeout_ms", timeout);
    set("raft.max_election_delay_ms", dice.one(&[timeout / 4, timeout, timeout]));
    if dice.chance(400) {
        set("raft.apply_batch", dice.one(&[1, 2, 32]));
    }
    if dice.chance(400) {
        set("raft.max_entries_size", dice.one(&[1, 2, 7]));
    }
    if dice.chance(400) {
        set("raft.max_replicator_inflight_msgs", dice.one(&[1, 2, 8]));
    }
    if dice.chance(200) {
        set("raft.disruptor_buffer_size", dice.one(&[1, 2, 16]));
    }
    if dice.chance(300) {
        set("raft.max_logs_in_memory_bytes", dice.one(&[2_000, 20_000]));
    }
    let mut flag = |name: &str, value: bool| options.push((name.to_owned(), value.to_string()));
    if dice.chance(300) {
        flag("raft.step_down_when_vote_timedout", false);
    }
    if dice.chance(200) {
        flag("raft.replicator_pipeline", false);
    }
    if dice.chance(300) {
        flag("raft.enable_log_entry_checksum", false);
    }
    options
}

fn load(dice: &mut Dice) -> Load {
    Load {
        clients: dice.one(&[1, 3, 5, 8]),
        keys: dice.one(&[1, 2, 4]),
        think: dice.one(&[(1_000, 8_000), (10_000, 40_000), (20_000, 200_000), (50_000, 400_000)]),
        payload: dice.one(&[0, 0, 8, 100, 300]),
        patience: dice.one(&[500, 3_000]),
    }
}

/// The kind of death that leaves the machines running.
const KILL: u64 = 0;

/// What may happen in a run: every kind with a weight, 0 for most.
struct Faults {
    nodes: usize,
    voters: usize,
    crash: u64,
    at_point: u64,
    at_op: u64,
    blackout: u64,
    stop: u64,
    pause: u64,
    partition: u64,
    link: u64,
    disk: u64,
    clock: u64,
    flip: u64,
    /// The usual time between two, in microseconds.
    gap: u64,
    death: u64,
}

impl Faults {
    fn new(dice: &mut Dice, nodes: usize, voters: usize) -> Self {
        let mut sometimes = |often: u64, weight: u64| if dice.chance(often) { weight } else { 0 };
        Self {
            nodes,
            voters,
            crash: sometimes(500, 10),
            at_point: sometimes(400, 10),
            at_op: sometimes(400, 10),
            blackout: sometimes(200, 2),
            stop: sometimes(200, 3),
            pause: sometimes(300, 6),
            partition: sometimes(500, 10),
            link: sometimes(300, 10),
            disk: sometimes(250, 4),
            clock: sometimes(200, 4),
            flip: sometimes(100, 2),
            gap: dice.one(&[100_000, 400_000, 1_500_000]),
            death: dice.below(4),
        }
    }

    fn events(&self, dice: &mut Dice, end: u64) -> Vec<Event> {
        let mut events = Vec::new();
        // A first leader, mostly: chaos from the first moment on would see nothing else.
        let mut at = if dice.chance(800) { dice.within(500_000, 4_000_000) } else { 0 };
        while at < end {
            let add = &mut |after: u64, action: Action| {
                events.push(Event { at: at + after, action });
            };
            self.one(dice, add);
            at += dice.within(self.gap / 10, self.gap * 2);
        }
        events.retain(|event| event.at < end);
        events.sort_by_key(|event| event.at);
        events
    }

    fn death(&self, dice: &mut Dice) -> Death {
        match self.death {
            KILL => Death::Kill,
            1 => Death::Power,
            2 => Death::Tear(dice.below(1 << 20)),
            _ => match dice.below(3) {
                0 => Death::Kill,
                1 => Death::Power,
                _ => Death::Tear(dice.below(1 << 20)),
            },
        }
    }

    fn one(&self, dice: &mut Dice, add: &mut impl FnMut(u64, Action)) {
        let weights = [
            self.crash,
            self.at_point,
            self.at_op,
            self.blackout,
            self.stop,
            self.pause,
            self.partition,
            self.link,
            self.disk,
            self.clock,
            self.flip,
        ];
        let mut left = dice.below(weights.iter().sum());
        let kind = weights.iter().position(|&weight| {
            let hit = left < weight;
            left = left.saturating_sub(weight);
            hit
        });
        let node = dice.place(self.nodes);
        let back = dice.one(&[500, 5_000, 30_000, 300_000, 2_000_000]);
        match kind {
            Some(0) => {
                add(0, Action::Crash(node, self.death(dice)));
                add(back, Action::Boot(node));
            }
            Some(1) => {
                let point = dice.one(&super::points::POINTS).to_owned();
                let nth = dice.one(&[1, 1, 2, 5, 20]);
                add(0, Action::CrashAt(node, self.death(dice), nth, point));
                add(back + 200_000, Action::Boot(node));
            }
            Some(2) => {
                add(0, Action::CrashAtOp(node, self.death(dice), dice.within(1, 30)));
                add(back + 200_000, Action::Boot(node));
            }
            Some(3) => {
                add(0, Action::Blackout(self.death(dice)));
                (0..self.nodes).for_each(|node| add(back + dice.below(back), Action::Boot(node)));
            }
            Some(4) => {
                add(0, Action::Stop(node));
                add(back + 500_000, Action::Boot(node));
            }
            Some(5) => add(0, Action::Pause(node, dice.one(&[5_000, 200_000, 1_500_000]))),
            Some(6) => self.partition(dice, back, add),
            Some(7) => self.link(dice, back, add),
            Some(8) => self.hurt_disk(dice, node, back, add),
            Some(9) if dice.chance(500) => {
                add(0, Action::Drift(node, dice.within(0, 600_000) as i64 - 300_000));
            }
            Some(9) => add(0, Action::Jump(node, dice.one(&[10_000, 1_000_000, 60_000_000]))),
            // One damaged disk is enough: a majority must stay whole.
            Some(10) if self.voters > 2 => {
                add(0, Action::Stop(0));
                add(400_000, Action::Flip(0, dice.below(1 << 30)));
                add(600_000, Action::Boot(0));
            }
            _ => {}
        }
    }

    fn partition(&self, dice: &mut Dice, back: u64, add: &mut impl FnMut(u64, Action)) {
        let node = dice.place(self.nodes);
        add(
            0,
            match dice.below(4) {
                0 => Action::Split(dice.within(1, (1 << self.nodes) - 1)),
                1 => Action::Bridge(node),
                _ => Action::Isolate(node),
            },
        );
        add(back + 300_000, Action::Heal);
    }

    fn link(&self, dice: &mut Dice, back: u64, add: &mut impl FnMut(u64, Action)) {
        let (from, to) = (dice.place(self.nodes), dice.place(self.nodes));
        if from == to {
            return;
        }
        let flaps = dice.one(&[1, 1, 3, 8]);
        for flap in 0..flaps {
            add(flap * 2 * back, Action::Cut(from, to));
            add((flap * 2 + 1) * back, Action::Join(from, to));
        }
    }

    fn hurt_disk(
        &self,
        dice: &mut Dice,
        node: usize,
        back: u64,
        add: &mut impl FnMut(u64, Action),
    ) {
        match dice.below(4) {
            0 => add(0, Action::FailSync(node, dice.chance(500))),
            1 => add(0, Action::FailWrite(node)),
            2 => add(0, Action::Room(node, dice.one(&[0, 1_000, 20_000]))),
            _ => return add(0, Action::SlowDisk(node, dice.one(&[20_000, 200_000, 1_000_000]))),
        }
        // Whoever failed starts again.
        add(back + 400_000, Action::Boot(node));
    }
}
