//! Target `streams`: what the engine makes of records in any order, between sweeps and scrapes.
//!
//! The bytes are cut into steps of [`STEP_BYTES`]: a record of one of a few connections, the end
//! of a sweep, a moment passing, a scrape. So that steps fit one another, a record's fields are
//! small choices, not 216 free bytes; those are the business of the target `records`.

use detector_common::record::{ConnectionRecord, flag};
use detector_core::engine::Engine;
use detector_core::metrics::{Ledger, MetricsSnapshot};
use detector_core::observe::decode::Decoder;
use detector_core::observe::observation::SweepEnd;
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::{MonotonicTime, SECOND_NS, WallClock};

use crate::records::template;

/// Bytes of one step.
pub const STEP_BYTES: usize = 16;

/// Most steps taken from one input.
const MAX_STEPS: usize = 2_000;

/// Tables so small that the connections of a stream do not fit.
const TABLES: TableSettings = TableSettings {
    peers_capacity: 3,
    connections_capacity: 5,
    events_capacity: 4,
    export: 2,
    export_hold_ns: 10 * SECOND_NS,
    ipv6_prefix: 64,
};

/// Plays the steps and checks the numbers at each scrape.
///
/// # Panics
///
/// If a counter falls, or peers and `other` do not add up to the host.
pub fn run(bytes: &[u8]) {
    drop(play(bytes));
}

/// The same; returns what the last scrape shows.
///
/// # Panics
///
/// As [`run`].
pub fn play(bytes: &[u8]) -> MetricsSnapshot {
    let mut play = Play {
        engine: Engine::new(DetectSettings::default(), TABLES, Vec::new(), Vec::new()),
        decoder: Decoder::new(TABLES.ipv6_prefix),
        now_ns: 100 * SECOND_NS,
        earlier: None,
    };
    for step in bytes.as_chunks::<STEP_BYTES>().0.iter().take(MAX_STEPS) {
        play.step(step);
    }
    play.scrape()
}

struct Play {
    engine: Engine,
    decoder: Decoder,
    now_ns: u64,
    earlier: Option<MetricsSnapshot>,
}

impl Play {
    fn step(&mut self, step: &[u8; STEP_BYTES]) {
        // 0 to 1.3 s pass, in steps that also hit equal times.
        self.now_ns += u64::from(step[1] % 32) * 40_000_000;
        match step[0] % 16 {
            0 => drop(self.scrape()),
            1 => self.engine.end_sweep(&SweepEnd {
                netns: u32::from(step[2] % 2),
                began: MonotonicTime::from_ns(self.now_ns.saturating_sub(u64::from(step[3]) << 24)),
                ended: MonotonicTime::from_ns(self.now_ns),
                is_complete: !step[4].is_multiple_of(8),
            }),
            2 => {
                self.now_ns += u64::from(step[2]) * SECOND_NS;
                self.advance();
            }
            3 => self.advance(),
            _ => self.record(step),
        }
    }

    fn advance(&mut self) {
        self.engine
            .advance(MonotonicTime::from_ns(self.now_ns), WallClock::default());
    }

    fn record(&mut self, step: &[u8; STEP_BYTES]) {
        let record = record(step, self.now_ns);
        match self.decoder.decode(bytemuck::bytes_of(&record)) {
            Ok(observation) => self.engine.observe(&observation),
            Err(_) => self.engine.refuse_record(),
        }
    }

    fn scrape(&mut self) -> MetricsSnapshot {
        let metrics = self.engine.metrics();
        assert!(metrics.totals.peers_tracked <= TABLES.peers_capacity as u64);
        assert!(metrics.totals.connections_tracked <= TABLES.connections_capacity as u64);
        assert!(metrics.peers.len() <= 2 * TABLES.export);
        check_sum(&metrics);
        if let Some(earlier) = &self.earlier {
            check_rises(
                &counters(&earlier.totals.ledger),
                &counters(&metrics.totals.ledger),
                "host",
            );
            check_rises(
                &counters(&earlier.other),
                &counters(&metrics.other),
                "other",
            );
        }
        for peer in self.engine.peers() {
            assert!(
                self.engine.peer(&peer.peer).is_some(),
                "a listed peer is not found"
            );
        }
        drop(self.engine.connections());
        let newest = self.engine.last_event_id();
        assert!(self.engine.events_after(0).all(|event| event.id <= newest));
        self.earlier = Some(metrics.clone());
        metrics
    }
}

