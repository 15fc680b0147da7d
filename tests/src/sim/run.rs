//! A run: a plan is carried out, everything is healed, progress is demanded, and what clients saw is explained.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::time::Duration;

use jraft_core::{LogIndex, Role, sim};

use super::client::{self, Endings};
use super::faults::FaultCount;
use super::hub::running;
use super::partial;
use super::plan::Plan;
use super::timeline::Timeline;
use super::world::World;
use crate::checks::coverage::Coverage;
use crate::checks::progress::settled;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What must not be, if it was.
    pub broken: Option<String>,
    /// The same for the same plan, on any machine.
    pub digest: u64,
    /// Nanoseconds of the world.
    pub time: u64,
    /// Messages sent.
    pub messages: u64,
    /// Polls.
    pub polls: u64,
    /// Operations, by how they ended.
    pub endings: Endings,
    /// What was done to nodes.
    pub faults: FaultCount,
    /// The states that were reached.
    pub coverage: Coverage,
    /// The points that were passed, and how often.
    pub points: BTreeMap<&'static str, u64>,
    /// For a person.
    pub timeline: Timeline,
}

thread_local! {
    /// What a panic said while code under test ran.
    static PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Carries a plan out.
///
/// # Errors
/// The plan cannot be carried out: it names an option that does not exist, say.
pub fn run(plan: &Plan, with_timeline: bool) -> Result<Report, String> {
    let world = World::new(plan, with_timeline)?;
    let _guard = Hooks::set(&world, plan)?;
    if plan.kills_only() {
        world.watch.judge.lock().facts.only_kills();
    }
    hurt(&world, plan);
    if plan.partial && world.hub.broken().is_none() {
        partial::hold_out(&world, plan.load);
    }
    if world.hub.broken().is_none() {
        heal(&world);
    }
    Hooks::hear(&world);
    let report = report(&world);
    world.end();
    Ok(report)
}

fn report(world: &World) -> Report {
    if let Some(broken) = world.hub.broken() {
        world.watch.timeline.note(world.hub.now(), None, || broken);
    }
    let traffic = world.net.links.lock().traffic;
    let mut faults = world.faults.lock().clone();
    let counts = [
        ("message lost", traffic.lost),
        ("message cut", traffic.cut),
        ("message twice", traffic.twice),
        ("message late", traffic.late),
    ];
    for (kind, count) in counts {
        *faults.0.entry(kind).or_default() += count;
    }
    let endings = world.history.endings();
    let mut coverage = world.watch.judge.lock().scout.coverage.clone();
    let closures = world.history.closures();
    coverage.committed += endings.answered;
    coverage.unknown += closures.unknown;
    coverage.refused += closures.refused;
    Report {
        broken: world.hub.broken(),
        digest: world.hub.digest(),
        time: world.hub.now(),
        messages: traffic.sent,
        polls: world.hub.polls(),
        endings,
        faults,
        coverage,
        points: world.passed.lock().clone(),
        timeline: world.watch.timeline.clone(),
    }
}

/// What a thread must know while a world runs on it; taken back in the end.
pub(super) struct Hooks;

impl Hooks {
    /// Takes note of what a panic of code under test said, if there was one.
    pub(super) fn hear(world: &World) {
        if let Some(panic) = PANIC.take() {
            world.hub.fail(format!("a panic: {panic}"));
        }
    }

    pub(super) fn set(world: &Arc<World>, plan: &Plan) -> Result<Self, String> {
        catch_panics();
        PANIC.take();
        let mutant = match &plan.mutant {
            None => None,
            Some(name) => {
                Some(super::mutants::named(name).ok_or_else(|| format!("no mutant {name}"))?)
            }
        };
        sim::plant(mutant);
        let world = Arc::downgrade(world);
        sim::set_points(Some(Rc::new(move |name| {
            let Some((world, life)) = world.upgrade().zip(running()) else { return };
            world.pass(life, name);
        })));
        sim::set_strict(true);
        Ok(Self)
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        sim::plant(None);
        sim::set_points(None);
        sim::set_strict(false);
    }
}

/// Code under test catches panics of its own: here they are heard nevertheless.
fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if running().is_none() {
                return usual(panic);
            }
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let text = panic.payload_as_str().unwrap_or("no text");
            let text = format!("{text} ({place})");
            let known = PANIC.take();
            PANIC.set(known.or(Some(text)));
        }));
    });
}

/// The first phase: what the plan says, while clients work.
fn hurt(world: &Arc<World>, plan: &Plan) {
    for event in &plan.events {
        let (weak, action) = (Arc::downgrade(world), event.action.clone());
        world.hub.after(event.at * 1000, move || {
            if let Some(world) = weak.upgrade() {
                world.act(&action);
            }
        });
    }
    (0..plan.nodes).for_each(|node| world.boot(node));
    client::start(&world.watch, &world.history, plan.load);
    let end = plan.hurt * 1_000_000;
    world.run_until(end, |_| false);
}

/// The last phase: progress, agreement, an explanation, an end.
fn heal(world: &Arc<World>) {
    world.heal();
    let timeout = world.election_timeout().as_nanos() as u64;
    // Whatever is healed, clients that work must get answers (the progress check sees to it).
    let until = world.hub.now() + 10 * timeout + 2_000_000_000;
    world.run_until(until, |world| keep_up(world, is_halted(world)));
    world.history.stop();
    if is_halted(world) {
        // No majority has a disk that it may believe: the group must stand still, and has.
        return check_history(world);
    }
    if !comes_to_rest(world, 20 * timeout) {
        let state = describe(world);
        return world.hub.fail(format!("I-27: the healed group comes to no rest: {state}"));
    }
    conclude(world);
}

