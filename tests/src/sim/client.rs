//! Clients: each does one operation after the other at whatever node it believes to lead, and writes down how it ended.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jraft_core::{Outcome, Task};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::dice::Dice;
use super::hub::Life;
use super::machine::{Call, Command, Got};
use super::plan::Load;
use super::watch::Watch;
use crate::checks::linear::{
    Budget, CounterCall, End, Operation, RegisterAnswer, RegisterCall, Verdict, check_counter,
    check_registers,
};

/// One operation.
#[derive(Clone, Debug)]
struct Op {
    client: u32,
    key: u64,
    call: Call,
    invoked: u64,
    end: Option<End<Got>>,
    /// How often its closure ran.
    closed: u32,
    /// The process that took it in.
    taken: Option<Life>,
}

/// How operations ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endings {
    /// Operations begun.
    pub begun: u64,
    /// Answered.
    pub answered: u64,
    /// Certainly without effect.
    pub failed: u64,
    /// Nobody can tell.
    pub unknown: u64,
}

/// How one operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Not yet.
    Open,
    /// Answered.
    Answered,
    /// Certainly without effect.
    Failed,
    /// Nobody can tell.
    Unknown,
}

/// What closures said that brought no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closures {
    /// That the operation certainly has no effect.
    pub refused: u64,
    /// That nobody can tell.
    pub unknown: u64,
}

/// The history of a run.
#[derive(Default)]
pub struct History {
    ops: Mutex<Vec<Op>>,
    stop: AtomicBool,
    lull: AtomicBool,
    running: Mutex<u64>,
    closures: Mutex<Closures>,
}

impl History {
    fn begin(&self, client: u32, key: u64, call: Call, now: u64) -> u64 {
        let mut ops = self.ops.lock();
        ops.push(Op { client, key, call, invoked: now, end: None, closed: 0, taken: None });
        ops.len() as u64 - 1
    }

    /// The first end counts: what a client did not wait for is unknown to it.
    fn end(&self, number: u64, end: End<Got>) {
        self.ops.lock()[number as usize].end.get_or_insert(end);
    }

    fn taken(&self, number: u64, by: Option<Life>) {
        self.ops.lock()[number as usize].taken = by;
    }

    /// Counts what a closure said.
    fn said(&self, outcome: &Outcome) {
        let mut closures = self.closures.lock();
        closures.refused += u64::from(matches!(outcome, Outcome::Refused(_)));
        closures.unknown += u64::from(matches!(outcome, Outcome::Unknown(_)));
    }

    /// What closures said until now.
    pub fn closures(&self) -> Closures {
        *self.closures.lock()
    }

    /// Certainly without effect, even if its client had given up and called it unknown.
    fn refused(&self, number: u64) {
        let end = &mut self.ops.lock()[number as usize].end;
        if end.as_ref().is_some_and(|end| *end == End::Unknown) {
            *end = Some(End::Failed);
        }
    }

    /// The closure of an operation ran; how often until now.
    fn closed(&self, number: u64) -> u32 {
        let op = &mut self.ops.lock()[number as usize];
        op.closed += 1;
        op.closed
    }

    /// No new operations.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// No new operations for a while, or no longer so.
    pub fn lull(&self, lull: bool) {
        self.lull.store(lull, Ordering::Relaxed);
    }

    /// Whether all clients have finished.
    pub fn is_finished(&self) -> bool {
        *self.running.lock() == 0
    }

    /// How one operation ended until now.
    pub fn ending(&self, number: u64) -> Ending {
        match self.ops.lock()[number as usize].end {
            None => Ending::Open,
            Some(End::Answered { .. }) => Ending::Answered,
            Some(End::Failed) => Ending::Failed,
            Some(End::Unknown) => Ending::Unknown,
        }
    }

    /// How operations ended until now.
    pub fn endings(&self) -> Endings {
        let mut endings = Endings::default();
        for op in &*self.ops.lock() {
            endings.begun += 1;
            match &op.end {
                Some(End::Answered { .. }) => endings.answered += 1,
                Some(End::Failed) => endings.failed += 1,
                Some(End::Unknown) | None => endings.unknown += 1,
            }
        }
        endings
    }

    /// The first operation whose closure never ran, of those that such a process took in.
    pub fn never_closed(&self, by: impl Fn(Life) -> bool) -> Option<u64> {
        let ops = self.ops.lock();
        let owed = |op: &Op| op.taken.is_some_and(&by) && op.closed == 0;
        ops.iter().position(owed).map(|place| place as u64)
    }

    /// What is wrong with not knowing how an operation ended: its node has led ever since it was begun, and leads.
    fn is_owed_more(&self, number: u64, life: Option<Life>, watch: &Watch) -> Option<String> {
        let invoked = self.ops.lock()[number as usize].invoked;
        let node = life?.node;
        let facts = &watch.judge.lock().facts;
        let since = facts.nodes[node].led_since.filter(|&since| since < invoked)?;
        Some(format!(
            "operation {number} is called unknown by node {node}, which leads since {since}"
        ))
    }

