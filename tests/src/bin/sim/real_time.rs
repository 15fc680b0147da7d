//! Real time, for speeds and deadlines. No simulated world knows it.
#![expect(clippy::disallowed_methods, reason = "how fast a simulation is, is told in real time")]

use std::time::{Duration, Instant, SystemTime};

/// Measures how much time passes.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// From now on.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How much has passed.
    pub(crate) fn passed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A seed that nobody has tried yet: the milliseconds of the wall clock, with room for a million seeds in each second.
pub(crate) fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as u64 * 1000
}

/// The time that a core has spent on this thread. Where the system does not tell, all time that has passed.
pub(crate) fn time_on_core() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.as_deref().and_then(|text| text.split(' ').next()?.parse().ok());
    match nanos {
        Some(nanos) => Duration::from_nanos(nanos),
        None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
    }
}
