//! The engine: composes tables, rules and ledger. Observations and moments go in, events and
//! snapshots come out.
//!
//! Pure: the same calls give the same events, whatever the hash keys. Never a panic, whatever the
//! observations; every table is bounded and what it forgets is counted.

mod export;
mod flags;
mod hoards;
mod incidents;
mod intake;
mod judge;
mod leave;
mod ongoing;
mod owners;
mod pace;
mod totals;
mod verdicts;
mod view;

pub use owners::OwnerWanted;

use crate::events::Events;
use crate::incidents::Incidents;
use crate::ledger::{Account, Counts};
use crate::observe::observation::{InterfaceErrors, Observation, SweepEnd, UntrackedTotals};
use crate::observe::peer_address::Network;
use crate::rules::direction;
use crate::rules::fingerprint::Fingerprint;
use crate::settings::{DetectSettings, TableSettings};
use crate::tables::connections::{Class, Connection, Connections};
use crate::tables::groups::Groups;
use crate::tables::networks::Networks;
use crate::tables::peers::{Peers, Scrape};
use crate::tables::recently_closed::RecentlyClosed;
use crate::tables::symptom_window::{SlidingWindow, SymptomWindow};
use crate::time::{MonotonicTime, SECOND_NS, WallClock};
use detector_api::snapshot::{Event, FlagKind, StallCause, Thresholds};
use ipnet::IpNet;
use std::collections::BTreeSet;

/// An observation or a sweep's end this far ahead of the clock is garbage: the agent advances the clock many
/// times a second, and a wrong moment would shut out the true ones that follow.
const MAX_AHEAD_NS: u64 = 300 * SECOND_NS;

/// Judges observations; see the module.
#[derive(Debug)]
pub struct Engine {
    detect: DetectSettings,
    tables: TableSettings,
    ignored: Networks,
    trusted: Networks,
    clock: MonotonicTime,
    /// Whoever brings observations is sure that nothing up to here is from the future.
    admitted_until: MonotonicTime,
    wall: WallClock,
    connections: Connections,
    peers: Peers,
    host: Account,
    untracked: UntrackedTotals,
    stalled_by_cause: [u64; StallCause::COUNT],
    /// Networks whose peers fell silent or shrank windows lately.
    silent: SymptomWindow,
    shrinking: SymptomWindow,
    /// Peers that hold connections together, by network and by fingerprint.
    networks: Groups<Network>,
    alike: Groups<Fingerprint>,
    /// First and last port of the range for connections that this host opens.
    local_ports: (u16, u16),
    interface_errors: SlidingWindow,
    host_pressure: Option<detector_api::snapshot::HostPressure>,
    /// Slots of peers that were flagged at the last look for incidents or since.
    flagged: BTreeSet<u32>,
    incidents: Incidents,
    flags_raised: [u64; FlagKind::COUNT],
    events: Events,
    events_suppressed: u64,
    recently_closed: RecentlyClosed,
    scrape: Scrape,
    /// Slots of the peers that the last scrape showed with their own label.
    exported: Vec<u32>,
    peer_evictions: u64,
    connection_evictions: u64,
    records_refused: u64,
}

impl Engine {
    /// An engine that has seen nothing.
    #[must_use]
    pub fn new(
        detect: DetectSettings,
        tables: TableSettings,
        ignored: Vec<IpNet>,
        trusted: Vec<IpNet>,
    ) -> Self {
        Self {
            detect,
            tables,
            ignored: Networks::new(ignored),
            trusted: Networks::new(trusted),
            clock: MonotonicTime::default(),
            admitted_until: MonotonicTime::default(),
            wall: WallClock::default(),
            connections: Connections::new(tables.connections_capacity),
            peers: Peers::new(tables.peers_capacity),
            host: Account::default(),
            untracked: UntrackedTotals::default(),
            stalled_by_cause: [0; StallCause::COUNT],
            silent: SymptomWindow::default(),
            shrinking: SymptomWindow::default(),
            networks: Groups::default(),
            alike: Groups::default(),
            local_ports: direction::LOCAL_PORTS,
            interface_errors: SlidingWindow::default(),
            host_pressure: None,
            flagged: BTreeSet::new(),
            incidents: Incidents::default(),
            flags_raised: [0; FlagKind::COUNT],
            events: Events::new(tables.events_capacity),
            events_suppressed: 0,
            recently_closed: RecentlyClosed::new(tables.connections_capacity),
            scrape: Scrape::default(),
            exported: Vec::new(),
            peer_evictions: 0,
            connection_evictions: 0,
            records_refused: 0,
        }
    }