    /// Whether there is one order of all operations that explains all answers (I-22, I-23, I-24, I-26).
    ///
    /// # Errors
    /// The story of what cannot be explained.
    pub fn check(&self) -> Result<(), String> {
        let ops = self.ops.lock();
        let registers = ops.iter().filter_map(|op| Some((op.key, op.on_register()?)));
        Self::judge(check_registers(registers, Budget::default()))?;
        let keys: BTreeSet<u64> = ops.iter().map(|op| op.key).collect();
        for key in keys {
            let of_key = ops.iter().filter(|op| op.key == key);
            let history: Vec<_> = of_key.filter_map(Op::on_counter).collect();
            Self::judge(check_counter(&history, Budget::default()))
                .map_err(|story| format!("{story} (counter {key})"))?;
        }
        Ok(())
    }

    fn judge(verdict: Verdict) -> Result<(), String> {
        match verdict {
            Verdict::Linearizable => Ok(()),
            Verdict::Violation { story } => Err(format!("I-22: {}", story.join("; "))),
            Verdict::Inconclusive { steps } => {
                Err(format!("inconclusive: no order found in {steps} steps"))
            }
        }
    }
}

impl Op {
    fn on_register(&self) -> Option<Operation<RegisterCall, RegisterAnswer>> {
        let call = match self.call {
            Call::Read => RegisterCall::Read,
            Call::Write(value) => RegisterCall::Write(value),
            Call::Swap(expected, new) => RegisterCall::CompareAndSet { expected, new },
            Call::Add(_) => return None,
        };
        let answer = |got| match got {
            Got::Written => RegisterAnswer::Written,
            Got::Holds(value) => RegisterAnswer::Value(value),
            Got::Swapped(swapped) => RegisterAnswer::Swapped(swapped),
            Got::Total(_) => unreachable!("a register has no total"),
        };
        Some(self.operation(call, answer))
    }

    fn on_counter(&self) -> Option<Operation<CounterCall, u64>> {
        let call = match self.call {
            Call::Add(0) => CounterCall::Read,
            Call::Add(count) => CounterCall::Add(count),
            _ => return None,
        };
        let answer = |got| match got {
            Got::Total(total) => total,
            _ => unreachable!("a counter answers with its total"),
        };
        Some(self.operation(call, answer))
    }

    fn operation<C, A>(&self, call: C, answer: impl FnOnce(Got) -> A) -> Operation<C, A> {
        let ended = match self.end {
            Some(End::Answered { at, answer: got }) => End::Answered { at, answer: answer(got) },
            Some(End::Failed) => End::Failed,
            Some(End::Unknown) | None => End::Unknown,
        };
        Operation { client: self.client, call, invoked: self.invoked, ended }
    }
}

/// Starts the clients of a run.
pub fn start(watch: &Arc<Watch>, history: &Arc<History>, load: Load) {
    *history.running.lock() = load.clients;
    for number in 0..load.clients {
        let client = Client {
            watch: Arc::clone(watch),
            history: Arc::clone(history),
            load,
            number: number as u32,
            dice: Dice::new(watch.hub.seed, &format!("client {number}")),
            target: 0,
            last_read: None,
            written: 0,
        };
        watch.hub.spawn(None, "client", Box::pin(client.run()));
    }
}

/// Brings an operation to a node, and waits for nothing: its number in the history.
pub fn bring(watch: &Arc<Watch>, history: &Arc<History>, to: usize, call: Call, pad: u64) -> u64 {
    // Whoever brings it does nothing else.
    let client = 1000 + history.ops.lock().len() as u32;
    let number = history.begin(client, 0, call, watch.hub.now());
    let command = Command { number, key: 0, call }.encode(pad);
    let (keep, judge) = (Arc::clone(history), Arc::clone(watch));
    let tell = move |outcome| keep.end(number, end_of(&judge, number, outcome));
    let Some(node) = watch.node(to) else {
        history.end(number, End::Failed);
        return number;
    };
    let life = watch.hub.life(to);
    match node.apply(task(watch, history, life, number, command, tell)) {
        Ok(()) => history.taken(number, life),
        Err(rejected) => rejected.refuse(),
    }
    number
}

