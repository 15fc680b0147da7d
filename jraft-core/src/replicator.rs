//! `Replicator`: what a leader knows of one peer. Pure: who sends and when is decided in `node::replication`.
//!
//! The reference's `Replicator`, without its lock: a replicator lives inside the state of the node that leads, and dies
//! in the same step in which that node stops leading, so a stale one cannot send.

use std::collections::VecDeque;

use jraft_spi::env::MonoTime;
use jraft_spi::{LogIndex, PeerId, mutant};

/// Where replication to a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplicatorState {
    /// The next index is uncertain: one empty request at a time.
    Probe,
    /// The logs match up to `matched`: requests are pipelined.
    Replicate,
}

/// A request whose answer is outstanding.
#[derive(Clone, Copy, Debug)]
struct Inflight {
    seq: u64,
    first: LogIndex,
    count: u64,
    bytes: usize,
    /// What the peer had acknowledged when it left.
    known: LogIndex,
}

/// How many answers may be outstanding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) requests: usize,
    pub(crate) bytes: usize,
}

/// One per peer and leadership.
#[derive(Debug)]
pub(crate) struct Replicator {
    pub(crate) peer: PeerId,
    /// Learners never count in a ballot.
    pub(crate) counts: bool,
    state: ReplicatorState,
    /// Differs in every leadership and after every reset, so that late answers are recognised.
    version: u64,
    next_seq: u64,
    next_index: LogIndex,
    matched: LogIndex,
    inflights: VecDeque<Inflight>,
    inflight_bytes: usize,
    blocked_until: Option<MonoTime>,
    /// A read of entries from the disk is under way.
    reading: bool,
    heartbeat_out: bool,
    /// When the newest answered request was sent: the peer was alive then.
    last_ack: MonoTime,
    errors: u32,
    /// How far the next step back goes.
    stride: u64,
}

/// What an answer to a heartbeat tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeNeed {
    /// The peer's log fits.
    None,
    /// The peer has lost its log, or never had it.
    Probe,
}

impl Replicator {
    /// A peer of which nothing is known yet; it counts as alive for one lease.
    pub(crate) fn new(
        peer: PeerId,
        counts: bool,
        version: u64,
        last_log: LogIndex,
        now: MonoTime,
    ) -> Self {
        Self {
            peer,
            counts,
            state: ReplicatorState::Probe,
            version,
            next_seq: 0,
            next_index: last_log.next(),
            matched: LogIndex::ZERO,
            inflights: VecDeque::new(),
            inflight_bytes: 0,
            blocked_until: None,
            reading: false,
            heartbeat_out: false,
            last_ack: now,
            errors: 0,
            stride: 1,
        }
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) const fn next_index(&self) -> LogIndex {
        self.next_index
    }

    /// Requests whose answers are outstanding.
    #[cfg(feature = "sim")]
    pub(crate) fn inflight(&self) -> usize {
        self.inflights.len()
    }

    pub(crate) const fn matched(&self) -> LogIndex {
        self.matched
    }

    pub(crate) const fn last_ack(&self) -> MonoTime {
        self.last_ack
    }

    pub(crate) const fn errors(&self) -> u32 {
        self.errors
    }

    /// Whether a probe should leave now.
    pub(crate) fn wants_probe(&self, now: MonoTime) -> bool {
        self.state == ReplicatorState::Probe && self.inflights.is_empty() && !self.is_blocked(now)
    }

    /// Whether entries may leave now, if there are any.
    pub(crate) fn wants_entries(&self, now: MonoTime, window: Window) -> bool {
        self.state == ReplicatorState::Replicate
            && !self.reading
            && !self.is_blocked(now)
            && self.inflights.len() < window.requests
            && (self.inflight_bytes < window.bytes || self.inflights.is_empty())
    }

    fn is_blocked(&self, now: MonoTime) -> bool {
        self.blocked_until.is_some_and(|until| now < until)
    }

