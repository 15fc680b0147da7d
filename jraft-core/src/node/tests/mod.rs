//! Scenarios of pure decisions.

mod disk;
mod kit;
mod random;
mod truth;
