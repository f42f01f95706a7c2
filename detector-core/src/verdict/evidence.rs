//! Everything a verdict rests on, as numbers, the bounds they are held against, and the questions
//! that are asked of them.

use super::neighbours;
use super::sharing::is_shared_by_past;
use crate::observe::census::Census;
use crate::observe::observation::{InterfaceCounts, Shrinks};
pub(super) use crate::rules::QUIET_NS;
use crate::rules::hoard::Tally;
pub(super) use crate::rules::shrink::QUICK_REOPEN_NS;
use crate::settings::DetectSettings;
use detector_api::snapshot::{AlikeNumbers, HoardThresholds, NetworkNumbers, StallCause};
use std::time::Duration;

/// Distinct unrelated networks with one symptom at once from which it is no peer's own.
pub(crate) const CROWD_NETWORKS: u64 = 8;

/// Errors of this host's interfaces within [`crate::verdict::symptom_window::SPAN_NS`] from which they rise.
pub(crate) const INTERFACE_ERRORS: u64 = 10;

/// Nanoseconds as they are published.
pub(super) const fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}

/// Peers that hold connections together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupEvidence {
    /// Peers that take part.
    pub(crate) peers: u64,
    /// Their connections that drain nothing.
    pub(crate) connections: u64,
    /// What those pin.
    pub(crate) pinned_bytes: u64,
}

impl GroupEvidence {
    pub(crate) const fn of(tally: &Tally) -> Self {
        Self {
            peers: tally.peers,
            connections: tally.usage.stalled_connections,
            pinned_bytes: tally.usage.pinned_bytes,
        }
    }

    /// As peers of one network.
    pub(crate) const fn network(self) -> NetworkNumbers {
        NetworkNumbers {
            network_peers: self.peers,
            network_connections: self.connections,
            network_pinned_bytes: self.pinned_bytes,
        }
    }

    /// As peers with the same fingerprint.
    pub(crate) const fn alike(self) -> AlikeNumbers {
        AlikeNumbers {
            alike_peers: self.peers,
            alike_connections: self.connections,
            alike_pinned_bytes: self.pinned_bytes,
        }
    }
}

