//! Chance: streams for what happens in order, and numbers keyed by what they decide, so that taking one event out of a
//! plan does not reshuffle all others.

use jraft_core::env::{Rng, SeededRng};

/// A stream of chance.
pub struct Dice(Box<dyn FnMut() -> u64 + Send>);

impl Dice {
    /// The stream of `purpose` under `seed`.
    pub fn new(seed: u64, purpose: &str) -> Self {
        Self(SeededRng::new(seed).stream(purpose))
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.0)() % end.max(1)
    }

    /// A place in something of this length.
    pub fn place(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// True in so many cases of a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.place(of.len())]
    }

    /// A number in `from..=to`.
    pub fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }
}

/// A number that depends on its parts and on nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Key(u64);

impl Key {
    /// A key under a seed, for one purpose.
    pub const fn new(seed: u64, purpose: u64) -> Self {
        Self(mix(seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// The key together with one more part.
    pub const fn with(self, part: u64) -> Self {
        Self(mix(self.0 ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93)))
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// True in so many cases of a thousand.
    pub const fn chance(self, per_mille: u64) -> bool {
        self.0 % 1000 < per_mille
    }

    /// A number in `from..=to`.
    pub const fn within(self, from: u64, to: u64) -> u64 {
        from + self.0 % (to.saturating_sub(from) + 1)
    }
}

/// The finisher of SplitMix64.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A rolling hash of all that happened: two runs of one seed must have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Digest {
    /// Takes one more number in.
    pub const fn add(&mut self, part: u64) {
        self.0 = mix(self.0.rotate_left(5) ^ part);
    }
}
