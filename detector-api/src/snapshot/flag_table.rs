//! What is declared of each kind of flag, and what is made of it. The kinds themselves are in `flag.rs`.

use super::{FlagEvidence, IncidentKind, Numbers};

/// What a kind of flag stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A peer as a whole.
    Peer,
    /// A connection.
    Connection,
}

/// What holds for all flags of a kind.
#[derive(Clone, Copy, Debug)]
pub struct KindFacts {
    /// The condition, in half a sentence.
    pub summary: &'static str,
    /// After what it is raised, in words of the documentation.
    pub raised_after: &'static str,
    /// What it stands on.
    pub bearer: Bearer,
    /// What it makes of an incident, on a peer of warning or above.
    pub incident: IncidentKind,
    /// The keys under `[detect]` that move its thresholds; what is fixed is in [`crate::bounds`].
    pub settings: &'static [&'static str],
}

/// Declares the kinds of flags, each with what holds for it and the numbers it rests on.
macro_rules! flag_kinds {
    ($($kind:ident = $label:literal {
        summary: $summary:literal,
        evidence: $evidence:ty,
        raised_after: $raised_after:literal,
        bearer: $bearer:ident,
        incident: $incident:ident,
        settings: [$($setting:literal),*],
    })+) => {
        $crate::labelled::labelled! {
            /// Kind of a flag. Each has its page in `docs/detections`.
            FlagKind {
                $(#[doc = $summary] $kind = $label,)+
            }
        }

        impl FlagKind {
            /// What holds for all flags of this kind.
            #[must_use]
            pub const fn facts(self) -> $crate::snapshot::KindFacts {
                match self {
                    $(Self::$kind => $crate::snapshot::KindFacts {
                        summary: $summary,
                        raised_after: $raised_after,
                        bearer: $crate::snapshot::Bearer::$bearer,
                        incident: $crate::snapshot::IncidentKind::$incident,
                        settings: &[$($setting),*],
                    },)+
                }
            }
        }

        /// Kind of a flag, and the numbers it rests on.
        #[derive(
            Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[serde(tag = "kind", content = "evidence")]
        pub enum FlagEvidence {
            $(#[doc = $summary] #[serde(rename = $label)] $kind($evidence),)+
            /// Numbers of an agent of another version.
            #[serde(untagged)]
            #[schemars(skip)]
            Other {
                /// Kind of the flag.
                kind: FlagKind,
                /// Its numbers by name.
                evidence: $crate::snapshot::Numbers,
            },
        }

        impl FlagEvidence {
            /// Kind of the flag.
            #[must_use]
            pub const fn kind(&self) -> FlagKind {
                match self {
                    $(Self::$kind(_) => FlagKind::$kind,)+
                    Self::Other { kind, .. } => *kind,
                }
            }

            /// A flag of a kind with all numbers zero.
            #[cfg(any(test, feature = "fixtures"))]
            #[must_use]
            pub fn sample(kind: FlagKind) -> Self {
                match kind {
                    $(FlagKind::$kind => Self::$kind(Default::default()),)+
                }
            }
        }
    };
}

pub(super) use flag_kinds;

impl FlagEvidence {
    /// Kernel memory that was held.
    #[must_use]
    pub fn pinned_bytes(&self) -> Option<u64> {
        match self {
            Self::StallHoard(hoard) => Some(hoard.pinned_bytes),
            Self::Other { evidence, .. } => evidence.get("pinned_bytes")?.as_u64(),
            _ => self.connection().map(|connection| connection.pinned_bytes),
        }
    }

    /// All numbers by name.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let value = serde_json::to_value(self).unwrap_or_default();
        let evidence = value.get("evidence").cloned().unwrap_or_default();
        serde_json::from_value(evidence).unwrap_or_default()
    }
}
