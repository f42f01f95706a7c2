//! A connection as the kernel side would tell of it, to be bent into each test's case.

#![allow(dead_code, reason = "each test binary uses its own part")]

use detector_api::snapshot::Verdict;
use detector_core::engine::{CensusWanted, Counted, Engine};
use detector_core::observe::census::Census;
use detector_core::observe::observation::{
    CongestionState, ConnectionId, Direction, Observation, PendingTimer, Reason, Source, SweepEnd,
    TcpState, Totals,
};
use detector_core::observe::peer_address::PeerAddress;
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::{MonotonicTime, WallClock};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Network namespace of every connection.
pub(crate) const NETNS: u32 = 4_026_531_840;

/// Milliseconds of the monotonic clock.
pub(crate) fn ms(milliseconds: u64) -> MonotonicTime {
    MonotonicTime::from_ns(milliseconds * 1_000_000)
}

/// 2026-12-29T21:00:00Z at monotonic zero.
pub(crate) const WALL: WallClock = WallClock {
    offset_ns: 1_798_578_000_000_000_000,
};

/// An engine with default settings that ignores nobody.
pub(crate) fn engine() -> Engine {
    engine_with(TableSettings::default())
}

pub(crate) fn engine_with(tables: TableSettings) -> Engine {
    Engine::new(DetectSettings::default(), tables, Vec::new(), Vec::new())
}

/// A healthy connection with 64 KiB queued and a window for all of it.
pub(crate) fn healthy(remote: &str, at: MonotonicTime) -> Observation {
    let remote: SocketAddr = remote.parse().unwrap();
    Observation {
        at,
        connection: ConnectionId {
            socket: 0xffff_8880_0000_0000 + u64::from(remote.port()),
            local: "192.0.2.1:80".parse().unwrap(),
            remote,
            netns: NETNS,
        },
        peer: PeerAddress::of(remote.ip(), 64),
        reason: Reason::Window,
        direction: Direction::Inbound,
        source: Source::Hook,
        generation: Some(ms(1)),
        totals: Totals::default(),
        zero_window_since: None,
        harmful_since: None,
        state: TcpState::Established,
        is_orphan: false,
        is_subflow: false,
        is_on_our_way: true,
        inode: Some(4711),
        snd_una: 1_000,
        snd_nxt: 1_000,
        write_seq: 1_000 + 65_536,
        window_bytes: 131_072,
        max_window_bytes: 131_072,
        window_shift: 7,
        edge_max: Some(1_000 + 131_072),
        retracted_max_bytes: 0,
        mss_bytes: 1_448,
        cwnd_segments: 10,
        in_flight_segments: 0,
        pinned_bytes: 70_000,
        bytes_acked: 999,
        srtt_us: 20_000,
        congestion: CongestionState::Open,
        timer: PendingTimer::None,
        backoff: 0,
        timeouts: 0,
        probes_unanswered: 0,
        retransmits_unanswered: 0,
        head_retransmits: 0,
    }
}

/// A connection whose peer has held the window at zero since `since`.
pub(crate) fn zero_window(remote: &str, since: MonotonicTime, at: MonotonicTime) -> Observation {
    Observation {
        totals: Totals {
            zero_window_episodes: 1,
            ..Totals::default()
        },
        zero_window_since: Some(since),
        harmful_since: Some(since),
        window_bytes: 0,
        timer: PendingTimer::WindowProbe,
        edge_max: Some(1_000),
        ..healthy(remote, at)
    }
}

/// A complete sweep of the namespace.
pub(crate) fn sweep(began: MonotonicTime, ended: MonotonicTime) -> SweepEnd {
    SweepEnd {
        netns: NETNS,
        began,
        ended,
        is_complete: true,
    }
}

/// Whom the kernel is to be asked for, while the guard has reset nobody.
pub(crate) fn census_wanted(engine: &Engine) -> Vec<CensusWanted> {
    engine.census_wanted(&HashMap::new())
}

/// What the kernel says of all suspects: there is nothing but what is held.
pub(crate) fn answer_alone(engine: &mut Engine) {
    for wanted in census_wanted(engine) {
        let census = Census {
            would_be_cut: Some(0),
            ..Census::default()
        };
        let counted = Counted {
            census,
            ..Counted::default()
        };
        assert!(engine.set_census(wanted.suspect, Some(&counted)));
    }
}

/// What the kernel says of each suspect: five connections are held, and beside them so many are well.
pub(crate) fn answer_with(engine: &mut Engine, well: impl Fn(&CensusWanted) -> u64) {
    for wanted in census_wanted(engine) {
        let well = well(&wanted);
        let counted = Counted {
            census: Census {
                connections: 5 + well,
                well,
                well_before: Some(well),
                ..Census::default()
            },
            ..Counted::default()
        };
        engine.set_census(wanted.suspect, Some(&counted));
    }
}

/// How many peers are accused.
pub(crate) fn accused_hosts(engine: &Engine) -> usize {
    let peers = engine.peers();
    let is_accused = |verdict| verdict == Some(Verdict::ZeroWindowAttack);
    peers.iter().filter(|peer| is_accused(peer.verdict)).count()
}
