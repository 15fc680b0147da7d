//! The clock of one node: it starts somewhere, runs faster or slower than the world, and jumps when told to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

/// Parts per million by which a clock runs fast (or slow, if negative).
pub type Drift = i64;

const MILLION: u128 = 1_000_000;

/// Local time as a line over the world's time, and who sleeps by it.
#[derive(Debug)]
pub struct NodeClock {
    /// Where the present line begins: in the world, and here.
    world: u64,
    local: u64,
    drift: Drift,
    sleepers: BinaryHeap<Reverse<Sleeper>>,
    count: u64,
}

/// Somebody who sleeps until a local time.
#[derive(Debug)]
struct Sleeper {
    until: u64,
    number: u64,
    bed: Arc<Bed>,
}

/// What a sleeper and its clock share.
#[derive(Debug, Default)]
pub struct Bed {
    waker: Mutex<Option<Waker>>,
    left: AtomicBool,
}

impl Bed {
    /// Whom to wake.
    pub fn set(&self, waker: &Waker) {
        *self.waker.lock() = Some(waker.clone());
    }

    /// Nobody sleeps here any more.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
        self.waker.lock().take();
    }
}

impl NodeClock {
    /// A clock that shows `local` nanoseconds at the start of the world.
    pub const fn new(local: u64, drift: Drift) -> Self {
        Self { world: 0, local, drift, sleepers: BinaryHeap::new(), count: 0 }
    }

    /// What it shows when the world is at `world`.
    pub fn at(&self, world: u64) -> u64 {
        let passed = world - self.world;
        if self.drift == 0 {
            return self.local + passed;
        }
        self.local + (u128::from(passed) * self.rate() / MILLION) as u64
    }

    /// Its seconds in a million of the world's.
    const fn rate(&self) -> u128 {
        1_000_000_u64.saturating_add_signed(self.drift) as u128
    }

    /// When the world is as far as this clock shows `local`: the first such moment.
    fn world_at(&self, local: u64) -> u64 {
        let left = u128::from(local.saturating_sub(self.local));
        let passed = (left * MILLION).div_ceil(self.rate().max(1));
        self.world.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// From now on it runs at another rate.
    pub fn set_drift(&mut self, world: u64, drift: Drift) {
        (self.local, self.world, self.drift) = (self.at(world), world, drift);
    }

    /// It suddenly shows more: the node was frozen with its machine, say.
    pub fn jump(&mut self, world: u64, nanos: u64) {
        (self.local, self.world) = (self.at(world) + nanos, world);
    }

    /// A place to sleep until it shows `until`.
    pub fn sleep(&mut self, until: u64, waker: &Waker) -> Arc<Bed> {
        self.count += 1;
        let bed = Arc::new(Bed::default());
        bed.set(waker);
        let sleeper = Sleeper { until, number: self.count, bed: Arc::clone(&bed) };
        self.sleepers.push(Reverse(sleeper));
        bed
    }

    /// When, in the world, the next sleeper must be woken.
    pub fn next_sleeper(&mut self) -> Option<u64> {
        while let Some(Reverse(first)) = self.sleepers.peek() {
            if !first.bed.left.load(Ordering::Relaxed) {
                return Some(self.world_at(first.until));
            }
            self.sleepers.pop();
        }
        None
    }

    /// The wakers of all who have slept long enough, in order.
    pub fn due(&mut self, world: u64, into: &mut Vec<Waker>) {
        let now = self.at(world);
        while self.sleepers.peek().is_some_and(|Reverse(first)| first.until <= now) {
            let Some(Reverse(first)) = self.sleepers.pop() else { return };
            into.extend(first.bed.waker.lock().take());
        }
    }

    /// Nobody sleeps any more: the process is dead.
    pub fn clear(&mut self) {
        self.sleepers.clear();
    }
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.until, self.number).cmp(&(other.until, other.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_wakes_early_and_never_before_its_own_time() {
        for drift in [-300_000, -20_000, 0, 20_000, 1_000_000] {
            let mut clock = NodeClock::new(5_000, drift);
            let bed = clock.sleep(6_000, Waker::noop());
            let at = clock.next_sleeper().unwrap();
            assert!(clock.at(at) >= 6_000 && clock.at(at - 1) < 6_000, "{drift}");
            let mut woken = Vec::new();
            clock.due(at - 1, &mut woken);
            assert_eq!(woken.len(), 0);
            clock.due(at, &mut woken);
            assert_eq!(woken.len(), 1);
            drop(bed);
        }
    }

    #[test]
    fn a_change_of_rate_does_not_move_the_hands() {
        let mut clock = NodeClock::new(0, 500_000);
        assert_eq!(clock.at(1_000), 1_500);
        clock.set_drift(1_000, -500_000);
        assert_eq!((clock.at(1_000), clock.at(2_000)), (1_500, 2_000));
        clock.jump(2_000, 7);
        assert_eq!(clock.at(2_000), 2_007);
    }

    #[test]
    fn who_has_left_is_not_waited_for() {
        let mut clock = NodeClock::new(0, 0);
        clock.sleep(10, Waker::noop()).leave();
        assert_eq!(clock.next_sleeper(), None);
    }
}
