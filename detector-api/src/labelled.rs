//! Closed lists of words. A word is the form in JSON, the label in metrics, what filters and
//! completions know and what the command line takes: all of them come from the one declaration.

use std::fmt;

/// Declares an enum of such words: `Case = "word"`.
macro_rules! labelled {
    ($(#[$of_enum:meta])* $name:ident { $($(#[$of_case:meta])* $case:ident = $label:literal,)+ }) => {
        $(#[$of_enum])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum $name {
            $($(#[$of_case])* #[serde(rename = $label)] $case,)+
        }

        impl $name {
            /// How many there are.
            pub const COUNT: usize = Self::LABELS.len();
            /// All of them, each at the place of its number.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$case),+];
            /// Their words, in the same order.
            pub const LABELS: [&'static str; [$($label),+].len()] = [$($label),+];

            /// Its word.
            #[must_use]
            pub const fn label(self) -> &'static str {
                Self::LABELS[self as usize]
            }
        }

        impl $crate::labelled::Labelled for $name {
            fn label(self) -> &'static str {
                Self::LABELS[self as usize]
            }

            fn place(self) -> usize {
                self as usize
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::labelled::UnknownLabel;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let place = Self::LABELS.iter().position(|label| *label == word);
                place
                    .map(|place| Self::ALL[place])
                    .ok_or($crate::labelled::UnknownLabel(&Self::LABELS))
            }
        }
    };
}

pub(crate) use labelled;

/// One of a closed list of words.
pub trait Labelled: Copy {
    /// Its word.
    fn label(self) -> &'static str;
    /// Its place in the list.
    fn place(self) -> usize;
}

/// A word is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLabel(pub &'static [&'static str]);

impl fmt::Display for UnknownLabel {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "known are {}", self.0.join(", "))
    }
}

impl std::error::Error for UnknownLabel {}

#[cfg(test)]
mod tests {
    use crate::snapshot::Severity;

    #[test]
    fn a_word_is_read_as_it_is_written() {
        for severity in Severity::ALL {
            assert_eq!(severity.label().parse(), Ok(severity));
            let json = serde_json::to_string(&severity).unwrap();
            assert_eq!(json, format!("\"{}\"", severity.label()));
        }
        let unknown = "warn".parse::<Severity>().unwrap_err();
        assert_eq!(unknown.to_string(), "known are info, warning, critical");
    }
}
