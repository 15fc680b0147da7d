//! Histories as a correct object gives them to clients that overlap, lose answers and fail.

use jraft_core::env::{Rng as _, SeededRng};

use crate::checks::linear::{
    Counter, CounterCall, End, Model, OpOf, Operation, Register, RegisterAnswer, RegisterCall,
};

pub(super) type RegisterOp = OpOf<Register>;
pub(super) type CounterOp = OpOf<Counter>;

/// Numbers that are the same in every run.
pub(super) struct Dice(Box<dyn FnMut() -> u64 + Send>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(SeededRng::new(seed).stream("histories"))
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        (self.0)() % end
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}

/// A model that also says what is answered.
pub(super) trait Object: Model {
    fn act(&self, state: &Self::State, call: &Self::Call) -> (Self::State, Self::Answer);
}

impl Object for Register {
    fn act(&self, state: &Option<u64>, call: &RegisterCall) -> (Option<u64>, RegisterAnswer) {
        match *call {
            RegisterCall::Read => (*state, RegisterAnswer::Value(*state)),
            RegisterCall::Write(value) => (Some(value), RegisterAnswer::Written),
            RegisterCall::CompareAndSet { expected, new } if *state == expected => {
                (Some(new), RegisterAnswer::Swapped(true))
            }
            RegisterCall::CompareAndSet { .. } => (*state, RegisterAnswer::Swapped(false)),
        }
    }
}

impl Object for Counter {
    fn act(&self, state: &u64, call: &CounterCall) -> (u64, u64) {
        let after = match call {
            CounterCall::Add(more) => state + more,
            CounterCall::Read => *state,
        };
        (after, after)
    }
}

/// What to ask for.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) clients: usize,
    pub(super) operations: usize,
    /// In a hundred: without an answer, and refused.
    pub(super) unknown: u64,
    pub(super) failed: u64,
}

/// A history that is right. `ask` gets the state and a number that grows.
pub(super) fn play<M: Object>(
    model: &M,
    load: Load,
    dice: &mut Dice,
    mut ask: impl FnMut(&mut Dice, &M::State, u64) -> M::Call,
) -> Vec<OpOf<M>> {
    let mut history: Vec<OpOf<M>> = Vec::new();
    let mut state = model.initial();
    // Of each client the operation that it waits for, and its answer on the way.
    let mut clients: Vec<Option<(usize, Option<M::Answer>)>> = Vec::new();
    clients.resize_with(load.clients, || None);
    // Given up by their clients, and still on their way.
    let mut adrift: Vec<usize> = Vec::new();
    let mut now = 0;
    while history.len() < load.operations || clients.iter().any(Option::is_some) {
        now += 1;
        if !adrift.is_empty() && dice.percent(5) {
            let operation = adrift.swap_remove(dice.index(adrift.len()));
            state = model.act(&state, &history[operation].call).0;
        }
        let client = dice.index(load.clients);
        clients[client] = match clients[client].take() {
            None if history.len() == load.operations => None,
            None => {
                let call = ask(dice, &state, history.len() as u64 + 1);
                let client = u32::try_from(client).unwrap();
                history.push(Operation { client, call, invoked: now, ended: End::Unknown });
                Some((history.len() - 1, None))
            }
            Some((operation, None)) if dice.percent(load.failed) => {
                history[operation].ended = End::Failed;
                None
            }
            Some((operation, None)) if dice.percent(load.unknown.div_ceil(2)) => {
                adrift.push(operation);
                None
            }
            Some((operation, None)) => {
                let (after, answer) = model.act(&state, &history[operation].call);
                state = after;
                Some((operation, Some(answer)))
            }
            Some((_, Some(_))) if dice.percent(load.unknown / 2) => None,
            Some((operation, Some(answer))) => {
                history[operation].ended = End::Answered { at: now, answer };
                None
            }
        };
    }
    history
}

/// Reads and writes, and of a hundred so many compare-and-sets.
pub(super) fn register(load: Load, swaps: u64, dice: &mut Dice) -> Vec<RegisterOp> {
    play(&Register, load, dice, |dice, state, fresh| {
        if dice.percent(swaps) {
            let guess = Some(fresh.saturating_sub(1 + dice.below(20)).max(1));
            let expected = if dice.percent(70) { *state } else { guess };
            RegisterCall::CompareAndSet { expected, new: fresh }
        } else if dice.percent(50) {
            RegisterCall::Read
        } else {
            RegisterCall::Write(fresh)
        }
    })
}

/// Additions of one up to `most`, and reads.
pub(super) fn counter(load: Load, most: u64, dice: &mut Dice) -> Vec<CounterOp> {
    play(&Counter, load, dice, |dice, _, _| match dice.percent(30) {
        true => CounterCall::Read,
        false => CounterCall::Add(1 + dice.below(most)),
    })
}
