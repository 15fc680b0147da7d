//! What the order of values tells about the time of operations: the zones of Gibbons and Korach.
//!
//! If values are unique, then all that brings or reads a value stands together in every order, and nothing that brings
//! or reads another stands between. So if one operation of value `a` was over before one of value `b` began, all those
//! of `a` come before all those of `b`. If the same is true the other way round, there is no order; of reads and writes
//! alone, there is one otherwise. And where one value comes before another, operations that took long are known to have
//! taken effect in a shorter time, which leaves less to the search.

use std::collections::BTreeMap;

use super::register::{RegisterAnswer, RegisterCall};
use super::unique::Op;
use super::{End, story};

/// What brings or reads one value.
struct Zone {
    value: Option<u64>,
    /// The first of them that was over, and when; the last that began, and when.
    first_over: (u64, usize),
    last_begun: (u64, usize),
    /// When all of them may take effect, with regard to the other values.
    from: u64,
    to: u64,
}

impl Zone {
    /// Whether all of this value comes before all of the other. Before all others comes that nothing is there.
    fn is_before(&self, other: &Self) -> bool {
        self.value.is_none() || self.first_over.0 < other.last_begun.0
    }
}

/// Lets each operation of a value begin as late and end as early as it can have taken effect, or says why there is no
/// order.
pub(super) fn narrow(mut history: Vec<Op>) -> Result<Vec<Op>, Vec<String>> {
    let mut zones: Vec<Zone> = zones(&history).into_values().collect();
    for one in 0..zones.len() {
        for other in 0..zones.len() {
            if one == other || !zones[one].is_before(&zones[other]) {
                continue;
            }
            if zones[other].is_before(&zones[one]) {
                return Err(contradiction(&history, &zones[one], &zones[other]));
            }
            zones[one].to = zones[one].to.min(zones[other].first_over.0);
            zones[other].from = zones[other].from.max(zones[one].last_begun.0);
        }
    }
    let zones: BTreeMap<Option<u64>, Zone> =
        zones.into_iter().map(|zone| (zone.value, zone)).collect();
    for operation in &mut history {
        if let Some(zone) = value_of(operation).and_then(|value| zones.get(&value))
            && let End::Answered { at, .. } = &mut operation.ended
        {
            *at = zone.to.min(*at);
            operation.invoked = zone.from.max(operation.invoked);
        }
    }
    Ok(history)
}

fn zones(history: &[Op]) -> BTreeMap<Option<u64>, Zone> {
    let mut zones = BTreeMap::new();
    for (place, operation) in history.iter().enumerate() {
        let (Some(value), Some(at)) = (value_of(operation), operation.answered_at()) else {
            continue;
        };
        let (over, begun) = ((at, place), (operation.invoked, place));
        let zone = zones.entry(value).or_insert(Zone {
            value,
            first_over: over,
            last_begun: begun,
            from: 0,
            to: u64::MAX,
        });
        zone.first_over = over.min(zone.first_over);
        zone.last_begun = begun.max(zone.last_begun);
    }
    zones
}

/// The value that was there right after the operation, if its answer tells.
fn value_of(operation: &Op) -> Option<Option<u64>> {
    match (operation.call, operation.answer()?) {
        (RegisterCall::Read, RegisterAnswer::Value(value)) => Some(*value),
        (RegisterCall::CompareAndSet { .. }, RegisterAnswer::Swapped(false)) => None,
        (call, _) => Some(call.brings()),
    }
}

fn contradiction(history: &[Op], one: &Zone, other: &Zone) -> Vec<String> {
    let mut told = vec![format!(
        "{:?} and {:?} would each have to be there before the other",
        one.value, other.value
    )];
    for place in [one.first_over, other.last_begun, other.first_over, one.last_begun] {
        let line = story::line(&history[place.1]);
        if !told.contains(&line) {
            told.push(line);
        }
    }
    told
}
