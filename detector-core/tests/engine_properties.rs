//! The engine under any sequence of operations: no panic, bounds hold, numbers add up and never
//! go backwards, and totals equal a plain model's.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_core::engine::Engine;
use detector_core::observation::{
    Cause, CongestionState, Observation, PendingTimer, ShrinkCounts, Source, SweepEnd, TcpState,
    Totals, UntrackedTotals,
};
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::snapshot::{
    HostPressure, Incident, IncidentKind, Ledger, MetricsSnapshot, Severity,
};
use detector_core::time::{Moment, WallClock};
use proptest::prelude::*;
use std::collections::HashMap;
use support::{NETNS, WALL, healthy};

#[derive(Clone, Debug)]
enum Operation {
    Observe(Box<Observation>),
    EndSweep {
        netns: u32,
        age_ms: u64,
        is_complete: bool,
    },
    Advance {
        ms: u64,
    },
    Scrape,
    WallSteps {
        seconds: i32,
    },
    Pressure {
        used_bytes: u64,
    },
    Untracked(u64),
    Reconfigure {
        connections: usize,
        peers: usize,
        ignore: bool,
    },
}

fn totals() -> impl Strategy<Value = Totals> {
    (prop::array::uniform8(0u64..6), 0u64..20_000).prop_map(|(n, zero_ms)| Totals {
        shrinks: ShrinkCounts {
            polite: n[0],
            below_flight: n[1],
            treason: n[2],
        },
        granularity_retreats: n[3],
        ambiguous_windows: n[4],
        ignored_segments: 0,
        zero_window_episodes: n[5],
        zero_window_ns: zero_ms * 1_000_000,
        retransmits_loss: n[6],
        retransmits_window_probe: n[7],
        records_suppressed: 0,
    })
}

fn remote() -> impl Strategy<Value = String> {
    (0u8..6, 0u16..4, any::<bool>()).prop_map(|(host, port, is_v6)| {
        if is_v6 {
            format!("[2001:db8:0:{host}::1]:{}", 40_000 + port)
        } else {
            format!("198.51.100.{host}:{}", 40_000 + port)
        }
    })
}

prop_compose! {
    fn state()(
        remote in remote(),
        netns in prop::sample::select(vec![NETNS, 7]),
        cause in prop::sample::select(vec![
            Cause::Window, Cause::Window, Cause::Retransmit, Cause::State, Cause::Closed, Cause::Sweep, Cause::Sweep,
        ]),
        source in prop::sample::select(vec![Source::Hook, Source::Sweep, Source::Both]),
        window_bytes in prop::sample::select(vec![0u32, 1, 100, 2_000, 131_072, u32::MAX]),
        queued in prop::sample::select(vec![0u32, 1, 100, 65_536, 1 << 31]),
        in_flight in 0u32..3_000,
        una in prop_oneof![Just(1_000u32), Just(u32::MAX - 5), any::<u32>()],
        acked in 0u64..5_000,
        pinned_bytes in prop_oneof![0u64..100_000, Just(i32::MAX as u64)],
        silence in (0u8..5, 0u8..5),
        mss_bytes in prop::sample::select(vec![0u32, 128, 1_448]),
        congestion in prop::sample::select(vec![CongestionState::Open, CongestionState::Loss]),
        edge in prop::option::of(any::<u32>()),
    ) -> Observation {
        let mut observation = healthy(&remote, Moment::default());
        observation.connection.netns = netns;
        Observation {
            cause,
            source,
            window_bytes,
            snd_una: una,
            snd_nxt: una.wrapping_add(in_flight),
            write_seq: una.wrapping_add(queued),
            bytes_acked: acked,
            pinned_bytes,
            probes_unanswered: silence.0,
            timeouts: silence.1,
            retransmits_unanswered: u32::from(silence.1),
            mss_bytes,
            max_window_bytes: window_bytes,
            congestion,
            edge_max: edge,
            state: TcpState::CloseWait,
            timer: PendingTimer::Other(9),
            ..observation
        }
    }
}

