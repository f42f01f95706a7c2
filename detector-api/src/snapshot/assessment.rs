//! The weighing of one peer: its verdict, what speaks for and against it, which benign causes were
//! considered, what would change it and what to do.
//!
//! Every item is a code of a closed list with numbers by name; wording is made of both elsewhere.

use super::InterfaceCounts;
use super::numbers::coded;
use super::{Confidence, Evidence, HoardThresholds, Verdict};
use crate::labelled::labelled;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One peer, weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Assessment {
    /// What the peer is taken to be; `null` while there is no evidence of anything.
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
    /// [`BenignCause::CODES`].
    pub considered: Vec<Considered>,
    /// What would change the verdict.
    pub would_change: Vec<Change>,
    /// What to do, the most useful first.
    pub advice: Vec<Advice>,
}

/// A benign cause and what was found of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Considered {
    /// Which, and the numbers that decide it.
    #[serde(flatten)]
    pub cause: BenignCause,
    /// Whether it explains what was seen.
    pub outcome: Outcome,
}

/// An observation that would change the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Which observation, and the bounds that count.
    #[serde(flatten)]
    pub condition: Condition,
    /// The verdict it would lead to; `null` for none.
    pub verdict: Option<Verdict>,
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

coded! {
    /// Benign causes, each considered before any accusation.
    BenignCause("cause") {
        /// Honest rounding of a scaled window.
        ScalingGranularity = "scaling-granularity" {
            /// Retreats of the edge within the rounding bound.
            granularity_retreats: u64,
            /// Shrinks beyond it.
            shrinks: u64,
        }
        /// A receiver that could not allocate memory closes its window for a moment.
        ReceiverOutOfMemory = "receiver-out-of-memory" {
            /// Shrinks to zero that opened again within the bound.
            quick_reopens: u64,
            /// The bound.
            reopen_seconds_bound: f64,
            /// All shrinks to zero over data in flight.
            shrinks_treason: u64,
        }
        /// A host with `net.ipv4.tcp_shrink_window=1` retracts and reads on.
        ShrinkingKernel = "shrinking-kernel" {
            /// All shrinks.
            shrinks: u64,
            /// Connections that drain nothing.
            holding_connections: u64,
        }
        /// A player on pause closes its window and resumes.
        PausedReader = "paused-reader" {
            /// Stalls that ended because the peer read on.
            recovered_stalls: u64,
            /// Connections that drain nothing.
            holding_connections: u64,
            /// Longest stall of one connection.
            longest_stall_seconds: f64,
        }
        /// A connection kept open with nothing to send.
        IdleKeepAlive = "idle-keep-alive" {
            /// Connections held up with data queued.
            stalled_connections: u64,
        }
        /// A rate-limited or mobile client reads slowly but steadily.
        SlowReader = "slow-reader" {
            /// All its connections together.
            drain_bytes_per_second: u64,
            /// The floor for all its stalled connections together.
            floor_bytes_per_second: u64,
            /// Connections that drain nothing.
            holding_connections: u64,
        }
        /// Segments are lost on the way.
        PathLoss = "path-loss" {
            /// Connections without an answer.
            unanswered_connections: u64,
            /// Silences that ended with an answer.
            silences_ended: u64,
            /// Errors of this host's interfaces lately.
            interface_errors: u64,
            /// Unrelated networks whose peers fell silent lately.
            networks: u64,
        }
        /// Something on the path rewrites windows or drops segments of many peers.
        Middlebox = "middlebox" {
            /// Unrelated networks with the same symptom lately.
            networks: u64,
            /// From how many on they are many.
            networks_bound: u64,
        }
        /// Many use the address: a balancer, a proxy, an edge of a CDN, a NAT.
        SharedAddress = "shared-address" {
            /// Connections held up with data queued.
            stalled_connections: u64,
            /// All its connections.
            connections_all: u64,
            /// Those of them that take what they are sent.
            connections_well: u64,
            /// Connections that came between two looks.
            came_connections: u64,
            /// Connections that went.
            went_connections: u64,
            /// Connections that ended with all taken over the past hours, or as many as were well then at one
            /// time.
            ended_well_connections: u64,
        }
    }
}

coded! {
    /// Observations that would change a verdict.
    Condition("code") {
        /// Its stalled connections drain at least the floor.
        DrainsAboveFloor = "drains-above-floor" {
            /// The floor for all of them together.
            floor_bytes_per_second: u64,
        }
        /// Stalls end because the peer reads on.
        ReadsOn = "reads-on" {}
        /// Connections that drain nothing reach the hoard thresholds.
        HoldsAHoard = "holds-a-hoard" {
            @all hoard: HoardThresholds,
            /// For how long they must drain nothing.
            over_seconds: f64,
        }
        /// The same connections drain nothing for longer.
        KeepsHolding = "keeps-holding" {
            /// For how long.
            over_seconds: f64,
        }
        /// A silent peer answers.
        AnswersAgain = "answers-again" {}
        /// Windows are taken back again and stay so.
        ShrinksAgain = "shrinks-again" {
            /// For longer than this.
            reopen_seconds_bound: f64,
        }
        /// The same symptom in many unrelated networks.
        SpreadsToOthers = "spreads-to-others" {
            /// In how many.
            networks_bound: u64,
            /// Within how long.
            over_seconds: f64,
        }
        /// Error counters of this host's interfaces rise.
        InterfaceErrorsRise = "interface-errors-rise" {
            /// By how many.
            interface_errors_bound: u64,
            /// Within how long.
            over_seconds: f64,
        }
        /// None of its other connections behaves any more.
        StandsAlone = "stands-alone" {
            /// For how long.
            over_seconds: f64,
        }
        /// Nothing is flagged for long enough.
        StaysQuiet = "stays-quiet" {
            /// For how long.
            quiet_seconds: f64,
        }
    }
}

coded! {
    /// Something to do, with what was seen that values can be chosen by.
    Advice("code") {
        /// Look at the path between this host and the peer: cables, switch, NIC, MTU, shapers.
        LookAtPath = "look-at-path" {
            @all interfaces: InterfaceCounts,
            /// Within how long.
            over_seconds: f64,
        }
        /// Limit connections for each address.
        LimitConnections = "limit-connections" {
            /// Stalled connections of this one.
            stalled_connections: u64,
        }
        /// Close what is stalled, and nothing else (`detector reset`).
        ResetStalled = "reset-stalled" {
            /// How many.
            stalled_connections: u64,
        }
        /// End connections that do not move (`tcp_user_timeout`, `send_timeout`).
        BoundWaiting = "bound-waiting" {
            /// Longest stall of one connection.
            longest_stall_seconds: f64,
        }
        /// Bound what one connection pins (`tcp_wmem`).
        BoundMemory = "bound-memory" {
            /// What one pins now.
            pinned_bytes_per_connection: u64,
        }
        /// Give up orphans sooner (`tcp_orphan_retries`).
        BoundOrphans = "bound-orphans" {
            /// Orphans among its connections.
            orphan_connections: u64,
        }
        /// Give our own client a timeout and a least rate.
        BoundOwnClient = "bound-own-client" {
            /// Connections that we opened and that are held up.
            outgoing_connections: u64,
        }
        /// Tell the operator of the peer that it takes windows back.
        TellPeerOperator = "tell-peer-operator" {}
        /// Nothing to do.
        Nothing = "nothing" {}
    }
}
