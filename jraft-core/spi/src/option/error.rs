//! What reading options can answer: an error, a warning, or a row of the listing.

use std::fmt;

/// Why an option was not accepted. Whatever was being read, nothing of it was taken over.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No option has this name.
    #[error("unknown option `{name}`{}", did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// The name as it was written.
        name: String,
        /// The option whose name is spelled most alike, if one is near, in the style of `name`.
        nearest: Option<String>,
    },
    /// The option exists, and cannot have this value.
    #[error("option `{name}` cannot be `{value}`: expected {expected}")]
    BadValue {
        /// The name of the option.
        name: String,
        /// The value as it was written.
        value: String,
        /// The values it can have.
        expected: String,
    },
    /// Java has the option, and here it is said elsewhere or not at all.
    #[error("option `{name}` is not accepted: {why}")]
    Refused {
        /// The name of the option.
        name: String,
        /// The reason, and where to say it instead.
        why: String,
    },
    /// The option stands twice in one file, for instance flat and nested, and which one counts would be a guess.
    #[error("option `{name}` is given twice")]
    Twice {
        /// The name of the option.
        name: String,
    },
    /// What was read is not a set of options at all.
    #[error("`{text}` is no option: expected {expected}")]
    Syntax {
        /// What was read, as far as it is known.
        text: String,
        /// What would have been understood.
        expected: String,
    },
    /// The file is broken: the message is that of its format.
    #[error("cannot read options: {message}")]
    Format {
        /// What the deserializer says.
        message: String,
    },
}

/// An option that was accepted and does not do what it seems to say, or that deserves a second look.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionWarning {
    /// The name of the option, in `snake_case`.
    pub name: &'static str,
    /// What the reader should know.
    pub why: String,
}

/// One option as `--help` and the start banner show it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionRow {
    /// The name, in `snake_case`. No two options have the same one.
    pub name: &'static str,
    /// The value it has, as [`NodeOptions::set`](super::NodeOptions::set) reads it.
    pub value: String,
    /// The value it has unless somebody says otherwise.
    pub default: String,
    /// One line: what it does, its unit, and Java's default.
    pub doc: &'static str,
}

impl OptionWarning {
    pub(super) fn new(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, why: why.into() }
    }
}

impl fmt::Display for OptionWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "option `{}`: {}", self.name, self.why)
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
