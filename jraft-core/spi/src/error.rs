//! Codes and results that travel: `RaftError` (the reference's numbers) and `Status` (a code and a text).

use std::fmt;

/// Declares [`RaftError`] once: its name, its number on the wire, what it means.
macro_rules! raft_errors {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal,)+) => {
        /// The reference's error codes, with its numbers (behaviour.md 19.11).
        #[allow(clippy::upper_case_acronyms, reason = "the names are those of the reference")]
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum RaftError { $($(#[doc = $doc])+ $name,)+ }

        impl RaftError {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The number on the wire.
            pub const fn number(self) -> i32 {
                match self { $(Self::$name => $number,)+ }
            }

            /// The name, as in a printed status.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The code of a number; [`Self::UNKNOWN`] for a number that is not in the table.
            pub const fn from_number(number: i32) -> Self {
                match number { $($number => Self::$name,)+ _ => Self::UNKNOWN }
            }
        }
    };
}

raft_errors! {
    /// Unspecified error.
    UNKNOWN = -1,
    /// No error.
    SUCCESS = 0,
    /// Invalid request.
    EREQUEST = 1000,
    /// A task was stopped.
    ESTOP = 1001,
    /// Try again later.
    EAGAIN = 1002,
    /// Interrupted, or replaced by a retry.
    EINTR = 1003,
    /// Internal error; also any transport failure that a client sees.
    EINTERNAL = 1004,
    /// Cancelled.
    ECANCELED = 1005,
    /// The host is down.
    EHOSTDOWN = 1006,
    /// Shut down.
    ESHUTDOWN = 1007,
    /// Not permitted now, for example because this node does not lead.
    EPERM = 1008,
    /// Busy: a queue is full, or another operation is under way.
    EBUSY = 1009,
    /// Timed out.
    ETIMEDOUT = 1010,
    /// Stale data.
    ESTALE = 1011,
    /// Not found.
    ENOENT = 1012,
    /// Exists already.
    EEXISTS = 1013,
    /// Input or output failed.
    EIO = 1014,
    /// Invalid value.
    EINVAL = 1015,
    /// Access denied.
    EACCES = 1016,
    /// A timeout of Raft itself: election, step-down, timeout-now.
    ERAFTTIMEDOUT = 10001,
    /// The user's state machine failed.
    ESTATEMACHINE = 10002,
    /// A new peer did not catch up.
    ECATCHUP = 10003,
    /// The leader removed itself from the configuration.
    ELEADERREMOVED = 10004,
    /// The configuration was reset.
    ESETPEER = 10005,
    /// The node is shutting down.
    ENODESHUTDOWN = 10006,
    /// A request named a higher term.
    EHIGHERTERMREQUEST = 10007,
    /// A response, or a vote request, named a higher term.
    EHIGHERTERMRESPONSE = 10008,
    /// The node is in the error state.
    EBADNODE = 10009,
    /// Stepping down in order to vote.
    EVOTEFORCANDIDATE = 10010,
    /// A new leader was seen.
    ENEWLEADER = 10011,
    /// Two leaders in one term.
    ELEADERCONFLICT = 10012,
    /// Leadership is being transferred.
    ETRANSFERLEADERSHIP = 10013,
    /// The log at the index is gone.
    ELOGDELETED = 10014,
    /// There is no more user log to read.
    ENOMOREUSERLOG = 10015,
}

impl fmt::Display for RaftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A result value: a number and a text. A number outside [`RaftError`] is kept as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    code: i32,
    message: String,
}

impl Status {
    /// Success.
    pub const fn ok() -> Self {
        Self { code: 0, message: String::new() }
    }

    /// A status of a known code.
    pub fn new(error: RaftError, message: impl Into<String>) -> Self {
        Self { code: error.number(), message: message.into() }
    }

    /// A status from the wire, whose number need not be in the table.
    pub fn from_wire(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Whether the code is 0.
    pub const fn is_ok(&self) -> bool {
        self.code == 0
    }

    /// The code; `UNKNOWN` for a number that is not in the table.
    pub const fn error(&self) -> RaftError {
        RaftError::from_number(self.code)
    }

    /// The number, as on the wire.
    pub const fn code(&self) -> i32 {
        self.code
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether this is an error of the given code.
    pub fn is(&self, error: RaftError) -> bool {
        self.code == error.number()
    }
}

/// The reference's form: `Status[EBUSY<1009>: text]`, `Status[OK]`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ok() {
            return f.write_str("Status[OK]");
        }
        write!(f, "Status[{}<{}>: {}]", self.error(), self.code, self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_reference() {
        let recorded = include_str!("../tests/vectors/raft_error.tsv");
        let mut seen = 0;
        for line in recorded.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let number: i32 = columns[0].parse().unwrap();
            assert_eq!(RaftError::from_number(number).name(), columns[1], "{line}");
            assert_eq!(RaftError::from_number(number).number(), number, "{line}");
            seen += 1;
        }
        assert_eq!(seen, RaftError::ALL.len());
    }

    #[test]
    fn prints_as_the_reference() {
        let busy = Status::new(RaftError::EBUSY, "apply queue is full");
        assert_eq!(busy.to_string(), "Status[EBUSY<1009>: apply queue is full]");
        assert_eq!(Status::ok().to_string(), "Status[OK]");
        assert_eq!(Status::from_wire(4711, "x").to_string(), "Status[UNKNOWN<4711>: x]");
    }
}
