//! An agent without a kernel side whose tables are full of stalled peers, for benchmarks: engine,
//! control socket and serialization are the real ones.

use crate::clock;
use crate::config::Config;
use crate::control::Control;
use crate::http::{Limits, serve};
use crate::state::AgentState;
use anyhow::{Context as _, Result};
use detector_core::observe::observation::{
    Cause, CongestionState, ConnectionId, Observation, PendingTimer, Source, TcpState, Totals,
};
use detector_core::observe::peer_address::PeerAddress;
use detector_core::time::{MonotonicTime, SECOND_NS};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

/// First address of the peers; the range of benchmarks, so nobody's.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// How long the connections have been stalled.
const STALLED_SECONDS: u64 = 60;
/// As often as the judge of a busy agent looks.
const TICK: Duration = Duration::from_millis(100);

/// Serves `peers` peers with `connections_each` stalled connections each on a control socket at
/// `path`, until the process ends.
///
/// # Errors
///
/// Fails if the socket cannot be bound or the tables have no room for all of them.
pub fn serve_crowd(path: &Path, peers: u32, connections_each: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(async {
        let (sender, _pings) = mpsc::channel(1);
        let state = Arc::new(AgentState::new(&Config::default(), sender));
        fill(&state, peers, connections_each)?;
        let listener = UnixListener::bind(path)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        tell_ready();
        let control = Arc::new(Control::new(Arc::clone(&state)));
        let refusals = Arc::clone(&state.counts.control);
        let stop = state.watch_stop();
        let serving = serve(listener, control, Limits::CONTROL, refusals, stop);
        tokio::select! {
            () = serving => {}
            () = pass_time(&state) => {}
        }
        Ok(())
    })
}

/// What the judge of a real agent does.
async fn pass_time(state: &AgentState) {
    loop {
        state.bring_to_present();
        tokio::time::sleep(TICK).await;
    }
}

fn fill(state: &AgentState, peers: u32, connections_each: u16) -> Result<()> {
    for peer in 0..peers {
        for connection in 0..connections_each {
            let observation = stalled(peer, connection);
            state.with_engine(|engine| engine.observe(&observation));
        }
    }
    let (found, held) =
        state.with_engine(|engine| (engine.peers_tracked(), engine.connections_tracked()));
    let wanted = (
        peers as usize,
        peers as usize * usize::from(connections_each),
    );
    anyhow::ensure!(
        (found, held) == wanted,
        "the tables hold {found} peers and {held} connections of {wanted:?}"
    );
    Ok(())
}

#[allow(clippy::print_stderr, reason = "whoever starts it waits for that line")]
fn tell_ready() {
    eprintln!("ready: serving a crowd");
}

fn stalled(peer: u32, connection: u16) -> Observation {
    let now = clock::now();
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
        cause: Cause::Sweep,
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
    }
}
