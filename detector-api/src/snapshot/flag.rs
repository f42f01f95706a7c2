//! The one table of kinds of flags, and the numbers that a flag of each kind carries.
//!
//! Whatever goes through all kinds (metrics, filters, completions, pages) goes through this table,
//! and every `match` on a kind is exhaustive, so that a new one asks for its words.

use super::flag_table::flag_kinds;
use super::numbers::numbers;
use super::{Connection, StallCause};

flag_kinds! {
    WindowShrink = "window-shrink" {
        summary: "the right edge moved left by at least `2^shift` below the highest ever offered",
        evidence: ShrinkEvidence,
        raised_after: "at once",
        bearer: Connection,
        incident: ShrinkingPeers,
        settings: [],
    }
    ZeroWindowStall = "zero-window-stall" {
        summary: "data queued, zero-window episode, no progress",
        evidence: ZeroWindowEvidence,
        raised_after: "`stall_after`",
        bearer: Connection,
        incident: StalledPeers,
        settings: ["stall_after"],
    }
    SmallWindowStall = "small-window-stall" {
        summary: "window open, the head segment does not fit, no progress",
        evidence: StallEvidence,
        raised_after: "`stall_after`",
        bearer: Connection,
        incident: StalledPeers,
        settings: ["stall_after"],
    }
    Dribble = "dribble" {
        summary: "the window is the limit for most of a span and the peer drains below a floor",
        evidence: DribbleEvidence,
        raised_after: "`dribble_over`",
        bearer: Connection,
        incident: StalledPeers,
        settings: ["dribble_floor", "dribble_over"],
    }
    Unanswered = "unanswered" {
        summary: "probes or segments sent again without an answer, no progress; or next to nothing \
                  acknowledged of what is sent again",
        evidence: UnansweredEvidence,
        raised_after: "`stall_after`; `dribble_over`",
        bearer: Connection,
        incident: SilentPeers,
        settings: ["stall_after", "dribble_floor", "dribble_over"],
    }
    TinyWindow = "tiny-window" {
        summary: "the largest window ever offered, or the MSS, is tiny",
        evidence: TinyWindowEvidence,
        raised_after: "at once",
        bearer: Connection,
        incident: StalledPeers,
        settings: [],
    }
    StallHoard = "stall-hoard" {
        summary: "one peer, one network, or peers that act the same hold many stalled connections or \
                  much memory",
        evidence: HoardEvidence,
        raised_after: "at once; several peers together after `dribble_over`",
        bearer: Peer,
        incident: Hoard,
        settings: ["hoard_connections", "hoard_bytes", "dribble_floor", "dribble_over"],
    }
}

impl FlagKind {
    /// The kind that a stall of this cause raises.
    #[must_use]
    pub const fn of_stall(cause: StallCause) -> Self {
        match cause {
            StallCause::ZeroWindow => Self::ZeroWindowStall,
            StallCause::SmallWindow => Self::SmallWindowStall,
            StallCause::Dribble => Self::Dribble,
            StallCause::Unanswered => Self::Unanswered,
        }
    }
}

numbers! {
    /// What every flag on a connection carries.
    ConnectionNumbers {
        /// The peer's window.
        window_bytes: u64,
        /// Written but not acknowledged.
        queued_bytes: u64,
        /// Sent but not acknowledged.
        in_flight_bytes: u64,
        /// `sk_wmem_queued`.
        pinned_bytes: u64,
    }
}

numbers! {
    /// Numbers of a window shrink.
    ShrinkEvidence {
        @all connection: ConnectionNumbers,
        /// How far the right edge lies below its maximum now.
        retracted_bytes: u64,
        /// How far it ever lay below.
        retracted_max_bytes: u64,
        /// The peer's window shift.
        window_shift: u64,
        /// Shrinks of the connection that took back nothing in flight.
        shrinks_polite: u64,
        /// Below data in flight, to a window above zero.
        shrinks_below_flight: u64,
        /// To zero with data in flight.
        shrinks_treason: u64,
    }
}

numbers! {
    /// Numbers of a stall.
    StallEvidence {
        @all connection: ConnectionNumbers,
        /// For how long no byte has been acknowledged.
        stalled_seconds: f64,
        /// `icsk_backoff`.
        backoff: u64,
        /// Retransmission timeouts in a row (`icsk_retransmits`).
        timeouts: u64,
        /// Segments sent again since the last acknowledgement of anything.
        retransmits_unanswered: u64,
        /// Window probes without an answer (`icsk_probes_out`).
        probes_unanswered: u64,
    }
}

