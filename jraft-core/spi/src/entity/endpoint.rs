//! Where a process listens: host and port (`Endpoint`).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use super::{ParseError, text_conversions};

/// Host and port. The host is a text and never resolved here: `localhost` is not `127.0.0.1`. An IPv6 host keeps its
/// brackets. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    host: Arc<str>,
    port: i32,
}

impl Endpoint {
    /// Greatest length of a text that is parsed, in bytes.
    pub const MAX_TEXT_LEN: usize = 1024;

    /// The endpoint of `host`, an IPv6 address in brackets, and `port`.
    pub fn new(host: impl Into<Arc<str>>, port: i32) -> Self {
        Self { host: host.into(), port }
    }

    /// The host as it was written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port. Not checked: a process that does not listen there may have any.
    pub fn port(&self) -> i32 {
        self.port
    }

    /// Whether this is `0.0.0.0:0`, which stands for nobody.
    pub fn is_any(&self) -> bool {
        &*self.host == ANY_HOST && self.port == 0
    }
}

impl FromStr for Endpoint {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parts = Parts::split("endpoint", text)?;
        match *parts.rest {
            [port] => Ok(Self::new(parts.host, parts.number(port)?)),
            _ => Err(parts.refuse("host:port is expected")),
        }
    }
}

text_conversions!(Endpoint, serde);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Host of the endpoint that stands for nobody.
pub(super) const ANY_HOST: &str = "0.0.0.0";

const TOO_LONG: &str = "longer than 1024 bytes";

/// Most parts a text may have after its host: port, idx, priority, and one too many.
const MAX_PARTS: usize = 4;

/// The parts of an endpoint or peer, split at the colons.
pub(super) struct Parts<'a> {
    pub(super) host: &'a str,
    pub(super) rest: Vec<&'a str>,
    kind: &'static str,
    text: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn split(kind: &'static str, text: &'a str) -> Result<Self, ParseError> {
        let refuse = |why| Err(ParseError::new(kind, text, why));
        if text.len() > Endpoint::MAX_TEXT_LEN {
            return refuse(TOO_LONG);
        }
        if text.trim().is_empty() {
            return refuse("blank");
        }
        let (host, rest) = match text.find(']') {
            Some(end) if text.starts_with('[') => {
                if !is_ipv6(&text[1..end]) {
                    return refuse("no IPv6 address in the brackets");
                }
                let (host, rest) = text.split_at(end + 1);
                match rest.strip_prefix(':') {
                    Some(rest) => (host, rest),
                    // Java forgives a missing colon after the bracket; printed, the text has it. Nothing else grows.
                    None if text.len() == Endpoint::MAX_TEXT_LEN => return refuse(TOO_LONG),
                    None => (host, rest),
                }
            }
            _ => match text.split_once(':') {
                Some(parts) => parts,
                None => return refuse("no port"),
            },
        };
        Ok(Self { host, rest: rest.split(':').take(MAX_PARTS).collect(), kind, text })
    }

    /// A number as Java reads it: decimal, with or without a sign, 32 bits.
    pub(super) fn number(&self, part: &str) -> Result<i32, ParseError> {
        part.parse().map_err(|_| self.refuse("port, idx and priority must be 32-bit numbers"))
    }

    pub(super) fn refuse(&self, why: &'static str) -> ParseError {
        ParseError::new(self.kind, self.text, why)
    }
}

/// An IPv6 address, with a numeric scope or none. The name of an interface is refused: its meaning is that of one machine.
fn is_ipv6(text: &str) -> bool {
    let (address, scope) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok()
        && scope.bytes().all(|byte| byte.is_ascii_digit())
        && scope.parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        for text in ["127.0.0.1:8081", "[::1]:8081", "localhost:0", ":1", "[fe80::1%2]:80"] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
        }
        assert_eq!("[::1]:80".parse::<Endpoint>().unwrap().host(), "[::1]");
        assert_eq!("a:80".parse::<Endpoint>().unwrap().port(), 80);
    }

    #[test]
    fn refuses_with_a_reason() {
        for (text, why) in [
            ("", "endpoint \"\": blank"),
            ("a", "endpoint \"a\": no port"),
            ("a:1:2", "endpoint \"a:1:2\": host:port is expected"),
            ("a:x", "endpoint \"a:x\": port, idx and priority must be 32-bit numbers"),
            ("[a]:1", "endpoint \"[a]:1\": no IPv6 address in the brackets"),
            ("[fe80::1%+2]:1", "endpoint \"[fe80::1%+2]:1\": no IPv6 address in the brackets"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn any_is_nobody() {
        assert!("0.0.0.0:0".parse::<Endpoint>().unwrap().is_any());
        assert!(!"0.0.0.0:1".parse::<Endpoint>().unwrap().is_any());
        assert!(!"0:0".parse::<Endpoint>().unwrap().is_any());
    }

    #[test]
    fn serde_is_the_text() {
        let endpoint: Endpoint = serde_json::from_str("\"a:1\"").unwrap();
        assert_eq!(endpoint, Endpoint::new("a", 1));
        assert_eq!(serde_json::to_string(&endpoint).unwrap(), "\"a:1\"");
    }
}
