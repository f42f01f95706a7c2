//! The weighing of one peer: its verdict, what speaks for and against it, which benign causes were
//! considered, what would change it and what to do.
//!
//! Every item is a code of a closed list with numbers by name; wording is made of both elsewhere.
//! Names of numbers end in their unit, or in what is counted (`_connections`, `_peers`).

use super::{Confidence, Verdict};
use crate::labelled::labelled;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Numbers by name.
pub type Numbers = BTreeMap<String, f64>;

/// One peer, weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Assessment {
    /// What the peer is taken to be; `null` while nothing speaks for anything.
    pub verdict: Option<Verdict>,
    /// How sure that is; `null` without a verdict.
    pub confidence: Option<Confidence>,
    /// When the verdict was reached; `null` without a verdict.
    pub since: Option<String>,
    /// What the verdict rests on, the weightiest first.
    pub evidence_for: Vec<Evidence>,
    /// What speaks against it, or against a worse one.
    pub evidence_against: Vec<Evidence>,
    /// Every benign cause, with what was found; always all of them, in the order of
    /// [`BenignCause::ALL`].
    pub considered: Vec<Considered>,
    /// What would change the verdict.
    pub would_change: Vec<Change>,
    /// What to do, the most useful first.
    pub advice: Vec<Advice>,
}

/// Something that speaks for or against a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What.
    pub code: EvidenceCode,
    /// How much.
    pub numbers: Numbers,
}

/// A benign cause and what was found of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Considered {
    /// Which.
    pub cause: BenignCause,
    /// Whether it explains what was seen.
    pub outcome: Outcome,
    /// The numbers that decide it.
    pub numbers: Numbers,
}

/// An observation that would change the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Which observation.
    pub code: ChangeCode,
    /// The verdict it would lead to; `null` for none.
    pub verdict: Option<Verdict>,
    /// The bounds that count.
    pub numbers: Numbers,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// What.
    pub code: AdviceCode,
    /// What was seen that values can be chosen by.
    pub numbers: Numbers,
}

labelled! {
    /// What can speak for or against a verdict.
    EvidenceCode {
        /// The peer alone holds as much as the hoard thresholds: `stalled_connections`,
        /// `pinned_bytes`, `hoard_connections`, `hoard_bytes`.
        HoardOfPeer = "hoard-of-peer",
        /// Peers of its network hold that much together: `network_prefix_length`,
        /// `network_peers`, `network_connections`, `network_pinned_bytes`, `hoard_connections`,
        /// `hoard_bytes`.
        HoardOfNetwork = "hoard-of-network",
        /// Peers whose connections look and act the same hold that much together: `alike_peers`,
        /// `alike_connections`, `alike_pinned_bytes`, `hoard_connections`, `hoard_bytes`.
        HoardByLikeness = "hoard-by-likeness",
        /// Connections that took less than the floor over the whole span: `holding_connections`,
        /// `holding_pinned_bytes`, `floor_bytes_per_second`, `over_seconds`.
        DrainsNothing = "drains-nothing",
        /// Connections held up by a zero window: `connections`.
        ZeroWindow = "zero-window",
        /// Connections whose window is open but too small for the next segment: `connections`.
        SmallWindow = "small-window",
        /// Connections read at a dribble: `connections`, `drain_seconds` (the longest expected
        /// time to drain), `floor_bytes_per_second`.
        Dribble = "dribble",
        /// Connections without an answer: `connections`.
        Unanswered = "unanswered",
        /// Shrinks that took back data in flight, lately: `shrinks_below_flight`,
        /// `shrinks_treason`, `connections` (shrunk now), `over_seconds`.
        WindowShrinks = "window-shrinks",
        /// Shrinks that took back nothing in flight: `connections` (shrunk now),
        /// `shrinks_polite`.
        PoliteShrinks = "polite-shrinks",
        /// Connections that make each byte cost a packet: `connections`.
        TinyWindow = "tiny-window",
        /// Connections that we opened: `outgoing_connections` (held up), `holding_connections`.
        WeAreTheClient = "we-are-the-client",
        /// Silences that ended with an acknowledgement: the path lost segments:
        /// `silences_ended`.
        SilencesEnded = "silences-ended",
        /// The same symptom in many unrelated networks at once: `networks`, `networks_bound`,
        /// `over_seconds`.
        ManyUnrelatedPeers = "many-unrelated-peers",
        /// Error counters of this host's interfaces rise: `rx_errors`, `tx_errors`,
        /// `rx_dropped`, `tx_dropped`, `over_seconds`.
        InterfaceErrors = "interface-errors",
        /// The peer takes data: `drain_bytes_per_second`, `floor_bytes_per_second` (for all
        /// stalled connections).
        Drains = "drains",
        /// Stalls that ended lately because the peer read on: `recovered_stalls` (each connection
        /// once).
        Recovered = "recovered",
        /// The peer holds less than a hoard: `stalled_connections`, `pinned_bytes`,
        /// `hoard_connections`, `hoard_bytes`.
        BelowThresholds = "below-thresholds",
        /// Too little time has passed to tell a pause from a grip: `holding_connections`,
        /// `over_seconds`.
        TooShort = "too-short",
        /// The peer belongs to a trusted network.
        TrustedNetwork = "trusted-network",
        /// Shrinks to zero that opened again within a second: `quick_reopens`.
        QuickReopens = "quick-reopens",
        /// Nothing is flagged any more: `quiet_seconds`.
        Quiet = "quiet",
    }
}

