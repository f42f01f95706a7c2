//! An engine, and what must hold of it after each operation.

use crate::operations::Operation;
use crate::support::{self, WALL};
use detector_api::snapshot::{HostPressure, Incident, IncidentKind, Severity};
use detector_api::tcp_memory::{HeldBytes, TcpMemoryHeld};
use detector_core::engine::Engine;
use detector_core::metrics::{Ledger, MetricsSnapshot};
use detector_core::observe::observation::{Observation, Retransmits, SweepEnd, UntrackedTotals};
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::{MonotonicTime, WallClock};

pub(super) struct Run {
    pub(super) engine: Engine,
    now_ms: u64,
    tables: TableSettings,
    wall: WallClock,
    pub(super) last: Option<MetricsSnapshot>,
    /// Peers may have been dropped since the last scrape; one that comes back starts anew.
    is_reconfigured: bool,
    last_host_ns: f64,
}

const START_MS: u64 = 1_000_000;

impl Run {
    pub(super) fn new(tables: TableSettings) -> Self {
        let detect = DetectSettings {
            hoard_connections: 3,
            hoard_bytes: 1 << 20,
            ..DetectSettings::default()
        };
        let mut engine = Engine::new(detect, tables, Vec::new(), Vec::new());
        engine.advance(support::ms(START_MS), WALL);
        Self {
            engine,
            now_ms: START_MS,
            tables,
            wall: WALL,
            last: None,
            is_reconfigured: false,
            last_host_ns: 0.0,
        }
    }

    /// Turns ages in milliseconds into moments before the clock.
    pub(super) fn place(&self, ages: &Observation) -> Observation {
        let at_ms = self.now_ms - ages.at.as_ns();
        let before = |age: MonotonicTime| support::ms(at_ms - age.as_ns());
        Observation {
            at: support::ms(at_ms),
            zero_window_since: ages.zero_window_since.map(before),
            harmful_since: ages.harmful_since.map(before),
            ..*ages
        }
    }

    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Observe(ages) => {
                let observation = self.place(ages);
                self.engine.observe(&observation);
            }
            Operation::EndSweep {
                netns,
                age_ms,
                is_complete,
            } => {
                self.engine.end_sweep(&SweepEnd {
                    netns: *netns,
                    began: support::ms(self.now_ms - age_ms),
                    ended: support::ms(self.now_ms),
                    is_complete: *is_complete,
                });
            }
            Operation::Advance { ms } => {
                self.now_ms += ms;
                self.engine.advance(support::ms(self.now_ms), self.wall);
            }
            Operation::WallSteps { seconds } => {
                self.wall.offset_ns += i128::from(*seconds) * 1_000_000_000;
                self.engine.advance(support::ms(self.now_ms), self.wall);
            }
            Operation::Pressure { used_bytes } => {
                self.engine.set_host_pressure(HostPressure {
                    tcp_memory_bytes: Some(*used_bytes),
                    tcp_memory_pressure_bytes: Some(1_000_000),
                    ..HostPressure::default()
                });
                // Mostly of peers, now and then mostly our own, or not known.
                let held = (used_bytes % 3 > 0).then(|| TcpMemoryHeld {
                    counted_bytes: *used_bytes,
                    held_bytes: HeldBytes {
                        receive: used_bytes / (used_bytes % 20 + 1),
                        ..HeldBytes::default()
                    },
                    ..TcpMemoryHeld::default()
                });
                self.engine.set_tcp_memory_held(held);
            }
            Operation::Scrape => self.scrape(),
            Operation::Untracked(count) => self.engine.set_untracked(UntrackedTotals {
                retransmits: Retransmits {
                    loss: *count,
                    ..Retransmits::default()
                },
                ..UntrackedTotals::default()
            }),
            Operation::Reconfigure {
                connections,
                peers,
                ignore,
            } => {
                self.is_reconfigured = true;
                self.tables.connections_capacity = *connections;
                self.tables.peers_capacity = *peers;
                let ignored = if *ignore {
                    vec!["198.51.100.1/32".parse().unwrap()]
                } else {
                    vec![]
                };
                self.engine
                    .reconfigure(DetectSettings::default(), self.tables, ignored, vec![]);
            }
        }
        self.check();
    }

    fn check(&self) {
        let connections = self.engine.connections();
        assert!(connections.len() <= self.tables.connections_capacity);
        let peers = self.engine.peers();
        assert!(peers.len() <= self.tables.peers_capacity);
        let stalled = connections.iter().filter(|each| each.stall.is_some());
        let pinned: u64 = stalled.clone().map(|each| each.pinned_bytes).sum();
        assert_eq!(
            pinned,
            peers.iter().map(|peer| peer.pinned_bytes).sum::<u64>()
        );
        assert_eq!(
            stalled.count() as u64,
            peers
                .iter()
                .map(|peer| peer.stalled_connections)
                .sum::<u64>()
        );
        assert_eq!(
            connections.len() as u64,
            peers.iter().map(|peer| peer.connections).sum::<u64>()
        );
        assert!(self.engine.events_after(0).count() <= self.tables.events_capacity);
        for peer in &peers {
            let detail = self.engine.peer(&peer.peer).unwrap();
            let (same, of_peer) = (detail.peer, detail.connections);
            assert_eq!(&same, peer);
            assert_eq!(of_peer.len() as u64, peer.connections);
        }
    }

    /// Incidents and what they hold are bounded and told in their order; at most the last is open.
    fn check_incidents(&self, metrics: &MetricsSnapshot) {
        let incidents = self.engine.incidents();
        assert!(incidents.len() <= 65);
        assert!(incidents.is_sorted_by(|a, b| a.id < b.id));
        let open: Vec<_> = incidents.iter().filter(|each| each.open).collect();
        assert!(
            open.len() <= 1 && open == incidents.iter().rev().take(open.len()).collect::<Vec<_>>()
        );
        assert_eq!(
            self.engine.open_incident().map(|open| open.id),
            open.first().map(|open| open.id.clone())
        );
        for incident in &incidents {
            assert_eq!(self.engine.incident(&incident.id).as_ref(), Some(incident));
            assert!(!incident.kinds.is_empty());
            assert!(incident.open || incident.ended.is_some());
            assert_eq!(incident.ended.is_some(), incident.end.is_some());
            assert!(incident.duration_seconds >= 0.0);
            assert!(incident.peers.len() <= Incident::PEERS_MAX);
            assert!(incident.peers_total >= incident.peers.len() as u64);
            assert!(incident.peers.iter().all(|peer| {
                peer.severity >= Severity::Warning
                    && peer.peak_pinned_bytes <= incident.peak_pinned_bytes
                    && peer.peak_stalled_connections <= incident.peak_stalled_connections
            }));
        }
        for (place, kind) in IncidentKind::ALL.iter().enumerate() {
            let joined = |open: bool| {
                let with = incidents
                    .iter()
                    .filter(|each| each.open == open && each.kinds.contains(kind));
                with.count() as u64
            };
            // Nothing is forgotten in so few steps: opened = closed + open.
            assert_eq!(metrics.incidents_forgotten, 0);
            assert_eq!(metrics.incidents_open[place], joined(true));
            assert!(metrics.incidents_standing[place] <= metrics.incidents_open[place]);
            assert_eq!(metrics.incidents[place], joined(false) + joined(true));
        }
    }

    pub(super) fn scrape(&mut self) {
        let metrics = self.engine.metrics();
        self.check_incidents(&metrics);
        assert!(metrics.peers.len() <= 2 * self.tables.export);
        let sum = metrics
            .peers
            .iter()
            .fold(metrics.other, |sum, peer| add(&sum, &peer.ledger));
        assert_same(&sum, &metrics.totals.ledger);
        assert_eq!(
            metrics.totals.stalled_by_cause.iter().sum::<u64>(),
            metrics.totals.ledger.stalled_connections
        );
        assert!(metrics.totals.ledger.zero_window_seconds >= self.last_host_ns);
        self.last_host_ns = metrics.totals.ledger.zero_window_seconds;
        if let Some(last) = &self.last {
            assert_not_backwards(&last.totals.ledger, &metrics.totals.ledger);
            assert_not_backwards(&last.other, &metrics.other);
            if last.totals.peer_evictions == metrics.totals.peer_evictions && !self.is_reconfigured
            {
                for peer in &metrics.peers {
                    let before = last.peers.iter().find(|before| before.peer == peer.peer);
                    if let Some(before) = before {
                        assert_not_backwards(&before.ledger, &peer.ledger);
                    }
                }
            }
        }
        self.last = Some(metrics);
        self.is_reconfigured = false;
    }
}

