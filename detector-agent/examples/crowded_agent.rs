//! An agent without a kernel side whose tables are full of stalled peers: engine, judge, control
//! socket and serialization are the real ones. Part of `cargo xtask bench top`, not of the agent.
//!
//! `crowded_agent SOCKET PEERS CONNECTIONS_EACH`
#![allow(clippy::print_stderr, reason = "whoever starts it waits for that line")]

use anyhow::{Context as _, Result, ensure};
use detector_agent::daemon::serve_engine;
use detector_core::engine::Engine;
use detector_core::observe::observation::{
    CongestionState, ConnectionId, Direction, Observation, PendingTimer, Reason, Source, TcpState,
    Totals,
};
use detector_core::observe::peer_address::PeerAddress;
use detector_core::time::{MonotonicTime, SECOND_NS};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::UnixListener;

/// First address of the peers; the range of benchmarks, so nobody's.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// How long the connections have been stalled.
const STALLED_SECONDS: u64 = 60;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| {
        let argument = arguments.next();
        argument.with_context(|| format!("the {what} is missing"))
    };
    let socket = next("socket")?;
    let peers = next("number of peers")?.parse()?;
    let connections_each = next("number of connections of each")?.parse()?;
    let listener =
        UnixListener::bind(&socket).with_context(|| format!("cannot listen on {socket}"))?;
    let fill = |engine: &mut Engine| {
        fill(engine, peers, connections_each)?;
        eprintln!("ready: serving a crowd");
        Ok(())
    };
    serve_engine(listener, fill).await
}

fn fill(engine: &mut Engine, peers: u32, connections_each: u16) -> Result<()> {
    let now = engine.clock();
    for peer in 0..peers {
        for connection in 0..connections_each {
            engine.observe(&stalled(now, peer, connection));
        }
    }
    let found = (engine.peers_tracked(), engine.connections_tracked());
    let wanted = (
        peers as usize,
        peers as usize * usize::from(connections_each),
    );
    ensure!(
        found == wanted,
        "the tables hold {found:?} peers and connections, not {wanted:?}"
    );
    Ok(())
}

fn stalled(now: MonotonicTime, peer: u32, connection: u16) -> Observation {
    let since = MonotonicTime::from_ns(now.as_ns().saturating_sub(STALLED_SECONDS * SECOND_NS));
    let address = Ipv4Addr::from_bits(FIRST.to_bits() + peer);
    let remote = SocketAddr::from((address, 40_000 + connection));
    Observation {
        at: now,
        connection: ConnectionId {
            socket: (u64::from(peer) << 16) + u64::from(connection),
            local: SocketAddr::from(([192, 0, 2, 1], 443)),
            remote,
            netns: 4_026_531_840,
        },
        peer: PeerAddress::of(remote.ip(), 64),
        reason: Reason::Sweep,
        direction: Direction::Inbound,
        source: Source::Sweep,
        generation: Some(since),
        totals: Totals {
            zero_window_episodes: 1,
            ..Totals::default()
        },
        zero_window_since: Some(since),
        harmful_since: Some(since),
        state: TcpState::Established,
        is_orphan: false,
        is_subflow: false,
        is_on_our_way: true,
        inode: None,
        snd_una: 1,
        snd_nxt: 1,
        write_seq: 100_001 + peer,
        window_bytes: 0,
        max_window_bytes: 65_535,
        window_shift: 7,
        edge_max: Some(1),
        retracted_max_bytes: 0,
        mss_bytes: 1_448,
        cwnd_segments: 10,
        in_flight_segments: 0,
        pinned_bytes: 150_000 + u64::from(peer),
        bytes_acked: 1_000_000,
        srtt_us: 20_000,
        congestion: CongestionState::Open,
        timer: PendingTimer::WindowProbe,
        backoff: 3,
        timeouts: 0,
        probes_unanswered: 0,
        retransmits_unanswered: 0,
        head_retransmits: 0,
    }
}
