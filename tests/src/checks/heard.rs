//! Which requests a node has heard and not answered yet, and when it heard them: an answer may leave long after what it
//! promises was decided.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use jraft_core::message::RaftRequest;

/// Requests that are never answered must not fill the memory.
const KEPT: usize = 1024;

/// The requests of one node, oldest first.
#[derive(Debug, Default)]
pub struct Heard(VecDeque<(u64, u64)>);

impl Heard {
    /// The node hears a request at this time of the world.
    pub fn hears(&mut self, request: &RaftRequest, now: u64) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((key(request), now));
    }

    /// When it heard this request first, of all that are like it and not answered.
    pub fn since(&self, request: &RaftRequest) -> Option<u64> {
        let key = key(request);
        self.0.iter().find(|(known, _)| *known == key).map(|&(_, at)| at)
    }

    /// It answers.
    pub fn answers(&mut self, request: &RaftRequest) {
        let key = key(request);
        if let Some(place) = self.0.iter().position(|(known, _)| *known == key) {
            self.0.remove(place);
        }
    }

    /// It is dead.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Tells requests apart. Repeats of a request look the same, and may be taken for one another.
fn key(request: &RaftRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.name().hash(&mut hasher);
    match request {
        RaftRequest::Ping | RaftRequest::GetLeader(_) => {}
        RaftRequest::RequestVote(vote) => {
            (&vote.server, vote.term, vote.last_log).hash(&mut hasher);
        }
        RaftRequest::AppendEntries(append) => {
            let last = append.entries.entries().last().map(|entry| entry.id);
            (&append.server, append.term, append.prev, append.committed, last).hash(&mut hasher);
        }
        RaftRequest::TimeoutNow(hint) => (&hint.server, hint.term).hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use crate::checks::kit::{append, vote};

    use super::*;

    #[test]
    fn the_oldest_of_its_kind_is_answered_first() {
        let (mut heard, beat) = (Heard::default(), append(1, 3, (4, 3), &[]));
        heard.hears(&beat, 10);
        heard.hears(&vote(2, 3, (4, 3), false), 15);
        heard.hears(&beat, 20);
        assert_eq!(heard.since(&beat), Some(10));
        heard.answers(&beat);
        assert_eq!(heard.since(&beat), Some(20));
        assert_eq!(heard.since(&append(1, 3, (4, 3), &[3])), None);
        heard.clear();
        assert_eq!(heard.since(&beat), None);
    }

    #[test]
    fn what_is_never_answered_is_forgotten() {
        let mut heard = Heard::default();
        for at in 0..=KEPT as u64 {
            heard.hears(&append(1, 3, (4, 3), &[]), at);
        }
        assert_eq!(heard.since(&append(1, 3, (4, 3), &[])), Some(1));
    }
}