fn add(a: &Ledger, b: &Ledger) -> Ledger {
    let mut sum = *a;
    sum.shrinks.polite += b.shrinks.polite;
    sum.shrinks.below_flight += b.shrinks.below_flight;
    sum.shrinks.treason += b.shrinks.treason;
    sum.zero_window_episodes += b.zero_window_episodes;
    sum.zero_window_seconds += b.zero_window_seconds;
    sum.retransmits.loss += b.retransmits.loss;
    sum.retransmits.tail_probe += b.retransmits.tail_probe;
    sum.retransmits.window_probe += b.retransmits.window_probe;
    sum.retransmits_needless += b.retransmits_needless;
    sum.stalled_connections += b.stalled_connections;
    sum.pinned_bytes += b.pinned_bytes;
    sum.pinned_byte_seconds += b.pinned_byte_seconds;
    sum
}

/// Whole numbers exactly, seconds up to rounding.
fn assert_same(a: &Ledger, b: &Ledger) {
    let whole = |ledger: &Ledger| Ledger {
        zero_window_seconds: 0.0,
        pinned_byte_seconds: 0.0,
        ..*ledger
    };
    assert_eq!(whole(a), whole(b));
    let is_near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
    assert!(
        is_near(a.zero_window_seconds, b.zero_window_seconds),
        "{a:?} {b:?}"
    );
    assert!(
        is_near(a.pinned_byte_seconds, b.pinned_byte_seconds),
        "{a:?} {b:?}"
    );
}

fn assert_not_backwards(before: &Ledger, after: &Ledger) {
    assert!(before.shrinks.polite <= after.shrinks.polite);
    assert!(before.shrinks.below_flight <= after.shrinks.below_flight);
    assert!(before.shrinks.treason <= after.shrinks.treason);
    assert!(before.zero_window_episodes <= after.zero_window_episodes);
    assert!(before.zero_window_seconds <= after.zero_window_seconds);
    assert!(before.retransmits.loss <= after.retransmits.loss);
    assert!(before.retransmits.tail_probe <= after.retransmits.tail_probe);
    assert!(before.retransmits.window_probe <= after.retransmits.window_probe);
    assert!(before.retransmits_needless <= after.retransmits_needless);
    assert!(before.pinned_byte_seconds <= after.pinned_byte_seconds);
}
