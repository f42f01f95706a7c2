//! What a scrape shows of the core: plain numbers, with host totals that always add up.

use detector_api::snapshot::{FlagKind, IncidentKind, Retransmits, Shrinks, StallCause, Verdict};

/// Counters of one peer, or of all: what the metrics export.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Window shrinks.
    pub shrinks: Shrinks,
    /// Entries into zero window.
    pub zero_window_episodes: u64,
    /// Seconds in zero window with data queued, up to now.
    pub zero_window_seconds: f64,
    /// Segments sent again.
    pub retransmits: Retransmits,
    /// Of those, known to have been needless.
    pub retransmits_needless: u64,
    /// Connections with queued data held up now.
    pub stalled_connections: u64,
    /// Kernel memory they pin now.
    pub pinned_bytes: u64,
    /// Integral of pinned bytes over time.
    pub pinned_byte_seconds: f64,
}

/// Sums over all peers, and fill of the tables.
///
/// Not `host::Totals` of the contract, which is made of it: that has names and units that may never change, and
/// leaves out what only metrics have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostTotals {
    /// Sums over all peers.
    pub ledger: Ledger,
    /// Stalled connections by cause, in the order of `StallCause::ALL`.
    pub stalled_by_cause: [u64; StallCause::COUNT],
    /// Peers in the table.
    pub peers_tracked: u64,
    /// Connections in the table.
    pub connections_tracked: u64,
    /// Peers forgotten for lack of room.
    pub peer_evictions: u64,
    /// Of those, peers that held something up or were flagged.
    pub suspect_evictions: u64,
    /// Connections forgotten for lack of room.
    pub connection_evictions: u64,
    /// Records that were refused because they were garbage.
    pub records_refused: u64,
}

/// One exported peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerMetrics {
    /// Label value: the peer's address.
    pub peer: String,
    /// Its numbers.
    pub ledger: Ledger,
    /// Verdict while it is flagged.
    pub flagged: Option<Verdict>,
}

/// Everything a scrape shows of the core, at one moment.
///
/// `peers` and `other` add up to the ledger of `totals`, always.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsSnapshot {
    /// Sums over all peers.
    pub totals: HostTotals,
    /// Flags raised by kind, in the order of `FlagKind::ALL`.
    pub flags: [u64; FlagKind::COUNT],
    /// Incidents that each kind has joined, in the order of `IncidentKind::ALL`.
    pub incidents: [u64; IncidentKind::COUNT],
    /// 1 for each kind that the open incident has, in the same order.
    pub incidents_open: [u64; IncidentKind::COUNT],
    /// 1 for each kind that stands, or did within the last half minute, in the same order.
    pub incidents_standing: [u64; IncidentKind::COUNT],
    /// Incidents forgotten for lack of room.
    pub incidents_forgotten: u64,
    /// The peers that cost most.
    pub peers: Vec<PeerMetrics>,
    /// All other peers together, including those already forgotten.
    pub other: Ledger,
}
