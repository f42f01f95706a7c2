//! Numbers by name: how they are declared, and how those of an agent of another version are read.
//!
//! Names of numbers end in their unit, or in what is counted (`_connections`, `_peers`). What is
//! counted is an integer; seconds have a fraction.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Numbers by name, of which no more is known.
pub type Numbers = BTreeMap<String, serde_json::Number>;

/// A number of evidence.
pub(crate) trait Number {
    fn of(number: &serde_json::Number) -> Self;
}

impl Number for u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates"
    )]
    fn of(number: &serde_json::Number) -> Self {
        let whole = number.as_u64();
        whole.unwrap_or_else(|| f64::of(number) as Self)
    }
}

impl Number for f64 {
    fn of(number: &serde_json::Number) -> Self {
        number.as_f64().unwrap_or_default()
    }
}

impl<N: Number> Number for Option<N> {
    fn of(number: &serde_json::Number) -> Self {
        Some(N::of(number))
    }
}

/// Reads a number in whatever form it was sent: agents before 0.1 sent counts as floats.
pub(crate) fn read<'de, D: Deserializer<'de>, N: Number>(from: D) -> Result<N, D::Error> {
    serde_json::Number::deserialize(from).map(|number| N::of(&number))
}

/// Declares numbers that go together. They may begin with those of another declaration, whose names
/// then stand among theirs, and end with groups that are there as a whole or not at all.
macro_rules! numbers {
    ($(#[$of_struct:meta])* $name:ident {
        $(@all $part:ident: $part_type:ty,)*
        $($(#[$of_field:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$of_struct])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub struct $name {
            $(
                /// Numbers that stand among these.
                #[serde(flatten)]
                pub $part: $part_type,
            )*
            $(
                $(#[$of_field])*
                #[serde(deserialize_with = "crate::snapshot::numbers::read")]
                pub $field: $type,
            )*
        }
    };
}

/// Declares an enum of codes, each with its numbers: an object with the code under `$tag` and an
/// object `numbers`. The doc comments are the descriptions in the schema.
macro_rules! coded {
    ($(#[$of_enum:meta])* $name:ident($tag:literal) {
        $($(#[$of_case:meta])* $case:ident = $code:literal {
            $(@all $part:ident: $part_type:ty,)*
            $($(#[$of_field:meta])* $field:ident: $type:ty,)*
        })+
    }) => {
        $(#[$of_enum])*
        #[derive(
            Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[serde(tag = $tag, content = "numbers")]
        pub enum $name {
            $(
                $(#[$of_case])*
                #[serde(rename = $code)]
                $case {
                    $(
                        /// Numbers that stand among these.
                        #[serde(flatten)]
                        $part: $part_type,
                    )*
                    $(
                        $(#[$of_field])*
                        #[serde(deserialize_with = "crate::snapshot::numbers::read")]
                        $field: $type,
                    )*
                },
            )+
            /// What an agent of another version says, as far as it is understood.
            #[serde(untagged)]
            #[schemars(skip)]
            Other {
                /// Its code.
                #[serde(rename = $tag)]
                code: String,
                /// Its numbers.
                numbers: $crate::snapshot::Numbers,
            },
        }

        impl $name {
            /// All codes.
            pub const CODES: [&'static str; [$($code),+].len()] = [$($code),+];

            /// The code in JSON.
            #[must_use]
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$case { .. } => $code,)+
                    Self::Other { code, .. } => code,
                }
            }

            /// One of each, with all numbers zero.
            #[cfg(any(test, feature = "fixtures"))]
            #[must_use]
            pub fn samples() -> Vec<Self> {
                vec![$(Self::$case {
                    $($part: Default::default(),)* $($field: Default::default(),)*
                },)+]
            }
        }
    };
}

pub(super) use coded;
pub(crate) use numbers;
