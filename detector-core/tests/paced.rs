//! Readers with a limited rate: their window is closed for seconds at a time, and no look of two seconds shows
//! them well twice. They excuse those who share their address, or their network, as others do.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::Verdict;
use detector_core::engine::{Counted, Engine};
use detector_core::observe::census::Census;
use detector_core::observe::observation::{Observation, Reason, Source};
use support::{WALL, accused_hosts, census_wanted, engine, healthy, ms, zero_window};

const PEER: &str = "198.51.100.7";
const PAUSED: u16 = 24;

/// How a reader reads on: so much at a time, each time after so long, so many times.
#[derive(Clone, Copy)]
struct Reader {
    bytes: u32,
    every_ms: u64,
    times: u64,
}

/// curl with a limit of 200 kB/s.
const PACED: Reader = Reader {
    bytes: 1_700_000,
    every_ms: 8_700,
    times: u64::MAX,
};

/// A window that has been closed since then, and what was taken before.
fn closed(remote: &str, taken: u32, since_ms: u64, at_ms: u64) -> Observation {
    Observation {
        reason: Reason::Sweep,
        source: Source::Sweep,
        snd_una: 1 + taken,
        snd_nxt: 1 + taken,
        write_seq: 1 + taken + 200_000,
        edge_max: Some(1 + taken),
        bytes_acked: u64::from(taken),
        ..zero_window(remote, ms(since_ms), ms(at_ms))
    }
}

/// Shows a reader, or one on pause, after its first burst. Its window opens and closes again at once.
fn show(engine: &mut Engine, remote: &str, reader: Option<Reader>, at_ms: u64) {
    let age_ms = at_ms - 1_000;
    let reads = reader.map_or(0, |reader| {
        let due = age_ms / reader.every_ms;
        due.min(reader.times)
    });
    let (bytes, every_ms) = reader.map_or((0, 0), |reader| (reader.bytes, reader.every_ms));
    let burst = if age_ms < 200 { 0 } else { 65_536 };
    let taken = burst + u32::try_from(reads).unwrap() * bytes;
    let since_ms = 1_000 + reads * every_ms;
    let is_open = reads > 0 && at_ms - since_ms < 200;
    if is_open {
        engine.observe(&Observation {
            snd_una: 1 + taken,
            snd_nxt: 1 + taken,
            write_seq: 1 + taken + 200_000,
            edge_max: Some(1 + taken + 131_072),
            bytes_acked: u64::from(taken),
            reason: Reason::Sweep,
            source: Source::Sweep,
            ..healthy(remote, ms(at_ms))
        });
    } else {
        engine.observe(&closed(remote, taken, since_ms, at_ms));
    }
}

/// What two looks show of any suspect: so many connections, none of them well.
fn answer_none_well(engine: &mut Engine, connections: usize) {
    let census = Census {
        connections: u64::try_from(connections).unwrap(),
        ..Census::default()
    };
    for wanted in census_wanted(engine) {
        let counted = |well_before| Counted {
            census: Census {
                well_before,
                ..census
            },
            ..Counted::default()
        };
        // Those that read on are confirmed by another pair where a network waits for one.
        let _ = engine.set_census(wanted.suspect, Some(&counted(None)))
            || engine.set_census(wanted.suspect, Some(&counted(Some(0))));
    }
}

/// What a host with paused readers and these others is called by 33 s.
fn verdict_beside(readers: &[Reader]) -> Option<Verdict> {
    let mut engine = engine();
    for at_ms in (1_000..=33_000).step_by(100) {
        engine.advance(ms(at_ms), WALL);
        for port in 1..=PAUSED {
            show(&mut engine, &format!("{PEER}:{port}"), None, at_ms);
        }
        for (port, reader) in (100..).zip(readers) {
            show(&mut engine, &format!("{PEER}:{port}"), Some(*reader), at_ms);
        }
        answer_none_well(&mut engine, usize::from(PAUSED) + readers.len());
    }
    engine.peer(PEER).unwrap().peer.verdict
}

#[test]
fn paced_readers_are_others_who_behave() {
    assert_eq!(verdict_beside(&[PACED; 3]), Some(Verdict::SlowClient));
    let often = Reader {
        bytes: 8_000,
        every_ms: 4_000,
        ..PACED
    };
    assert_eq!(verdict_beside(&[often; 2]), Some(Verdict::SlowClient));
}

#[test]
fn one_paced_reader_excuses_nobody() {
    assert_eq!(verdict_beside(&[PACED]), Some(Verdict::ZeroWindowAttack));
}

/// Below the floor, once the first burst is over: that is no reading.
#[test]
fn who_reads_next_to_nothing_excuses_nobody() {
    let next_to_nothing = Reader {
        bytes: 2_400,
        every_ms: 5_000,
        ..PACED
    };
    let readers = [next_to_nothing; 3];
    assert_eq!(verdict_beside(&readers), Some(Verdict::ZeroWindowAttack));
}

/// `curl --limit-rate 1B` takes its first chunk as late as its machine lets it, and nothing more.
#[test]
fn who_reads_once_excuses_nobody() {
    let once = Reader {
        bytes: 40_000,
        every_ms: 3_000,
        times: 1,
    };
    assert_eq!(verdict_beside(&[once; 3]), Some(Verdict::ZeroWindowAttack));
}

/// Customers of one provider: each has an address of its own.
#[test]
fn paced_customers_are_neighbours_who_behave() {
    for (readers, accused) in [(24_u8, 0), (9, 24)] {
        let mut engine = engine();
        for at_ms in (1_000..=33_000).step_by(100) {
            engine.advance(ms(at_ms), WALL);
            for host in 1..=24 {
                show(&mut engine, &format!("198.51.100.{host}:1"), None, at_ms);
            }
            for host in 101..101 + readers {
                let remote = format!("198.51.100.{host}:1");
                show(&mut engine, &remote, Some(PACED), at_ms);
            }
            answer_none_well(&mut engine, 24 + usize::from(readers));
        }
        assert_eq!(accused_hosts(&engine), accused, "{readers} readers");
    }
}
