//! The three ways a request to the group can end for its client.

use jraft_core::Endpoint;

/// What became of a request. Closed: there is no fourth ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending<T> {
    /// Acknowledged, with what came back.
    Acked(Acked<T>),
    /// Certainly not applied.
    Refused(String),
    /// Perhaps applied, now or later.
    Unknown(String),
}

/// What came back, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked<T> {
    /// What came back.
    pub value: T,
    /// The node that answered.
    pub by: Endpoint,
}

impl<T> Ending<T> {
    /// What came back, with every other ending as an error.
    pub fn acked(self) -> Result<Acked<T>, NotAcked> {
        match self {
            Self::Acked(acked) => Ok(acked),
            Self::Refused(why) => Err(NotAcked::Refused(why)),
            Self::Unknown(why) => Err(NotAcked::Unknown(why)),
        }
    }

    /// The same ending, with what came back changed, or not accepted.
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> Result<U, String>) -> Ending<U> {
        match self {
            Self::Acked(Acked { value, by }) => match change(value) {
                Ok(value) => Ending::Acked(Acked { value, by }),
                Err(why) => Ending::Unknown(why),
            },
            Self::Refused(why) => Ending::Refused(why),
            Self::Unknown(why) => Ending::Unknown(why),
        }
    }
}

/// An ending without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAcked {
    /// Certainly not applied.
    Refused(String),
    /// Perhaps applied, now or later.
    Unknown(String),
}

impl std::fmt::Display for NotAcked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Unknown(why) => write!(f, "outcome unknown: {why}"),
        }
    }
}

impl std::error::Error for NotAcked {}
