//! The sum of many runs, for a person and for a program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jraft_tests::checks::coverage::Coverage;
use jraft_tests::sim::client::Endings;
use jraft_tests::sim::dice::Digest;
use jraft_tests::sim::faults::FaultCount;
use jraft_tests::sim::points::POINTS;
use jraft_tests::sim::run::Report;
use serde_json::{Value, json};

use crate::campaign::Ended;

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) first: u64,
    /// How many runs.
    pub(crate) seeds: u64,
    /// Simulated nanoseconds.
    pub(crate) time: u64,
    messages: u64,
    polls: u64,
    operations: Endings,
    faults: FaultCount,
    coverage: Coverage,
    points: BTreeMap<&'static str, u64>,
    /// The seed, and what must not be.
    pub(crate) violations: Vec<(u64, String)>,
    digest: Digest,
    /// Time of all cores.
    on_core: Duration,
    /// Real time.
    pub(crate) real: Duration,
    pub(crate) threads: usize,
}

impl Tally {
    /// Nothing yet; the first seed will be this one.
    pub(crate) fn new(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// The one that is taken next.
    pub(crate) const fn next_seed(&self) -> u64 {
        self.first + self.seeds
    }

    /// One more run, in the order of the seeds.
    pub(crate) fn take(&mut self, ended: &Ended) {
        self.seeds += 1;
        self.on_core += ended.on_core;
        if let Some(wrong) = ended.violation() {
            self.violations.push((ended.seed, wrong.to_owned()));
        }
        if let Ok(report) = &ended.outcome {
            self.add(report);
        }
    }

    /// What one run did.
    pub(crate) fn add(&mut self, report: &Report) {
        self.time += report.time;
        self.messages += report.messages;
        self.polls += report.polls;
        let (sum, more) = (&mut self.operations, &report.endings);
        sum.begun += more.begun;
        sum.answered += more.answered;
        sum.failed += more.failed;
        sum.unknown += more.unknown;
        self.faults.add(&report.faults);
        self.coverage.add(&report.coverage);
        for (name, count) in &report.points {
            *self.points.entry(name).or_default() += count;
        }
        self.digest.add(report.digest);
    }

    /// Simulated hours: of groups, not of nodes.
    pub(crate) fn hours(&self) -> f64 {
        self.time as f64 / 3600e9
    }

    /// Simulated time for each second of real time, and of a core's time.
    fn speeds(&self) -> (f64, f64) {
        let over = |time: Duration| self.time as f64 / 1e9 / time.as_secs_f64().max(1e-9);
        (over(self.real), over(self.on_core))
    }

    /// For a person.
    pub(crate) fn table(&self) -> String {
        let last = self.next_seed().saturating_sub(1);
        let mut text = String::new();
        row(&mut text, "seeds", format!("{} ({} to {last})", thousands(self.seeds), self.first));
        text.push_str(&self.counts());
        let missed = self.missed_points();
        let (passed, of) = (POINTS.len() - missed.len(), POINTS.len());
        row(&mut text, "points passed", format!("{passed} of {of}{}", never(&missed)));
        let (real, core) = self.speeds();
        let (real, core) = (thousands(real as u64), thousands(core as u64));
        row(&mut text, "speed", format!("{real} x real time with {} threads", self.threads));
        row(&mut text, "speed per core", format!("{core} x the time of the core"));
        row(&mut text, "violations", thousands(self.violations.len() as u64));
        for (seed, wrong) in &self.violations {
            row(&mut text, &format!("  seed {seed}"), wrong.clone());
        }
        text
    }

    /// What was counted, for a person.
    pub(crate) fn counts(&self) -> String {
        let mut text = String::new();
        row(&mut text, "simulated hours", format!("{:.3}", self.hours()));
        row(&mut text, "messages", thousands(self.messages));
        row(&mut text, "polls", thousands(self.polls));
        for (name, count) in self.rows() {
            row(&mut text, &name, thousands(count));
        }
        row(&mut text, "digest", self.digest());
        text
    }

    /// Whatever was counted by name: operations, faults, coverage.
    fn rows(&self) -> Vec<(String, u64)> {
        let mut rows = vec![("operations".to_owned(), self.operations.begun)];
        let endings = self.endings();
        rows.extend(endings.into_iter().skip(1).map(|(name, n)| (format!("  {name}"), n)));
        let faults = self.faults.0.iter();
        rows.extend(faults.map(|(kind, &count)| (format!("fault: {kind}"), count)));
        let reached = self.coverage.rows().into_iter();
        rows.extend(reached.map(|(name, n)| (format!("reached: {}", name.replace('_', " ")), n)));
        rows
    }

    const fn endings(&self) -> [(&'static str, u64); 4] {
        let Endings { begun, answered, failed, unknown } = self.operations;
        [("begun", begun), ("answered", answered), ("refused", failed), ("unknown", unknown)]
    }

    fn missed_points(&self) -> Vec<&'static str> {
        POINTS.into_iter().filter(|point| !self.points.contains_key(point)).collect()
    }

    fn digest(&self) -> String {
        format!("{:016x}", self.digest.0)
    }

    /// For a program.
    pub(crate) fn json(&self) -> Value {
        let (real, core) = self.speeds();
        let violations = self.violations.iter();
        let violations: Vec<Value> =
            violations.map(|(seed, text)| json!({ "seed": seed, "text": text })).collect();
        json!({
            "first_seed": self.first,
            "seeds": self.seeds,
            "simulated_hours": self.hours(),
            "messages": self.messages,
            "polls": self.polls,
            "operations": self.endings().into_iter().collect::<BTreeMap<_, _>>(),
            "faults": self.faults.0,
            "coverage": self.coverage.rows().into_iter().collect::<BTreeMap<_, _>>(),
            "points": self.points,
            "points_missed": self.missed_points(),
            "violations": violations,
            "digest": self.digest(),
            "speed": {
                "real_seconds": self.real.as_secs_f64(),
                "core_seconds": self.on_core.as_secs_f64(),
                "threads": self.threads,
                "over_real_time": real,
                "over_core_time": core,
            },
        })
    }
}

fn row(text: &mut String, name: &str, value: String) {
    let _ = writeln!(text, "{name:<40} {value}");
}

fn never(points: &[&str]) -> String {
    if points.is_empty() { String::new() } else { format!("; never: {}", points.join(", ")) }
}

/// `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        let texts = [0, 12, 999, 1000, 123_456, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "12", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn an_error_is_a_violation_and_seeds_are_counted() {
        let mut tally = Tally::new(7);
        let outcome = Err("no such option".to_owned());
        tally.take(&Ended { seed: 7, outcome, on_core: Duration::ZERO });
        assert_eq!(tally.next_seed(), 8);
        assert_eq!(tally.json()["violations"][0]["seed"], 7);
        assert!(tally.table().contains("no such option"), "{}", tally.table());
    }
}
