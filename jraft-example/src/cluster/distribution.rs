//! A few hundred durations: their quantiles, and a picture in text.

use std::io::{self, Write};
use std::time::Duration;

/// Durations. Exact, unlike a [`crate::histogram::Histogram`]; meant for as many as a person waits for.
#[derive(Debug, Default)]
pub(super) struct Distribution {
    all: Vec<Duration>,
}

impl Distribution {
    pub(super) fn add(&mut self, duration: Duration) {
        let place = self.all.partition_point(|other| *other <= duration);
        self.all.insert(place, duration);
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The duration that `part` of all, between 0 and 1, do not exceed; zero if there are none.
    pub(super) fn quantile(&self, part: f64) -> Duration {
        let place = (self.all.len() as f64 * part).ceil() as usize;
        self.all.get(place.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// One line for each step of 250 ms, from the first that has any to the last.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let steps: Vec<u128> = self.all.iter().map(|time| time.as_millis() / STEP_MS).collect();
        let (Some(&first), Some(&last)) = (steps.first(), steps.last()) else {
            return writeln!(out, "no fail-overs");
        };
        for step in first..=last {
            let count = steps.iter().filter(|other| **other == step).count();
            let (from, to) = (step * STEP_MS, (step + 1) * STEP_MS);
            writeln!(out, "{from:>6} to {to:>5} ms {count:>4} {}", "#".repeat(count.min(WIDEST)))?;
        }
        Ok(())
    }
}

const STEP_MS: u128 = 250;
const WIDEST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: &[u64]) -> Distribution {
        let mut all = Distribution::default();
        for &millis in millis {
            all.add(Duration::from_millis(millis));
        }
        all
    }

    #[test]
    fn quantiles_are_members() {
        let millis = |part| of(&[40, 10, 30, 20]).quantile(part).as_millis();
        assert_eq!([0.0, 0.25, 0.5, 0.51, 0.95, 1.0].map(millis), [10, 10, 20, 30, 40, 40]);
        assert_eq!(of(&[]).quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn the_picture_has_a_line_for_every_step_between() {
        let text = |all: Distribution| {
            let mut out = Vec::new();
            all.write(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            text(of(&[260, 270, 800])),
            "   250 to   500 ms    2 ##\n   500 to   750 ms    0 \n   750 to  1000 ms    1 #\n"
        );
        assert_eq!(text(of(&[])), "no fail-overs\n");
    }
}