    /// Takes new settings; tables shrink at once, peers of newly ignored networks are dropped
    /// (their numbers stay in the host's totals and in `other`).
    pub fn reconfigure(
        &mut self,
        detect: DetectSettings,
        tables: TableSettings,
        ignored: Vec<IpNet>,
        trusted: Vec<IpNet>,
    ) {
        self.detect = detect;
        self.tables = tables;
        self.ignored = Networks::new(ignored);
        self.trusted = Networks::new(trusted);
        self.events.set_capacity(tables.events_capacity);
        self.recently_closed
            .set_capacity(tables.connections_capacity);
        let now_ignored: Vec<u32> = self
            .peers
            .iter()
            .filter(|(_, peer)| self.ignored.contain(peer.address.address()))
            .map(|(slot, _)| slot)
            .collect();
        for slot in now_ignored {
            self.forget_peer(slot);
        }
        self.networks.reconfigure(&detect);
        self.alike.reconfigure(&detect);
        for slot in self.connections.slots() {
            self.judge_time(slot);
        }
        self.renew_verdicts();
        self.forget_excess();
        self.schedule_scan();
    }

    /// Takes one observation.
    ///
    /// Observations may be lost, doubled or out of order: totals count by the highest value of
    /// each generation, and an older one changes no newer state.
    pub fn observe(&mut self, observation: &Observation) {
        if self.ignored.contain(observation.connection.remote.ip()) {
            return;
        }
        if self.is_too_far_ahead(observation.at) {
            self.refuse_record();
            return;
        }
        self.run_until(observation.at);
        if let Some(slot) = self.connections.find(&observation.connection) {
            self.update(slot, observation);
        } else if !self.take_late(observation) {
            let slot = self.admit(observation);
            self.update(slot, observation);
        }
        self.forget_excess();
        self.schedule_scan();
    }

    /// Takes the end of a pass over one namespace: what a complete pass did not mention since it
    /// began is healthy again or gone.
    pub fn end_sweep(&mut self, end: &SweepEnd) {
        if self.is_too_far_ahead(end.ended) {
            self.refuse_record();
            return;
        }
        self.run_until(end.ended);
        if end.is_complete {
            while let Some(slot) = self.connections.next_unseen(end.netns, end.began) {
                self.mark_idle(slot, end.began);
            }
        }
        self.connections.end_sweep(end.netns);
        self.schedule_scan();
    }

    /// Counts a record that could not be decoded.
    pub const fn refuse_record(&mut self) {
        self.records_refused += 1;
    }

    /// Takes the totals that the kernel side could not keep per connection. They are booked to
    /// the host and so appear under `other`.
    pub fn set_untracked(&mut self, totals: UntrackedTotals) {
        let before = self.untracked;
        let after = UntrackedTotals {
            shrinks: crate::observe::observation::ShrinkCounts {
                polite: before.shrinks.polite.max(totals.shrinks.polite),
                below_flight: before.shrinks.below_flight.max(totals.shrinks.below_flight),
                treason: before.shrinks.treason.max(totals.shrinks.treason),
            },
            zero_window_episodes: before.zero_window_episodes.max(totals.zero_window_episodes),
            retransmits_loss: before.retransmits_loss.max(totals.retransmits_loss),
            retransmits_window_probe: before
                .retransmits_window_probe
                .max(totals.retransmits_window_probe),
        };
        self.untracked = after;
        self.host.counts += untracked_counts(&after) - untracked_counts(&before);
    }

    /// Takes the range of ports for connections that this host opens
    /// (`net.ipv4.ip_local_port_range`, first and last).
    pub const fn set_local_ports(&mut self, local_ports: (u16, u16)) {
        self.local_ports = local_ports;
    }

    /// Takes what this host's interfaces counted since the last call. Verdicts about the path
    /// rest on it, together with what peers show.
    pub fn add_interface_errors(&mut self, errors: &InterfaceErrors) {
        self.interface_errors.add(errors, self.clock);
    }

    /// Moves the clock: raises the stalls whose time has come, forgets quiet connections.
    ///
    /// To be called about ten times a second and before each snapshot. A moment before an
    /// earlier one does not turn the clock back.
    pub fn advance(&mut self, now: MonotonicTime, wall: WallClock) {
        self.wall = wall;
        self.run_until(now);
    }

