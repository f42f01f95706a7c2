//! The engine: composes tables, rules and ledger. Observations and times go in, events and
//! snapshots come out.
//!
//! Pure: the same calls give the same events, whatever the hash keys. Never a panic, whatever the
//! observations; every table is bounded and what it forgets is counted.

mod census;
mod clock;
mod counted;
mod export;
mod flags;
mod guard;
mod incidents;
mod intake;
mod judge;
mod leave;
mod owners;
mod verdicts;
mod view;
mod within_host;
mod zero_window;

pub use crate::tables::owner::{Owner, Owners};
pub use census::CensusWanted;
pub use counted::Counted;
pub use owners::{OwnerWanted, WaitingTasks};
pub use view::ConnectionKey;

use crate::events::Events;
use crate::incidents::{Incidents, Part};
use crate::ledger::{Account, Counts};
use crate::observe::observation::{
    InterfaceCounts, Observation, SweepEnd, UntrackedTotals, join_retransmits, join_shrinks,
};
use crate::observe::peer_address::{Network, PeerAddress};
use crate::rules::hoard::PeerGroups;
use crate::settings::{DetectSettings, TableSettings};
use crate::tables::connections::Connections;
use crate::tables::networks::Networks;
use crate::tables::peers::{Peer, Peers};
use crate::tables::recently_closed::RecentlyClosed;
use crate::time::{MonotonicTime, WallClock};
use crate::verdict::Neighbours;
use crate::verdict::symptom_window::Symptoms;
pub use crate::verdict::{VerdictChange, VerdictChanges};
use clock::Clock;
use detector_api::snapshot::{Event, HostPressure, Incident, Thresholds};
use detector_api::tcp_memory::TcpMemoryHeld;
use export::Labels;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What the engine is configured to do.
#[derive(Debug)]
struct Settings {
    detect: DetectSettings,
    tables: TableSettings,
    ignored: Networks,
    trusted: Networks,
}

/// What the agent says of the host beside its connections.
#[derive(Debug, Default)]
struct Surroundings {
    /// What the kernel counts of connections that it does not track.
    untracked: UntrackedTotals,
    pressure: Option<HostPressure>,
    /// When the kernel last killed a process for want of memory.
    oom_kill: Option<MonotonicTime>,
    tcp_memory_held: Option<TcpMemoryHeld>,
    /// When the kernel last closed something for want of room for orphans.
    orphan_limit_hit: Option<MonotonicTime>,
    /// What units and containers may have of memory, those that have a limit.
    unit_limits: BTreeMap<String, u64>,
    /// Workers that wait for peers, at least.
    held_workers: BTreeMap<PeerAddress, u64>,
    /// Addresses of the agent's own network namespace.
    own_addresses: BTreeSet<IpAddr>,
}

/// Who may be up to something.
#[derive(Debug, Default)]
struct Suspects {
    /// Slots of peers that were flagged at the last scan for incidents or since.
    flagged: BTreeSet<u32>,
    /// Slots of peers with as many tracked connections as make a hoard.
    crowds: BTreeSet<u32>,
    /// Slots of peers that hoard and are accused once the kernel has told of their other connections, if it can.
    uncounted: BTreeSet<u32>,
    /// Networks whose peers may hoard together, and what is known of the others there.
    networks: BTreeMap<Network, Neighbours>,
    /// Room for what the flagged ones add to an incident, taken again at each scan.
    parts: Vec<Part>,
}

/// What was lost or refused.
#[derive(Debug, Default)]
struct Losses {
    peer_evictions: u64,
    /// Of those, peers that held something up.
    suspect_evictions: u64,
    connection_evictions: u64,
    records_refused: u64,
}

