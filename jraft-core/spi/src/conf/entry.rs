//! A configuration and where in the log it stands (`ConfigurationEntry`).

use super::Configuration;
use crate::entity::{EntryPeers, EntryType, LogEntry, LogId, PeerId};

/// A configuration at a place in the log; during a change of members also the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigurationEntry {
    /// The entry that holds it, or the last one of the snapshot that does.
    pub id: LogId,
    /// The members.
    pub conf: Configuration,
    /// The members before the change; empty if there is none under way.
    pub old_conf: Configuration,
}

impl ConfigurationEntry {
    /// The configuration `conf`, on its way from `old_conf` if that is not empty, at `id`.
    pub fn new(id: LogId, conf: Configuration, old_conf: Configuration) -> Self {
        Self { id, conf, old_conf }
    }

    /// The configuration an entry of the log holds; `None` if it holds none.
    pub fn from_entry(entry: &LogEntry) -> Option<Self> {
        if entry.kind != EntryType::Configuration {
            return None;
        }
        let named = entry.conf.as_deref()?;
        let conf = Configuration::new(named.peers.clone(), named.learners.clone());
        let old_conf = Configuration::new(named.old_peers.clone(), named.old_learners.clone());
        Some(Self::new(entry.id, conf, old_conf))
    }

    /// The members as an entry of the log names them. Learners before a change are not among them, as in Java.
    pub fn to_peers(&self) -> EntryPeers {
        EntryPeers {
            peers: self.conf.peers().to_vec(),
            old_peers: self.old_conf.peers().to_vec(),
            learners: self.conf.learners().to_vec(),
            old_learners: Vec::new(),
        }
    }

    /// Whether no change of members is under way.
    pub fn is_stable(&self) -> bool {
        self.old_conf.is_empty()
    }

    /// Whether there are voters, and nobody is a voter in one configuration and a learner in either.
    pub fn is_valid(&self) -> bool {
        !self.conf.is_empty() && !self.list_peers().iter().any(|peer| self.is_learner(peer))
    }

    /// Whether `peer` is a voter, now or before the change.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.conf.contains(peer) || self.old_conf.contains(peer)
    }

    /// Whether `peer` is a learner, now or before the change.
    pub fn is_learner(&self, peer: &PeerId) -> bool {
        self.conf.is_learner(peer) || self.old_conf.is_learner(peer)
    }

    /// The voters of both configurations, each once, in their order.
    pub fn list_peers(&self) -> Vec<PeerId> {
        union(self.conf.peers(), self.old_conf.peers())
    }

    /// The learners of both configurations, each once, in their order.
    pub fn list_learners(&self) -> Vec<PeerId> {
        union(self.conf.learners(), self.old_conf.learners())
    }
}

fn union(new: &[PeerId], old: &[PeerId]) -> Vec<PeerId> {
    let mut all: Vec<PeerId> = Vec::with_capacity(new.len() + old.len());
    for peer in new.iter().chain(old) {
        if !all.contains(peer) {
            all.push(peer.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{LogIndex, Term};

    fn entry(conf: &str, old_conf: &str) -> ConfigurationEntry {
        let read = |text| Configuration::parse_lenient(text).unwrap_or_default();
        let id = LogId::new(LogIndex(3), Term(1));
        ConfigurationEntry::new(id, read(conf), read(old_conf))
    }

    fn texts(peers: &[PeerId]) -> Vec<String> {
        peers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn stable_until_there_is_an_old_configuration() {
        assert!(entry("a:1", "").is_stable());
        assert!(!entry("a:1", "b:1").is_stable());
    }

    #[test]
    fn both_configurations_count() {
        let entry = entry("a:1,b:1::5,l:1/learner", "b:1,c:1,m:1/learner");
        assert_eq!(texts(&entry.list_peers()), ["a:1", "b:1::5", "c:1"]);
        assert_eq!(texts(&entry.list_learners()), ["l:1", "m:1"]);
        let peer = |text: &str| text.parse().unwrap();
        for voter in ["a:1", "b:1::9", "c:1"] {
            assert!(entry.contains(&peer(voter)) && !entry.is_learner(&peer(voter)), "{voter}");
        }
        for learner in ["l:1", "m:1"] {
            assert!(
                !entry.contains(&peer(learner)) && entry.is_learner(&peer(learner)),
                "{learner}"
            );
        }
    }

    #[test]
    fn nobody_is_voter_and_learner() {
        for (conf, old_conf, valid) in [
            ("a:1", "", true),
            ("", "", false),
            ("", "a:1", false),
            ("a:1,b:1/learner", "c:1", true),
            ("a:1,a:1/learner", "", false),
            ("a:1,b:1/learner", "b:1", false),
            ("a:1", "b:1,a:1/learner", false),
            ("a:1", "b:1,b:1/learner", false),
        ] {
            assert_eq!(entry(conf, old_conf).is_valid(), valid, "{conf} {old_conf}");
        }
    }

    #[test]
    fn log_entry_and_back() {
        let joint = entry("a:1,b:1,l:1/learner", "a:1,c:1");
        let logged = LogEntry::configuration(joint.id, joint.to_peers());
        assert_eq!(ConfigurationEntry::from_entry(&logged), Some(joint));
        assert_eq!(ConfigurationEntry::from_entry(&LogEntry::no_op(LogId::NONE)), None);
        let with_old_learner = entry("a:1", "b:1,m:1/learner");
        assert!(with_old_learner.to_peers().old_learners.is_empty());
    }
}
