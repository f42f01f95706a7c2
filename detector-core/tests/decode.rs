//! Records to observations: what is taken, what is refused and by which name.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytemuck::Zeroable;
use detector_common::record::{ConnectionRecord, Reason, flag, severity};
use detector_core::observe::decode::{DecodeError, Decoder, RECORD_BYTES};
use detector_core::observe::observation::{PendingTimer, Source, TcpState, Totals};
use detector_core::time::MonotonicTime;
use proptest::prelude::*;
use std::net::Ipv6Addr;

const DECODER: Decoder = Decoder::new(64);

fn mapped(text: &str) -> [u8; 16] {
    text.parse::<Ipv6Addr>().unwrap().octets()
}

fn good() -> ConnectionRecord {
    let mut record = ConnectionRecord::zeroed();
    record.time_ns = 90_000_000_000;
    record.socket = 0xffff_8880_1234_5678;
    record.generation_ns = 80_000_000_000;
    record.zero_window_since_ns = 85_000_000_000;
    record.harmful_since_ns = 86_000_000_000;
    record.zero_window_ns = 2_000_000_000;
    record.local_address = mapped("::ffff:192.0.2.1");
    record.remote_address = mapped("::ffff:198.51.100.7");
    record.local_port = 80;
    record.remote_port = 40_000;
    record.shrinks[severity::TREASON] = 3;
    record.edge_max = 777;
    record.wmem_queued_bytes = 70_000;
    record.flags = flag::ZERO_WINDOW | flag::SEEN_BY_HOOK | flag::SEEN_BY_SWEEP | flag::EDGE_KNOWN;
    record.tcp_state = 8;
    record.window_shift = 14;
    record.pending_timer = 3;
    record.reason = Reason::Sweep as u8;
    record
}

fn decode(
    record: &ConnectionRecord,
) -> Result<detector_core::observe::observation::Observation, DecodeError> {
    DECODER.decode(bytemuck::bytes_of(record))
}

#[test]
fn a_good_record_is_taken_and_its_addresses_are_folded() {
    let seen = decode(&good()).unwrap();
    assert_eq!(
        seen.connection.remote,
        "198.51.100.7:40000".parse().unwrap()
    );
    assert_eq!(seen.connection.local, "192.0.2.1:80".parse().unwrap());
    assert_eq!(seen.peer.to_string(), "198.51.100.7");
    assert_eq!(seen.reason, Reason::Sweep);
    assert_eq!(seen.source, Source::Both);
    assert_eq!(seen.state, TcpState::CloseWait);
    assert_eq!(seen.timer, PendingTimer::WindowProbe);
    assert!(seen.is_on_our_way);
    assert_eq!(seen.totals.shrinks.treason, 3);
    assert_eq!(seen.edge_max, Some(777));
    assert_eq!(seen.inode, None);
    assert_eq!(
        seen.harmful_since,
        Some(MonotonicTime::from_ns(86_000_000_000))
    );
}

#[test]
fn whose_network_it_is_is_the_kernels_word() {
    let mut record = good();
    record.flags |= flag::OFF_OUR_WAY;
    assert!(!decode(&record).unwrap().is_on_our_way);
}

#[test]
fn an_ipv6_peer_is_its_network() {
    let mut record = good();
    record.remote_address = mapped("2001:db8:1:2:3:4:5:6");
    assert_eq!(
        decode(&record).unwrap().peer.to_string(),
        "2001:db8:1:2::/64"
    );
}

#[test]
fn without_a_generation_there_are_no_totals() {
    let mut record = good();
    record.generation_ns = 0;
    let seen = decode(&record).unwrap();
    assert_eq!(seen.generation, None);
    assert_eq!(seen.totals, Totals::default());
}