/// Judges observations; see the module.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    clock: Clock,
    connections: Connections,
    peers: Peers,
    recently_closed: RecentlyClosed,
    groups: PeerGroups,
    symptoms: Symptoms,
    host: Account,
    surroundings: Surroundings,
    suspects: Suspects,
    incidents: Incidents,
    events: Events,
    verdict_changes: VerdictChanges,
    labels: Labels,
    losses: Losses,
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
            settings: Settings {
                detect,
                tables,
                ignored: Networks::new(ignored),
                trusted: Networks::new(trusted),
            },
            clock: Clock::default(),
            connections: Connections::new(tables.connections_capacity),
            peers: Peers::new(tables.peers_capacity),
            recently_closed: RecentlyClosed::new(tables.connections_capacity),
            groups: PeerGroups::default(),
            symptoms: Symptoms::default(),
            host: Account::default(),
            surroundings: Surroundings::default(),
            suspects: Suspects::default(),
            incidents: Incidents::default(),
            events: Events::new(tables.events_capacity),
            verdict_changes: VerdictChanges::default(),
            labels: Labels::default(),
            losses: Losses::default(),
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
        self.settings = Settings {
            detect,
            tables,
            ignored: Networks::new(ignored),
            trusted: Networks::new(trusted),
        };
        self.events.set_capacity(tables.events_capacity);
        self.recently_closed
            .set_capacity(tables.connections_capacity);
        let is_ignored = |peer: &Peer| self.settings.ignored.contain(peer.address.address());
        let ignored = self.peers.iter().filter(|(_, peer)| is_ignored(peer));
        let ignored: Vec<u32> = ignored.map(|(slot, _)| slot).collect();
        for slot in ignored {
            self.forget_peer(slot);
        }
        self.groups.reconfigure(&detect);
        for slot in self.connections.slots() {
            self.judge_time(slot);
        }
        self.renew_verdicts();
        self.forget_excess();
        self.schedule_scan();
    }

    /// Ingests one observation.
    ///
    /// Observations may be lost, doubled or out of order: totals count by the highest value of
    /// each generation, and an older one changes no newer state.
    pub fn observe(&mut self, observation: &Observation) {
        if self
            .settings
            .ignored
            .contain(observation.connection.remote.ip())
        {
            return;
        }
        if self.clock.is_too_far_ahead(observation.at) {
            self.refuse_record();
            return;
        }
        self.run_until(observation.at);
        if let Some(slot) = self.connections.find(&observation.connection) {
            self.update(slot, observation);
        } else if !self.ingest_late(observation) {
            let slot = self.admit(observation);
            self.update(slot, observation);
        }
        self.forget_excess();
        self.schedule_scan();
    }

    /// Takes the end of a pass over one namespace: what a complete pass did not mention since it
    /// began is healthy again or gone.
    pub fn end_sweep(&mut self, end: &SweepEnd) {
        if self.clock.is_too_far_ahead(end.ended) {
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
        self.losses.records_refused += 1;
    }

    /// Takes the totals that the kernel side could not keep per connection. They are booked to
    /// the host and so appear under `other`.
    pub fn set_untracked(&mut self, totals: UntrackedTotals) {
        let before = self.surroundings.untracked;
        let after = UntrackedTotals {
            shrinks: join_shrinks(&before.shrinks, &totals.shrinks, u64::max),
            zero_window_episodes: before.zero_window_episodes.max(totals.zero_window_episodes),
            retransmits: join_retransmits(&before.retransmits, &totals.retransmits, u64::max),
        };
        self.surroundings.untracked = after;
        self.host.counts += &(Counts::from(&after) - Counts::from(&before));
    }

    /// Takes what this host's interfaces counted since the last call. Verdicts about the path
    /// rest on it, together with what peers show.
    pub fn add_interface_errors(&mut self, errors: &InterfaceCounts) {
        self.symptoms.interface_errors.add(errors, self.clock.now);
        self.incidents.interfaces = self.incidents.interfaces.plus(errors);
    }

    /// Moves the clock: raises the stalls whose time has come, forgets quiet connections.
    ///
    /// To be called about ten times a second and before each snapshot. A moment before an
    /// earlier one does not turn the clock back.
    pub fn advance(&mut self, now: MonotonicTime, wall: WallClock) {
        self.clock.wall = wall;
        self.run_until(now);
    }

    /// When `advance` has something to do that needs no further observation.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonotonicTime> {
        let deadlines = [
            self.connections.next_deadline(),
            self.peers.next_deadline(),
            self.incidents.next_scan,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The thresholds in force.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds::from(&self.settings.detect)
    }

    /// Goes on after an earlier engine: events are numbered after `last_event_id`, incidents named
    /// after `last_incident_ms` (Unix milliseconds).
    pub fn go_on_after(&mut self, last_event_id: u64, last_incident_ms: i128) {
        self.events.go_on_after(last_event_id);
        self.incidents.go_on_after(last_incident_ms);
    }

    /// Shows events and incidents of earlier engines, oldest first, beside its own. They count for
    /// nothing.
    pub fn remember(&mut self, events: Vec<Event>, incidents: Vec<Incident>) {
        self.events.remember(events);
        self.incidents.remember(incidents);
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
        self.events.suppressed
    }

    /// Observations of up to this moment, and a little beyond, are not from the future, however far
    /// the clock is behind.
    pub fn admit_until(&mut self, now: MonotonicTime) {
        self.clock.admit_until(now);
    }

    /// The moment to which the clock has been moved.
    #[must_use]
    pub const fn clock(&self) -> MonotonicTime {
        self.clock.now
    }

    /// Moves the clock to `now`, doing what falls due on the way at its own moment, so that the
    /// same observations give the same events however often the clock is advanced.
    fn run_until(&mut self, now: MonotonicTime) {
        while let Some(next) = self.next_deadline().filter(|&next| next <= now) {
            self.clock.move_to(next);
            if let Some(slot) = self.connections.next_due(next) {
                let connection = self.connections.get(slot);
                if connection.is_idle() {
                    // Where the kernel side keeps no record nobody tells of an end: it may have been closed unread.
                    if connection.last.generation.is_some() {
                        self.note_recovery(slot);
                    }
                    self.forget_connection(slot);
                } else if connection
                    .forgotten_at()
                    .is_some_and(|at| at <= self.clock.now)
                {
                    self.forget_connection(slot);
                } else {
                    self.judge_time(slot);
                }
                self.schedule_scan();
            } else if let Some(slot) = self.peers.next_due(next) {
                self.settle_verdict(slot);
                self.schedule_scan();
            } else {
                self.scan_incidents();
            }
        }
        self.clock.move_to(now);
        self.symptoms.forget_old(self.clock.now);
    }
}
