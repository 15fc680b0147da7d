//! The hub: what every part of a simulated world hangs on. Time, tasks, events to come, who is alive.
//!
//! One thread, one world. Everything is behind locks only because tasks must be `Send`; no lock is held while code under
//! test runs.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use jraft_core::env::BoxFuture;
use parking_lot::Mutex;

use super::clock::NodeClock;
use super::dice::Digest;
use super::policy::{Candidate, Chooser, Policy};

/// One process of a node: which node, and its how-manieth life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    /// The node.
    pub node: usize,
    /// Rises with every start.
    pub epoch: u64,
}

type Call = Box<dyn FnOnce() + Send>;

struct Due {
    at: u64,
    number: u64,
    call: Call,
}

struct Task {
    life: Option<Life>,
    name: &'static str,
    /// Away while it is polled.
    future: Option<BoxFuture<'static, ()>>,
    waker: Arc<TaskWaker>,
}

struct TaskWaker {
    task: u64,
    queued: AtomicBool,
    woken: Arc<Mutex<Vec<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.woken.lock().push(self.task);
        }
    }
}

/// How a node is doing.
#[derive(Clone, Debug, Default)]
struct State {
    epoch: u64,
    up: bool,
    paused: bool,
    /// Tasks that could run if it were not paused.
    parked: Vec<u64>,
}

#[derive(Default)]
struct Tasks {
    next: u64,
    all: BTreeMap<u64, Task>,
    ready: Vec<Candidate>,
}

/// See the [module](self).
pub struct Hub {
    /// The seed of the run.
    pub seed: u64,
    now: AtomicU64,
    tasks: Mutex<Tasks>,
    woken: Arc<Mutex<Vec<u64>>>,
    events: Mutex<BinaryHeap<Reverse<Due>>>,
    count: AtomicU64,
    clocks: Mutex<Vec<NodeClock>>,
    states: Mutex<Vec<State>>,
    chooser: Mutex<Chooser>,
    digest: Mutex<Digest>,
    polls: AtomicU64,
    broken: Mutex<Option<String>>,
}

/// What a step of the world was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A task was polled: of this node, or of the world.
    Polled(Option<Life>),
    /// Something happened outside the nodes.
    Event,
    /// Time passed.
    Waited,
    /// Nothing will ever happen again.
    Idle,
}

thread_local! {
    /// Whose code runs.
    static RUNNING: Cell<Option<Life>> = const { Cell::new(None) };
}

/// Whose code this thread runs at the moment.
pub fn running() -> Option<Life> {
    RUNNING.get()
}

/// Virtual time that one poll takes.
const POLL: u64 = 1_000;

impl Hub {
    /// A world of so many nodes, all down.
    pub fn new(seed: u64, nodes: usize, policy: Policy) -> Arc<Self> {
        let clocks = (0..=nodes).map(|_| NodeClock::new(1_000_000_000, 0)).collect();
        Arc::new(Self {
            seed,
            now: AtomicU64::new(0),
            tasks: Mutex::default(),
            woken: Arc::default(),
            events: Mutex::default(),
            count: AtomicU64::new(0),
            clocks: Mutex::new(clocks),
            states: Mutex::new(vec![State::default(); nodes]),
            chooser: Mutex::new(Chooser::new(policy, seed)),
            digest: Mutex::default(),
            polls: AtomicU64::new(0),
            broken: Mutex::new(None),
        })
    }

    /// Nanoseconds since the start of the world.
    pub fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Runs `f` with the clock of a node; of the world, if there is none.
    pub fn clock<R>(&self, node: Option<usize>, f: impl FnOnce(&mut NodeClock, u64) -> R) -> R {
        let mut clocks = self.clocks.lock();
        let place = node.unwrap_or(clocks.len() - 1);
        f(&mut clocks[place], self.now())
    }

    /// Calls `call` after `nanos`.
    pub fn after(&self, nanos: u64, call: impl FnOnce() + Send + 'static) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let due = Due { at: self.now() + nanos, number, call: Box::new(call) };
        self.events.lock().push(Reverse(due));
    }

    /// Resolves after so much time of a node's clock.
    pub fn sleep(self: &Arc<Self>, node: Option<usize>, time: Duration) -> super::env::Sleep {
        let until = self.clock(node, |clock, now| clock.at(now)) + time.as_nanos() as u64;
        super::env::Sleep::new(self, node, until)
    }

