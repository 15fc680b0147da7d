//! The one place where an option is said: [`options!`] makes a struct of it, and its default, name, limit and doc.

use super::{
    error::{OptionError, OptionRow, OptionWarning},
    value::{Limit, OptionValue},
};

/// What [`options!`] makes of a table, besides the struct.
pub(super) trait Table: Default {
    /// The names of its own options, in `snake_case`.
    const NAMES: &'static [&'static str];

    /// Gives the option `name` a value, or answers `None` if it is not one of its own.
    fn assign(
        &mut self,
        name: &str,
        text: &str,
    ) -> Option<Result<Option<OptionWarning>, OptionError>>;

    /// The first of its own options that is beyond its limit, as an error.
    fn check(&self) -> Result<(), OptionError>;

    /// Adds its own options in the order of the table.
    fn list(&self, rows: &mut Vec<OptionRow>);

    /// Adds a warning for each of its own options that was changed and has no effect yet.
    fn list_without_effect(&self, warnings: &mut Vec<OptionWarning>);
}

/// The rule of one option: its limit, why it is there, and whether the option waits for a later version.
pub(super) struct Rule<L> {
    pub(super) name: &'static str,
    pub(super) limit: L,
    pub(super) because: &'static str,
    pub(super) not_yet: &'static str,
}

impl<L> Rule<L> {
    pub(super) fn parse<T: OptionValue>(&self, text: &str) -> Result<T, OptionError>
    where
        L: Limit<T>,
    {
        let Some(value) = T::parse(text) else {
            return Err(self.bad(text));
        };
        self.check(&value)?;
        Ok(value)
    }

    pub(super) fn check<T: OptionValue>(&self, value: &T) -> Result<(), OptionError>
    where
        L: Limit<T>,
    {
        if self.limit.allows(value) { Ok(()) } else { Err(self.bad(&value.to_string())) }
    }

    pub(super) fn without_effect(&self) -> Option<OptionWarning> {
        let why = || format!("accepted, and has no effect yet: {}", self.not_yet);
        (!self.not_yet.is_empty()).then(|| OptionWarning::new(self.name, why()))
    }

    fn bad<T: OptionValue>(&self, value: &str) -> OptionError
    where
        L: Limit<T>,
    {
        let why =
            if self.because.is_empty() { String::new() } else { format!(": {}", self.because) };
        OptionError::BadValue {
            name: self.name.to_owned(),
            value: value.to_owned(),
            expected: format!("{}{why}", self.limit.expected()),
        }
    }
}

/// Defines a struct of options. An option reads
///
/// ```text
/// /// One line for `--help`: what it does (unit; Java: its default there).
/// name: type = default, limit [, because "why the limit"] [, not_yet "what it waits for"];
/// ```
///
/// and `parts` are structs of options inside, which are not options themselves.
macro_rules! options {
    (
        $(#[$attribute:meta])*
        pub struct $table:ident {
            $(
                $(#[doc = $doc:literal])+
                $name:ident: $type:ty = $default:expr, $limit:expr
                $(, because $because:literal)? $(, not_yet $not_yet:literal)?;
            )+
            $(parts { $($(#[doc = $part_doc:literal])+ $part:ident: $part_type:ty,)+ })?
        }
    ) => {
        $(#[$attribute])*
        #[non_exhaustive]
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
        pub struct $table {
            $($(#[doc = $doc])+ pub $name: $type,)+
            $($($(#[doc = $part_doc])+ pub $part: $part_type,)+)?
        }

        impl Default for $table {
            fn default() -> Self {
                Self {
                    $($name: $default,)+
                    $($($part: <$part_type>::default(),)+)?
                }
            }
        }

        impl $crate::option::table::Table for $table {
            const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            fn assign(
                &mut self,
                name: &str,
                text: &str,
            ) -> Option<Result<Option<$crate::option::OptionWarning>, $crate::option::OptionError>> {
                match name {
                    $(stringify!($name) => {
                        let rule = options!(@rule $name, $limit, [$($because)?], [$($not_yet)?]);
                        Some(rule.parse::<$type>(text).map(|value| {
                            self.$name = value;
                            rule.without_effect()
                        }))
                    })+
                    _ => None,
                }
            }

            fn check(&self) -> Result<(), $crate::option::OptionError> {
                $(options!(@rule $name, $limit, [$($because)?], [$($not_yet)?]).check(&self.$name)?;)+
                Ok(())
            }

            fn list(&self, rows: &mut Vec<$crate::option::OptionRow>) {
                let default = Self::default();
                $(rows.push($crate::option::OptionRow {
                    name: stringify!($name),
                    value: self.$name.to_string(),
                    default: default.$name.to_string(),
                    doc: concat!($($doc),+).trim_start(),
                });)+
            }

            fn list_without_effect(&self, warnings: &mut Vec<$crate::option::OptionWarning>) {
                let default = Self::default();
                $(if self.$name != default.$name {
                    let rule = options!(@rule $name, $limit, [$($because)?], [$($not_yet)?]);
                    warnings.extend(rule.without_effect());
                })+
            }
        }
    };
    (@rule $name:ident, $limit:expr, [$($because:literal)?], [$($not_yet:literal)?]) => {
        $crate::option::table::Rule {
            name: stringify!($name),
            limit: $limit,
            because: concat!($($because)?),
            not_yet: concat!($($not_yet)?),
        }
    };
}

pub(super) use options;
