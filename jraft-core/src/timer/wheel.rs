//! The hashed timing wheel as data, without a clock and without a thread (the buckets of `HashedWheelTimer`).
//!
//! Time is cut into ticks; tick `n` ends at `start + n * tick`. An entry belongs to the first tick that ends at or after
//! its deadline and hangs in the slot `n % slots`, in a list that runs through a slab. Entries carry their absolute
//! tick, not Java's count of remaining rounds, so a wheel that was not advanced for hours needs no catching up.

use std::iter;
use std::time::Duration;

use jraft_spi::env::MonoTime;

/// Values waiting for their deadlines. Inserting and cancelling take constant time.
pub struct Wheel<T> {
    start: MonoTime,
    tick_nanos: u64,
    /// The last tick that is over. Every entry is due after it, and no tick fires twice.
    tick: u64,
    slots: Vec<Slot>,
    /// One bit for each slot, set if it has entries.
    occupied: Vec<u64>,
    entries: Vec<Entry<T>>,
    /// Head of the list of unused entries.
    free: usize,
    next_id: u64,
    len: usize,
}

/// Names one entry of the wheel that gave it out. It never names another one, even after its own is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    index: usize,
    id: u64,
}

impl<T> Wheel<T> {
    /// The length of a tick unless another is asked for.
    pub const DEFAULT_TICK: Duration = Duration::from_millis(1);
    /// The number of slots unless another is asked for.
    pub const DEFAULT_SLOTS: usize = 2048;

    /// An empty wheel whose first tick begins at `start`. `slots` is rounded up to a power of two.
    ///
    /// # Panics
    ///
    /// If `tick` or `slots` is zero.
    pub fn new(start: MonoTime, tick: Duration, slots: usize) -> Self {
        assert!(!tick.is_zero(), "a tick takes time");
        assert!(slots > 0, "a wheel has slots");
        let slots = slots.next_power_of_two();
        Self {
            start,
            tick_nanos: u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX),
            tick: 0,
            slots: vec![Slot::EMPTY; slots],
            occupied: vec![0; slots.div_ceil(WORD)],
            entries: Vec::new(),
            free: NIL,
            next_id: 0,
            len: 0,
        }
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When an entry with this deadline would fire: the end of the first tick that is not over and ends at or after it.
    pub fn fires_at(&self, deadline: MonoTime) -> MonoTime {
        self.end_of(self.due_tick(deadline))
    }

    /// Lets `value` wait for `deadline`. One that has passed means the next tick, as a tick never fires twice.
    pub fn insert(&mut self, deadline: MonoTime, value: T) -> Key {
        let due = self.due_tick(deadline);
        let slot = self.slot_of(due);
        let id = self.next_id;
        self.next_id += 1;
        self.len += 1;
        let prev = self.slots[slot].last;
        let index = self.store(Entry { id, due, prev, next: NIL, value: Some(value) });
        match prev {
            NIL => self.slots[slot].first = index,
            prev => self.entries[prev].next = index,
        }
        self.slots[slot].last = index;
        self.slots[slot].earliest = self.slots[slot].earliest.min(due);
        self.occupied[slot / WORD] |= 1 << (slot % WORD);
        Key { index, id }
    }

    /// Takes an entry out before it fires; `None` if it has fired or was cancelled.
    pub fn cancel(&mut self, key: Key) -> Option<T> {
        // The identity of an unused entry stays, but then there is no value to remove.
        if self.entries.get(key.index)?.id != key.id {
            return None;
        }
        self.remove(key.index)
    }

    /// Ends the ticks up to `now` and moves exactly the values due by then to the end of `fired`: in the order of their
    /// ticks, within a tick as they were inserted. A `now` that lies in the past fires nothing.
    pub fn advance(&mut self, now: MonoTime, fired: &mut Vec<T>) {
        let over = now.as_nanos().saturating_sub(self.start.as_nanos()) / self.tick_nanos;
        while let Some(due) = self.next_due()
            && due <= over
        {
            self.tick = due;
            self.fire(due, fired);
        }
        self.tick = self.tick.max(over);
    }

    /// When [`advance`](Self::advance) should be called next; `None` if nothing waits.
    ///
    /// Never later than the first entry fires. It may be earlier if a cancelled entry shared that one's slot, once for
    /// each such slot.
    pub fn next_deadline(&self) -> Option<MonoTime> {
        self.next_due().map(|due| self.end_of(due))
    }

