//! `TermIndex`: the term of any index without the disk. Keeps the first index of each term, a short list.
//!
//! The reference's `LogManager.getTerm`, which may read its storage under the node's lock.

use std::collections::VecDeque;

use jraft_spi::{LogId, LogIndex, Term};

/// Which term each entry of the log has. Pure.
#[derive(Clone, Debug)]
pub(crate) struct TermIndex {
    /// The first index that is there; `last + 1` if none is.
    first: LogIndex,
    /// The last index that is there; `first - 1` if none is.
    last: LogIndex,
    /// What lies right before `first`: the end of the snapshot, or nothing.
    base: LogId,
    /// The first index of each term, both rising.
    starts: VecDeque<(LogIndex, Term)>,
}

impl TermIndex {
    pub(crate) fn new(first: LogIndex, last: LogIndex, starts: &[(LogIndex, Term)]) -> Self {
        let base = LogId::NONE;
        Self { first, last, base, starts: starts.iter().copied().collect() }
    }

    pub(crate) const fn first(&self) -> LogIndex {
        self.first
    }

    /// The last log id: the base if there is no entry.
    pub(crate) fn last(&self) -> LogId {
        match self.starts.back() {
            Some(&(_, term)) => LogId::new(self.last, term),
            None => self.base,
        }
    }

    /// The term at `index`; `Term::ZERO` at 0, nothing for an index that is not there.
    pub(crate) fn term_of(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        if index == LogIndex::ZERO {
            return Some(Term::ZERO);
        }
        if index < self.first || index > self.last {
            return None;
        }
        let after = self.starts.partition_point(|&(start, _)| start <= index);
        Some(self.starts[after - 1].1)
    }

    /// Adds `count` entries of one term behind the last.
    pub(crate) fn push(&mut self, term: Term, count: u64) {
        let newest = self.starts.back().map_or(self.base.term, |&(_, newest)| newest);
        assert!(term >= newest, "terms in a log never fall: {term} behind {newest}");
        if self.starts.back().is_none_or(|&(_, newest)| newest != term) {
            self.starts.push_back((self.last.next(), term));
        }
        self.last = LogIndex(self.last.0 + count);
    }

    /// Forgets everything after `last_kept`.
    pub(crate) fn truncate_suffix(&mut self, last_kept: LogIndex) {
        assert!(last_kept.next() >= self.first, "a suffix ends inside the log");
        self.last = last_kept.min(self.last);
        while self.starts.back().is_some_and(|&(start, _)| start > last_kept) {
            self.starts.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(of: &[(u64, u64)]) -> TermIndex {
        let mut terms = TermIndex::new(LogIndex(1), LogIndex(0), &[]);
        for &(term, count) in of {
            terms.push(Term(term), count);
        }
        terms
    }

    #[test]
    fn knows_the_term_of_every_index() {
        let terms = index(&[(1, 3), (1, 1), (4, 2), (9, 1)]);
        let found: Vec<Option<u64>> =
            (0..9).map(|i| terms.term_of(LogIndex(i)).map(|term| term.0)).collect();
        let expected =
            [Some(0), Some(1), Some(1), Some(1), Some(1), Some(4), Some(4), Some(9), None];
        assert_eq!(found, expected);
        assert_eq!(terms.last(), LogId::new(LogIndex(7), Term(9)));
    }

    #[test]
    fn forgets_a_suffix() {
        let mut terms = index(&[(1, 3), (4, 2), (9, 1)]);
        terms.truncate_suffix(LogIndex(4));
        assert_eq!(terms.last(), LogId::new(LogIndex(4), Term(4)));
        assert_eq!(terms.term_of(LogIndex(5)), None);
        terms.truncate_suffix(LogIndex(0));
        assert_eq!(terms.last(), LogId::NONE);
        terms.push(Term(7), 1);
        assert_eq!(terms.last(), LogId::new(LogIndex(1), Term(7)));
    }

    #[test]
    #[should_panic(expected = "terms in a log never fall")]
    fn a_falling_term_is_a_broken_invariant() {
        index(&[(4, 1), (3, 1)]);
    }
}
