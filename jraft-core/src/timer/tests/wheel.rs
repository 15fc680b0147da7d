//! The wheel against a sorted map.

use std::collections::BTreeMap;
use std::time::Duration;

use jraft_spi::env::MonoTime;
use proptest::prelude::*;

use crate::timer::{Key, Wheel};

/// There is time before the start, and the end of time lies less than a tick beyond the last deadline.
const START: u64 = 5;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// The deadline in nanoseconds from now; negative lies in the past.
    Insert(i64),
    InsertAt(u64),
    /// Any key ever given out, also one whose entry is gone.
    Cancel(prop::sample::Index),
    Advance(u64),
    AdvanceTo(u64),
    /// Does what the driver does until something fires.
    AdvanceToNext,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (-20_i64..100).prop_map(Op::Insert),
        3 => (0_i64..5_000).prop_map(Op::Insert),
        2 => (0_i64..1 << 40).prop_map(Op::Insert),
        1 => prop_oneof![0..START, u64::MAX - 1_000..=u64::MAX].prop_map(Op::InsertAt),
        4 => any::<prop::sample::Index>().prop_map(Op::Cancel),
        4 => (0_u64..20).prop_map(Op::Advance),
        2 => (0_u64..3_000).prop_map(Op::Advance),
        1 => (0_u64..1 << 40).prop_map(Op::Advance),
        1 => prop_oneof![0..START, Just(u64::MAX)].prop_map(Op::AdvanceTo),
        4 => Just(Op::AdvanceToNext),
    ]
}

/// The same by another road: a map sorted by tick, then by insertion.
struct Model {
    tick_nanos: u64,
    slots: usize,
    now: u64,
    tick: u64,
    waiting: BTreeMap<(u64, usize), usize>,
    /// The key, and where in the map its entry was.
    keys: Vec<(Key, (u64, usize))>,
    cancelled: bool,
}

impl Model {
    fn end_of(&self, tick: u64) -> u64 {
        u64::try_from(u128::from(tick) * u128::from(self.tick_nanos) + u128::from(START))
            .unwrap_or(u64::MAX)
    }

    fn insert(&mut self, wheel: &mut Wheel<usize>, deadline: u64) {
        let value = self.keys.len();
        let mut due = self.tick + 1;
        if deadline > self.end_of(due) {
            due = (deadline - START).div_ceil(self.tick_nanos);
        }
        let deadline = MonoTime::from_nanos(deadline);
        assert_eq!(wheel.fires_at(deadline).as_nanos(), self.end_of(due));
        self.keys.push((wheel.insert(deadline, value), (due, value)));
        self.waiting.insert((due, value), value);
    }

    fn cancel(&mut self, wheel: &mut Wheel<usize>, which: prop::sample::Index) {
        if !self.keys.is_empty() {
            let (key, place) = self.keys[which.index(self.keys.len())];
            assert_eq!(wheel.cancel(key), self.waiting.remove(&place));
            self.cancelled = true;
        }
    }

    fn advance(&mut self, wheel: &mut Wheel<usize>, now: u64) -> usize {
        self.now = self.now.max(now);
        self.tick = self.tick.max(now.saturating_sub(START) / self.tick_nanos);
        let later = self.waiting.split_off(&(self.tick + 1, 0));
        let due: Vec<usize> = std::mem::replace(&mut self.waiting, later).into_values().collect();
        let mut fired = Vec::new();
        wheel.advance(MonoTime::from_nanos(now), &mut fired);
        assert_eq!(fired, due);
        fired.len()
    }

    fn advance_to_next(&mut self, wheel: &mut Wheel<usize>) {
        let Some((&(due, _), _)) = self.waiting.first_key_value() else { return };
        if self.end_of(due) == u64::MAX {
            return;
        }
        // Once for each slot whose earliest entry was cancelled, and then it must fire.
        for _ in 0..=self.slots {
            let next = wheel.next_deadline().expect("something waits").as_nanos();
            if self.advance(wheel, next) > 0 {
                assert_eq!(next, self.end_of(due));
                return;
            }
        }
        panic!("the driver would wake and wake");
    }

    fn check(&self, wheel: &Wheel<usize>) {
        assert_eq!(wheel.len(), self.waiting.len());
        assert_eq!(wheel.is_empty(), self.waiting.is_empty());
        let first = self.waiting.first_key_value().map(|(&(due, _), _)| self.end_of(due));
        let next = wheel.next_deadline().map(MonoTime::as_nanos);
        assert_eq!(next.is_some(), first.is_some());
        assert!(next <= first, "the driver would come late: {next:?} instead of {first:?}");
        assert!(self.cancelled || next == first, "{next:?} instead of {first:?}");
    }
}

fn check(tick_nanos: u64, slots: usize, ops: Vec<Op>) {
    let start = MonoTime::from_nanos(START);
    let mut wheel = Wheel::new(start, Duration::from_nanos(tick_nanos), slots);
    let mut model = Model {
        tick_nanos,
        slots: slots.next_power_of_two(),
        now: START,
        tick: 0,
        waiting: BTreeMap::new(),
        keys: Vec::new(),
        cancelled: false,
    };
    for op in ops {
        match op {
            Op::Insert(delay) => {
                let deadline = model.now.saturating_add_signed(delay);
                model.insert(&mut wheel, deadline);
            }
            Op::InsertAt(deadline) => model.insert(&mut wheel, deadline),
            Op::Cancel(which) => model.cancel(&mut wheel, which),
            Op::Advance(nanos) => {
                let now = model.now.saturating_add(nanos);
                model.advance(&mut wheel, now);
            }
            // Time does not stand at its end for the operations that follow.
            Op::AdvanceTo(u64::MAX) if tick_nanos == 1 => {}
            Op::AdvanceTo(now) => {
                model.advance(&mut wheel, now);
            }
            Op::AdvanceToNext => model.advance_to_next(&mut wheel),
        }
        model.check(&wheel);
    }
    let mut left = wheel.drain();
    left.sort_unstable();
    let mut waiting: Vec<usize> = model.waiting.into_values().collect();
    waiting.sort_unstable();
    assert_eq!(left, waiting);
    assert_eq!((wheel.len(), wheel.next_deadline()), (0, None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_wheel_is_a_sorted_map(
        tick_nanos in 1_u64..12,
        slots in prop_oneof![1_usize..10, 60_usize..70, Just(200)],
        ops in prop::collection::vec(any_op(), 1..120),
    ) {
        check(tick_nanos, slots, ops);
    }
}

#[test]
fn a_key_outlives_its_entry_and_names_no_other() {
    let mut wheel = Wheel::new(MonoTime::ZERO, Duration::from_millis(1), 8);
    let at = MonoTime::from_nanos(5_000_000);
    let first = wheel.insert(at, "first");
    assert_eq!(wheel.cancel(first), Some("first"));
    let second = wheel.insert(at, "second");
    assert_eq!(wheel.cancel(first), None);
    assert_eq!(wheel.cancel(second), Some("second"));
}

#[test]
fn entries_reuse_the_places_of_those_that_are_gone() {
    let mut wheel = Wheel::new(MonoTime::ZERO, Duration::from_millis(1), 8);
    let place = |key: Key| format!("{key:?}").split("id").next().unwrap().to_owned();
    let first = wheel.insert(MonoTime::ZERO, ());
    wheel.cancel(first);
    for _ in 0..10 {
        let key = wheel.insert(MonoTime::ZERO, ());
        assert_eq!(place(key), place(first));
        wheel.advance(MonoTime::from_nanos(u64::from(u32::MAX)), &mut Vec::new());
        wheel.cancel(key);
        wheel.drain();
    }
}