/// The evidence of one peer at one moment.
///
/// A connection is *holding* while it is stalled by the peer's window and has drained less than
/// the floor over the last whole span (`dribble_over`), or is one of a hoard that was never read.
/// Connections that we opened are counted
/// apart everywhere but in `stalled_by_cause`.
///
/// A record of many fields: all that is weighed, put together once for each look, so that weighing asks no table.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PeerEvidence {
    /// The thresholds in force.
    pub(crate) detect: DetectSettings,
    /// Stalled connections by cause, in the order of [`StallCause::ALL`].
    pub(crate) stalled_by_cause: [u64; StallCause::COUNT],
    /// What the stalled connections pin.
    pub(crate) pinned_bytes: u64,
    /// What all its tracked connections drain.
    pub(crate) drain_bytes_per_second: u64,
    /// Holding connections that the peer opened.
    pub(crate) holding_connections: u64,
    /// What those pin.
    pub(crate) holding_pinned_bytes: u64,
    /// Those of them that were never read from, and have not been stalled for a whole span yet.
    pub(crate) never_read_connections: u64,
    /// What those pin.
    pub(crate) never_read_pinned_bytes: u64,
    /// Those of them that were read from, if slowly, since they first stalled.
    pub(crate) read_slowly_connections: u64,
    /// Stalled connections on which nothing at all comes from the peer.
    pub(crate) silent_connections: u64,
    /// Those of them that are taken to be held because so many before them ended unread.
    pub(crate) renewed_connections: u64,
    /// What those pin.
    pub(crate) renewed_pinned_bytes: u64,
    /// Stalled connections that ended unread, lately.
    pub(crate) abandoned_connections: u64,
    /// Whether those are as many as a hoard, opened anew each time.
    pub(crate) renews: bool,
    /// Stalled connections that we opened.
    pub(crate) outgoing_connections: u64,
    /// Holding connections that we opened.
    pub(crate) outgoing_holding_connections: u64,
    /// Whether others that we opened, of which it acknowledges nothing, would be a hoard of the peer's.
    pub(crate) keeps_ours_waiting: bool,
    /// Whether the peer alone reaches the hoard thresholds.
    pub(crate) is_hoarding: bool,
    /// Whether its holding connections do.
    pub(crate) is_blocked_hoard: bool,
    /// Its network, if peers of it that are not spared reach them together.
    pub(crate) network: Option<GroupEvidence>,
    /// The same, whoever is spared: what it costs.
    pub(crate) network_cost: Option<GroupEvidence>,
    /// Its connections and those of others of its network that drain nothing, if those who hold any are many
    /// enough to be the custom of the network.
    pub(crate) held_in_network: Option<u64>,
    /// Peers with the same fingerprint that are not spared, if they reach them together.
    pub(crate) alike: Option<GroupEvidence>,
    /// The same, whoever is spared: what it costs.
    pub(crate) alike_cost: Option<GroupEvidence>,
    /// Connections with a shrink that is not taken back yet.
    pub(crate) shrunk_connections: u64,
    /// Shrinks while they are remembered.
    pub(crate) shrinks: Shrinks,
    /// Shrinks to zero, among those, that opened again within a second.
    pub(crate) quick_reopens: u64,
    /// Shrinks to zero, among those, that happened less than a second ago and are not over.
    pub(crate) fresh_treasons: u64,
    /// Retreats within the rounding bound.
    pub(crate) granularity_retreats: u64,
    /// Flags on its connections that need no stall: what a state shows by itself.
    pub(crate) state_flags: u64,
    /// Connections that make each byte cost a packet.
    pub(crate) tiny_window_connections: u64,
    /// Stalls that ended because the peer read on.
    pub(crate) recovered_stalls: u64,
    /// Silences that ended with an answer.
    pub(crate) silences_ended: u64,
    /// Orphans among its connections.
    pub(crate) orphan_connections: u64,
    /// Longest stall of one connection.
    pub(crate) longest_stall_seconds: f64,
    /// Longest expected time until the queue of a dribbling connection is drained.
    pub(crate) drain_seconds: f64,
    /// Unrelated networks whose peers fell silent lately.
    pub(crate) silent_networks: u64,
    /// Unrelated networks whose peers shrank windows lately.
    pub(crate) shrinking_networks: u64,
    /// Errors and drops of this host's interfaces lately.
    pub(crate) interfaces: InterfaceCounts,
    /// Stalled connections whose other end is a program on this host; counted nowhere else.
    pub(crate) within_host_connections: u64,
    /// Its connections that are tracked.
    pub(crate) tracked_connections: u64,
    /// All its connections, if the kernel has been asked and has told.
    pub(crate) census: Option<Census>,
    /// The same as it is told to others: while the last answer is in doubt, that before it.
    pub(crate) census_told: Option<Census>,
    /// Whether it has told so lately, or the peer is accused on what it told before.
    pub(crate) is_census_fresh: bool,
    /// Whether others of its connections behaved lately.
    pub(crate) has_others: bool,
    /// All connections of its network, if the kernel has been asked for those and has told.
    pub(crate) neighbours: Option<Census>,
    /// Whether it has told so lately, or the peer is accused on what it told before.
    pub(crate) are_neighbours_fresh: bool,
    /// Whether it belongs to a trusted network.
    pub(crate) is_trusted: bool,
}

impl PeerEvidence {
    /// What makes a hoard.
    pub(super) const fn hoard(&self) -> HoardThresholds {
        HoardThresholds {
            hoard_connections: self.detect.hoard_connections,
            hoard_bytes: self.detect.hoard_bytes,
        }
    }

    /// Length of the span over which a pace is measured.
    pub(super) const fn over_seconds(&self) -> f64 {
        seconds(self.detect.dribble_over_ns)
    }

    pub(crate) fn stalled_connections(&self) -> u64 {
        self.stalled_by_cause.iter().sum()
    }

    pub(crate) const fn stalled_by(&self, cause: StallCause) -> u64 {
        self.stalled_by_cause[cause as usize]
    }

    pub(crate) fn is_mostly_silent(&self) -> bool {
        self.silent_connections * 2 > self.stalled_connections()
    }

    /// Whether most of what it holds is read from now and then.
    pub(crate) const fn is_mostly_read_slowly(&self) -> bool {
        self.read_slowly_connections * 2 > self.holding_connections
    }

    /// Whether it holds a hoard, alone or with others of which it is one.
    pub(crate) const fn holds_a_hoard(&self) -> bool {
        let is_one_of_many = self.network.is_some() || self.alike.is_some();
        self.is_blocked_hoard || (is_one_of_many && self.holding_connections > 0)
    }

    /// Whether others use its address, who behave.
    pub(crate) fn is_shared(&self) -> bool {
        let by_past = |census: &Census| is_shared_by_past(census, self.holding_connections);
        self.has_others || self.census.as_ref().is_some_and(by_past)
    }

