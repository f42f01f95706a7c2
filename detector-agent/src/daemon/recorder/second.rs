//! One second of the host and of the peers that cost most, as the recorder keeps them.

use crate::host::pressure::Pressure;
use crate::kernel::KernelStatus;
use crate::state::AgentState;
use detector_api::snapshot::Peer;
use detector_api::tcp_memory::MemoryHolder;
use detector_core::metrics::HostTotals;
use detector_recorder::{HostSecond, PeerSecond};

/// Peers written in the second in which an incident opens; in all others as many as readers know of.
pub(super) const PEERS_AT_INCIDENT: usize = 200;

/// The host at this moment, of which the engine hears, too: at a kill it knows how the host was a second before.
/// Reads files.
pub(super) fn second(state: &AgentState) -> HostSecond {
    let pressure = state.host.pressure.sample();
    let kernel = state.kernel_status().unwrap_or_default();
    let look = state.host_pressure(&pressure);
    let totals = state.with_engine(|engine| {
        engine.set_host_pressure(look);
        engine.totals()
    });
    let (sockets, memory, tcp) = (pressure.sockets, pressure.memory, pressure.tcp_memory);
    let interfaces = pressure.interfaces.as_ref().map(|each| each.total);
    let some = |stall: Option<detector_api::host::Stall>| stall.map(|stall| stall.some_percent);
    let held = state.host.tcp_memory.recorded();
    let held_by = |holder| held.map(|held| signed(held.of(holder)));
    HostSecond {
        load_one: pressure.load.map(|load| load.one),
        cpu_some_percent: some(pressure.stalls.cpu),
        memory_some_percent: some(pressure.stalls.memory),
        memory_full_percent: pressure.stalls.memory.and_then(|stall| stall.full_percent),
        io_some_percent: some(pressure.stalls.io),
        io_full_percent: pressure.stalls.io.and_then(|stall| stall.full_percent),
        memory_total_bytes: memory.map(|memory| signed(memory.total_bytes)),
        memory_available_bytes: memory.map(|memory| signed(memory.available_bytes)),
        tcp_memory_bytes: tcp.map(|tcp| signed(tcp.used_bytes)),
        tcp_memory_pressure_bytes: tcp.map(|tcp| signed(tcp.pressure_bytes)),
        tcp_memory_limit_bytes: tcp.map(|tcp| signed(tcp.limit_bytes)),
        tcp_sockets: sockets.map(|sockets| signed(sockets.tcp_allocated)),
        orphans: sockets.map(|sockets| signed(sockets.orphans)),
        orphan_limit: sockets.and_then(|sockets| sockets.orphan_limit).map(signed),
        aborted_on_memory: sockets
            .and_then(|sockets| sockets.aborted_on_memory)
            .map(signed),
        time_wait: sockets.map(|sockets| signed(sockets.time_wait)),
        listen_overflows: pressure
            .listen_queues
            .map(|listen| signed(listen.overflows)),
        listen_drops: pressure.listen_queues.map(|listen| signed(listen.drops)),
        interface_errors: interfaces.map(|counts| signed(counts.errors())),
        interface_drops: interfaces
            .map(|counts| signed(counts.rx_dropped.saturating_add(counts.tx_dropped))),
        oom_kills: pressure
            .oom_kills
            .filter(|_| state.host.watched.is_host())
            .map(signed),
        held_workers: look.held_workers.map(signed),
        held_stalled_send_bytes: held_by(MemoryHolder::StalledSend),
        held_send_bytes: held_by(MemoryHolder::Send),
        held_receive_bytes: held_by(MemoryHolder::Receive),
        held_orphans_bytes: held_by(MemoryHolder::Orphans),
        held_unlisted_bytes: held_by(MemoryHolder::Unlisted),
        ..of_totals(&totals, &kernel, &pressure)
    }
}

fn of_totals(totals: &HostTotals, kernel: &KernelStatus, pressure: &Pressure) -> HostSecond {
    let ledger = &totals.ledger;
    let lost: u64 = kernel.records_lost.iter().map(|(_, count)| *count).sum();
    let shrinks = &ledger.shrinks;
    HostSecond {
        stalled_connections: Some(signed(ledger.stalled_connections)),
        pinned_bytes: Some(signed(ledger.pinned_bytes)),
        peers: Some(signed(totals.peers_tracked)),
        zero_window_episodes: Some(signed(ledger.zero_window_episodes)),
        window_shrinks_polite: Some(signed(shrinks.polite)),
        window_shrinks_below_flight: Some(signed(shrinks.below_flight)),
        window_shrinks_treason: Some(signed(shrinks.treason)),
        retransmits_loss: Some(signed(ledger.retransmits.loss)),
        retransmits_tail_probe: Some(signed(ledger.retransmits.tail_probe)),
        retransmits_window_probe: Some(signed(ledger.retransmits.window_probe)),
        records_lost: Some(signed(lost.saturating_add(totals.records_refused))),
        agent_cpu_share: pressure.own.cpu_share,
        agent_resident_bytes: pressure.own.resident_bytes.map(signed),
        ..HostSecond::default()
    }
}

/// A peer at this moment.
pub(super) fn peer_second(peer: &Peer) -> PeerSecond {
    let shrinks = &peer.window_shrinks;
    PeerSecond {
        peer: peer.peer.clone(),
        verdict: peer.verdict.map(|verdict| verdict.label().to_owned()),
        severity: Some(peer.severity.label().to_owned()),
        stalled_connections: signed(peer.stalled_connections),
        pinned_bytes: signed(peer.pinned_bytes),
        zero_window_episodes: signed(peer.zero_window_episodes),
        window_shrinks_polite: signed(shrinks.polite),
        window_shrinks_below_flight: signed(shrinks.below_flight),
        window_shrinks_treason: signed(shrinks.treason),
        bytes_acked_per_second: signed(peer.bytes_acked_per_second),
        held_workers: peer.held_workers.map(signed),
    }
}

/// SQLite knows signed numbers only.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
