//! The timers of a node: each only posts an event to the door (behaviour.md 4.1).

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jraft_spi::env::MonoTime;

use super::effect::{TimerAction, TimerKind};
use super::shared::Shared;
use super::state::{Effects, NodeState, Timing};
use crate::timer::{Adjust, RepeatedTimer, Timer, random_in};

/// One repeated timer per kind.
pub(crate) struct NodeTimers(BTreeMap<TimerKind, RepeatedTimer>);

impl NodeTimers {
    pub(crate) fn new(shared: &Arc<Shared>, timer: &Timer) -> Self {
        let timers = TimerKind::ALL.into_iter().map(|kind| (kind, make(kind, shared, timer)));
        Self(timers.collect())
    }

    pub(crate) fn apply(&self, kind: TimerKind, action: TimerAction) {
        let timer = &self.0[&kind];
        match action {
            TimerAction::Stop => timer.stop(),
            TimerAction::Restart => timer.restart(),
        }
    }

    pub(crate) fn destroy(&self) {
        self.0.values().for_each(RepeatedTimer::destroy);
    }
}

fn make(kind: TimerKind, shared: &Arc<Shared>, timer: &Timer) -> RepeatedTimer {
    let timing = Timing::new(&shared.options);
    let (name, period) = match kind {
        TimerKind::Election => ("election", timing.election_timeout),
        TimerKind::Vote => ("vote", timing.election_timeout),
        TimerKind::StepDown => ("step-down", timing.election_timeout / 2),
        TimerKind::Heartbeat => ("heartbeat", timing.heartbeat),
    };
    let weak = Arc::downgrade(shared);
    RepeatedTimer::new(
        format!("{name} {}", shared.id),
        timer.clone(),
        period,
        adjust(kind, shared),
        Arc::new(move || fire(kind, &weak)),
    )
}

/// Election and vote timers are random at every firing, or two nodes would stand together for ever.
fn adjust(kind: TimerKind, shared: &Arc<Shared>) -> Adjust {
    let purpose = match kind {
        TimerKind::Election => "election timeout",
        TimerKind::Vote => "vote timeout",
        TimerKind::StepDown | TimerKind::Heartbeat => return Box::new(|period| period),
    };
    let extra = Duration::from_millis(shared.options.raft.max_election_delay_ms);
    let mut stream = shared.env.rng.stream(&format!("{purpose} of {}", shared.id));
    Box::new(move |period| random_in(period, extra, &mut stream))
}

fn fire(kind: TimerKind, shared: &Weak<Shared>) {
    type Decide = fn(&mut NodeState, MonoTime, &mut Effects);
    let Some(shared) = shared.upgrade() else { return };
    let (purpose, decide): (_, Decide) = match kind {
        TimerKind::Election => ("election timeout", NodeState::on_election_timeout),
        TimerKind::Vote => ("vote timeout", NodeState::on_vote_timeout),
        TimerKind::StepDown => ("step-down check", NodeState::on_step_down_tick),
        TimerKind::Heartbeat => ("heartbeat", NodeState::on_heartbeat_tick),
    };
    shared.step(purpose, decide);
}
