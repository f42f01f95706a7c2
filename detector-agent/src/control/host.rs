//! `/v1/host`: how hard pressed the host is, what its stalled connections hold, what watching costs.

use crate::clock;
use crate::host::pressure::Pressure;
use crate::state::AgentState;
use detector_api::host::{Agent, Host, Totals};
use detector_api::snapshot::StallCause;
use detector_api::time::rfc3339;
use std::time::Duration;

/// For a look at all sockets; a hundred thousand take a quarter of it.
const LOOK_PATIENCE: Duration = Duration::from_secs(1);

/// The host at this moment. Reads files: not for the event loop.
pub(super) fn host(state: &AgentState) -> Host {
    // Of a container nobody looks.
    let is_looked_at = state.host.watched.is_host();
    let tcp_memory_held = is_looked_at
        .then(|| state.host.tcp_memory.ask(LOOK_PATIENCE))
        .flatten();
    let Pressure {
        load,
        stalls,
        memory,
        tcp_memory,
        sockets,
        interfaces,
        listen_queues,
        oom_kills,
        own,
    } = state.host.pressure.sample();
    let kernel = state.kernel_status().unwrap_or_default();
    let (totals, incident) = state.with_engine(|engine| (engine.totals(), engine.open_incident()));
    let unready_reason = state.unready_reason();
    Host {
        time: rfc3339(clock::unix_ns()),
        processors: std::thread::available_parallelism()
            .ok()
            .map(|count| count.get() as u64),
        load,
        pressure: stalls,
        memory,
        tcp_memory,
        tcp_memory_held,
        sockets,
        interfaces,
        listen_queues,
        oom_kills,
        incident,
        agent: Agent {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: state.started_text(),
            uptime_seconds: state.uptime_seconds(),
            ready: unready_reason.is_none(),
            unready_reason,
            cost: own,
            sweep_seconds: kernel.sweep_seconds,
            sweep_interval_seconds: kernel.sweep_interval_seconds,
            sweep_sockets: kernel.sweep_sockets,
            given_up: state.governor.status().given_up,
        },
        records_lost: super::status::lost(&kernel, totals.records_refused),
        records_held_back: super::status::held_back(&kernel),
        totals: Totals {
            peers: totals.peers_tracked,
            connections: totals.connections_tracked,
            stalled_connections: totals.ledger.stalled_connections,
            stalled_by_cause: StallCause::LABELS
                .map(str::to_owned)
                .into_iter()
                .zip(totals.stalled_by_cause)
                .collect(),
            pinned_bytes: totals.ledger.pinned_bytes,
            zero_window_episodes: totals.ledger.zero_window_episodes,
            zero_window_seconds: totals.ledger.zero_window_seconds,
            window_shrinks: totals.ledger.shrinks,
            subflow_retreats: kernel.subflow_retreats,
            retransmits: totals.ledger.retransmits,
            retransmits_needless: totals.ledger.retransmits_needless,
        },
    }
}
