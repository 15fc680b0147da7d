//! The links: who reaches whom, how fast, and what gets lost on the way. Chance is keyed by the message.

use std::collections::BTreeMap;

use jraft_core::message::{AppendKind, RaftRequest};

use crate::sim::dice::Key;

/// How messages travel. Times in microseconds, chances in a thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetPace {
    /// From, to.
    pub delay: (u64, u64),
    /// So many take longer, up to so much.
    pub tail: (u64, u64),
    /// So many are lost.
    pub loss: u64,
    /// So many arrive twice.
    pub twice: u64,
    /// What is sent first arrives first, as on one connection.
    pub in_order: bool,
    /// Whoever sends to a dead node, or loses a message, is told so after a while.
    pub tells: bool,
}

impl Default for NetPace {
    fn default() -> Self {
        let (delay, tail) = ((100, 1000), (0, 0));
        Self { delay, tail, loss: 0, twice: 0, in_order: true, tells: true }
    }
}

/// A message, as its fate sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Travel {
    /// Who sends.
    pub from: usize,
    /// Who shall get it.
    pub to: usize,
    /// What it is.
    pub kind: Kind,
    /// The term it names.
    pub term: u64,
    /// The index it names.
    pub index: u64,
}

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A pre-vote.
    PreVote,
    /// A vote request.
    Vote,
    /// A heartbeat.
    Beat,
    /// An empty request.
    Probe,
    /// Entries.
    Append,
    /// The leader hands over.
    TimeoutNow,
    /// Anything else.
    Other,
    /// The answer to a pre-vote.
    PreVoteAnswer,
    /// The answer to a vote request.
    VoteAnswer,
    /// The answer to a heartbeat.
    BeatAnswer,
    /// The answer to an empty request.
    ProbeAnswer,
    /// The answer to entries.
    AppendAnswer,
    /// Any other answer.
    OtherAnswer,
}

impl Kind {
    /// All kinds, with their names in scripts.
    pub const NAMES: [(Self, &'static str); 13] = [
        (Self::PreVote, "prevote"),
        (Self::Vote, "vote"),
        (Self::Beat, "beat"),
        (Self::Probe, "probe"),
        (Self::Append, "append"),
        (Self::TimeoutNow, "timeoutnow"),
        (Self::Other, "other"),
        (Self::PreVoteAnswer, "prevote-answer"),
        (Self::VoteAnswer, "vote-answer"),
        (Self::BeatAnswer, "beat-answer"),
        (Self::ProbeAnswer, "probe-answer"),
        (Self::AppendAnswer, "append-answer"),
        (Self::OtherAnswer, "other-answer"),
    ];

    /// The kind of a request.
    pub const fn of(request: &RaftRequest) -> Self {
        match request {
            RaftRequest::RequestVote(vote) if vote.pre_vote => Self::PreVote,
            RaftRequest::RequestVote(_) => Self::Vote,
            RaftRequest::AppendEntries(append) => match append.kind {
                AppendKind::Heartbeat => Self::Beat,
                AppendKind::Probe => Self::Probe,
                AppendKind::Entries => Self::Append,
            },
            RaftRequest::TimeoutNow(_) => Self::TimeoutNow,
            _ => Self::Other,
        }
    }

    /// The kind of its answer.
    pub const fn answer(self) -> Self {
        match self {
            Self::PreVote => Self::PreVoteAnswer,
            Self::Vote => Self::VoteAnswer,
            Self::Beat => Self::BeatAnswer,
            Self::Probe => Self::ProbeAnswer,
            Self::Append => Self::AppendAnswer,
            _ => Self::OtherAnswer,
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|&(kind, _)| kind)
    }
}

impl Travel {
    /// The way of a request.
    pub fn of(from: usize, to: usize, request: &RaftRequest) -> Self {
        let (term, index) = match request {
            RaftRequest::RequestVote(vote) => (vote.term.0, vote.last_log.index.0),
            RaftRequest::AppendEntries(append) => (append.term.0, append.prev.index.0),
            RaftRequest::TimeoutNow(now) => (now.term.0, 0),
            _ => (0, 0),
        };
        Self { from, to, kind: Kind::of(request), term, index }
    }

