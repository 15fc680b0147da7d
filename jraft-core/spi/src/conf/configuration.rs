//! The members of a group at one time (`Configuration`): voters and learners.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::entity::{ParseError, PeerId, text_conversions};

/// Voters in the order given, and learners. The text is `a:1,b:1,c:1/learner`.
///
/// Equal if the voters are the same in the same order, and the learners are the same in any order.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    peers: Vec<PeerId>,
    learners: Vec<PeerId>,
}

impl Configuration {
    /// The configuration of these voters and learners. A learner given twice is kept once, a voter given twice twice.
    pub fn new(peers: Vec<PeerId>, mut learners: Vec<PeerId>) -> Self {
        let mut seen = BTreeSet::new();
        learners.retain(|learner| seen.insert(learner.clone()));
        Self { peers, learners }
    }

    /// Reads a text as Java does: items that are no peers are skipped, as is whatever follows `/learner`. `None` if blank.
    pub fn parse_lenient(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return None;
        }
        let mut peers = Vec::new();
        let mut learners = Vec::new();
        for item in text.split(',').map(str::trim) {
            let (peer, list) = match item.find(LEARNER) {
                Some(at) if at > 0 => (item[..at].trim(), &mut learners),
                _ => (item, &mut peers),
            };
            list.extend(peer.parse::<PeerId>());
        }
        Some(Self::new(peers, learners))
    }

    /// The voters, in their order.
    pub fn peers(&self) -> &[PeerId] {
        &self.peers
    }

    /// The learners, each once.
    pub fn learners(&self) -> &[PeerId] {
        &self.learners
    }

    /// Whether there are no voters.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Whether there are voters, and none of them is a learner.
    pub fn is_valid(&self) -> bool {
        !self.peers.is_empty() && !self.peers.iter().any(|peer| self.is_learner(peer))
    }

    /// Whether `peer` is a voter.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.peers.contains(peer)
    }

    /// Whether `peer` is a learner.
    pub fn is_learner(&self, peer: &PeerId) -> bool {
        self.learners.contains(peer)
    }

    /// How many voters are a majority.
    pub fn quorum(&self) -> usize {
        self.peers.len() / 2 + 1
    }

    /// The voters that are here and not in `old`, and those that are in `old` and not here.
    pub fn diff(&self, old: &Self) -> (Vec<PeerId>, Vec<PeerId>) {
        (self.without(old), old.without(self))
    }

    fn without(&self, other: &Self) -> Vec<PeerId> {
        let mut found: Vec<PeerId> = Vec::new();
        for peer in &self.peers {
            if !other.contains(peer) && !found.contains(peer) {
                found.push(peer.clone());
            }
        }
        found
    }
}

const LEARNER: &str = "/learner";

impl FromStr for Configuration {
    type Err = ParseError;

    /// Reads a text and refuses it if any item is no peer: a misspelt member must not be left out silently.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let refuse = |why| Err(ParseError::new("configuration", text, why));
        if text.trim().is_empty() {
            return refuse("blank");
        }
        let mut peers = Vec::new();
        let mut learners = Vec::new();
        for item in text.split(',').map(str::trim) {
            if item.is_empty() {
                return refuse("an item is empty");
            }
            match item.strip_suffix(LEARNER) {
                Some(learner) => learners.push(learner.trim_end().parse()?),
                None if item.contains('/') => {
                    return Err(ParseError::new("peer id", item, "only /learner may follow it"));
                }
                None => peers.push(item.parse()?),
            }
        }
        Ok(Self::new(peers, learners))
    }
}

text_conversions!(Configuration);

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let voters = self.peers.iter().map(|peer| (peer, ""));
        let learners = self.learners.iter().map(|peer| (peer, LEARNER));
        for (at, (peer, suffix)) in voters.chain(learners).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{peer}{suffix}")?;
        }
        Ok(())
    }
}

impl PartialEq for Configuration {
    fn eq(&self, other: &Self) -> bool {
        // Learners are unique on both sides.
        self.peers == other.peers
            && self.learners.len() == other.learners.len()
            && self.learners.iter().all(|learner| other.is_learner(learner))
    }
}

impl Eq for Configuration {}

impl Serialize for Configuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Configuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_text_and_back() {
        for text in ["a:1", "a:1,b:2:1,c:3::5/learner", "[::1]:1,d:4/learner,e:5/learner"] {
            assert_eq!(text.parse::<Configuration>().unwrap().to_string(), text);
        }
        let spaced: Configuration = " a:1 , b:2 /learner ".parse().unwrap();
        assert_eq!(spaced.to_string(), "a:1,b:2/learner");
    }

    #[test]
    fn strict_text_names_the_bad_item() {
        for (text, why) in [
            ("", "configuration \"\": blank"),
            (" ", "configuration \" \": blank"),
            ("a:1,,b:1", "configuration \"a:1,,b:1\": an item is empty"),
            ("a:1,", "configuration \"a:1,\": an item is empty"),
            ("a:1,bad,b:1", "peer id \"bad\": no port"),
            ("a:1,/learner", "peer id \"\": blank"),
            ("a:1,b:1/Learner", "peer id \"b:1/Learner\": only /learner may follow it"),
            ("a:1/learnerx", "peer id \"a:1/learnerx\": only /learner may follow it"),
        ] {
            assert_eq!(text.parse::<Configuration>().unwrap_err().to_string(), why);
        }
        assert!("a:1/learner/learner".parse::<Configuration>().is_err());
    }

    #[test]
    fn a_leading_learner_suffix_is_a_host_for_java() {
        let conf = Configuration::parse_lenient("/learner:1").unwrap();
        assert_eq!((conf.peers().len(), conf.learners().len()), (1, 0));
    }

    #[test]
    fn learners_are_a_set() {
        let read = |text: &str| text.parse::<Configuration>().unwrap();
        let one = read("a:1,b:1/learner");
        assert_eq!(read("a:1,b:1/learner,b:1::5/learner"), one);
        let two = read("a:1,b:1/learner,c:1/learner,b:1/learner");
        assert_eq!(two.to_string(), "a:1,b:1/learner,c:1/learner");
        assert_ne!(one, two);
        assert_ne!(two, one);
    }

    #[test]
    fn majority() {
        for (text, quorum) in
            [("a:1", 1), ("a:1,b:1", 2), ("a:1,b:1,c:1", 2), ("a:1,b:1,c:1,d:1", 3)]
        {
            assert_eq!(text.parse::<Configuration>().unwrap().quorum(), quorum);
        }
    }

    #[test]
    fn serde_is_the_strict_text() {
        let conf: Configuration = serde_json::from_str("\"a:1,b:1/learner\"").unwrap();
        assert_eq!(serde_json::to_string(&conf).unwrap(), "\"a:1,b:1/learner\"");
        assert!(serde_json::from_str::<Configuration>("\"a:1,bad\"").is_err());
        assert_eq!(
            serde_json::from_str::<Configuration>("\"\"").unwrap(),
            Configuration::default()
        );
        assert_eq!(serde_json::to_string(&Configuration::default()).unwrap(), "\"\"");
    }
}
