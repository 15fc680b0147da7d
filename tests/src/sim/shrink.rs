//! From a plan that breaks a rule to a small one that breaks the same rule.
//!
//! Chance is keyed, so that what is taken out of a plan leaves the rest as it was. What is tried is kept if the same rule
//! breaks, wherever and with whatever numbers.

use super::net::links::NetPace;
use super::plan::{Action, Death, Event, Plan};
use super::policy::Policy;

/// A rule that broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// What must not be.
    pub text: String,
    /// When, in nanoseconds of the world.
    pub at: u64,
}

impl Break {
    /// Which rule it is: `I-05`.
    pub fn rule(&self) -> String {
        rule_of(&self.text)
    }
}

/// Which rule a text speaks of: what stands before the first colon, as one word.
pub fn rule_of(text: &str) -> String {
    let rule = text.split(':').next().unwrap_or(text);
    rule.split_whitespace().collect::<Vec<_>>().join("-")
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The small plan, with a story, and with the rule that it breaks.
    pub plan: Plan,
    /// How it breaks it.
    pub broken: Break,
    /// How many runs it took.
    pub runs: usize,
}

/// Carries a plan out, and says what broke.
type Try<'a> = &'a mut dyn FnMut(&Plan) -> Option<Break>;

/// Makes a plan small, in not more than `budget` runs. `tell` hears about each step forward.
///
/// # Errors
/// The plan breaks nothing.
pub fn shrink(
    plan: &Plan,
    budget: usize,
    run: Try<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<Shrunk, String> {
    let broken = run(plan).ok_or("the plan breaks nothing: there is nothing to make small")?;
    let (rule, best) = (broken.rule(), plan.clone());
    let mut shrinker = Shrinker { best, broken, rule, runs: 1, budget, run, tell };
    shrinker.all();
    let Shrinker { mut best, broken, rule, runs, .. } = shrinker;
    let (before, after) = (plan.events.len(), best.events.len());
    best.story = vec![
        broken.text.clone(),
        format!("Made small in {runs} runs: {before} events to {after}."),
    ];
    best.expect = Some(rule);
    Ok(Shrunk { plan: best, broken, runs })
}

struct Shrinker<'a> {
    best: Plan,
    broken: Break,
    rule: String,
    runs: usize,
    budget: usize,
    run: Try<'a>,
    tell: &'a mut dyn FnMut(&str),
}

