//! Target `records`: what comes out of the ring buffer and of a sweep's file.

use bytemuck::Zeroable;
use detector_common::record::{ConnectionRecord, Reason, flag};
use detector_core::observe::decode::{Decoder, RECORD_BYTES};

/// Decodes the bytes as records laid end to end and checks what is promised of each.
///
/// # Panics
///
/// If a record was let through that the decoder must refuse, or rows do not add up.
pub fn run(bytes: &[u8]) {
    let decoder = Decoder::new(64);
    let rows = decoder.decode_rows(bytes);
    let tail_bytes = rows.tail_bytes();
    let mut count = 0;
    for (row, bytes) in rows.zip(bytes.chunks(RECORD_BYTES)) {
        count += 1;
        assert_eq!(
            row,
            decoder.decode(bytes),
            "a row differs from the record alone"
        );
        let Ok(seen) = row else { continue };
        assert!(
            bytes.len() == RECORD_BYTES,
            "a short record was let through"
        );
        assert!(seen.generation.is_none_or(|since| since <= seen.at));
        assert!(seen.zero_window_since.is_none_or(|since| since <= seen.at));
        assert!(seen.harmful_since.is_none() || seen.zero_window_since.is_some());
        assert!(seen.window_shift <= 14);
        assert!(i32::try_from(seen.pinned_bytes).is_ok());
        assert!(!seen.connection.remote.ip().is_unspecified());
    }
    let expected = bytes.len() / RECORD_BYTES + usize::from(tail_bytes != 0);
    assert_eq!(count, expected, "rows were lost or added");
}

/// Records as the kernel side writes them, of each reason, alone and end to end.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let reasons = [
        Reason::Window,
        Reason::Retransmit,
        Reason::State,
        Reason::Closed,
        Reason::Sweep,
    ];
    let mut seeds: Vec<Vec<u8>> = reasons
        .iter()
        .map(|&reason| bytemuck::bytes_of(&record(reason)).to_vec())
        .collect();
    let mut stream = seeds.concat();
    seeds.push(stream.clone());
    // A last record of which half is missing.
    stream.truncate(stream.len() - RECORD_BYTES / 2);
    seeds.push(stream);
    seeds
}

fn record(reason: Reason) -> ConnectionRecord {
    ConnectionRecord {
        reason: reason as u8,
        ..template()
    }
}

/// A stalled connection, as the kernel side would describe it.
#[must_use]
pub fn template() -> ConnectionRecord {
    const SECOND_NS: u64 = 1_000_000_000;
    let mut local_address = [0; 16];
    local_address[10..].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 1]);
    let mut remote_address = [0; 16];
    remote_address[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    ConnectionRecord {
        time_ns: 50 * SECOND_NS,
        socket: 0xffff_8880_0123_4567,
        generation_ns: 10 * SECOND_NS,
        zero_window_since_ns: 20 * SECOND_NS,
        harmful_since_ns: 21 * SECOND_NS,
        zero_window_ns: 3 * SECOND_NS,
        bytes_acked: 1 << 33,
        inode: 4711,
        local_address,
        remote_address,
        shrinks: [1, 2, 3],
        zero_window_episodes: 4,
        retransmits: [5, 7, 6],
        duplicates_reported: 4,
        edge_max: 0x1000,
        last_edge: 0x0fff,
        snd_una: 0xffff_f000,
        snd_nxt: 0x0800,
        write_seq: 0x4000,
        max_window_bytes: 65_535,
        mss_bytes: 1448,
        snd_cwnd_segments: 10,
        packets_out_segments: 3,
        wmem_queued_bytes: 4_220_292,
        srtt_us: 8 * 25_000,
        netns: 4_026_531_840,
        local_port: 443,
        remote_port: 54_321,
        flags: flag::ZERO_WINDOW | flag::SEEN_BY_HOOK | flag::EDGE_KNOWN | flag::DATA_QUEUED,
        tcp_state: 1,
        window_shift: 7,
        pending_timer: 3,
        backoff: 2,
        probes_unanswered: 1,
        reason: Reason::Window as u8,
        ..ConnectionRecord::zeroed()
    }
}