    /// When `advance` has something to do that needs no further observation.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonotonicTime> {
        let deadlines = [
            self.connections.next_deadline(),
            self.peers.next_deadline(),
            self.incidents.next_look,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The thresholds in force.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds::from(&self.detect)
    }

    /// Events with a number above `id`, oldest first.
    pub fn events_after(&self, id: u64) -> impl Iterator<Item = &Event> {
        self.events.after(id)
    }

    /// Number of the oldest event kept; of the next one if none is kept.
    #[must_use]
    pub fn first_event_id(&self) -> u64 {
        self.events.first_id()
    }

    /// Number of the newest event; 0 before the first.
    #[must_use]
    pub const fn last_event_id(&self) -> u64 {
        self.events.last_id()
    }

    /// Events forgotten because the ring was full.
    #[must_use]
    pub const fn events_dropped(&self) -> u64 {
        self.events.dropped()
    }

    /// Events not written because their peer had written too many. Their flags are counted.
    #[must_use]
    pub const fn events_suppressed(&self) -> u64 {
        self.events_suppressed
    }

    /// Observations of up to this moment, and a little beyond, are not from the future, however far
    /// the clock is behind.
    pub fn admit_until(&mut self, now: MonotonicTime) {
        self.admitted_until = self.admitted_until.max(now);
    }

    /// The moment to which the clock has been moved.
    #[must_use]
    pub const fn clock(&self) -> MonotonicTime {
        self.clock
    }

    fn is_too_far_ahead(&self, at: MonotonicTime) -> bool {
        let is_started = self.clock != MonotonicTime::default();
        is_started && at.since_ns(self.clock.max(self.admitted_until)) > MAX_AHEAD_NS
    }

    /// Moves the clock to `now`, doing what falls due on the way at its own moment, so that the
    /// same observations give the same events however often the clock is advanced.
    fn run_until(&mut self, now: MonotonicTime) {
        while let Some(next) = self.next_deadline().filter(|&next| next <= now) {
            self.clock = self.clock.max(next);
            if let Some((_, slot)) = self.connections.next_due(next) {
                let connection = self.connections.get(slot);
                if connection.is_quiet {
                    self.note_recovery(slot);
                    self.forget_connection(slot);
                } else if judge::forgotten_at(connection).is_some_and(|at| at <= self.clock) {
                    self.forget_connection(slot);
                } else {
                    self.judge_time(slot);
                }
                self.schedule_scan();
            } else if let Some((_, slot)) = self.peers.next_due(next) {
                self.settle_verdict(slot);
                self.schedule_scan();
            } else {
                self.look_at_incidents();
            }
        }
        self.clock = self.clock.max(now);
        self.silent.forget_old(self.clock);
        self.shrinking.forget_old(self.clock);
        self.interface_errors.forget_old(self.clock);
    }

    /// Books amounts to a peer and to the host in one step.
    fn book(&mut self, peer: u32, counts: Counts) {
        self.peers.change(peer, self.scrape).account.counts += counts;
        self.host.counts += counts;
    }

    /// Books zero-window time that was going on when the connection was last seen.
    fn book_certain(&mut self, slot: u32) {
        self.book_ongoing(slot, self.connections.get(slot).last.at);
    }

    /// Books zero-window time that is going on, up to `until`.
    fn book_ongoing(&mut self, slot: u32, until: MonotonicTime) {
        let connection = self.connections.get_mut(slot);
        if let Some(since) = connection.last.harmful_since {
            let counts = connection.baseline.take_ongoing(since, until);
            let peer = connection.peer;
            self.book(peer, counts);
        }
    }
}

const fn untracked_counts(totals: &UntrackedTotals) -> Counts {
    Counts {
        shrinks: totals.shrinks,
        zero_window_episodes: totals.zero_window_episodes,
        zero_window_ns: 0,
        retransmits_loss: totals.retransmits_loss,
        retransmits_window_probe: totals.retransmits_window_probe,
        pinned_byte_ns: 0,
    }
}

/// Eviction class of a connection that is held up by `stall`.
const fn class(connection: &Connection, stall: Option<StallCause>) -> Class {
    if stall.is_some() {
        Class::Stalled
    } else if connection.held_since.is_some() || connection.last.harmful_since.is_some() {
        Class::Held
    } else {
        Class::Healthy
    }
}
