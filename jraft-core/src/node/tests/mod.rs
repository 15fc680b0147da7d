//! Scenarios of pure decisions: `NodeState`s with a network, disks and a clock that only the test moves (`kit`), and a
//! search over random schedules (`random`, with `JRAFT_DECISION_SEEDS` for more of them). After every step `truth` asks
//! for the invariants I-1 to I-10, I-12 and I-13 of the group.
//!
//! Test names carry the identifiers of the seed lessons (S0, S4), of T-VOTE, and of the planted mutants (M) that they
//! kill; with the feature `sim`, `mutants` plants each and sees it killed. What is shown elsewhere, or waits:
//!
//! - S0-01, S0-15, S0-17, S0-20 to S0-22, S4-13, S4-14, S4-20, S4-22, S4-23: locks, threads, timers, log lines and
//!   metrics; the door (`shared`), `timer/tests`, and tests with real processes.
//! - S0-07, S0-16, and S0-02 and S0-03 with many seeds: the random schedules.
//! - S4-01: asked after every step of a random schedule (`random::check_timers`).
//! - Bounded times of S0-02 to S0-05 and of S4-02: the simulator.
//! - M11 to M13, M21, M23, M37 (reads), M25 to M28, M32, M33 (snapshots, changes of members, transfer): features to come.
//! - M22 and M24 for configurations that come through the log: `leading`, `following`; the change itself waits.
//! - M29, M30, M35, M38, M43 and M20 on a real disk: `jraft-storage`; M40: `jraft-rpc`.
//! - M34 and M39 for the lanes and the queues of `Turn` and `FsmRoom`, M48: tests of the whole node.
//! - T-BAL: `ballot_box_tests`; T-REP with snapshots, catch-up and TimeoutNow by a leader: features to come.

mod answers;
mod asks;
mod disk;
mod elections;
mod endings;
mod following;
mod kit;
mod leading;
#[cfg(feature = "sim")]
mod mutants;
mod net;
mod promises;
mod random;
mod state;
#[cfg(feature = "shuttle")]
mod threads;
mod truth;
mod votes;