    /// The way back.
    pub const fn back(self) -> Self {
        Self { from: self.to, to: self.from, kind: self.kind.answer(), ..self }
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing arrives.
    Lost,
    /// It arrives after so many nanoseconds, and perhaps a second time.
    Arrives(u64, Option<u64>),
    /// A script keeps it.
    Held,
}

/// Some messages. What is empty or absent says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// From one of these nodes.
    pub from: Vec<usize>,
    /// To one of these.
    pub to: Vec<usize>,
    /// Of one of these kinds.
    pub kinds: Vec<Kind>,
    /// Of this term.
    pub term: Option<u64>,
    /// With this index: of the entry before those that are sent, or the last one of a candidate.
    pub index: Option<u64>,
}

impl Which {
    /// Whether this message is one of them.
    pub fn names(&self, travel: &Travel) -> bool {
        let among = |nodes: &[usize], node| nodes.is_empty() || nodes.contains(&node);
        among(&self.from, travel.from)
            && among(&self.to, travel.to)
            && (self.kinds.is_empty() || self.kinds.contains(&travel.kind))
            && self.term.is_none_or(|term| term == travel.term)
            && self.index.is_none_or(|index| index == travel.index)
    }
}

/// What a script does to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Keeps them, until it lets them go.
    Hold,
    /// Loses them.
    Lose,
    /// Nothing.
    Pass,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Messages sent.
    pub sent: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost since the link was cut.
    pub cut: u64,
    /// Delivered twice.
    pub twice: u64,
    /// Delivered late: the tail.
    pub late: u64,
    /// Requests among those sent, by kind.
    pub requests: [u64; 7],
    /// Bytes of entries in them.
    pub entry_bytes: u64,
}

/// See the [module](self).
pub struct Links {
    seed: u64,
    nodes: usize,
    cut: Vec<bool>,
    /// How messages travel.
    pub pace: NetPace,
    /// What a script does to which messages: the newest one counts.
    pub rules: Vec<(Which, Deed)>,
    /// What was counted.
    pub traffic: Traffic,
    seen: BTreeMap<Travel, u32>,
    latest: Vec<u64>,
}

impl Links {
    /// Links between so many nodes.
    pub fn new(seed: u64, nodes: usize, pace: NetPace) -> Self {
        Self {
            seed,
            nodes,
            cut: vec![false; nodes * nodes],
            pace,
            rules: Vec::new(),
            traffic: Traffic::default(),
            seen: BTreeMap::new(),
            latest: vec![0; nodes * nodes],
        }
    }

    /// Cuts a directed link, or joins it.
    pub fn set_cut(&mut self, from: usize, to: usize, cut: bool) {
        self.cut[from * self.nodes + to] = cut;
    }

    /// Whether a directed link is cut.
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut[from * self.nodes + to]
    }

    /// Joins everything.
    pub fn heal(&mut self) {
        self.cut.fill(false);
        self.rules.clear();
    }

    /// What becomes of a message that is sent at `now`.
    pub fn fate(&mut self, travel: Travel, now: u64) -> Fate {
        self.traffic.sent += 1;
        if let Some(count) = self.traffic.requests.get_mut(travel.kind as usize) {
            *count += 1;
        }
        if self.is_cut(travel.from, travel.to) {
            self.traffic.cut += 1;
            return Fate::Lost;
        }
        match self.rules.iter().rev().find(|(which, _)| which.names(&travel)) {
            Some((_, Deed::Hold)) => return Fate::Held,
            Some((_, Deed::Lose)) => return Fate::Lost,
            _ => {}
        }
        let count = self.seen.entry(travel).or_default();
        *count += 1;
        let key = Key::new(self.seed, 0x4e7)
            .with((travel.from * self.nodes + travel.to) as u64)
            .with(travel.kind as u64)
            .with(travel.term)
            .with(travel.index)
            .with(u64::from(*count));
        if key.with(1).chance(self.pace.loss) {
            self.traffic.lost += 1;
            return Fate::Lost;
        }
        let first = self.arrival(travel, key.with(2), now);
        let second = key.with(3).chance(self.pace.twice).then(|| {
            self.traffic.twice += 1;
            self.delay(key.with(4))
        });
        Fate::Arrives(first - now, second)
    }

    fn delay(&mut self, key: Key) -> u64 {
        let (from, to) = self.pace.delay;
        let late = key.with(5).chance(self.pace.tail.0);
        self.traffic.late += u64::from(late);
        let tail = if late { key.with(6).within(0, self.pace.tail.1) } else { 0 };
        (key.with(7).within(from, to) + tail) * 1000
    }

    fn arrival(&mut self, travel: Travel, key: Key, now: u64) -> u64 {
        let at = now + self.delay(key);
        if !self.pace.in_order {
            return at;
        }
        let latest = &mut self.latest[travel.from * self.nodes + travel.to];
        *latest = at.max(*latest + 1);
        *latest
    }
}