    /// A task, for the process `life` or for the world. Not taken for a process that is dead.
    pub fn spawn(
        self: &Arc<Self>,
        life: Option<Life>,
        name: &'static str,
        future: BoxFuture<'static, ()>,
    ) -> Option<u64> {
        if life.is_some_and(|life| !self.is_alive(life)) {
            return None;
        }
        let mut tasks = self.tasks.lock();
        tasks.next += 1;
        let task = tasks.next;
        let waker =
            TaskWaker { task, queued: AtomicBool::new(false), woken: Arc::clone(&self.woken) };
        let waker = Arc::new(waker);
        waker.wake_by_ref();
        tasks.all.insert(task, Task { life, name, future: Some(future), waker });
        Some(task)
    }

    /// Drops a task.
    pub fn abort(&self, task: u64) {
        let dropped = self.tasks.lock().all.remove(&task);
        drop(dropped);
    }

    /// Takes the tasks of dead processes away; the caller drops them.
    pub fn take_dead(&self) -> Vec<BoxFuture<'static, ()>> {
        let states = self.states.lock();
        let dead = |task: &Task| {
            task.life.is_some_and(|life| {
                let state = &states[life.node];
                !state.up || state.epoch != life.epoch
            })
        };
        let mut tasks = self.tasks.lock();
        let gone: Vec<u64> =
            tasks.all.iter().filter(|(_, task)| dead(task)).map(|(&number, _)| number).collect();
        gone.into_iter().filter_map(|number| tasks.all.remove(&number)?.future).collect()
    }

    /// Takes whatever still could happen away; the caller drops it. It holds the hub, as the hub holds it.
    pub fn take_rest(&self) -> (Vec<BoxFuture<'static, ()>>, usize) {
        let tasks = std::mem::take(&mut self.tasks.lock().all);
        let events = std::mem::take(&mut *self.events.lock());
        self.clocks.lock().iter_mut().for_each(NodeClock::clear);
        let count = events.len();
        drop(events);
        (tasks.into_values().filter_map(|task| task.future).collect(), count)
    }

    // Lives.

    /// A new process of a node.
    pub fn start(&self, node: usize) -> Life {
        let mut states = self.states.lock();
        let state = &mut states[node];
        assert!(!state.up, "node {node} is up already");
        state.epoch += 1;
        state.up = true;
        Life { node, epoch: state.epoch }
    }

    /// The process of a node ends, in the middle of whatever it does. False if there is none.
    pub fn stop(&self, node: usize) -> bool {
        let mut states = self.states.lock();
        let state = &mut states[node];
        state.parked.clear();
        state.paused = false;
        self.clocks.lock()[node].clear();
        std::mem::replace(&mut state.up, false)
    }

    /// Whether this very process lives.
    pub fn is_alive(&self, life: Life) -> bool {
        let states = self.states.lock();
        let state = &states[life.node];
        state.up && state.epoch == life.epoch
    }

    /// The process of a node, if there is one.
    pub fn life(&self, node: usize) -> Option<Life> {
        let states = self.states.lock();
        let state = &states[node];
        state.up.then_some(Life { node, epoch: state.epoch })
    }

    /// The newest process of a node, dead or alive, if there ever was one.
    pub fn last_life(&self, node: usize) -> Option<Life> {
        let epoch = self.states.lock()[node].epoch;
        (epoch > 0).then_some(Life { node, epoch })
    }

    /// Whether a node stands still.
    pub fn is_paused(&self, node: usize) -> bool {
        self.states.lock()[node].paused
    }

    /// No task of the node runs until it is resumed.
    pub fn pause(&self, node: usize) {
        self.states.lock()[node].paused = true;
    }

    /// It goes on.
    pub fn resume(&self, node: usize) {
        let mut states = self.states.lock();
        states[node].paused = false;
        let parked = std::mem::take(&mut states[node].parked);
        self.tasks.lock().ready.extend(parked.into_iter().map(|task| Candidate { task }));
    }

    // The run.

    /// Chooses tasks another way from now on.
    pub fn set_policy(&self, policy: Policy) {
        self.chooser.lock().set(policy);
    }

    /// Tasks of this name wait for so many microseconds before each turn, on this node.
    pub fn slow_down(&self, node: usize, name: &str, micros: u64) {
        self.chooser.lock().slow_down(node, name, micros);
    }

    /// Something must not be: the run ends.
    pub fn fail(&self, what: impl Into<String>) {
        self.broken.lock().get_or_insert_with(|| what.into());
    }

    /// What must not be, if it is.
    pub fn broken(&self) -> Option<String> {
        self.broken.lock().clone()
    }

    /// Takes something that happened into the digest of the run.
    pub fn note(&self, part: u64) {
        self.digest.lock().add(part);
    }

    /// The digest of the run so far.
    pub fn digest(&self) -> u64 {
        self.digest.lock().0
    }

    /// How many polls there were.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// One step, not beyond `limit`.
    pub fn step(self: &Arc<Self>, limit: u64) -> Step {
        if let Some(call) = self.due_event() {
            call();
            return Step::Event;
        }
        self.wake_sleepers();
        self.sort_woken();
        if let Some(task) = self.choose() {
            return Step::Polled(self.poll(task));
        }
        self.wait(limit)
    }

    fn due_event(&self) -> Option<Call> {
        let mut events = self.events.lock();
        let due = events.peek().is_some_and(|Reverse(first)| first.at <= self.now());
        due.then(|| events.pop()).flatten().map(|Reverse(due)| due.call)
    }

    /// Puts woken tasks where they belong: ready, or held back.
    fn sort_woken(self: &Arc<Self>) {
        loop {
            let woken = std::mem::take(&mut *self.woken.lock());
            if woken.is_empty() {
                return;
            }
            let mut tasks = self.tasks.lock();
            for number in woken {
                let Some(task) = tasks.all.get(&number) else { continue };
                let node = task.life.map(|life| life.node);
                let delay = self.chooser.lock().delay(node, task.name);
                if delay > 0 {
                    let hub = Arc::clone(self);
                    self.after(delay * 1000, move || hub.make_ready(number));
                } else {
                    tasks.ready.push(Candidate { task: number });
                }
            }
        }
    }

    fn make_ready(&self, number: u64) {
        self.tasks.lock().ready.push(Candidate { task: number });
    }

    fn choose(&self) -> Option<u64> {
        let (mut states, mut tasks) = (self.states.lock(), self.tasks.lock());
        while !tasks.ready.is_empty() {
            let place = self.chooser.lock().choose(&tasks.ready);
            let candidate = tasks.ready.remove(place);
            let Some(task) = tasks.all.get(&candidate.task) else { continue };
            match task.life.map(|life| &mut states[life.node]).filter(|state| state.paused) {
                Some(state) => state.parked.push(candidate.task),
                None => return Some(candidate.task),
            }
        }
        None
    }

    fn poll(self: &Arc<Self>, number: u64) -> Option<Life> {
        let (mut future, life, name, waker) = {
            let mut tasks = self.tasks.lock();
            let task = tasks.all.get_mut(&number)?;
            let future = task.future.take()?;
            (future, task.life, task.name, Arc::clone(&task.waker))
        };
        waker.queued.store(false, Ordering::Relaxed);
        self.note(number ^ (self.now() << 8));
        self.polls.fetch_add(1, Ordering::Relaxed);
        let waker = Waker::from(waker);
        let outer = RUNNING.replace(life);
        jraft_tripwire::arm(true);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
        }));
        jraft_tripwire::arm(false);
        RUNNING.set(outer);
        if let Some(asked) = jraft_tripwire::caught() {
            self.fail(format!("I-34: task {name:?} of {life:?} asked for {asked}"));
        }
        let ready = polled.unwrap_or_else(|_| {
            self.fail(format!("task {name:?} of {life:?} panicked"));
            true
        });
        self.now.fetch_add(POLL, Ordering::Relaxed);
        self.put_back(number, future, ready);
        life
    }

    fn put_back(&self, number: u64, future: BoxFuture<'static, ()>, ready: bool) {
        let mut tasks = self.tasks.lock();
        let mut dropped = Some(future);
        if ready {
            tasks.all.remove(&number);
        } else if let Some(task) = tasks.all.get_mut(&number) {
            // Gone if it was aborted meanwhile.
            task.future = dropped.take();
        }
        drop(tasks);
        drop(dropped);
    }

    /// Lets time pass until something happens.
    fn wait(&self, limit: u64) -> Step {
        let event = self.events.lock().peek().map(|Reverse(first)| first.at);
        let mut clocks = self.clocks.lock();
        let sleeper = clocks.iter_mut().filter_map(NodeClock::next_sleeper).min();
        let Some(next) = event.into_iter().chain(sleeper).min() else {
            self.now.fetch_max(limit, Ordering::Relaxed);
            return Step::Idle;
        };
        self.now.fetch_max(next.min(limit), Ordering::Relaxed);
        Step::Waited
    }

    fn wake_sleepers(&self) {
        let (mut due, now) = (Vec::new(), self.now());
        self.clocks.lock().iter_mut().for_each(|clock| clock.due(now, &mut due));
        due.into_iter().for_each(Waker::wake);
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
