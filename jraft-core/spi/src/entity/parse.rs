//! Text that is not what it should be, and the conversions every type with a text form has.

use std::convert::Infallible;

/// A text that does not name what it should name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?}: {why}")]
pub struct ParseError {
    kind: &'static str,
    text: String,
    why: &'static str,
}

impl ParseError {
    /// How many characters of the offending text are shown.
    pub const SHOWN: usize = 64;

    /// `text` is no `kind`, because of `why`.
    pub fn new(kind: &'static str, text: &str, why: &'static str) -> Self {
        let text = match text.char_indices().nth(Self::SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        Self { kind, text, why }
    }

    /// What the text should have been, for example `peer id`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The offending text, or its first characters.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<Infallible> for ParseError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// `TryFrom` for texts, for a type that has `FromStr<Err = ParseError>`; with `serde`, also serde as that text.
macro_rules! text_conversions {
    ($type:ty, serde) => {
        $crate::entity::text_conversions!($type);

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
    ($type:ty) => {
        impl TryFrom<&str> for $type {
            type Error = $crate::entity::ParseError;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl TryFrom<&String> for $type {
            type Error = $crate::entity::ParseError;

            fn try_from(text: &String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::entity::ParseError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

pub(crate) use text_conversions;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_kind_text_and_reason() {
        let error = ParseError::new("peer id", "a\n", "no port");
        assert_eq!(error.to_string(), "peer id \"a\\n\": no port");
    }

    #[test]
    fn shows_no_more_than_64_characters() {
        let error = ParseError::new("peer id", &"ä".repeat(65), "too long");
        assert_eq!(error.text(), format!("{}…", "ä".repeat(64)));
        assert_eq!(ParseError::new("x", &"ä".repeat(64), "y").text(), "ä".repeat(64));
    }
}
