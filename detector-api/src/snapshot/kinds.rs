//! Closed lists of words: causes of stalls, kinds of flags, verdicts, severities.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a connection with queued data is held up.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StallCause {
    /// The peer's window is zero.
    ZeroWindow,
    /// The window is open but the head segment does not fit.
    SmallWindow,
    /// The peer drains below the floor while its window is the limit.
    Dribble,
    /// Retransmits or probes without any acknowledgement.
    Unanswered,
}

impl StallCause {
    /// All causes, in the order of the metrics' documentation.
    pub const ALL: [Self; 4] = [
        Self::ZeroWindow,
        Self::SmallWindow,
        Self::Dribble,
        Self::Unanswered,
    ];

    /// The label value in metrics and JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ZeroWindow => "zero_window",
            Self::SmallWindow => "small_window",
            Self::Dribble => "dribble",
            Self::Unanswered => "unanswered",
        }
    }
}

/// Kind of a flag.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each has its page in docs/detections")]
pub enum FlagKind {
    WindowShrink,
    ZeroWindowStall,
    SmallWindowStall,
    Dribble,
    Unanswered,
    TinyWindow,
    StallHoard,
}

impl FlagKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::WindowShrink,
        Self::ZeroWindowStall,
        Self::SmallWindowStall,
        Self::Dribble,
        Self::Unanswered,
        Self::TinyWindow,
        Self::StallHoard,
    ];

    /// The label value in metrics and JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::WindowShrink => "window-shrink",
            Self::ZeroWindowStall => "zero-window-stall",
            Self::SmallWindowStall => "small-window-stall",
            Self::Dribble => "dribble",
            Self::Unanswered => "unanswered",
            Self::TinyWindow => "tiny-window",
            Self::StallHoard => "stall-hoard",
        }
    }
}

/// What a peer is taken to be.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is explained in docs/detections")]
pub enum Verdict {
    SlowReadAttack,
    ZeroWindowAttack,
    ShrinkingPeer,
    Tarpit,
    PathLoss,
    Vanished,
    SlowClient,
    Benign,
}

impl Verdict {
    /// The label value in metrics and JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::SlowReadAttack => "slow-read-attack",
            Self::ZeroWindowAttack => "zero-window-attack",
            Self::ShrinkingPeer => "shrinking-peer",
            Self::Tarpit => "tarpit",
            Self::PathLoss => "path-loss",
            Self::Vanished => "vanished",
            Self::SlowClient => "slow-client",
            Self::Benign => "benign",
        }
    }
}

/// How much it matters, from its cost.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "ordered from least to most")]
pub enum Severity {
    #[default]
    Info,
    Warning,
    Critical,
}