numbers! {
    /// Numbers of a zero-window stall or episode.
    ZeroWindowEvidence {
        @all stall: StallEvidence,
        /// Of an `episode` event: how long the window was zero with data queued.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        episode_seconds: Option<f64>,
    }
}

numbers! {
    /// Numbers of a silence.
    UnansweredEvidence {
        @all stall: StallEvidence,
        /// Times the first segment not acknowledged has been sent again as lost.
        #[serde(default)]
        head_retransmits: u64,
        /// What is acknowledged, where that is what decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drain_bytes_per_second: Option<u64>,
    }
}

numbers! {
    /// Numbers of a dribble.
    DribbleEvidence {
        @all connection: ConnectionNumbers,
        /// Pace of the last whole span.
        drain_bytes_per_second: u64,
        /// Until the queue is drained at this pace; 0 where there is none.
        drain_seconds: f64,
        /// Since the first slow span began.
        stalled_seconds: f64,
    }
}

numbers! {
    /// Numbers of a tiny window.
    TinyWindowEvidence {
        @all connection: ConnectionNumbers,
        /// Largest window ever offered.
        max_window_bytes: u64,
        /// Effective sending MSS.
        mss_bytes: u64,
    }
}

numbers! {
    /// Peers of one network that hoard together.
    NetworkNumbers {
        /// Peers that take part.
        network_peers: u64,
        /// Their connections that drain nothing.
        network_connections: u64,
        /// What those pin.
        network_pinned_bytes: u64,
    }
}

numbers! {
    /// Peers of any network, with connections that look and act the same, that hoard together.
    AlikeNumbers {
        /// Peers that take part.
        alike_peers: u64,
        /// Their connections that drain nothing.
        alike_connections: u64,
        /// What those pin.
        alike_pinned_bytes: u64,
    }
}

numbers! {
    /// Numbers of a hoard.
    HoardEvidence {
        @all network: Option<NetworkNumbers>,
        @all alike: Option<AlikeNumbers>,
        /// The peer's stalled connections.
        stalled_connections: u64,
        /// Those of them that drain nothing.
        holding_connections: u64,
        /// What the stalled ones pin.
        pinned_bytes: u64,
        /// What all its tracked connections drain.
        drain_bytes_per_second: u64,
    }
}

impl FlagEvidence {
    /// What the connection carries; none for a flag on the peer, or if it is not understood.
    #[must_use]
    pub const fn connection(&self) -> Option<&ConnectionNumbers> {
        match self {
            Self::WindowShrink(ShrinkEvidence { connection, .. })
            | Self::ZeroWindowStall(ZeroWindowEvidence {
                stall: StallEvidence { connection, .. },
                ..
            })
            | Self::SmallWindowStall(StallEvidence { connection, .. })
            | Self::Unanswered(UnansweredEvidence {
                stall: StallEvidence { connection, .. },
                ..
            })
            | Self::Dribble(DribbleEvidence { connection, .. })
            | Self::TinyWindow(TinyWindowEvidence { connection, .. }) => Some(connection),
            Self::StallHoard(_) | Self::Other { .. } => None,
        }
    }

    /// For how long the connection has been held up.
    #[must_use]
    pub const fn stalled_seconds(&self) -> Option<f64> {
        match self {
            Self::ZeroWindowStall(ZeroWindowEvidence { stall, .. })
            | Self::SmallWindowStall(stall)
            | Self::Unanswered(UnansweredEvidence { stall, .. }) => Some(stall.stalled_seconds),
            Self::Dribble(dribble) => Some(dribble.stalled_seconds),
            Self::WindowShrink(_)
            | Self::TinyWindow(_)
            | Self::StallHoard(_)
            | Self::Other { .. } => None,
        }
    }
}

impl ConnectionNumbers {
    /// What a connection carries now.
    #[must_use]
    pub const fn of(connection: &Connection) -> Self {
        Self {
            window_bytes: connection.window_bytes,
            queued_bytes: connection.queued_bytes,
            in_flight_bytes: connection.in_flight_bytes,
            pinned_bytes: connection.pinned_bytes,
        }
    }
}

impl ShrinkEvidence {
    /// What a connection shows of shrinks now.
    #[must_use]
    pub fn of(connection: &Connection) -> Self {
        let shrinks = connection.window_shrinks;
        Self {
            connection: ConnectionNumbers::of(connection),
            retracted_bytes: connection.retracted_bytes,
            retracted_max_bytes: connection.retracted_max_bytes,
            window_shift: u64::from(connection.window_shift),
            shrinks_polite: shrinks.polite,
            shrinks_below_flight: shrinks.below_flight,
            shrinks_treason: shrinks.treason,
        }
    }
}
