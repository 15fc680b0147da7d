//! The gate for promises: nothing that a node promises leaves before what it promises is on the disk.
//!
//! A promise is a granted vote, a `success = true` to AppendEntries (heartbeats too), and our own RequestVotes. Each
//! carries the newest tickets of its decision; finished writes release what waited for them. There is no exception
//! for repeats: a second append of a new term waits like the first. Model-checked; see ARCHITECTURE.md.

use std::collections::VecDeque;

use jraft_spi::{LogId, LogIndex, PeerId, Term};

use super::effect::ReplyTo;
use crate::log::LogTicket;
use crate::log::MetaTicket;

/// How many promises may wait. A full gate drops its oldest one: the peer asks again.
pub(crate) const GATE_LIMIT: usize = 8192;

/// What a promise waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tickets {
    pub(crate) meta: MetaTicket,
    /// Zero for what promises no entries.
    pub(crate) log: LogTicket,
}

/// What leaves once its tickets are durable, if it still fits then.
#[derive(Debug)]
pub(crate) enum Promise {
    /// A granted vote.
    Vote { term: Term, candidate: PeerId, reply: ReplyTo },
    /// Entries accepted, or an empty request that matched.
    Accept(Accept),
    /// Our RequestVotes of a term.
    Canvass { term: Term, last_log: LogId },
}

/// See [`Promise::Accept`].
#[derive(Debug)]
pub(crate) struct Accept {
    pub(crate) term: Term,
    /// What may be committed once this is durable.
    pub(crate) commit: LogIndex,
    /// Named in the answer to a request without entries.
    pub(crate) last_log_index: Option<LogIndex>,
    pub(crate) reply: ReplyTo,
}

/// Tickets handed out, tickets durable.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) issued: u64,
    pub(crate) durable: u64,
}

impl Progress {
    pub(crate) const fn issue(&mut self) -> u64 {
        self.issued += 1;
        self.issued
    }

    /// False for a ticket that was never handed out, or is known to be durable.
    pub(crate) fn reach(&mut self, ticket: u64) -> bool {
        assert!(ticket <= self.issued, "ticket {ticket} of {} was never handed out", self.issued);
        let news = ticket > self.durable;
        self.durable = self.durable.max(ticket);
        news
    }
}

/// Promises that wait. Two queues, since those that promise entries wait longer; in each the tickets rise.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) meta: Progress,
    pub(crate) log: Progress,
    on_meta: VecDeque<(Tickets, Promise)>,
    on_log: VecDeque<(Tickets, Promise)>,
}

impl Gate {
    /// The newest ticket of term and vote.
    pub(crate) const fn meta_ticket(&self) -> MetaTicket {
        MetaTicket(self.meta.issued)
    }

    /// The newest ticket of the log.
    pub(crate) const fn log_ticket(&self) -> LogTicket {
        LogTicket(self.log.issued)
    }

    /// Whether everything that `after` names is on the disk.
    pub(crate) const fn is_durable(&self, after: Tickets) -> bool {
        after.meta.0 <= self.meta.durable && after.log.0 <= self.log.durable
    }

    /// Holds a promise. What is given back did not fit and must be refused.
    #[must_use]
    pub(crate) fn hold(&mut self, after: Tickets, promise: Promise) -> Option<Promise> {
        let queue = if after.log == LogTicket(0) { &mut self.on_meta } else { &mut self.on_log };
        queue.push_back((after, promise));
        if queue.len() > GATE_LIMIT { queue.pop_front().map(|(_, oldest)| oldest) } else { None }
    }

    /// A promise that may leave now.
    pub(crate) fn release(&mut self) -> Option<Promise> {
        for place in [0, 1] {
            let queue = if place == 0 { &self.on_meta } else { &self.on_log };
            if queue.front().is_some_and(|&(after, _)| self.is_durable(after)) {
                let queue = if place == 0 { &mut self.on_meta } else { &mut self.on_log };
                return queue.pop_front().map(|(_, promise)| promise);
            }
        }
        None
    }

    /// Drops everything held: the node failed, or is going down.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Promise> {
        let (on_meta, on_log) =
            (std::mem::take(&mut self.on_meta), std::mem::take(&mut self.on_log));
        on_meta.into_iter().chain(on_log).map(|(_, promise)| promise)
    }

    /// How many promises wait.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn held(&self) -> usize {
        self.on_meta.len() + self.on_log.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvass(term: u64) -> Promise {
        Promise::Canvass { term: Term(term), last_log: LogId::NONE }
    }

    fn term_of(promise: Option<Promise>) -> Option<u64> {
        match promise? {
            Promise::Canvass { term, .. } => Some(term.0),
            _ => None,
        }
    }

    fn after(meta: u64, log: u64) -> Tickets {
        Tickets { meta: MetaTicket(meta), log: LogTicket(log) }
    }

    #[test]
    fn a_promise_waits_for_both_disks() {
        let mut gate = Gate::default();
        assert_eq!((gate.meta.issue(), gate.log.issue()), (1, 1));
        assert!(gate.hold(after(1, 1), canvass(1)).is_none());
        assert!(gate.release().is_none());
        assert!(gate.log.reach(1));
        assert!(gate.release().is_none());
        assert!(gate.meta.reach(1));
        assert_eq!(term_of(gate.release()), Some(1));
        assert_eq!(gate.held(), 0);
    }

    #[test]
    fn what_promises_no_entries_does_not_wait_behind_those_that_do() {
        let mut gate = Gate::default();
        gate.log.issue();
        assert!(gate.hold(after(0, 1), canvass(1)).is_none());
        assert!(gate.hold(after(0, 0), canvass(2)).is_none());
        assert_eq!(gate.held(), 2, "both queues");
        assert_eq!(term_of(gate.release()), Some(2));
        assert!(gate.release().is_none());
    }

    #[test]
    fn a_newer_ticket_covers_the_older_ones() {
        let mut gate = Gate::default();
        for meta in 1..=3 {
            gate.meta.issue();
            assert!(gate.hold(after(meta, 0), canvass(meta)).is_none());
        }
        assert!(gate.meta.reach(2));
        assert_eq!((term_of(gate.release()), term_of(gate.release())), (Some(1), Some(2)));
        assert!(gate.release().is_none());
        assert!(!gate.meta.reach(1) && !gate.meta.reach(2), "nothing new");
    }

    #[test]
    fn a_full_gate_gives_the_oldest_promise_back() {
        let mut gate = Gate::default();
        gate.meta.issue();
        for term in 0..GATE_LIMIT as u64 {
            assert!(gate.hold(after(1, 0), canvass(term)).is_none());
        }
        assert_eq!(term_of(gate.hold(after(1, 0), canvass(9999))), Some(0));
        assert_eq!(gate.held(), GATE_LIMIT);
    }

    #[test]
    #[should_panic(expected = "was never handed out")]
    fn a_ticket_from_nowhere_is_a_broken_invariant() {
        Gate::default().meta.reach(1);
    }
}
