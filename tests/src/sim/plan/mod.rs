//! A plan: everything that a run does, as data and as text. The same plan is the same run, on any machine.

mod text;

use crate::sim::net::links::NetPace;
use crate::sim::policy::Policy;
use crate::sim::store::DiskPace;

/// What is left of a disk when a node dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process ends: what it wrote is there, synced or not, and a later power loss may still take it.
    Kill,
    /// The power goes: what was not synced is gone.
    Power,
    /// The power goes: of what was not synced, any part is there; chosen by the number.
    Tear(u64),
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The node dies.
    Crash(usize, Death),
    /// It dies when it passes this point for the `n`-th time from now on.
    CrashAt(usize, Death, u64, String),
    /// It dies before its `n`-th operation on its disk from now on.
    CrashAtOp(usize, Death, u64),
    /// It starts, if it is down.
    Boot(usize),
    /// It shuts down in good order.
    Stop(usize),
    /// It stands still for so many microseconds.
    Pause(usize, u64),
    /// Nothing gets from the first to the second.
    Cut(usize, usize),
    /// It does again.
    Join(usize, usize),
    /// The node reaches nobody.
    Isolate(usize),
    /// Those whose bit is set reach each other, and the rest each other.
    Split(u64),
    /// Two halves, and one node that both reach.
    Bridge(usize),
    /// All links are whole.
    Heal,
    /// The next sync of its disk fails; what it should have written is lost without a word, or not.
    FailSync(usize, bool),
    /// The next write of its disk fails.
    FailWrite(usize),
    /// Its disk has room for so many more bytes.
    Room(usize, u64),
    /// From now on its disk takes so many microseconds for each sync.
    SlowDisk(usize, u64),
    /// Its clock runs fast by so many parts per million.
    Drift(usize, i64),
    /// Its clock jumps ahead by so many microseconds.
    Jump(usize, u64),
    /// A bit of its log flips, if it is down; which one, is told by the number.
    Flip(usize, u64),
    /// All nodes die at once.
    Blackout(Death),
}

/// An action and its time, in microseconds of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: u64,
    /// What.
    pub action: Action,
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// So many clients, one operation each at a time.
    pub clients: u64,
    /// On so many registers, and as many counters.
    pub keys: u64,
    /// With so many microseconds between two operations: from, to.
    pub think: (u64, u64),
    /// Bytes of padding in each command.
    pub payload: u64,
    /// How long a client waits for an answer, in milliseconds.
    pub patience: u64,
}

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the plan is for: lines of text.
    pub story: Vec<String>,
    /// What chance depends on.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// How many of them, the last ones, are learners.
    pub learners: usize,
    /// Whether messages travel as bytes, through the real codec.
    pub wire: bool,
    /// In which order tasks run.
    pub policy: Policy,
    /// How messages travel.
    pub net: NetPace,
    /// How fast disks are.
    pub disk: DiskPace,
    /// The size of the log's segments.
    pub segment: u64,
    /// By how many parts per million each clock runs fast.
    pub drifts: Vec<i64>,
    /// Options of the nodes, by name.
    pub options: Vec<(String, String)>,
    /// What clients do.
    pub load: Load,
    /// How long things go wrong, in milliseconds; then everything is healed.
    pub hurt: u64,
    /// Before all is healed, a majority of the voters must do alone: the rest stays down or cut off, by chance of the seed.
    pub partial: bool,
    /// What happens.
    pub events: Vec<Event>,
    /// A planted bug.
    pub mutant: Option<String>,
    /// The invariant that must break, for a planted bug.
    pub expect: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            story: Vec::new(),
            seed: 0,
            nodes: 3,
            learners: 0,
            wire: false,
            policy: Policy::Fair,
            net: NetPace::default(),
            disk: DiskPace { log: (100, 400), meta: (100, 400) },
            segment: 64 << 10,
            drifts: Vec::new(),
            options: Vec::new(),
            load: Load { clients: 3, keys: 2, think: (5_000, 20_000), payload: 8, patience: 3000 },
            hurt: 10_000,
            partial: false,
            events: Vec::new(),
            mutant: None,
            expect: None,
        }
    }
}

impl Plan {
    /// Whether no machine loses power and no disk loses what it was told to write: processes die, and that is all.
    pub fn kills_only(&self) -> bool {
        let kills = |event: &Event| match &event.action {
            Action::Crash(_, death)
            | Action::CrashAt(_, death, ..)
            | Action::CrashAtOp(_, death, _)
            | Action::Blackout(death) => *death == Death::Kill,
            Action::FailSync(_, lose) => !lose,
            _ => true,
        };
        self.events.iter().all(kills)
    }
}

impl Action {
    /// The nodes that it names.
    pub fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Cut(from, to) | Self::Join(from, to) => vec![*from, *to],
            Self::Heal | Self::Split(_) | Self::Blackout(_) => Vec::new(),
            Self::Crash(node, _)
            | Self::CrashAt(node, ..)
            | Self::CrashAtOp(node, ..)
            | Self::Boot(node)
            | Self::Stop(node)
            | Self::Pause(node, _)
            | Self::Isolate(node)
            | Self::Bridge(node)
            | Self::FailSync(node, _)
            | Self::FailWrite(node)
            | Self::Room(node, _)
            | Self::SlowDisk(node, _)
            | Self::Drift(node, _)
            | Self::Jump(node, _)
            | Self::Flip(node, _) => vec![*node],
        }
    }
}