/// A setting that can be simpler.
type Setting = (&'static str, fn(&mut Plan));

const SETTINGS: [Setting; 18] = [
    ("all healed at once", |plan| plan.partial = false),
    ("no learners", |plan| plan.learners = 0),
    ("one client", |plan| plan.load.clients = 1),
    ("half of the clients", |plan| plan.load.clients = plan.load.clients.div_ceil(2)),
    ("one key", |plan| plan.load.keys = 1),
    ("no padding", |plan| plan.load.payload = 0),
    ("usual pauses of clients", |plan| plan.load.think = Plan::default().load.think),
    ("usual patience", |plan| plan.load.patience = Plan::default().load.patience),
    ("the usual net", |plan| plan.net = NetPace::default()),
    ("no loss", |plan| plan.net.loss = 0),
    ("nothing twice", |plan| plan.net.twice = 0),
    ("nothing late", |plan| plan.net.tail = NetPace::default().tail),
    ("usual delays", |plan| plan.net.delay = NetPace::default().delay),
    ("messages in order", |plan| plan.net.in_order = true),
    ("usual disks", |plan| plan.disk = Plan::default().disk),
    ("usual segments", |plan| plan.segment = Plan::default().segment),
    ("fair order of tasks", |plan| plan.policy = Policy::Fair),
    ("clocks without drift", |plan| plan.drifts.clear()),
];

impl Shrinker<'_> {
    fn all(&mut self) {
        loop {
            let before = self.best.clone();
            self.end_early();
            self.fewer_events();
            self.shorter();
            self.fewer_nodes();
            self.simpler_settings();
            if self.best == before || self.runs >= self.budget {
                break;
            }
        }
        self.simpler_events();
    }

    /// Whether the same rule breaks under this plan, too: then it is the best one.
    fn is_good(&mut self, what: &str, plan: Plan) -> bool {
        if plan == self.best || self.runs >= self.budget {
            return false;
        }
        self.runs += 1;
        let Some(broken) = (self.run)(&plan).filter(|broken| broken.rule() == self.rule) else {
            return false;
        };
        (self.best, self.broken) = (plan, broken);
        let Plan { nodes, events, hurt, .. } = &self.best;
        let events = events.len();
        (self.tell)(&format!(
            "run {}: {events} events, {nodes} nodes, {hurt} ms ({what})",
            self.runs
        ));
        true
    }

    fn with(&mut self, what: &str, change: impl FnOnce(&mut Plan)) -> bool {
        let mut plan = self.best.clone();
        change(&mut plan);
        self.is_good(what, plan)
    }

    /// What happens after the break does not matter.
    fn end_early(&mut self) {
        let at = self.broken.at;
        self.with("nothing after the break", |plan| {
            plan.events.retain(|event| event.at * 1000 <= at);
            plan.hurt = plan.hurt.min((at / 1_000_000).saturating_add(1));
        });
    }

    /// Delta debugging: takes out pieces, large ones first.
    fn fewer_events(&mut self) {
        let mut size = self.best.events.len();
        while size > 0 {
            let mut from = 0;
            while from < self.best.events.len() {
                let to = (from + size).min(self.best.events.len());
                if !self.with("fewer events", |plan| drop(plan.events.drain(from..to))) {
                    from = to;
                }
            }
            size /= 2;
        }
    }

    fn shorter(&mut self) {
        for (part, of) in [(1, 2), (1, 2), (1, 2), (3, 4), (3, 4), (9, 10)] {
            self.with("shorter", |plan| {
                plan.hurt = plan.hurt * part / of;
                let end = plan.hurt * 1000;
                plan.events.retain(|event| event.at < end);
            });
        }
    }

    fn fewer_nodes(&mut self) {
        for nodes in 1..self.best.nodes {
            if self.with("fewer nodes", |plan| keep_nodes(plan, nodes)) {
                return;
            }
        }
    }

    fn simpler_settings(&mut self) {
        for (what, change) in SETTINGS {
            self.with(what, change);
        }
        for (name, _) in self.best.options.clone() {
            let what = format!("usual {name}");
            self.with(&what, |plan| plan.options.retain(|(other, _)| *other != name));
        }
    }

    fn simpler_events(&mut self) {
        for place in 0..self.best.events.len() {
            for action in simpler(&self.best.events[place].action) {
                if self.with("a simpler event", |plan| plan.events[place].action = action) {
                    break;
                }
            }
            for step in [1_000_000, 100_000, 10_000, 1_000] {
                // Those before it stay before it.
                let round = |event: &mut Event, before: u64| {
                    event.at = (event.at / step * step).max(before);
                };
                let before = place.checked_sub(1).map_or(0, |last| self.best.events[last].at);
                if self.with("a round time", |plan| round(&mut plan.events[place], before)) {
                    break;
                }
            }
        }
    }
}

/// Leaves only the first nodes.
fn keep_nodes(plan: &mut Plan, nodes: usize) {
    plan.nodes = nodes;
    plan.learners = plan.learners.min(nodes - 1);
    plan.drifts.truncate(nodes);
    if matches!(plan.policy, Policy::StarveNode(node, _) if node >= nodes) {
        plan.policy = Policy::Fair;
    }
    plan.events.retain(|event| event.action.nodes().into_iter().all(|node| node < nodes));
    for event in &mut plan.events {
        if let Action::Split(side) = &mut event.action {
            *side &= (1 << nodes) - 1;
        }
    }
}

