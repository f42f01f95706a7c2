//! The engine: composes tables, rules and ledger. Observations and moments go in, events and
//! snapshots come out.
//!
//! Pure: the same calls give the same events, whatever the hash keys. Never a panic, whatever the
//! observations; every table is bounded and what it forgets is counted.

mod export;
mod flags;
mod judge;
mod view;

use crate::connections::{Class, Connection, Connections};
use crate::events::Events;
use crate::ledger::{Account, Baseline, Counts};
use crate::memory::Memory;
use crate::networks::Networks;
use crate::observation::{Cause, ConnectionId, Observation, Source, SweepEnd, UntrackedTotals};
use crate::peers::Peers;
use crate::rules::shrink;
use crate::settings::{DetectSettings, TableSettings};
use crate::snapshot::{Event, FlagKind, StallCause};
use crate::time::{Moment, SECOND_NS, WallClock};
use detector_common::window;
use ipnet::IpNet;

/// An observation this far ahead of the clock is garbage: the agent advances the clock many
/// times a second, and a wrong moment would shut out the true ones that follow.
const MAX_AHEAD_NS: u64 = 300 * SECOND_NS;

/// How long a connection that no sweep mentions any more stays in the table.
const QUIET_GRACE_NS: u64 = 60 * SECOND_NS;

/// Closed connections remembered, so that a late copy of a record is not taken for a new
/// connection. Copies are late by one sweep at most.
const CLOSED_REMEMBERED: usize = 8_192;

/// Least span over which a drain rate is measured.
const DRAIN_SPAN_NS: u64 = SECOND_NS;

/// A connection that was closed.
#[derive(Clone, Copy, Debug)]
struct Closed {
    at: Moment,
    generation: Option<Moment>,
}