    /// Whether it holds together with others of its network, and no hoard of its own.
    pub(crate) const fn holds_with_network(&self) -> bool {
        let has_company = self.network.is_some() || self.held_in_network.is_some();
        has_company && self.holding_connections > 0 && !self.is_blocked_hoard
    }

    /// Whether it holds together with others of its network, of which as many more behave.
    pub(crate) fn neighbours_behave(&self) -> bool {
        let of_network = self.network.map(|network| network.connections);
        let known = of_network.or(self.held_in_network).zip(self.neighbours);
        let behave = known.is_some_and(|(held, census)| neighbours::behave(&census, held));
        behave && self.holds_with_network()
    }

    /// Whether the kernel has told lately of all connections that a hoard is to be held against.
    pub(crate) const fn is_counted(&self) -> bool {
        self.census.is_some()
            && (self.is_census_fresh || !self.is_blocked_hoard)
            && (self.are_neighbours_fresh || !self.holds_with_network())
    }

    /// Whether it may be accused of a hoard once the kernel has told lately of all connections.
    pub(crate) fn waits_for_count(&self) -> bool {
        let is_excused = self.is_trusted || self.is_shared() || self.neighbours_behave();
        self.holds_a_hoard() && !is_excused && !self.is_counted()
    }

    /// Whether the peer reads on at least as often as it holds, whoever opened the connection.
    pub(crate) const fn recovers(&self) -> bool {
        let held = self
            .holding_connections
            .saturating_add(self.outgoing_holding_connections);
        self.recovered_stalls > 0 && self.recovered_stalls >= held
    }

    /// The floor for all stalled connections together.
    pub(crate) fn floor_bytes_per_second(&self) -> u64 {
        let floor = self.detect.dribble_floor_bytes_per_second;
        self.stalled_connections().max(1).saturating_mul(floor)
    }

    pub(crate) fn drains(&self) -> bool {
        self.drain_bytes_per_second >= self.floor_bytes_per_second()
    }

    /// Whether an accusation that stands after its hoard ends with a drain. What connections of a hoard that is
    /// opened anew take at first is no reading on.
    pub(crate) fn is_let_off_by_drain(&self) -> bool {
        self.drains() && !self.renews
    }

    /// Whether it is one of a hoard of many and holds none of its own, and the others have turned out to be spared:
    /// what they cost together is as it was, and accuses nobody.
    pub(crate) const fn has_lost_company(&self) -> bool {
        let costs = self.network_cost.is_some() || self.alike_cost.is_some();
        let accuses = self.network.is_some() || self.alike.is_some();
        costs && !accuses && !self.is_blocked_hoard
    }

    /// Shrinks that took back data in flight.
    pub(crate) const fn harmful_shrinks(&self) -> u64 {
        self.shrinks
            .below_flight
            .saturating_add(self.shrinks.treason)
    }

    /// All shrinks that are remembered.
    pub(super) const fn all_shrinks(&self) -> u64 {
        self.shrinks.polite.saturating_add(self.harmful_shrinks())
    }

    /// Whether it took back what it had offered, now or lately. A flag alone does not say it: it goes
    /// as soon as the window opens again, and comes no more with the next shrink.
    pub(super) const fn has_shrunk(&self) -> bool {
        self.shrunk_connections > 0 || self.all_shrinks() > 0
    }

    /// Whether it shrinks as a Linux receiver without memory does, however often: always to zero,
    /// open again within a second, and nothing is held up by it. A window that has just been
    /// closed is taken for one more of those before it.
    pub(crate) fn is_short_of_memory(&self) -> bool {
        let Shrinks {
            polite,
            below_flight,
            treason,
        } = self.shrinks;
        let quick = self.quick_reopens.saturating_add(self.fresh_treasons);
        let is_quick = self.quick_reopens > 0 && treason > 0 && treason <= quick;
        is_quick && polite == 0 && below_flight == 0 && self.stalled_connections() == 0
    }

    pub(crate) const fn silence_is_common(&self) -> bool {
        self.silent_networks >= CROWD_NETWORKS
    }

    pub(crate) const fn shrinks_are_common(&self) -> bool {
        self.shrinking_networks >= CROWD_NETWORKS
    }

    pub(crate) const fn interface_errors_rise(&self) -> bool {
        self.interfaces.errors() >= INTERFACE_ERRORS
    }
}
