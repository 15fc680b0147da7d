//! The values an option can have, as text: what they look like, and which of them are allowed.

use std::{fmt::Display, ops::RangeInclusive};

/// The largest value of Java's `int`, the type of nearly all its options.
pub(super) const MAX: i64 = i32::MAX as i64;

/// A type an option can have.
pub(super) trait OptionValue: Display + PartialEq + Sized {
    fn parse(text: &str) -> Option<Self>;

    /// The values of this type, in words.
    fn expected() -> String;
}

/// Which values of its type an option can have.
pub(super) trait Limit<T> {
    fn allows(&self, value: &T) -> bool;

    /// The allowed values, in words.
    fn expected(&self) -> String;
}

/// All values of the type.
pub(super) struct Any;

/// Only `true`, for what cannot be switched off.
pub(super) struct AlwaysTrue;

/// These numbers, and -1 for "off" or "without limit", as in Java.
pub(super) struct OrMinusOne(pub(super) RangeInclusive<i64>);

impl<T: OptionValue> Limit<T> for Any {
    fn allows(&self, _: &T) -> bool {
        true
    }

    fn expected(&self) -> String {
        T::expected()
    }
}

impl Limit<bool> for AlwaysTrue {
    fn allows(&self, value: &bool) -> bool {
        *value
    }

    fn expected(&self) -> String {
        "`true`".to_owned()
    }
}

impl<T> Limit<T> for RangeInclusive<i64>
where
    T: OptionValue + Copy + Into<i128>,
{
    fn allows(&self, value: &T) -> bool {
        let value = (*value).into();
        i128::from(*self.start()) <= value && value <= i128::from(*self.end())
    }

    fn expected(&self) -> String {
        format!("{} from {} to {}", T::expected(), self.start(), self.end())
    }
}

impl<T> Limit<T> for OrMinusOne
where
    T: OptionValue + Copy + Into<i128>,
{
    fn allows(&self, value: &T) -> bool {
        (*value).into() == -1 || self.0.allows(value)
    }

    fn expected(&self) -> String {
        format!("-1 or {}", Limit::<T>::expected(&self.0))
    }
}

impl OptionValue for bool {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn expected() -> String {
        "`true` or `false`".to_owned()
    }
}

macro_rules! whole_numbers {
    ($($number:ty),+) => {
        $(impl OptionValue for $number {
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn expected() -> String {
                "a whole number".to_owned()
            }
        })+
    };
}

whole_numbers!(i32, i64, u32, u64);