/// Judges observations; see the module.
#[derive(Debug)]
pub struct Engine {
    detect: DetectSettings,
    tables: TableSettings,
    ignored: Networks,
    trusted: Networks,
    clock: Moment,
    wall: WallClock,
    connections: Connections,
    peers: Peers,
    host: Account,
    untracked: UntrackedTotals,
    stalled_by_cause: [u64; StallCause::ALL.len()],
    flags_raised: [u64; FlagKind::ALL.len()],
    events: Events,
    events_suppressed: u64,
    closed: Memory<ConnectionId, Closed>,
    /// What was booked of generations whose connection is not in the table, or has a newer one.
    baselines: Memory<(ConnectionId, Moment), Baseline>,
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
            clock: Moment::default(),
            wall: WallClock::default(),
            connections: Connections::new(),
            peers: Peers::new(),
            host: Account::default(),
            untracked: UntrackedTotals::default(),
            stalled_by_cause: [0; StallCause::ALL.len()],
            flags_raised: [0; FlagKind::ALL.len()],
            events: Events::new(tables.events_capacity),
            events_suppressed: 0,
            closed: Memory::new(CLOSED_REMEMBERED),
            baselines: Memory::new(tables.connections_capacity),
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
        self.baselines.set_capacity(tables.connections_capacity);
        let now_ignored: Vec<u32> = self
            .peers
            .iter()
            .filter(|(_, peer)| self.ignored.contain(peer.address.address()))
            .map(|(slot, _)| slot)
            .collect();
        for slot in now_ignored {
            self.forget_peer(slot);
        }
        for slot in self.connections.slots() {
            self.judge_stall(slot);
        }
        self.forget_excess();
    }

    /// Takes one observation.
    ///
    /// Observations may be lost, doubled or out of order: totals count by the highest value of
    /// each generation, and an older one changes no newer state.
    pub fn observe(&mut self, observation: &Observation) {
        if self.ignored.contain(observation.connection.remote.ip()) {
            return;
        }
        let is_started = self.clock != Moment::default();
        if is_started && observation.at.since_ns(self.clock) > MAX_AHEAD_NS {
            self.refuse_record();
            return;
        }
        self.clock = self.clock.max(observation.at);
        if let Some(slot) = self.connections.find(&observation.connection) {
            self.update(slot, observation);
        } else if !self.take_late(observation) {
            let slot = self.admit(observation);
            self.update(slot, observation);
        }
        self.forget_excess();
    }

    /// Takes the end of a pass over one namespace: what a complete pass did not mention since it
    /// began is healthy again or gone.
    pub fn end_sweep(&mut self, end: &SweepEnd) {
        if !end.is_complete {
            return;
        }
        while let Some(slot) = self.connections.next_unseen(end.netns, end.began) {
            self.quieten(slot, end.began);
        }
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
            shrinks: crate::observation::ShrinkCounts {
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

    /// Moves the clock: raises the stalls whose time has come, forgets quiet connections.
    ///
    /// To be called about ten times a second and before each snapshot. A moment before an
    /// earlier one does not turn the clock back.
    pub fn advance(&mut self, now: Moment, wall: WallClock) {
        self.clock = self.clock.max(now);
        self.wall = wall;
        while let Some(slot) = self.connections.next_due(self.clock) {
            if self.connections.get(slot).is_quiet {
                self.forget_connection(slot);
            } else {
                self.judge_stall(slot);
            }
        }
    }

    /// When `advance` has something to do that needs no further observation.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.connections.next_deadline()
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

    /// Books amounts to a peer and to the host in one step.
    fn book(&mut self, peer: u32, counts: Counts) {
        self.peers.get_mut(peer).account.counts += counts;
        self.host.counts += counts;
    }

    /// A record of a connection that was closed: its totals count, its state does not.
    fn take_late(&mut self, observation: &Observation) -> bool {
        let Some(closed) = self.closed.get(&observation.connection) else {
            return false;
        };
        let is_same =
            observation.generation.is_some() && closed.generation == observation.generation;
        if !is_same && observation.at > closed.at {
            return false;
        }
        let counts = self.take_other_generation(observation);
        if counts != Counts::default() {
            let peer = self.peers.find_or_insert(observation.peer, self.clock);
            self.book(peer, counts);
        }
        true
    }

    /// Books a generation that is not the current one of a connection in the table.
    fn take_other_generation(&mut self, observation: &Observation) -> Counts {
        let Some(generation) = observation.generation else {
            return Counts::default();
        };
        let key = (observation.connection, generation);
        let mut baseline = self.baselines.take(&key).unwrap_or_default();
        let counts = baseline.take(&observation.totals);
        self.baselines.keep(key, baseline);
        counts
    }

    /// Makes room in the tables for a connection seen for the first time.
    fn admit(&mut self, observation: &Observation) -> u32 {
        let peer = self.peers.find_or_insert(observation.peer, observation.at);
        let mut connection = Connection::new(observation, peer);
        if let Some(generation) = observation.generation {
            let key = (observation.connection, generation);
            connection.generation = Some(generation);
            connection.baseline = self.baselines.take(&key).unwrap_or_default();
            connection.shrink_flagged = shrink::worst(&connection.baseline.totals.shrinks);
        }
        let chain = &mut self.peers.get_mut(peer).connections;
        self.connections.insert(connection, chain)
    }

    /// Books totals, takes newer state, judges.
    fn update(&mut self, slot: u32, observation: &Observation) {
        self.take_totals(slot, observation);
        let peer = self.peers.get_mut(self.connections.get(slot).peer);
        peer.last_seen = peer.last_seen.max(observation.at);
        peer.add_service(observation.connection.local.port());
        if observation.at >= self.connections.get(slot).last.at {
            self.take_state(slot, observation);
        }
        self.judge_shrink(slot, observation);
        if observation.cause == Cause::Closed {
            self.close(slot, observation.at);
        } else {
            self.judge(slot);
        }
    }

    fn take_totals(&mut self, slot: u32, observation: &Observation) {
        let connection = self.connections.get_mut(slot);
        let peer = connection.peer;
        let counts = match (observation.generation, connection.generation) {
            (None, _) => return,
            (Some(new), Some(current)) if new < current => self.take_other_generation(observation),
            (Some(new), current) if current != Some(new) => {
                self.book_certain(slot);
                let key = (observation.connection, new);
                let baseline = self.baselines.take(&key).unwrap_or_default();
                let connection = self.connections.get_mut(slot);
                let left = std::mem::replace(&mut connection.baseline, baseline);
                connection.earlier = connection.earlier.plus(&left.totals);
                connection.generation = Some(new);
                let counts = connection.baseline.take(&observation.totals);
                if let Some(current) = current {
                    self.baselines.keep((observation.connection, current), left);
                }
                counts
            }
            _ => connection.baseline.take(&observation.totals),
        };
        self.book(peer, counts);
    }

    /// Takes the state of an observation that is not older than what is known.
    fn take_state(&mut self, slot: u32, observation: &Observation) {
        if self.connections.get(slot).last.zero_window_since != observation.zero_window_since
            || observation.cause == Cause::Closed
        {
            self.end_episode(slot, observation.at, Some(observation));
        }
        let connection = self.connections.get_mut(slot);
        let before = std::mem::replace(&mut connection.last, *observation);
        connection.source = join(connection.source, observation.source);
        let has_moved = window::is_after(observation.snd_una, before.snd_una)
            || observation.bytes_acked > before.bytes_acked;
        if has_moved || observation.queued_bytes() == 0 {
            connection.progress_at = observation.at;
            connection.held_since = None;
        }
        let drain = &mut connection.drain;
        let span_ns = observation.at.since_ns(drain.from);
        if span_ns >= DRAIN_SPAN_NS {
            let bytes = observation.bytes_acked.saturating_sub(drain.bytes_acked);
            let rate = u128::from(bytes) * u128::from(SECOND_NS) / u128::from(span_ns);
            drain.from = observation.at;
            drain.bytes_acked = observation.bytes_acked;
            self.set_drain(slot, u64::try_from(rate).unwrap_or(u64::MAX));
        }
        self.connections.touch(slot);
    }

    /// Sets the drain rate of a connection and keeps the peer's sum.
    fn set_drain(&mut self, slot: u32, bytes_per_second: u64) {
        let connection = self.connections.get_mut(slot);
        let before = std::mem::replace(&mut connection.drain.bytes_per_second, bytes_per_second);
        let peer = self.peers.get_mut(connection.peer);
        peer.drain_bytes_per_second = peer
            .drain_bytes_per_second
            .saturating_sub(before)
            .saturating_add(bytes_per_second);
    }

    /// A complete sweep that began at `began` did not mention the connection.
    fn quieten(&mut self, slot: u32, began: Moment) {
        self.book_certain(slot);
        self.end_episode(slot, began, None);
        let connection = self.connections.get_mut(slot);
        connection.last.zero_window_since = None;
        connection.last.harmful_since = None;
        connection.held_since = None;
        connection.progress_at = connection.progress_at.max(began);
        connection.dribble_from = None;
        self.set_drain(slot, 0);
        self.clear_all(slot);
        let forget_at = Moment::from_ns(self.clock.as_ns().saturating_add(QUIET_GRACE_NS));
        self.connections.set_deadline(slot, Some(forget_at));
    }

    /// The socket is gone: its numbers stay with the peer, the connection leaves.
    fn close(&mut self, slot: u32, at: Moment) {
        let connection = self.connections.get(slot);
        let (id, generation) = (connection.last.connection, connection.generation);
        self.forget_connection(slot);
        self.closed.keep(id, Closed { at, generation });
    }

    /// Drops a connection that may come back; what was booked of it is remembered.
    fn forget_connection(&mut self, slot: u32) {
        self.book_certain(slot);
        let connection = self.connections.get(slot);
        let id = connection.last.connection;
        let kept = connection.generation.map(|at| (at, connection.baseline));
        self.remove(slot);
        if let Some((generation, baseline)) = kept {
            self.baselines.keep((id, generation), baseline);
        }
    }

    /// Clears what the connection holds and takes it out of the table.
    fn remove(&mut self, slot: u32) {
        self.set_drain(slot, 0);
        self.clear_all(slot);
        let peer_slot = self.connections.get(slot).peer;
        let peer = self.peers.get_mut(peer_slot);
        self.connections.remove(slot, &mut peer.connections);
        self.peers.lower_rank(peer_slot);
    }

    /// Drops a peer and its connections; the host keeps its numbers.
    fn forget_peer(&mut self, peer_slot: u32) {
        while let Some(slot) = self.peers.get(peer_slot).connections.first() {
            self.forget_connection(slot);
        }
        self.peers.get_mut(peer_slot).account.settle(self.clock);
        self.peers.remove(peer_slot);
    }

    fn forget_excess(&mut self) {
        while self.connections.len() > self.tables.connections_capacity {
            let Some(slot) = self.connections.first_to_leave() else {
                return;
            };
            self.forget_connection(slot);
            self.connection_evictions += 1;
        }
        while self.peers.len() > self.tables.peers_capacity {
            let Some(slot) = self.peers.first_to_leave() else {
                return;
            };
            self.forget_peer(slot);
            self.peer_evictions += 1;
        }
    }

    /// Books zero-window time that was going on when the connection was last seen.
    fn book_certain(&mut self, slot: u32) {
        self.book_ongoing(slot, self.connections.get(slot).last.at);
    }

    /// Books zero-window time that is going on, up to `until`.
    fn book_ongoing(&mut self, slot: u32, until: Moment) {
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

fn join(before: Source, now: Source) -> Source {
    if before == now { now } else { Source::Both }
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
