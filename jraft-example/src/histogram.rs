//! Latencies on a logarithmic scale, in a fixed amount of memory: off by at most one part in 64.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations; any number of threads may record at the same time.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    count: AtomicU64,
    largest: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Nothing recorded.
    pub fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, count: AtomicU64::new(0), largest: AtomicU64::new(0) }
    }

    /// Records one duration.
    pub fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(nanos)].fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.largest.fetch_max(nanos, Ordering::Relaxed);
    }

    /// How many durations were recorded.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The largest duration.
    pub fn largest(&self) -> Duration {
        Duration::from_nanos(self.largest.load(Ordering::Relaxed))
    }

    /// The duration that `part` of all durations, between 0 and 1, do not exceed; zero if there are none.
    pub fn quantile(&self, part: f64) -> Duration {
        let counts: Vec<u64> =
            self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return Duration::ZERO;
        }
        // As in a sorted list of all durations: the one at the place `total * part`, counted from 0.
        let place = ((total as f64 * part) as u64).min(total - 1);
        let mut passed = 0;
        for (bucket, count) in counts.iter().enumerate() {
            passed += count;
            if passed > place {
                return Duration::from_nanos(middle_of(bucket)).min(self.largest());
            }
        }
        self.largest()
    }

    /// [`Self::quantile`] in microseconds.
    pub fn quantile_us(&self, part: f64) -> u64 {
        u64::try_from(self.quantile(part).as_micros()).unwrap_or(u64::MAX)
    }
}

/// Below 2^SHIFT nanoseconds a bucket is one nanosecond wide; above, each power of two has 2^SHIFT buckets.
const SHIFT: u32 = 6;
const BUCKETS: usize = ((64 - SHIFT as usize) + 1) << SHIFT;

fn bucket_of(nanos: u64) -> usize {
    let width_log = (64 - nanos.leading_zeros()).saturating_sub(SHIFT + 1);
    let within = (nanos >> width_log) as usize;
    ((width_log as usize) << SHIFT) + within
}

fn middle_of(bucket: usize) -> u64 {
    let width_log = (bucket >> SHIFT).saturating_sub(1) as u32;
    let within = (bucket - ((width_log as usize) << SHIFT)) as u64;
    (within << width_log) + ((1 << width_log) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_in_order() {
        let mut last = 0;
        for shift in 0..64 {
            for nanos in
                [1u64 << shift, (1u64 << shift) | (1u64 << shift >> 1), (1u64 << shift) - 1]
            {
                let bucket = bucket_of(nanos);
                assert!(bucket < BUCKETS, "{nanos}");
                let middle = middle_of(bucket);
                assert!(middle.abs_diff(nanos) <= nanos / 64, "{nanos} is shown as {middle}");
            }
            assert!(bucket_of(1 << shift) >= last);
            last = bucket_of(1 << shift);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(middle_of(bucket)), bucket);
        }
    }

    #[test]
    fn quantiles_are_those_of_a_sorted_list() {
        let histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for micros in 1..=1000u64 {
            histogram.record(Duration::from_micros(micros));
        }
        for (part, exact) in [(0.0, 1), (0.5, 501), (0.99, 991), (0.999, 1000), (1.0, 1000)] {
            let shown = histogram.quantile_us(part);
            assert!(shown.abs_diff(exact) <= exact / 64 + 1, "{part}: {shown}, not {exact}");
        }
        assert_eq!(histogram.count(), 1000);
        assert_eq!(histogram.largest(), Duration::from_millis(1));
        assert!(histogram.quantile(1.0) <= histogram.largest());
    }

    #[test]
    fn takes_the_longest_duration_there_is() {
        let histogram = Histogram::new();
        histogram.record(Duration::MAX);
        histogram.record(Duration::ZERO);
        assert_eq!(histogram.quantile(0.0), Duration::ZERO);
        assert!(histogram.quantile(1.0) > Duration::from_secs(u32::MAX.into()));
    }
}
