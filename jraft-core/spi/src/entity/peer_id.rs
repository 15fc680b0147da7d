//! A member of a group: endpoint, idx, and priority in elections (`PeerId`).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::checksum::crc64;
use super::endpoint::{ANY_HOST, Parts};
use super::{Endpoint, ParseError, text_conversions};

/// A member of a group. `idx` tells members at the same endpoint apart; the priority does not count in comparisons.
/// Cheap to clone.
///
/// The text is `host:port`, `host:port:idx`, `host:port::priority` or `host:port:idx:priority`; that of nobody is
/// `0.0.0.0:0`.
#[derive(Debug, Clone)]
pub struct PeerId {
    endpoint: Endpoint,
    idx: i32,
    priority: i32,
}

impl PeerId {
    /// The priority that is left out of the text: the member may stand in every election.
    pub const PRIORITY_DISABLED: i32 = -1;
    /// The priority of a member that never stands.
    pub const PRIORITY_NEVER: i32 = 0;

    /// The member `idx` at `endpoint`.
    pub fn new(endpoint: Endpoint, idx: i32, priority: i32) -> Self {
        Self { endpoint, idx, priority }
    }

    /// Nobody: `0.0.0.0:0`.
    pub fn empty() -> Self {
        Self::from(Endpoint::new(ANY_HOST, 0))
    }

    /// Whether this is nobody.
    pub fn is_empty(&self) -> bool {
        self.endpoint.is_any() && self.idx == 0
    }

    /// Where the member is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Number of the member at its endpoint, mostly 0.
    pub fn idx(&self) -> i32 {
        self.idx
    }

    /// Priority in elections: below 0 disabled, 0 never stands.
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// CRC-64 of the text, idx and priority included.
    pub fn checksum(&self) -> u64 {
        crc64(&self.to_bytes())
    }

    /// The text, one byte a character, as log entries keep it. Characters that do not fit lose their upper bits.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let text = self.to_string();
        if text.is_ascii() {
            return text.into_bytes();
        }
        text.encode_utf16().map(|unit| unit.to_be_bytes()[1]).collect()
    }

    /// Reverse of [`Self::to_bytes`].
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        // Each byte is a character, so a character may need two bytes of our text.
        let head = &bytes[..bytes.len().min(Endpoint::MAX_TEXT_LEN + 1)];
        head.iter().map(|byte| char::from(*byte)).collect::<String>().parse()
    }
}

impl From<Endpoint> for PeerId {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(endpoint, 0, Self::PRIORITY_DISABLED)
    }
}

impl FromStr for PeerId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parts = Parts::split("peer id", text)?;
        let (port, idx, priority) = match *parts.rest {
            [port] => (port, "0", "-1"),
            [port, idx] => (port, idx, "-1"),
            [port, "", priority] => (port, "0", priority),
            [port, idx, priority] => (port, idx, priority),
            _ => return Err(parts.refuse("more than host:port:idx:priority")),
        };
        let endpoint = Endpoint::new(parts.host, parts.number(port)?);
        Ok(Self::new(endpoint, parts.number(idx)?, parts.number(priority)?))
    }
}

text_conversions!(PeerId, serde);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)?;
        match (self.idx, self.priority) {
            (0, Self::PRIORITY_DISABLED) => Ok(()),
            (idx, Self::PRIORITY_DISABLED) => write!(f, ":{idx}"),
            (0, priority) => write!(f, "::{priority}"),
            (idx, priority) => write!(f, ":{idx}:{priority}"),
        }
    }
}

impl PartialEq for PeerId {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for PeerId {}

impl PartialOrd for PeerId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PeerId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.endpoint.cmp(&other.endpoint).then(self.idx.cmp(&other.idx))
    }
}

impl Hash for PeerId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.endpoint.hash(state);
        self.idx.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_a_limit() {
        let longest = format!("{}:1", "a".repeat(Endpoint::MAX_TEXT_LEN - 2));
        assert_eq!(longest.parse::<PeerId>().unwrap().to_string(), longest);
        let error = format!("a{longest}").parse::<PeerId>().unwrap_err();
        assert!(error.to_string().ends_with("longer than 1024 bytes"), "{error}");
    }

    #[test]
    fn what_is_parsed_is_printed_within_the_limit() {
        // The scope of an address may begin with zeros, so that its text has any length.
        let text = |len: usize, rest: &str| {
            let zeros = "0".repeat(len - "[::1%1]".len() - rest.len());
            format!("[::1%{zeros}1]{rest}")
        };
        let max = Endpoint::MAX_TEXT_LEN;
        for rest in ["80", "80:3:7", "80::5"] {
            let without_colon = text(max, rest).parse::<PeerId>();
            assert!(without_colon.unwrap_err().to_string().ends_with("longer than 1024 bytes"));
            for text in [text(max - 1, rest), text(max, &format!(":{rest}"))] {
                let printed = text.parse::<PeerId>().unwrap().to_string();
                assert_eq!(printed.len(), max);
                assert_eq!(printed.parse::<PeerId>().unwrap().to_string(), printed);
            }
        }
        assert!(text(max, "80").parse::<Endpoint>().is_err());
    }

    #[test]
    fn refuses_with_a_reason() {
        let error = |text: &str| text.parse::<PeerId>().unwrap_err().to_string();
        assert_eq!(error("a:1:2:3:4"), "peer id \"a:1:2:3:4\": more than host:port:idx:priority");
        assert!(error("a:1:").starts_with("peer id \"a:1:\": port, idx and priority"));
    }

    #[test]
    fn bytes_and_back() {
        for text in ["127.0.0.1:8081::5", "höst:1"] {
            let peer: PeerId = text.parse().unwrap();
            assert_eq!(PeerId::from_bytes(&peer.to_bytes()).unwrap().to_string(), text);
        }
        assert!(PeerId::from_bytes(&[b'a'; 5000]).is_err());
    }

    #[test]
    fn empty_is_nobody() {
        assert!(PeerId::empty().is_empty());
        assert_eq!(PeerId::empty().to_string(), "0.0.0.0:0");
    }

    #[test]
    fn serde_is_the_text() {
        let peer: PeerId = serde_json::from_str("\"a:1::5\"").unwrap();
        assert_eq!((peer.idx(), peer.priority()), (0, 5));
        assert_eq!(serde_json::to_string(&peer).unwrap(), "\"a:1::5\"");
    }
}