/// A record of one of eight connections of four peers, with totals and a state from the step.
fn record(step: &[u8; STEP_BYTES], now_ns: u64) -> ConnectionRecord {
    let mut record = template();
    let ago = |byte: u8| now_ns.saturating_sub(u64::from(byte) << 26);
    record.time_ns = if step[2] & 1 == 0 {
        now_ns
    } else {
        ago(step[2])
    };
    record.socket = u64::from(step[3] % 8);
    record.remote_port = 1000 + u16::from(step[3] % 8);
    record.remote_address[7] = step[3] % 4;
    record.netns = u32::from(step[3] % 2);
    record.generation_ns = u64::from(step[4] % 4) * 10 * SECOND_NS;
    record.zero_window_since_ns = if step[5] & 1 == 0 { 0 } else { ago(step[5]) };
    record.harmful_since_ns = if step[5] & 2 == 0 {
        0
    } else {
        ago(step[5] / 2)
    };
    record.zero_window_ns = u64::from(step[6]) << 27;
    record.shrinks = [
        u32::from(step[7] & 15),
        u32::from(step[7] >> 4),
        u32::from(step[8] & 15),
    ];
    record.zero_window_episodes = u32::from(step[8] >> 4);
    record.retransmits = [
        u32::from(step[9] & 7),
        u32::from(step[9] >> 6),
        u32::from(step[9] >> 3 & 7),
    ];
    record.duplicates_reported = u32::from(step[9] & 3);
    record.flags = u16::from_le_bytes([step[10], step[11] & 3]);
    if record.zero_window_since_ns != 0 {
        record.flags |= flag::ZERO_WINDOW;
    }
    record.tcp_state = 1 + step[11] / 4 % 13;
    record.reason = step[12] % 7;
    record.wmem_queued_bytes = u32::from(step[13]) << 16;
    record.bytes_acked = u64::from(step[14]) << 6;
    record.snd_wnd_bytes = if step[15] & 1 == 0 {
        0
    } else {
        u32::from(step[15]) << 4
    };
    record.snd_nxt = record.snd_una.wrapping_add(u32::from(step[15]) << 2);
    record.packets_out_segments = u32::from(step[15] >> 6);
    record
}

/// The whole-numbered counters of a ledger.
fn counters(ledger: &Ledger) -> [u64; 6] {
    [
        ledger.shrinks.polite,
        ledger.shrinks.below_flight,
        ledger.shrinks.treason,
        ledger.zero_window_episodes,
        ledger.retransmits.loss,
        ledger.retransmits.window_probe,
    ]
}

fn check_rises(earlier: &[u64], later: &[u64], of: &str) {
    for (before, after) in earlier.iter().zip(later) {
        assert!(
            before <= after,
            "a counter of {of} fell: {earlier:?} to {later:?}"
        );
    }
}

fn check_sum(metrics: &MetricsSnapshot) {
    let mut sum = counters(&metrics.other);
    let mut pinned_bytes = metrics.other.pinned_bytes;
    let mut stalled = metrics.other.stalled_connections;
    for peer in &metrics.peers {
        for (total, part) in sum.iter_mut().zip(counters(&peer.ledger)) {
            *total += part;
        }
        pinned_bytes += peer.ledger.pinned_bytes;
        stalled += peer.ledger.stalled_connections;
    }
    assert_eq!(
        sum,
        counters(&metrics.totals.ledger),
        "peers and other are not the host"
    );
    assert_eq!(
        pinned_bytes, metrics.totals.ledger.pinned_bytes,
        "pinned bytes do not add up"
    );
    assert_eq!(
        stalled, metrics.totals.ledger.stalled_connections,
        "stalled connections do not add up"
    );
    assert_eq!(
        stalled,
        metrics.totals.stalled_by_cause.iter().sum::<u64>(),
        "causes do not add up"
    );
}

/// Two streams: one connection that stalls and recovers, and many that come and go.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut stall = Vec::new();
    for second in 0..22_u8 {
        // Closed from second 3 to 18. A sixteenth of a second is about the unit of `ago`.
        let closed_for = (3..=18).contains(&second).then(|| ((second - 3) * 15) | 3);
        let right_edge = if closed_for.is_some() { 0 } else { 255 };
        let acked = if closed_for.is_some() { 3 } else { second };
        let since = closed_for.unwrap_or(0);
        stall.extend([5, 25, 0, 1, 1, since, 0, 0, 0x10, 0x20, 2, 1, 1, 64, acked]);
        stall.push(right_edge);
        stall.extend([3; STEP_BYTES]);
    }
    let mut crowd = Vec::new();
    for number in 0..64_u8 {
        let rising = number / 4;
        // Closed by the record, or left open.
        let reason = if number % 8 == 7 { 4 } else { 1 };
        crowd.extend([
            6, 8, 0, number, 1, 3, rising, 0x11, 0x11, 0x11, 3, 0, 1, 128, 0, 0,
        ]);
        crowd.extend([if number.is_multiple_of(8) { 0 } else { 3 }; STEP_BYTES]);
        crowd.extend([
            6, 8, 0, number, 1, 0, 0, 0x22, 0x22, 0x22, 2, 24, reason, 0, 0, 255,
        ]);
    }
    vec![stall, crowd]
}
