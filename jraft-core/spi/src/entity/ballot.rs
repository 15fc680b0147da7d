//! Counts who agreed (`Ballot`): a majority of the voters, during a change of members also of the voters before it.

use super::PeerId;
use crate::conf::Configuration;
use crate::mutant;

/// Who has agreed so far.
#[derive(Debug, Clone)]
pub struct Ballot {
    voters: Side,
    old_voters: Option<Side>,
}

/// The voters of one configuration.
#[derive(Debug, Clone)]
struct Side {
    voters: Vec<(PeerId, bool)>,
    missing: usize,
}

impl Ballot {
    /// A ballot of the voters of `conf` and, if given, of those of `old_conf`. Without voters it is never won.
    pub fn new(conf: &Configuration, old_conf: Option<&Configuration>) -> Self {
        Self { voters: Side::new(conf), old_voters: old_conf.map(Side::new) }
    }

    /// `peer` agrees. Once is enough, and who is no voter does not count. Returns whether the ballot is won now.
    pub fn grant(&mut self, peer: &PeerId) -> bool {
        self.voters.grant(peer);
        if let Some(old) = &mut self.old_voters {
            old.grant(peer);
        }
        self.is_granted()
    }

    /// Whether enough have agreed.
    pub fn is_granted(&self) -> bool {
        self.voters.missing == 0 && self.old_voters.as_ref().is_none_or(|old| old.missing == 0)
    }
}

impl Side {
    fn new(conf: &Configuration) -> Self {
        let voters = conf.peers().iter().map(|peer| (peer.clone(), false)).collect();
        Self { voters, missing: conf.quorum() - usize::from(mutant!("M67")) }
    }

    fn grant(&mut self, peer: &PeerId) {
        // A voter listed twice is asked for two votes and has one, as in Java: only its first place counts.
        if let Some((_, agreed @ false)) = self.voters.iter_mut().find(|(voter, _)| voter == peer) {
            *agreed = true;
            self.missing = self.missing.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_listed_twice_has_one_vote() {
        let conf = Configuration::parse_lenient("a:1,a:1,b:1").unwrap();
        let mut ballot = Ballot::new(&conf, None);
        let a: PeerId = "a:1".parse().unwrap();
        assert!(!ballot.grant(&a));
        assert!(!ballot.grant(&a));
        assert!(ballot.grant(&"b:1".parse().unwrap()));
    }
}
