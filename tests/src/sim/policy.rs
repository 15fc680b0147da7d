//! In which order tasks that could run do run: a run that always takes the oldest one explores one schedule only.

use super::dice::Dice;

/// How the next task is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The one that waits longest, as a fair executor does.
    Fair,
    /// Any.
    Uniform,
    /// Mostly the newest.
    Lifo,
    /// By priorities that change at a few moments (probabilistic concurrency testing).
    Pct,
    /// Tasks of this name wait for so many microseconds before each turn.
    StarveTask(String, u64),
    /// All tasks of this node do.
    StarveNode(usize, u64),
}

/// What the choice knows of a task.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its number: rises with every task made.
    pub task: u64,
}

/// Chooses.
pub struct Chooser {
    policy: Policy,
    /// Tasks that a script slows down: of which node, of which name, by how many microseconds.
    slow: Vec<(usize, String, u64)>,
    dice: Dice,
    /// For [`Policy::Pct`]: picks until the next change, and who is demoted.
    until_change: u64,
    demoted: u64,
}

impl Chooser {
    /// A chooser for a run.
    pub fn new(policy: Policy, seed: u64) -> Self {
        let dice = Dice::new(seed, "schedule");
        Self { policy, slow: Vec::new(), dice, until_change: 1000, demoted: 0 }
    }

    /// The policy.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// From now on by another policy, and nothing is slow.
    pub fn set(&mut self, policy: Policy) {
        self.policy = policy;
        self.slow.clear();
    }

    /// Tasks of this name wait for so many microseconds before each turn, on this node.
    pub fn slow_down(&mut self, node: usize, name: &str, micros: u64) {
        self.slow.retain(|(slow, what, _)| (*slow, what.as_str()) != (node, name));
        self.slow.push((node, name.to_owned(), micros));
    }

    /// How long this task is held back each time it could run, in microseconds.
    pub fn delay(&self, node: Option<usize>, name: &str) -> u64 {
        let slow = |(which, what, _): &&(usize, String, u64)| node == Some(*which) && name == what;
        if let Some((_, _, micros)) = self.slow.iter().find(slow) {
            return *micros;
        }
        match &self.policy {
            Policy::StarveTask(which, micros) if which == name => *micros,
            Policy::StarveNode(which, micros) if node == Some(*which) => *micros,
            _ => 0,
        }
    }

    /// The place of the one that runs next.
    pub fn choose(&mut self, ready: &[Candidate]) -> usize {
        let last = ready.len() - 1;
        if last == 0 {
            return 0;
        }
        match self.policy {
            Policy::Fair => 0,
            Policy::Uniform | Policy::StarveTask(..) | Policy::StarveNode(..) => {
                self.dice.place(ready.len())
            }
            Policy::Lifo if self.dice.chance(850) => last,
            Policy::Lifo => self.dice.place(ready.len()),
            Policy::Pct => self.by_priority(ready),
        }
    }

    /// A task's priority is a hash of its number, so that new tasks get one, too; at a change all are dealt anew.
    fn by_priority(&mut self, ready: &[Candidate]) -> usize {
        self.until_change -= 1;
        if self.until_change == 0 {
            self.until_change = self.dice.within(50, 5000);
            self.demoted = self.dice.below(u64::MAX);
        }
        let priority =
            |candidate: &Candidate| super::dice::Key::new(self.demoted, candidate.task).number();
        let best = (0..ready.len()).max_by_key(|&place| priority(&ready[place]));
        best.unwrap_or(0)
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fair => f.write_str("fair"),
            Self::Uniform => f.write_str("uniform"),
            Self::Lifo => f.write_str("lifo"),
            Self::Pct => f.write_str("pct"),
            Self::StarveTask(name, micros) => write!(f, "starve-task {micros}us {name}"),
            Self::StarveNode(node, micros) => write!(f, "starve-node {micros}us {node}"),
        }
    }
}