    /// Takes everything out, in no particular order.
    pub fn drain(&mut self) -> Vec<T> {
        (0..self.entries.len()).filter_map(|index| self.remove(index)).collect()
    }

    fn due_tick(&self, deadline: MonoTime) -> u64 {
        let nanos = deadline.as_nanos().saturating_sub(self.start.as_nanos());
        nanos.div_ceil(self.tick_nanos).max(self.tick.saturating_add(1))
    }

    fn end_of(&self, tick: u64) -> MonoTime {
        let nanos = tick.saturating_mul(self.tick_nanos);
        MonoTime::from_nanos(self.start.as_nanos().saturating_add(nanos))
    }

    fn slot_of(&self, tick: u64) -> usize {
        (tick & (self.slots.len() as u64 - 1)) as usize
    }

    /// The first tick that may have entries. Far entries are not visited: their slot knows the earliest of them.
    fn next_due(&self) -> Option<u64> {
        let from = self.tick.saturating_add(1);
        let mut soonest = None;
        for slot in self.occupied_from(self.slot_of(from)) {
            let earliest = self.slots[slot].earliest;
            if earliest - from < self.slots.len() as u64 {
                // Slots come in the order of this round's ticks, and what is due in later rounds comes after all of them.
                return Some(earliest);
            }
            soonest = Some(soonest.map_or(earliest, |soonest| earliest.min(soonest)));
        }
        soonest
    }

    /// The slots with entries, once around the wheel from `start`.
    fn occupied_from(&self, start: usize) -> impl Iterator<Item = usize> {
        let words = self.occupied.len();
        let before = (1_u64 << (start % WORD)) - 1;
        (0..=words).flat_map(move |turn| {
            let word = (start / WORD + turn) % words;
            // The first word is seen twice: its end at the beginning, its beginning at the end.
            let mask = match turn {
                0 => !before,
                turn if turn == words => before,
                _ => u64::MAX,
            };
            let mut bits = self.occupied[word] & mask;
            iter::from_fn(move || {
                let bit = (bits != 0).then_some(bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(word * WORD + bit)
            })
        })
    }

    fn fire(&mut self, due: u64, fired: &mut Vec<T>) {
        let slot = self.slot_of(due);
        let mut index = self.slots[slot].first;
        let mut earliest = u64::MAX;
        while index != NIL {
            let entry = &self.entries[index];
            let next = entry.next;
            if entry.due <= due {
                fired.extend(self.remove(index));
            } else {
                earliest = earliest.min(entry.due);
            }
            index = next;
        }
        self.slots[slot].earliest = earliest;
    }

    fn store(&mut self, entry: Entry<T>) -> usize {
        let index = self.free;
        if index == NIL {
            self.entries.push(entry);
            return self.entries.len() - 1;
        }
        self.free = self.entries[index].next;
        self.entries[index] = entry;
        index
    }

    fn remove(&mut self, index: usize) -> Option<T> {
        let entry = &mut self.entries[index];
        let value = entry.value.take()?;
        let (due, prev, next) = (entry.due, entry.prev, entry.next);
        entry.next = self.free;
        self.free = index;
        self.len -= 1;
        let slot = self.slot_of(due);
        match prev {
            NIL => self.slots[slot].first = next,
            prev => self.entries[prev].next = next,
        }
        match next {
            NIL => self.slots[slot].last = prev,
            next => self.entries[next].prev = prev,
        }
        if self.slots[slot].first == NIL {
            self.slots[slot] = Slot::EMPTY;
            self.occupied[slot / WORD] &= !(1 << (slot % WORD));
        }
        Some(value)
    }
}

#[derive(Clone, Copy)]
struct Slot {
    first: usize,
    last: usize,
    /// No entry of the slot is due before. Exact until an entry is cancelled, and again after the slot fired.
    earliest: u64,
}

impl Slot {
    const EMPTY: Self = Self { first: NIL, last: NIL, earliest: u64::MAX };
}

struct Entry<T> {
    id: u64,
    due: u64,
    prev: usize,
    next: usize,
    /// `None` while unused; `next` then leads to the next unused entry.
    value: Option<T>,
}

/// The index of no entry.
const NIL: usize = usize::MAX;

/// Bits in a word of the occupancy map.
const WORD: usize = u64::BITS as usize;