    /// A probe or entries leave; the number that their answer carries. The next request follows the last entry.
    pub(crate) fn sent(&mut self, count: u64, bytes: usize) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        let (first, known) = (self.next_index, self.matched);
        self.inflights.push_back(Inflight { seq, first, count, bytes, known });
        self.inflight_bytes += bytes;
        self.next_index = LogIndex(self.next_index.0 + count);
        seq
    }

    /// Whether a heartbeat may leave: one at a time. If so, it does.
    pub(crate) const fn start_heartbeat(&mut self) -> bool {
        let free = !self.heartbeat_out;
        self.heartbeat_out = true;
        free
    }

    /// A heartbeat was answered, or given up.
    pub(crate) const fn end_heartbeat(&mut self) {
        self.heartbeat_out = false;
    }

    pub(crate) const fn start_reading(&mut self) {
        self.reading = true;
    }

    pub(crate) const fn end_reading(&mut self) {
        self.reading = false;
    }

    /// An answered request left at `sent`: the peer was alive then.
    pub(crate) fn alive_at(&mut self, sent: MonoTime) {
        self.last_ack = self.last_ack.max(sent);
    }

    /// The peer has on its disk what request `seq` carried. The last such index, if it rose; nothing for an answer
    /// that nobody waits for. A probe proves a match, but no durability: it never raises `matched`.
    pub(crate) fn accepted(&mut self, seq: u64) -> Option<LogIndex> {
        let place = self.inflights.iter().position(|inflight| inflight.seq == seq)?;
        let done = self.inflights.remove(place)?;
        self.inflight_bytes -= done.bytes;
        self.state = ReplicatorState::Replicate;
        self.blocked_until = None;
        self.errors = 0;
        self.stride = 1;
        if done.count == 0 && !mutant!("M45") {
            return None;
        }
        let last = LogIndex(done.first.0 + done.count - 1);
        let rose = last > self.matched;
        self.matched = self.matched.max(last);
        rose.then_some(last)
    }

    /// Whether an answer to request `seq` is still awaited.
    pub(crate) fn awaits(&self, seq: u64) -> bool {
        self.inflights.iter().any(|inflight| inflight.seq == seq)
    }

    /// The peer's log does not match before the entries of a request: steps back, or jumps to its end if that is lower. Each
    /// step is twice as long as the one before: a peer that led may have very many entries that nobody else has. It drops
    /// those that it is sent again.
    ///
    /// Below what it has acknowledged only if the request left after that: else the answer may be old news, now the peer
    /// has lost its log.
    pub(crate) fn mismatch(&mut self, seq: u64, their_last: LogIndex, version: u64) {
        let Some(place) = self.inflights.iter().position(|inflight| inflight.seq == seq) else {
            return;
        };
        let Inflight { first: tried, known, .. } = self.inflights[place];
        self.reset(version);
        let back = LogIndex(tried.0.saturating_sub(self.stride));
        if their_last.next() > back {
            self.stride = self.stride.saturating_mul(2);
        }
        let next = their_last.next().min(back).max(LogIndex(1));
        if tried.prev() <= known {
            self.matched = self.matched.min(next.prev());
        }
        self.next_index = next.max(self.matched.next());
    }

    /// Forgets what is outstanding and starts to probe from behind what the peer certainly has, or where it stood.
    pub(crate) fn reset(&mut self, version: u64) {
        if let Some(oldest) = self.inflights.front() {
            // Answers may overtake each other: then the peer has more than that.
            self.next_index = oldest.first.max(self.matched.next());
        }
        self.state = ReplicatorState::Probe;
        self.version = version;
        self.inflights.clear();
        self.inflight_bytes = 0;
        self.reading = false;
    }

    /// Something went wrong: starts anew at `until`.
    pub(crate) fn block(&mut self, version: u64, until: MonoTime) {
        self.reset(version);
        self.errors = self.errors.saturating_add(1);
        self.blocked_until = Some(until);
    }

    /// A heartbeat was answered with a mismatch: whether a probe must find out.
    pub(crate) fn heartbeat_mismatch(&mut self, version: u64, their_last: LogIndex) -> ProbeNeed {
        let lost = self.state == ReplicatorState::Replicate && their_last < self.matched;
        let idle = self.state == ReplicatorState::Replicate && self.inflights.is_empty();
        if !lost && !idle {
            return ProbeNeed::None;
        }
        self.reset(version);
        self.next_index = self.next_index.min(their_last.next()).max(self.matched.next());
        ProbeNeed::Probe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { requests: 2, bytes: 100 };
    const NOW: MonoTime = MonoTime::from_nanos(1_000);

    fn replicating(last: u64) -> Replicator {
        let peer = "b:1".parse().unwrap();
        let mut replicator = Replicator::new(peer, true, 1, LogIndex(last), NOW);
        let probe = replicator.sent(0, 0);
        assert_eq!(replicator.accepted(probe), None);
        replicator
    }

    #[test]
    fn starts_with_one_probe_behind_the_last_entry() {
        let peer = "b:1".parse().unwrap();
        let mut replicator = Replicator::new(peer, true, 1, LogIndex(10), NOW);
        assert!(replicator.wants_probe(NOW) && !replicator.wants_entries(NOW, WINDOW));
        let probe = replicator.sent(0, 0);
        assert!(!replicator.wants_probe(NOW), "one at a time");
        assert_eq!(replicator.accepted(probe), None, "a probe is no acknowledgement");
        assert!(replicator.wants_entries(NOW, WINDOW));
        assert_eq!((replicator.next_index(), replicator.matched()), (LogIndex(11), LogIndex(0)));
    }

    #[test]
    fn the_window_is_bounded_by_count_and_bytes() {
        let mut replicator = replicating(0);
        replicator.sent(1, 10);
        assert!(replicator.wants_entries(NOW, WINDOW));
        let second = replicator.sent(1, 10);
        assert!(!replicator.wants_entries(NOW, WINDOW), "by count");
        assert_eq!(replicator.accepted(second), Some(LogIndex(2)));
        let mut replicator = replicating(0);
        replicator.sent(1, 500);
        assert!(!replicator.wants_entries(NOW, WINDOW), "by bytes");
    }

    #[test]
    fn answers_out_of_order_and_twice_count_once() {
        let mut replicator = replicating(0);
        let (first, second) = (replicator.sent(2, 1), replicator.sent(3, 1));
        assert_eq!(replicator.accepted(second), Some(LogIndex(5)));
        assert_eq!(replicator.accepted(first), None);
        assert_eq!(replicator.accepted(second), None);
        assert_eq!(replicator.matched(), LogIndex(5));
    }

    #[test]
    fn a_mismatch_steps_back_or_jumps_and_never_below_one() {
        let step = |last, their_last| {
            let peer = "b:1".parse().unwrap();
            let mut replicator = Replicator::new(peer, true, 1, LogIndex(last), NOW);
            let probe = replicator.sent(0, 0);
            replicator.mismatch(probe, LogIndex(their_last), 2);
            replicator.next_index().0
        };
        assert_eq!((step(10, 10), step(10, 99), step(10, 4), step(0, 0)), (10, 10, 5, 1));
    }

    #[test]
    fn steps_back_grow_until_the_peer_matches() {
        let peer = "b:1".parse().unwrap();
        let mut replicator = Replicator::new(peer, true, 1, LogIndex(1_000_000), NOW);
        let mut steps = |common: u64| {
            for steps in 0.. {
                let probe = replicator.sent(0, 0);
                if replicator.next_index().0 <= common {
                    replicator.accepted(probe);
                    return (steps, replicator.next_index().0);
                }
                replicator.mismatch(probe, LogIndex(2_000_000), 2);
            }
            unreachable!("it comes to an end");
        };
        assert_eq!(steps(900_000), (17, 1_000_001 - (1 << 17) + 1));
        assert_eq!(steps(868_929), (1, 868_929), "from one on again");
    }

    #[test]
    fn a_block_waits_and_starts_from_the_oldest_outstanding_request() {
        let mut replicator = replicating(4);
        replicator.sent(2, 1);
        replicator.sent(2, 1);
        let until = MonoTime::from_nanos(2_000);
        replicator.block(2, until);
        assert_eq!((replicator.next_index(), replicator.errors()), (LogIndex(5), 1));
        assert!(!replicator.wants_probe(NOW) && replicator.wants_probe(until));
    }

    #[test]
    fn a_peer_that_lost_its_log_is_probed_again() {
        let mut replicator = replicating(0);
        let entries = replicator.sent(5, 1);
        assert_eq!(replicator.accepted(entries), Some(LogIndex(5)));
        assert_eq!(replicator.heartbeat_mismatch(2, LogIndex(0)), ProbeNeed::Probe);
        assert_eq!((replicator.next_index(), replicator.matched()), (LogIndex(6), LogIndex(5)));
        let probe = replicator.sent(0, 0);
        replicator.mismatch(probe, LogIndex(0), 3);
        assert_eq!((replicator.next_index(), replicator.matched()), (LogIndex(1), LogIndex(0)));
    }

    #[test]
    fn a_window_that_is_exactly_full_is_full_and_opens_with_an_answer() {
        let mut replicator = replicating(0);
        let full = replicator.sent(1, 100);
        assert!(!replicator.wants_entries(NOW, WINDOW));
        replicator.accepted(full);
        replicator.sent(1, 99);
        assert!(replicator.wants_entries(NOW, WINDOW), "what is answered counts no more");
    }

    #[test]
    fn what_was_acknowledged_before_is_no_news() {
        let mut replicator = replicating(0);
        let (first, second) = (replicator.sent(2, 1), replicator.sent(2, 1));
        assert_eq!(replicator.accepted(first), Some(LogIndex(2)));
        assert!(replicator.awaits(second));
        replicator.next_index = LogIndex(2);
        let again = replicator.sent(1, 1);
        assert_eq!(replicator.accepted(again), None);
    }

    #[test]
    fn failures_are_counted_until_an_answer() {
        let mut replicator = replicating(0);
        for failures in 1..=3 {
            replicator.sent(1, 1);
            replicator.block(1 + u64::from(failures), NOW);
            assert_eq!(replicator.errors(), failures);
        }
        let probe = replicator.sent(0, 0);
        replicator.accepted(probe);
        assert_eq!(replicator.errors(), 0);
    }

    #[test]
    fn a_heartbeat_that_does_not_match_leads_to_a_probe_if_the_peer_lost_entries_or_nothing_is_out()
    {
        let probes = |open: bool, theirs| {
            let mut replicator = replicating(0);
            let entries = replicator.sent(5, 1);
            replicator.accepted(entries);
            if open {
                replicator.sent(1, 1);
            }
            replicator.heartbeat_mismatch(2, LogIndex(theirs)) == ProbeNeed::Probe
        };
        assert!(probes(true, 4), "it lost entry 5");
        assert!(!probes(true, 5) && !probes(true, 6), "the answer to what is out will tell");
        assert!(probes(false, 5) && probes(false, 6) && probes(false, 4));
        let peer = "b:1".parse().unwrap();
        let mut probing = Replicator::new(peer, true, 1, LogIndex(5), NOW);
        assert_eq!(probing.heartbeat_mismatch(2, LogIndex(0)), ProbeNeed::None);
        probing.matched = LogIndex(3);
        assert_eq!(
            probing.heartbeat_mismatch(2, LogIndex(0)),
            ProbeNeed::None,
            "it probes already"
        );
    }

    #[test]
    fn old_news_do_not_lead_below_what_is_acknowledged() {
        let mut replicator = replicating(0);
        let (first, second) = (replicator.sent(2, 1), replicator.sent(2, 1));
        let third = replicator.sent(1, 1);
        assert_eq!(replicator.accepted(second), Some(LogIndex(4)));
        replicator.mismatch(third, LogIndex(0), 2);
        assert_eq!((replicator.next_index(), replicator.matched()), (LogIndex(5), LogIndex(4)));
        assert!(!replicator.awaits(first));
    }
}
