//! `/v1/status`: how the agent itself is.

use crate::guard::GuardStatus;
use crate::kernel::{KernelStatus, kernel_release};
use crate::namespace::pid;
use crate::recording::RecorderStatus;
use crate::state::AgentState;
use detector_api::status::{Events, Fill, GuardState, Recorder, Records, Status, Sweep, Tables};
use std::collections::BTreeMap;

/// The status of this moment.
pub(super) fn status(state: &AgentState) -> Status {
    let kernel = state.kernel_status().unwrap_or_default();
    let (core, events, thresholds, connections_of_others) = state.with_engine(|engine| {
        let events = Events {
            oldest_id: engine.first_event_id(),
            newest_id: engine.last_event_id(),
        };
        let others = engine.connections_of_others();
        (engine.totals(), events, engine.thresholds(), others)
    });
    let unready_reason = state.unready_reason();
    let lost = lost(&kernel, core.records_refused);
    let held_back = held_back(&kernel);
    let maps = kernel.maps.into_iter().map(|map| {
        let fill = Fill {
            entries: map.entries,
            capacity: map.capacity,
        };
        (map.name, fill)
    });
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: kernel_release(),
        pid: std::process::id(),
        started: state.started_text(),
        uptime_seconds: state.uptime_seconds(),
        ready: unready_reason.is_none(),
        unready_reason,
        probes: kernel.probes.into_iter().collect(),
        sweep: Sweep {
            rounds: kernel.sweeps_total,
            seconds: kernel.sweep_seconds,
            sockets: kernel.sweep_sockets,
            interval_seconds: kernel.sweep_interval_seconds,
            full_interval_seconds: kernel.sweep_full_interval_seconds,
            passes: kernel.sweep_passes_total,
            namespaces: kernel.namespaces,
            namespaces_missed: kernel.namespaces_missed,
            namespaces_put_off: kernel.namespaces_put_off,
        },
        records: Records {
            received: kernel.records_received,
            lost,
            held_back,
        },
        tables: Tables {
            peers: core.peers_tracked,
            connections: core.connections_tracked,
            peer_evictions: core.peer_evictions,
            connection_evictions: core.connection_evictions,
            maps: maps.collect(),
        },
        events,
        thresholds: Some(thresholds),
        shared_kernel: !pid::is_first(),
        connections_of_others,
        held_workers: state.owners.read().held_workers.unwrap_or_default(),
        recorder: recorder(state.recording.status()),
        budget: Some(state.governor.status()),
        kernel_log_failure: state.log_failure().clone(),
        privilege: state.privilege().cloned(),
        guard: Some(guard(&state.guard.status())),
        last_reload_successful: state.is_last_reload_successful(),
    }
}

fn recorder(status: RecorderStatus) -> Option<Recorder> {
    let is_wanted = status.file.is_some() || status.failure.is_some();
    is_wanted.then_some(Recorder {
        file: status.file,
        bytes: status.counts.bytes,
        failure: status.failure,
    })
}

fn guard(status: &GuardStatus) -> GuardState {
    GuardState {
        mode: status.mode.to_string(),
        pressure: status.pressure.as_ref().map(ToString::to_string),
    }
}

/// Records held back, by reason.
pub(super) fn held_back(kernel: &KernelStatus) -> BTreeMap<String, u64> {
    let held_back = kernel.records_held_back.iter();
    held_back
        .map(|(reason, count)| ((*reason).to_owned(), *count))
        .collect()
}

/// Records lost or refused, by stage.
pub(super) fn lost(kernel: &KernelStatus, refused: u64) -> BTreeMap<String, u64> {
    let lost = kernel.records_lost.iter();
    let lost = lost.map(|(stage, count)| ((*stage).to_owned(), *count));
    lost.chain([("decode".to_owned(), refused)]).collect()
}
