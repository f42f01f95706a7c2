//! An agent without a kernel side, fed by hand.

use super::{AgentState, Ping, own_time};
use crate::clock;
use crate::config::Config;
use detector_core::engine::Engine;
use detector_core::observe::observation::{
    CongestionState, ConnectionId, Direction, Observation, PendingTimer, Reason, Source, TcpState,
    Totals,
};
use detector_core::observe::peer_address::PeerAddress;
use detector_core::time::{MonotonicTime, SECOND_NS};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// An agent that has seen nothing, and the pings it sends to its judge.
pub(crate) fn state(config: &Config) -> (Arc<AgentState>, mpsc::Receiver<Ping>) {
    let (sender, pings) = mpsc::channel(1);
    (Arc::new(AgentState::new(config, sender)), pings)
}

/// A connection of `remote` in zero window with data queued since `seconds` ago.
pub(crate) fn stalled(remote: &str, seconds: u64) -> Observation {
    let remote: SocketAddr = remote.parse().expect("an address with a port");
    let now = clock::now();
    let since = MonotonicTime::from_ns(now.as_ns().saturating_sub(seconds * SECOND_NS));
    Observation {
        at: now,
        connection: ConnectionId {
            socket: u64::from(remote.port()),
            local: SocketAddr::from(([192, 0, 2, 1], 80)),
            remote,
            netns: 1,
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
        inode: Some(7),
        snd_una: 1,
        snd_nxt: 1,
        write_seq: 4_000_001,
        window_bytes: 0,
        max_window_bytes: 65_535,
        window_shift: 7,
        edge_max: Some(1),
        retracted_max_bytes: 0,
        mss_bytes: 1_448,
        cwnd_segments: 10,
        in_flight_segments: 0,
        pinned_bytes: 4_220_292,
        bytes_acked: 1_000_000,
        srtt_us: 300,
        congestion: CongestionState::Open,
        timer: PendingTimer::WindowProbe,
        backoff: 3,
        timeouts: 0,
        probes_unanswered: 0,
        retransmits_unanswered: 0,
        head_retransmits: 0,
    }
}

impl AgentState {
    /// Begins anew at `moment`, as if the agent had stood still since.
    pub(crate) fn stand_still_since(&self, moment: MonotonicTime, config: &Config) {
        let (detect, tables) = (config.detect_settings(), config.table_settings());
        let mut engine = Engine::new(detect, tables, Vec::new(), Vec::new());
        engine.advance(moment, clock::wall());
        *self.engine() = engine;
    }

    /// Takes observations and tells followers.
    pub(crate) fn feed(&self, observations: &[Observation]) {
        for observation in observations {
            self.with_engine(|engine| engine.observe(observation));
        }
        self.publish_events();
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_judge_is_stuck_is_not_alive() {
    let (state, mut pings) = state(&Config::default());
    assert!(!state.is_alive().await);
    drop(pings.try_recv());
    let judge = tokio::spawn(async move {
        while let Some(ping) = pings.recv().await {
            ping.send(()).unwrap();
        }
    });
    assert!(state.is_alive().await);
    judge.abort();
    drop(judge.await);
    assert!(!state.is_alive().await);
}

#[test]
fn without_a_kernel_side_the_agent_is_not_ready() {
    let (state, _pings) = state(&Config::default());
    assert!(
        state
            .unready_reason()
            .is_some_and(|reason| reason.starts_with("starting"))
    );
    state.stop();
    assert_eq!(state.unready_reason().as_deref(), Some("stopping"));
}

#[test]
fn what_answering_takes_gives_nothing_up() {
    let (state, _pings) = state(&Config::default());
    let began = Instant::now();
    for seconds in (0..=60).step_by(10) {
        let passed = Duration::from_secs(seconds);
        // A whole core, all but a tenth of it to answer.
        let used = own_time(passed, Duration::ZERO, passed.mul_f64(0.9));
        assert!(!state.governor.look(used, began + passed));
    }
    assert_eq!(state.governor.status().given_up, []);
    let hooks = Duration::from_secs(10);
    let used = own_time(Duration::from_secs(70), hooks, Duration::from_secs(63));
    assert!(state.governor.look(used, began + Duration::from_secs(70)));
}