prop_compose! {
    fn observation()(
        state in state(),
        generation in prop::option::weighted(0.9, 1u64..4),
        totals in totals(),
        late_ms in prop_oneof![3 => Just(0u64), 1 => 0u64..8_000],
        zero in prop::option::of((0u64..9_000, any::<bool>())),
    ) -> Observation {
        // Times hold ages for now; the run turns them into moments.
        Observation {
            at: Moment::from_ns(late_ms),
            generation: generation.map(Moment::from_ns),
            totals: if generation.is_some() { totals } else { Totals::default() },
            zero_window_since: zero.map(|(age, _)| Moment::from_ns(age)),
            harmful_since: zero.filter(|(_, harms)| *harms).map(|(age, _)| Moment::from_ns(age)),
            ..state
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => observation().prop_map(|each| Operation::Observe(Box::new(each))),
        1 => (prop::sample::select(vec![NETNS, 7]), 0u64..3_000, any::<bool>())
            .prop_map(|(netns, age_ms, is_complete)| Operation::EndSweep { netns, age_ms, is_complete }),
        3 => prop_oneof![Just(100u64), 0u64..70_000].prop_map(|ms| Operation::Advance { ms }),
        2 => Just(Operation::Scrape),
        1 => (-100_000i32..100_000).prop_map(|seconds| Operation::WallSteps { seconds }),
        1 => prop_oneof![Just(0u64), 0u64..2_000_000].prop_map(|used_bytes| Operation::Pressure { used_bytes }),
        1 => (0u64..9).prop_map(Operation::Untracked),
        1 => (1usize..9, 1usize..9, any::<bool>())
            .prop_map(|(connections, peers, ignore)| Operation::Reconfigure { connections, peers, ignore }),
    ]
}

/// Plain sums: for each generation of each connection the highest totals ever told.
#[derive(Default)]
struct Model {
    generations: HashMap<(detector_core::observation::ConnectionId, u64), Totals>,
    untracked: u64,
}

impl Model {
    fn observe(&mut self, observation: &Observation) {
        if let Some(generation) = observation.generation {
            let key = (observation.connection, generation.as_ns());
            let entry = self.generations.entry(key).or_default();
            *entry = entry.highest(&observation.totals);
        }
    }

    fn sum(&self) -> Totals {
        let sum = |sum: Totals, each: &Totals| sum.plus(each);
        self.generations.values().fold(Totals::default(), sum)
    }
}

struct Run {
    engine: Engine,
    now_ms: u64,
    tables: TableSettings,
    wall: WallClock,
    last: Option<MetricsSnapshot>,
    /// Peers may have been dropped since the last scrape; one that comes back starts anew.
    is_reconfigured: bool,
    last_host_ns: f64,
}

const START_MS: u64 = 1_000_000;

impl Run {
    fn new(tables: TableSettings) -> Self {
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
    fn place(&self, ages: &Observation) -> Observation {
        let at_ms = self.now_ms - ages.at.as_ns();
        let before = |age: Moment| support::ms(at_ms - age.as_ns());
        Observation {
            at: support::ms(at_ms),
            zero_window_since: ages.zero_window_since.map(before),
            harmful_since: ages.harmful_since.map(before),
            ..*ages
        }
    }

    fn apply(&mut self, operation: &Operation) {
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
            }
            Operation::Scrape => self.scrape(),
            Operation::Untracked(count) => self.engine.set_untracked(UntrackedTotals {
                retransmits_loss: *count,
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
            assert_eq!(metrics.incidents[place], joined(false) + joined(true));
        }
    }

    fn scrape(&mut self) {
        let metrics = self.engine.metrics();
        self.check_incidents(&metrics);
        assert!(metrics.peers.len() <= 2 * self.tables.export);
        let sum = metrics
            .peers
            .iter()
            .fold(metrics.other, |sum, peer| add(&sum, &peer.ledger));
        assert_same(&sum, &metrics.host);
        assert_eq!(
            metrics.stalled_by_cause.iter().sum::<u64>(),
            metrics.host.stalled_connections
        );
        assert!(metrics.host.zero_window_seconds >= self.last_host_ns);
        self.last_host_ns = metrics.host.zero_window_seconds;
        if let Some(last) = &self.last {
            assert_not_backwards(&last.host, &metrics.host);
            assert_not_backwards(&last.other, &metrics.other);
            if last.peer_evictions == metrics.peer_evictions && !self.is_reconfigured {
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
    sum.retransmits.window_probe += b.retransmits.window_probe;
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
    assert!(before.retransmits.window_probe <= after.retransmits.window_probe);
    assert!(before.pinned_byte_seconds <= after.pinned_byte_seconds);
}

fn small_tables() -> TableSettings {
    TableSettings {
        peers_capacity: 5,
        connections_capacity: 6,
        events_capacity: 20,
        export: 2,
        export_hold_ns: 2_000_000_000,
        ipv6_prefix: 64,
    }
}

fn roomy_tables() -> TableSettings {
    TableSettings {
        export: 3,
        ..TableSettings::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(128),
    ))]

    #[test]
    fn bounds_and_sums_hold_in_small_tables(operations in prop::collection::vec(operation(), 1..80)) {
        let mut run = Run::new(small_tables());
        for operation in &operations {
            run.apply(operation);
        }
        run.scrape();
    }

    #[test]
    fn totals_equal_the_plain_model(operations in prop::collection::vec(operation(), 1..80)) {
        let mut run = Run::new(roomy_tables());
        let mut model = Model::default();
        for operation in &operations {
            match operation {
                Operation::Reconfigure { .. } => continue,
                Operation::Observe(ages) => model.observe(&run.place(ages)),
                Operation::Untracked(count) => model.untracked = model.untracked.max(*count),
                _ => {}
            }
            run.apply(operation);
        }
        let host = run.engine.metrics().host;
        let sum = model.sum();
        prop_assert_eq!(host.shrinks.polite, sum.shrinks.polite);
        prop_assert_eq!(host.shrinks.below_flight, sum.shrinks.below_flight);
        prop_assert_eq!(host.shrinks.treason, sum.shrinks.treason);
        prop_assert_eq!(host.zero_window_episodes, sum.zero_window_episodes);
        prop_assert_eq!(host.retransmits.loss, sum.retransmits_loss + model.untracked);
        prop_assert_eq!(host.retransmits.window_probe, sum.retransmits_window_probe);
        let finished_seconds = sum.zero_window_ns as f64 / 1e9;
        prop_assert!(host.zero_window_seconds >= finished_seconds - 1e-6);
    }

    #[test]
    fn the_same_operations_give_the_same_events(operations in prop::collection::vec(operation(), 1..60)) {
        let mut runs = [Run::new(small_tables()), Run::new(small_tables())];
        for operation in &operations {
            for run in &mut runs {
                run.apply(operation);
            }
        }
        let [a, b] = &runs;
        prop_assert!(a.engine.events_after(0).eq(b.engine.events_after(0)));
        prop_assert_eq!(a.engine.peers(), b.engine.peers());
        prop_assert_eq!(a.engine.incidents(), b.engine.incidents());
        prop_assert_eq!(&a.last, &b.last);
    }
}