/// What must hold of a world at rest; then it ends.
pub(super) fn conclude(world: &Arc<World>) {
    let settled = settled(&world.watch.judge.lock().facts);
    if let Err(wrong) = settled.and_then(|()| same_state(world)) {
        return world.hub.fail(wrong);
    }
    check_history(world);
    // At rest nobody waits any more: not for a step-down or a shutdown that would end what is forgotten.
    let alive = |life| world.hub.is_alive(life);
    if let Some(number) = world.history.never_closed(alive) {
        world.hub.fail(format!("I-29: the closure of operation {number} does not run"));
    }
    end(world);
}

/// Whoever was still on its way down when all was healed starts again.
fn keep_up(world: &Arc<World>, answer: bool) -> bool {
    up(world).for_each(|node| world.boot(node));
    answer
}

/// Runs until all is done, as long as something is still done: at least once in `patience`.
pub(super) fn comes_to_rest(world: &Arc<World>, patience: u64) -> bool {
    let applied = |world: &World| {
        let nodes = (0..world.nodes.len()).filter_map(|node| world.watch.node(node));
        nodes.map(|node| node.status().applied.0).sum::<u64>()
    };
    loop {
        let before = applied(world);
        let until = world.hub.now() + patience;
        // A majority is enough to commit and apply: the last disk may come to it a little later.
        let rests = |world: &World| {
            world.history.is_finished() && is_even(world) && same_state(world).is_ok()
        };
        let done = |world: &Arc<World>| keep_up(world, rests(world));
        if world.run_until(until, done) {
            return true;
        }
        if world.hub.broken().is_some() || applied(world) <= before {
            return false;
        }
    }
}

/// Whether so many disks are damaged that the rest of the voters is no majority.
fn is_halted(world: &World) -> bool {
    let voters = world.voters();
    up(world).filter(|&node| node < voters).count() <= voters / 2
}

/// Runs until it is done; if it is not within `patience`, something must not be.
pub(super) fn is_up_to(
    world: &Arc<World>,
    patience: u64,
    done: impl FnMut(&Arc<World>) -> bool,
    wrong: impl FnOnce() -> String,
) -> bool {
    let is_done = world.run_until(world.hub.now() + patience, done);
    if !is_done && world.hub.broken().is_none() {
        world.hub.fail(format!("{}: {}", wrong(), describe(world)));
    }
    is_done
}

fn check_history(world: &World) {
    if let Err(wrong) = world.history.check() {
        world.hub.fail(wrong);
    }
}

fn up(world: &World) -> impl Iterator<Item = usize> + '_ {
    (0..world.nodes.len()).filter(|&node| !world.is_refused(node))
}

/// One leader, one log, all of it committed and applied everywhere.
pub(super) fn is_even(world: &World) -> bool {
    let mut leaders = 0;
    let mut last = None;
    for node in up(world) {
        let Some(handle) = world.watch.node(node) else { return false };
        let status = handle.status();
        leaders += u32::from(status.role == Role::Leader);
        let all = status.committed == status.last_log.index && status.applied == status.committed;
        if !all || *last.get_or_insert(status.last_log) != status.last_log {
            return false;
        }
    }
    leaders == 1 && last.is_some_and(|last| last.index > LogIndex::ZERO)
}

pub(super) fn describe(world: &World) -> String {
    let one = |node: usize| match world.watch.node(node) {
        None => format!("{node} is down"),
        Some(handle) => {
            let status = handle.status();
            format!(
                "{node}: {} of {}, last {}, committed {}, applied {}",
                status.role, status.term, status.last_log, status.committed, status.applied
            )
        }
    };
    let mut text = (0..world.nodes.len()).map(one).collect::<Vec<_>>().join("; ");
    if !world.history.is_finished() {
        text.push_str("; clients still wait");
    }
    if let Err(differs) = same_state(world) {
        text.push_str("; ");
        text.push_str(&differs);
    }
    text
}

/// Equal state machines, equal logs on the disks (I-27).
fn same_state(world: &World) -> Result<(), String> {
    let mut first = None;
    for node in up(world) {
        let table = world.nodes[node].table.lock().clone();
        let mut record = world.nodes[node].record.lock();
        let answerable = world.watch.judge.lock().facts.is_answerable();
        let log = if answerable { record.durable_log().to_vec() } else { record.written() };
        drop(record);
        match &first {
            None => first = Some((node, table, log)),
            Some((other, state, entries)) => {
                if *state != table {
                    return Err(format!("I-27: {other} and {node} are in different states"));
                }
                if *entries != log {
                    let place = entries.iter().zip(&log).take_while(|(a, b)| a == b).count();
                    let (a, b) = (entries.get(place), log.get(place));
                    return Err(format!(
                        "I-27: the logs of {other} and {node} differ on disk: {a:?}, {b:?}"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// All nodes shut down: whatever they took in has ended by then (I-29).
fn end(world: &Arc<World>) {
    (0..world.nodes.len()).for_each(|node| world.stop(node));
    let until = world.hub.now() + Duration::from_secs(30).as_nanos() as u64;
    let gone =
        |world: &Arc<World>| (0..world.nodes.len()).all(|node| world.hub.life(node).is_none());
    world.run_until(until, gone);
    if world.hub.broken().is_none() && !gone(world) {
        world.hub.fail("a node does not shut down");
    }
    let crashed = world.crashed.lock().clone();
    if let Some(number) = world.history.never_closed(|life| !crashed.contains(&life)) {
        world.hub.fail(format!("I-29: the closure of operation {number} never ran"));
    }
}