labelled! {
    /// Benign causes, each considered before any accusation.
    BenignCause {
        /// Honest rounding of a scaled window: `granularity_retreats`, `shrinks`.
        ScalingGranularity = "scaling-granularity",
        /// A receiver that could not allocate memory closes its window for a moment:
        /// `quick_reopens`, `shrinks_treason`.
        ReceiverOutOfMemory = "receiver-out-of-memory",
        /// A host with `net.ipv4.tcp_shrink_window=1` retracts and reads on: `shrinks`,
        /// `holding_connections`.
        ShrinkingKernel = "shrinking-kernel",
        /// A player on pause closes its window and resumes: `recovered_stalls`,
        /// `holding_connections`, `longest_stall_seconds`.
        PausedReader = "paused-reader",
        /// A connection kept open with nothing to send: `stalled_connections`.
        IdleKeepAlive = "idle-keep-alive",
        /// A rate-limited or mobile client reads slowly but steadily: `drain_bytes_per_second`,
        /// `floor_bytes_per_second`.
        SlowReader = "slow-reader",
        /// Segments are lost on the way: `silences_ended`, `unanswered_connections`,
        /// `interface_errors`, `networks`.
        PathLoss = "path-loss",
        /// Something on the path rewrites windows or drops segments of many peers: `networks`,
        /// `networks_bound`.
        Middlebox = "middlebox",
    }
}

labelled! {
    /// Whether a benign cause explains what was seen.
    Outcome {
        /// The numbers contradict it.
        RuledOut = "ruled-out",
        /// Nothing contradicts it.
        Possible = "possible",
        /// It explains what was seen better than anything else.
        Likely = "likely",
    }
}

labelled! {
    /// Observations that would change a verdict.
    ChangeCode {
        /// Its stalled connections drain at least the floor: `floor_bytes_per_second` (all
        /// together).
        DrainsAboveFloor = "drains-above-floor",
        /// Stalls end because the peer reads on.
        ReadsOn = "reads-on",
        /// Connections that drain nothing reach the hoard thresholds: `hoard_connections`,
        /// `hoard_bytes`.
        HoldsAHoard = "holds-a-hoard",
        /// The same connections drain nothing for longer: `over_seconds`.
        KeepsHolding = "keeps-holding",
        /// A silent peer answers.
        AnswersAgain = "answers-again",
        /// A peer whose window is closed does not even answer probes.
        FallsSilent = "falls-silent",
        /// Windows are taken back again: `shrinks`.
        ShrinksAgain = "shrinks-again",
        /// The same symptom in many unrelated networks: `networks_bound`, `over_seconds`.
        SpreadsToOthers = "spreads-to-others",
        /// The symptom stays with this peer when others are well again: `networks_bound`.
        StaysAlone = "stays-alone",
        /// Error counters of this host's interfaces rise: `interface_errors_bound`.
        InterfaceErrorsRise = "interface-errors-rise",
        /// Nothing is flagged for long enough: `quiet_seconds`.
        StaysQuiet = "stays-quiet",
    }
}

labelled! {
    /// What to do.
    AdviceCode {
        /// Look at the path between this host and the peer: cables, switch, NIC, MTU, shapers:
        /// `rx_errors`, `tx_errors`, `rx_dropped`, `tx_dropped`, `over_seconds`.
        LookAtPath = "look-at-path",
        /// Limit connections for each address: `stalled_connections`.
        LimitConnections = "limit-connections",
        /// End connections that do not move (`tcp_user_timeout`, `send_timeout`):
        /// `longest_stall_seconds`.
        BoundWaiting = "bound-waiting",
        /// Bound what one connection pins (`tcp_wmem`): `pinned_bytes_per_connection`.
        BoundMemory = "bound-memory",
        /// Give up orphans sooner (`tcp_orphan_retries`): `orphan_connections`.
        BoundOrphans = "bound-orphans",
        /// Give our own client a timeout and a least rate: `outgoing_connections`.
        BoundOwnClient = "bound-own-client",
        /// Tell whoever runs the peer that its windows go back.
        TellPeerOperator = "tell-peer-operator",
        /// Nothing to do.
        Nothing = "nothing",
    }
}