/// Simpler things that could happen instead.
fn simpler(action: &Action) -> Vec<Action> {
    let deaths = |death: &Death| match death {
        Death::Kill => vec![],
        Death::Power => vec![Death::Kill],
        Death::Tear(_) => vec![Death::Kill, Death::Power],
    };
    let with = |death: &Death, make: &dyn Fn(Death) -> Action| -> Vec<Action> {
        deaths(death).into_iter().map(make).collect()
    };
    match action {
        Action::Crash(node, death) => with(death, &|death| Action::Crash(*node, death)),
        Action::Blackout(death) => with(death, &Action::Blackout),
        Action::CrashAt(node, death, nth, point) => {
            let mut all = vec![Action::Crash(*node, *death)];
            all.extend(with(death, &|death| Action::CrashAt(*node, death, *nth, point.clone())));
            all.push(Action::CrashAt(*node, *death, 1, point.clone()));
            all
        }
        Action::CrashAtOp(node, death, nth) => {
            let mut all = vec![Action::Crash(*node, *death)];
            all.extend(with(death, &|death| Action::CrashAtOp(*node, death, *nth)));
            all
        }
        Action::Stop(node) => vec![Action::Crash(*node, Death::Kill)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::swarm::plan_of;
    use super::*;

    fn at(time: u64, action: Action) -> Event {
        Event { at: time, action }
    }

    /// A world in which a rule breaks when node 1 has crashed and then the power of node 0 was lost.
    fn broken(plan: &Plan) -> Option<Break> {
        let find = |wanted: fn(&Action) -> bool| plan.events.iter().find(|e| wanted(&e.action));
        let first = find(|action| matches!(action, Action::Crash(1, _)))?;
        let second = find(|action| matches!(action, Action::Crash(0, Death::Power)))?;
        let text = format!("I-99: broken after {} us", second.at);
        (first.at < second.at && plan.load.clients >= 2)
            .then(|| Break { text, at: second.at * 1000 })
    }

    fn long_plan() -> Plan {
        let noise = (0..200).map(|n| at(n * 31, Action::Pause(n as usize % 5, 7)));
        let mut events: Vec<Event> = noise.collect();
        events.push(at(2_345_678, Action::Crash(1, Death::Tear(9))));
        events.push(at(2_900_123, Action::Heal));
        events.push(at(3_456_789, Action::Crash(0, Death::Power)));
        events.push(at(4_000_000, Action::Boot(0)));
        events.sort_by_key(|event| event.at);
        let mut plan = Plan { nodes: 5, events, ..plan_of(77) };
        plan.load.clients = 8;
        plan
    }

    #[test]
    fn what_does_not_matter_goes() {
        let plan = long_plan();
        let mut told = 0;
        let small = shrink(&plan, 500, &mut broken, &mut |_| told += 1).unwrap();
        let plain = Plan::default();
        assert_eq!(small.plan.events.len(), 2, "{}", small.plan);
        assert_eq!(small.plan.events[0], at(2_000_000, Action::Crash(1, Death::Kill)));
        assert_eq!(small.plan.events[1], at(3_000_000, Action::Crash(0, Death::Power)));
        assert_eq!((small.plan.nodes, small.plan.load.clients), (2, 2));
        assert_eq!((small.plan.net, small.plan.disk), (plain.net, plain.disk));
        assert!(small.plan.options.is_empty() && small.plan.seed == 77);
        assert_eq!(small.plan.expect.as_deref(), Some("I-99"));
        assert!(told > 5 && small.runs <= 500);
        let again: Plan = small.plan.to_string().parse().unwrap();
        assert_eq!(again, small.plan);
    }

    #[test]
    fn the_budget_is_kept_and_another_rule_does_not_count() {
        let mut runs = 0;
        let mut count = |plan: &Plan| {
            runs += 1;
            broken(plan).or_else(|| Some(Break { text: "I-98: other".to_owned(), at: 0 }))
        };
        let small = shrink(&long_plan(), 9, &mut count, &mut |_| {}).unwrap();
        assert_eq!((runs, small.runs), (9, 9));
        assert_eq!(small.broken.rule(), "I-99");
    }

    #[test]
    fn a_plan_that_breaks_nothing_is_refused() {
        assert!(shrink(&Plan::default(), 9, &mut broken, &mut |_| {}).is_err());
    }

    #[test]
    fn rules_are_words() {
        let rules = ["I-05: two: leaders", "a panic: x", "a node stays"].map(rule_of);
        assert_eq!(rules, ["I-05", "a-panic", "a-node-stays"]);
    }
}