#[test]
fn needless_is_the_larger_word_and_never_more_than_was_sent_again() {
    for (reported, undone, expected) in [(0, 0, 0), (2, 3, 3), (4, 3, 4), (9, 0, 6), (0, 9, 6)] {
        let record = ConnectionRecord {
            retransmits: [1, 2, 3],
            duplicates_reported: reported,
            retransmits_undone: undone,
            ..good()
        };
        let totals = decode(&record).expect("good").totals;
        assert_eq!(totals.retransmits_needless, expected, "{reported} {undone}");
        let by_cause = totals.retransmits.by_cause().map(|(_, segments)| segments);
        assert_eq!(by_cause, [1, 2, 3]);
    }
}

#[test]
fn a_moment_slightly_after_the_record_is_cut_to_it() {
    let mut record = good();
    record.zero_window_since_ns = record.time_ns + 1_000;
    let seen = decode(&record).unwrap();
    assert_eq!(seen.zero_window_since, Some(seen.at));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let refused = |change: fn(&mut ConnectionRecord)| {
        let mut record = good();
        change(&mut record);
        decode(&record).unwrap_err().to_string()
    };
    let cases = [
        (
            refused(|r| r.reason = 0),
            "record field reason: unknown number 0",
        ),
        (
            refused(|r| r.reason = 6),
            "record field reason: unknown number 6",
        ),
        (
            refused(|r| r.tcp_state = 0),
            "record field tcp_state: unknown number 0",
        ),
        (
            refused(|r| r.tcp_state = 13),
            "record field tcp_state: unknown number 13",
        ),
        (
            refused(|r| r.congestion_state = 5),
            "record field congestion_state: unknown number 5",
        ),
        (
            refused(|r| r.window_shift = 15),
            "record field window_shift: unknown number 15",
        ),
        (
            refused(|r| r.local_port = 0),
            "record field local_port: impossible number 0",
        ),
        (
            refused(|r| r.wmem_queued_bytes = u32::MAX),
            "record field wmem_queued_bytes: impossible number 4294967295",
        ),
        (
            refused(|r| r.time_ns = 0),
            "record field time_ns: impossible time 0 ns",
        ),
        (
            refused(|r| r.time_ns = u64::MAX),
            "record field time_ns: impossible time 18446744073709551615 ns",
        ),
        (
            refused(|r| r.generation_ns = 99_000_000_000),
            "record field generation_ns: impossible time 99000000000 ns",
        ),
        (
            refused(|r| r.harmful_since_ns = u64::MAX),
            "record field harmful_since_ns: impossible time 18446744073709551615 ns",
        ),
        (
            refused(|r| r.zero_window_ns = 90_000_000_001),
            "record field zero_window_ns: impossible time 90000000001 ns",
        ),
        (
            refused(|r| r.remote_address = [0; 16]),
            "record field remote_address: impossible address ::",
        ),
    ];
    for (told, expected) in cases {
        assert_eq!(told, expected);
    }
}

#[test]
fn a_remote_port_of_zero_hides_nobody() {
    let mut record = good();
    record.remote_port = 0;
    assert_eq!(decode(&record).unwrap().connection.remote.port(), 0);
}

#[test]
fn rows_are_read_one_by_one_and_a_short_tail_is_told() {
    let record = good();
    let mut bytes = bytemuck::bytes_of(&record).repeat(3);
    bytes.extend_from_slice(&[1, 2, 3]);
    let rows = DECODER.decode_rows(&bytes);
    assert_eq!(rows.tail_bytes(), 3);
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.iter().filter(|row| row.is_ok()).count(), 3);
    assert_eq!(rows[3], Err(DecodeError::Length { actual_bytes: 3 }));
    assert_eq!(DECODER.decode_rows(&[]).count(), 0);
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2 * RECORD_BYTES)) {
        for row in DECODER.decode_rows(&bytes) {
            if let Err(error) = row {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn one_changed_byte_is_taken_or_refused(place in 0..RECORD_BYTES, value in any::<u8>()) {
        let record = good();
        let mut bytes = bytemuck::bytes_of(&record).to_vec();
        bytes[place] = value;
        if let Ok(seen) = DECODER.decode(&bytes) {
            prop_assert!(seen.harmful_since.is_none_or(|since| since <= seen.at));
            prop_assert!(seen.window_shift <= 14);
        }
    }
}