/// A task for a process. Nobody hears what destructors do with it once the process is dead.
fn task(
    watch: &Arc<Watch>,
    history: &Arc<History>,
    life: Option<Life>,
    number: u64,
    command: Bytes,
    tell: impl FnOnce(Outcome) + Send + 'static,
) -> Task {
    let (history, watch, hub) = (Arc::clone(history), Arc::clone(watch), Arc::clone(&watch.hub));
    Task::new(command).done(move |outcome| {
        if life.is_some_and(|life| !hub.is_alive(life)) {
            return;
        }
        if history.closed(number) > 1 {
            hub.fail(format!("I-29: the closure of operation {number} ran twice"));
        }
        history.said(&outcome);
        match &outcome {
            Outcome::Refused(_) => history.refused(number),
            Outcome::Unknown(why) => {
                if let Some(wrong) = history.is_owed_more(number, life, &watch) {
                    hub.fail(format!("I-29: {wrong}: {why}"));
                }
            }
            Outcome::Committed(_) => {}
        }
        tell(outcome);
    })
}

fn end_of(watch: &Watch, number: u64, outcome: Outcome) -> End<Got> {
    match outcome {
        Outcome::Committed(mut committed) => match committed.reply.take::<(u64, Got)>() {
            Some((of, answer)) if of == number => End::Answered { at: watch.hub.now(), answer },
            other => {
                let of = other.map(|(of, _)| of);
                watch.hub.fail(format!("I-24: operation {number} got the answer of {of:?}"));
                End::Unknown
            }
        },
        Outcome::Refused(_) => End::Failed,
        Outcome::Unknown(_) => End::Unknown,
    }
}

struct Client {
    watch: Arc<Watch>,
    history: Arc<History>,
    load: Load,
    number: u32,
    dice: Dice,
    /// The node that it believes to lead.
    target: usize,
    /// What it read last: a swap of something else seldom succeeds.
    last_read: Option<u64>,
    written: u64,
}

impl Client {
    async fn run(mut self) {
        while !self.history.stop.load(Ordering::Relaxed) {
            let (from, to) = self.load.think;
            let think = Duration::from_micros(self.dice.within(from, to));
            self.watch.hub.sleep(None, think).await;
            if self.history.lull.load(Ordering::Relaxed) {
                continue;
            }
            let key = self.dice.below(self.load.keys);
            let call = self.call();
            self.operate(key, call).await;
        }
        // What must be there in the end is asked for in the end (I-23).
        for key in 0..self.load.keys {
            self.insist(key, Call::Read).await;
            self.insist(key, Call::Add(0)).await;
        }
        *self.history.running.lock() -= 1;
    }

    fn call(&mut self) -> Call {
        match self.dice.below(10) {
            0..=2 => Call::Write(self.value()),
            3..=5 => Call::Read,
            6 => Call::Swap(self.last_read, self.value()),
            7..=8 => Call::Add(self.dice.within(1, 3)),
            _ => Call::Add(0),
        }
    }

    /// No other client, and this one never again, brings this value.
    fn value(&mut self) -> u64 {
        self.written += 1;
        (u64::from(self.number) + 1) << 32 | self.written
    }

    /// Until it is answered.
    async fn insist(&mut self, key: u64, call: Call) {
        for _ in 0..200 {
            if self.operate(key, call).await {
                return;
            }
            self.watch.hub.sleep(None, Duration::from_millis(50)).await;
        }
        self.watch.hub.fail(format!("I-27: client {} gets no answer", self.number));
    }

    /// One operation; whether it was answered.
    async fn operate(&mut self, key: u64, call: Call) -> bool {
        let hub = Arc::clone(&self.watch.hub);
        let number = self.history.begin(self.number, key, call, hub.now());
        let Some(node) = self.watch.node(self.target) else {
            self.history.end(number, End::Failed);
            self.look_elsewhere();
            return false;
        };
        let (sender, ended) = oneshot::channel();
        let command = Command { number, key, call }.encode(self.load.payload);
        // The client may have given up.
        let tell = |outcome| drop(sender.send(outcome));
        let life = self.watch.hub.life(self.target);
        if node.apply(task(&self.watch, &self.history, life, number, command, tell)).is_err() {
            self.history.end(number, End::Failed);
            self.look_elsewhere();
            return false;
        }
        self.history.taken(number, life);
        let late = hub.sleep(None, Duration::from_millis(self.load.patience));
        let outcome = tokio::select! {
            biased;
            outcome = ended => outcome.ok(),
            () = late => None,
        };
        let end = outcome.map_or(End::Unknown, |outcome| end_of(&self.watch, number, outcome));
        if let End::Answered { answer: Got::Holds(value), .. } = end {
            self.last_read = value;
        }
        let answered = matches!(end, End::Answered { .. });
        self.history.end(number, end);
        if !answered {
            self.look_elsewhere();
        }
        answered
    }

    /// The leader that the node names, or anybody.
    fn look_elsewhere(&mut self) {
        let nodes = self.watch.judge.lock().facts.peers.len();
        let named = self.watch.node(self.target).and_then(|node| node.leader());
        let named = named.and_then(|peer| self.watch.judge.lock().facts.node_of(&peer));
        let other = named.filter(|&named| named != self.target && self.dice.chance(900));
        self.target = other.unwrap_or_else(|| self.dice.place(nodes));
    }
}
