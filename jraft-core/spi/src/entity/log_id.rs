//! Terms, log indices and the pair of both (`LogId`).

use std::cmp::Ordering;
use std::fmt;

use super::checksum::crc64_pair;

/// A term of leadership; 0 is before the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Term(pub u64);

/// A position in the log; the first entry has 1, and 0 is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogIndex(pub u64);

/// Names an entry of the log. Ordered by term first: the newer log is the one whose last id is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LogId {
    /// Position in the log.
    pub index: LogIndex,
    /// Term of the leader that wrote the entry.
    pub term: Term,
}

impl Term {
    /// Before the first term.
    pub const ZERO: Self = Self(0);

    /// The last term that is believed, of a peer or of a file: no group gets there by elections. Far below the largest
    /// number on the wire, behind which a term has a successor no more.
    pub const LAST: Self = Self(1 << 62);

    /// The term after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl LogIndex {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The index after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The index before this one; 0 has none and stays 0.
    #[must_use]
    pub const fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl LogId {
    /// No entry: index 0, term 0.
    pub const NONE: Self = Self::new(LogIndex::ZERO, Term::ZERO);

    /// The entry at `index`, written in `term`.
    pub const fn new(index: LogIndex, term: Term) -> Self {
        Self { index, term }
    }

    /// CRC-64 of the index and the term.
    pub fn checksum(self) -> u64 {
        crc64_pair(self.index.0, self.term.0)
    }
}

impl From<u64> for Term {
    fn from(term: u64) -> Self {
        Self(term)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for LogIndex {
    fn from(index: u64) -> Self {
        Self(index)
    }
}

impl fmt::Display for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Ord for LogId {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.term, self.index).cmp(&(other.term, other.index))
    }
}

impl PartialOrd for LogId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId [index={}, term={}]", self.index, self.term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u64, term: u64) -> LogId {
        LogId::new(LogIndex(index), Term(term))
    }

    #[test]
    fn term_counts_before_index() {
        assert!(id(1, 2) > id(9, 1));
        assert!(id(2, 1) > id(1, 1));
        assert_eq!(id(0, 0), LogId::NONE);
        assert_eq!(LogId::default(), LogId::NONE);
    }

    #[test]
    fn neighbours_stop_at_the_ends() {
        assert_eq!(LogIndex(1).prev(), LogIndex::ZERO);
        assert_eq!(LogIndex::ZERO.prev(), LogIndex::ZERO);
        assert_eq!(LogIndex(1).next(), LogIndex(2));
        assert_eq!(LogIndex(u64::MAX).next(), LogIndex(u64::MAX));
        assert_eq!(Term(1).next(), Term(2));
    }

    #[test]
    fn text() {
        assert_eq!(id(1, 2).to_string(), "LogId [index=1, term=2]");
        assert_eq!(format!("{:>3}", Term(7)), "  7");
    }
}
