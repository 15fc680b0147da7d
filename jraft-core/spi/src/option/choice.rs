//! The options that are a choice between named ways (`ReadOnlyOption`, `ApplyTaskMode` and one of ours).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::OptionValue;

/// Defines an enum whose variants are written as the first of their names and read as any of them.
macro_rules! choice {
    (
        $(#[$attribute:meta])*
        pub enum $choice:ident {
            $($(#[$variant_attribute:meta])* $variant:ident = $name:literal $(| $other:literal)*,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $choice {
            $($(#[$variant_attribute])* $variant,)+
        }

        impl OptionValue for $choice {
            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($name $(| $other)* => Some(Self::$variant),)+
                    _ => None,
                }
            }

            fn expected() -> String {
                [$(concat!("`", $name, "`")),+].join(" or ")
            }
        }

        impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $name,)+
                })
            }
        }

        impl Serialize for $choice {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $choice {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| {
                    serde::de::Error::custom(format!("`{text}`: expected {}", Self::expected()))
                })
            }
        }
    };
}

choice! {
    /// How a linearizable read makes sure that the leader is still the leader.
    pub enum ReadOnlyOption {
        /// By a round of heartbeats that a quorum answers: right whatever the clocks do.
        #[default]
        Safe = "safe" | "Safe" | "ReadOnlySafe" | "READ_ONLY_SAFE",
        /// By the lease that the last answers of a quorum give: no round trip, and as right as clocks run alike.
        LeaseBased = "lease_based" | "LeaseBased" | "ReadOnlyLeaseBased" | "READ_ONLY_LEASE_BASED",
    }
}

choice! {
    /// What happens to a task when the queue of the node is full.
    pub enum ApplyTaskMode {
        /// It comes back at once as busy.
        #[default]
        NonBlocking = "non_blocking" | "NonBlocking",
        /// The caller waits for room.
        Blocking = "blocking" | "Blocking",
    }
}

choice! {
    /// Where the state machine runs.
    pub enum ApplyPlace {
        /// On a thread of its own, where it may block.
        #[default]
        Lane = "lane" | "Lane",
        /// On the loop of the node: no hand-over between threads, and whatever blocks it blocks the node.
        Inline = "inline" | "Inline",
    }
}
