//! Names of raft groups, and of nodes: one peer of one group.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{ParseError, PeerId, text_conversions};

/// Name of a raft group: a letter, then letters, digits, `-` and `_`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Arc<str>);

/// A node: one peer of one group. A process can hold several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// The group.
    pub group: GroupId,
    /// The peer in it.
    pub peer: PeerId,
}

impl GroupId {
    /// Greatest length of a name in bytes: in the header of a request, whose length is two signed bytes, two names of
    /// peers stand beside it.
    pub const MAX_LEN: usize = 30_000;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NodeId {
    /// The node of `peer` in `group`.
    pub fn new(group: GroupId, peer: PeerId) -> Self {
        Self { group, peer }
    }
}

impl FromStr for GroupId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let refuse = |why| Err(ParseError::new("group id", text, why));
        if text.len() > Self::MAX_LEN {
            return refuse("longer than 30000 bytes");
        }
        if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return refuse("must start with a letter a-z or A-Z");
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return refuse("only letters a-z and A-Z, digits, - and _ are allowed");
        }
        Ok(Self(text.into()))
    }
}

text_conversions!(GroupId, serde);

impl AsRef<str> for GroupId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}/{}>", self.group, self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_has_a_limit() {
        let longest = "a".repeat(GroupId::MAX_LEN);
        assert_eq!(longest.parse::<GroupId>().unwrap().as_str(), longest);
        let error = format!("{longest}a").parse::<GroupId>().unwrap_err();
        assert!(error.to_string().ends_with("longer than 30000 bytes"), "{error}");
        assert!(error.to_string().len() < 120, "{error}");
    }

    #[test]
    fn node_text() {
        let node = NodeId::new("counter".parse().unwrap(), "a:1::5".parse().unwrap());
        assert_eq!(node.to_string(), "<counter/a:1::5>");
    }

    #[test]
    fn serde_is_the_text() {
        let group: GroupId = serde_json::from_str("\"counter\"").unwrap();
        assert_eq!(serde_json::to_string(&group).unwrap(), "\"counter\"");
        assert!(serde_json::from_str::<GroupId>("\"1\"").is_err());
    }
}
