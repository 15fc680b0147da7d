//! Many runs, one world per thread. Whoever finishes first: the results are taken in the order of the seeds, so that
//! what is printed does not depend on the number of threads.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use jraft_tests::sim::plan::Plan;
use jraft_tests::sim::run::{Report, run};
use jraft_tests::sim::swarm::plan_of;

use crate::progress::Progress;
use crate::real_time::{Stopwatch, time_on_core};
use crate::tally::Tally;

/// When it is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Until {
    /// Before this seed.
    Seed(u64),
    /// When groups have lived so many simulated nanoseconds.
    Simulated(u64),
    /// After so much real time.
    Real(Duration),
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    pub(crate) first: u64,
    pub(crate) until: Until,
    pub(crate) threads: usize,
    pub(crate) mutant: Option<String>,
    /// Nothing after the first violation.
    pub(crate) fail_fast: bool,
}

/// A run that has ended.
pub(crate) struct Ended {
    pub(crate) seed: u64,
    /// An error is a violation, too: every seed has a plan that can be carried out.
    pub(crate) outcome: Result<Report, String>,
    /// The time that a core spent on it.
    pub(crate) on_core: Duration,
}

impl Ended {
    /// What must not be.
    pub(crate) fn violation(&self) -> Option<&str> {
        match &self.outcome {
            Ok(report) => report.broken.as_deref(),
            Err(error) => Some(error),
        }
    }
}

impl Campaign {
    /// The plan of a seed, here.
    pub(crate) fn plan(&self, seed: u64) -> Plan {
        Plan { mutant: self.mutant.clone(), ..plan_of(seed) }
    }

    /// Runs all of it. `look` sees each result, in the order of the seeds.
    pub(crate) fn run(
        &self,
        progress: &mut Progress,
        mut look: impl FnMut(&Ended, &mut Progress),
    ) -> Tally {
        let (next, stop) = (AtomicU64::new(self.first), AtomicBool::new(false));
        let (sender, results) = channel();
        let watch = Stopwatch::start();
        let mut tally = std::thread::scope(|scope| {
            for _ in 0..self.threads {
                let (sender, next, stop) = (sender.clone(), &next, &stop);
                scope.spawn(move || self.work(next, stop, &sender));
            }
            drop(sender);
            let tally = self.collect(&results, &watch, &stop, progress, &mut look);
            stop.store(true, Ordering::Relaxed);
            tally
        });
        tally.real = watch.passed();
        tally.threads = self.threads;
        tally
    }

    fn work(&self, next: &AtomicU64, stop: &AtomicBool, results: &Sender<Ended>) {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if matches!(self.until, Until::Seed(end) if seed >= end) {
                return;
            }
            let begun = time_on_core();
            let outcome = carry_out(&self.plan(seed), false).map_err(|trouble| trouble.to_string());
            let on_core = time_on_core().saturating_sub(begun);
            if results.send(Ended { seed, outcome, on_core }).is_err() {
                return;
            }
        }
    }

    fn collect(
        &self,
        results: &Receiver<Ended>,
        watch: &Stopwatch,
        stop: &AtomicBool,
        progress: &mut Progress,
        look: &mut impl FnMut(&Ended, &mut Progress),
    ) -> Tally {
        let mut tally = Tally::new(self.first);
        let mut early = BTreeMap::new();
        loop {
            match results.recv_timeout(Duration::from_millis(250)) {
                Ok(ended) => drop(early.insert(ended.seed, ended)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return tally,
            }
            while let Some(ended) = early.remove(&tally.next_seed()) {
                tally.take(&ended);
                look(&ended, progress);
                if self.is_enough(&tally) {
                    return tally;
                }
            }
            if matches!(self.until, Until::Real(limit) if watch.passed() >= limit) {
                // What has begun is still taken.
                stop.store(true, Ordering::Relaxed);
            }
            progress.tick(&tally, watch.passed(), self.share(&tally, watch));
        }
    }

    fn is_enough(&self, tally: &Tally) -> bool {
        let simulated = matches!(self.until, Until::Simulated(time) if tally.time >= time);
        simulated || self.fail_fast && !tally.violations.is_empty()
    }

    /// How much of it is done, from 0 to 1.
    fn share(&self, tally: &Tally, watch: &Stopwatch) -> f64 {
        match self.until {
            Until::Seed(end) => tally.seeds as f64 / (end - self.first) as f64,
            Until::Simulated(time) => tally.time as f64 / time as f64,
            Until::Real(limit) => watch.passed().as_secs_f64() / limit.as_secs_f64(),
        }
    }
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The plan cannot be carried out.
    Plan(String),
    /// The simulator itself panicked.
    Panic(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(why) => write!(f, "the plan cannot be carried out: {why}"),
            Self::Panic(text) => write!(f, "the simulator panicked: {text}"),
        }
    }
}

/// Carries a plan out.
pub(crate) fn carry_out(plan: &Plan, with_timeline: bool) -> Result<Report, Trouble> {
    let ended = catch_unwind(AssertUnwindSafe(|| run(plan, with_timeline)));
    ended.map_err(|panic| Trouble::Panic(text_of(&*panic)))?.map_err(Trouble::Plan)
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text").to_owned()
}
