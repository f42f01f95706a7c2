//! Writes one scrape: every number afresh from the moment's snapshot.

use super::definition as metric;
use super::exposition::{Page, Value};
use super::process;
use crate::actions;
use crate::config::GuardMode;
use crate::guard::{GuardStatus, SPARED_REASONS, StepResult};
use crate::host::owner::OwnerReport;
use crate::host::tcp_memory::LookCounts;
use crate::http::Refusals;
use crate::kernel::KernelStatus;
use crate::recording::RecorderStatus;
use detector_api::budget::{Budget, Saving};
use detector_api::host::TcpMemory;
use detector_api::snapshot::{FlagKind, GuardAct, IncidentKind, StallCause};
use detector_api::tcp_memory::{HeldBytes, MemoryHolder};
use detector_core::metrics::{Ledger, MetricsSnapshot};

/// The label value under which all peers, or services, without a line of their own are summed.
const OTHER: &str = "other";
/// Services with a line of their own.
const SERVICES: usize = 20;

/// What the agent counts about itself, at one moment. A record of many fields: all that a page shows of it.
#[derive(Debug, Default)]
pub(crate) struct SelfCounts<'a> {
    /// Refusals of each listener.
    pub(crate) refusals: Vec<(&'static str, &'a Refusals)>,
    /// Events forgotten for lack of room.
    pub(crate) events_forgotten: u64,
    /// Events held back for lack of rate.
    pub(crate) events_suppressed: u64,
    /// Events that readers missed.
    pub(crate) events_missed: u64,
    /// Readers that follow events.
    pub(crate) followers: u64,
    /// Flags not logged.
    pub(crate) flags_not_logged: u64,
    /// What was done at an operator's request.
    pub(crate) actions: actions::ActionCounts,
    /// What the guard does, and has done.
    pub(crate) guard: GuardStatus,
    /// Log lines dropped.
    pub(crate) log_lines_dropped: u64,
    /// What the search for owners has found.
    pub(crate) owners: OwnerReport,
    /// Suspects whose connections were counted, and that could not be; seconds it took.
    pub(crate) census: (u64, u64, f64),
    /// The kernel's account of memory for TCP, if it is known.
    pub(crate) tcp_memory: Option<TcpMemory>,
    /// Processes killed for want of memory, if the kernel says.
    pub(crate) oom_kills: Option<u64>,
    /// What the agent costs, and gives up.
    pub(crate) budget: Budget,
    /// The flight recorder.
    pub(crate) recorder: RecorderStatus,
    /// Who holds it, if somebody has looked lately.
    pub(crate) tcp_memory_held: Option<HeldBytes>,
    /// What looking has cost.
    pub(crate) tcp_memory_looks: LookCounts,
    /// Whether the last reload was applied.
    pub(crate) is_last_reload_successful: bool,
}

/// The whole page.
///
/// # Errors
///
/// See [`Page::into_text`].
pub(crate) fn render(
    core: &MetricsSnapshot,
    kernel: &KernelStatus,
    counts: &SelfCounts<'_>,
) -> prometheus::Result<String> {
    fill(core, kernel, counts).into_text()
}

pub(super) fn fill(core: &MetricsSnapshot, kernel: &KernelStatus, counts: &SelfCounts<'_>) -> Page {
    let mut page = Page::default();
    write_host(&mut page, core);
    if let Some(oom_kills) = counts.oom_kills {
        page.single(&metric::OOM_KILLS, oom_kills);
    }
    write_tcp_memory(&mut page, counts);
    write_peers(&mut page, core);
    write_tables(&mut page, core);
    write_kernel(&mut page, core, kernel);
    write_owners(&mut page, &counts.owners);
    write_self(&mut page, counts);
    write_budget(&mut page, &counts.budget);
    write_recorder(&mut page, &counts.recorder);
    process::write(&mut page);
    page
}

fn write_host(page: &mut Page, core: &MetricsSnapshot) {
    let host = &core.totals.ledger;
    let mut samples = page.metric(&metric::WINDOW_SHRINKS);
    samples.sample(&["polite"], host.shrinks.polite);
    samples.sample(&["below_flight"], host.shrinks.below_flight);
    samples.sample(&["treason"], host.shrinks.treason);
    page.single(&metric::ZERO_WINDOW_EPISODES, host.zero_window_episodes);
    page.single(&metric::ZERO_WINDOW_SECONDS, host.zero_window_seconds);
    let mut samples = page.metric(&metric::RETRANSMITS);
    for (cause, segments) in host.retransmits.by_cause() {
        samples.sample(&[cause], segments);
    }
    page.single(&metric::RETRANSMITS_NEEDLESS, host.retransmits_needless);
    let mut samples = page.metric(&metric::STALLED_CONNECTIONS);
    for (cause, count) in StallCause::LABELS
        .into_iter()
        .zip(core.totals.stalled_by_cause)
    {
        samples.sample(&[cause], count);
    }
    page.single(&metric::PINNED_BYTES, host.pinned_bytes);
    let mut samples = page.metric(&metric::FLAGS);
    for (kind, count) in FlagKind::LABELS.into_iter().zip(core.flags) {
        samples.sample(&[kind], count);
    }
    for (metric, counts) in [
        (&metric::INCIDENTS, core.incidents),
        (&metric::INCIDENTS_OPEN, core.incidents_open),
        (&metric::INCIDENTS_STANDING, core.incidents_standing),
    ] {
        let mut samples = page.metric(metric);
        for (kind, count) in IncidentKind::LABELS.into_iter().zip(counts) {
            samples.sample(&[kind], count);
        }
    }
}

/// What is not known has no line.
fn write_tcp_memory(page: &mut Page, counts: &SelfCounts<'_>) {
    if let Some(memory) = counts.tcp_memory {
        page.single(&metric::TCP_MEMORY, memory.used_bytes);
        page.single(&metric::TCP_MEMORY_LIMIT, memory.limit_bytes);
    }
    if let Some(held) = counts.tcp_memory_held {
        let mut samples = page.metric(&metric::TCP_MEMORY_HELD);
        for holder in MemoryHolder::ALL {
            samples.sample(&[holder.label()], held.of(holder));
        }
    }
    let looks = counts.tcp_memory_looks;
    let mut samples = page.metric(&metric::TCP_MEMORY_LOOKS);
    samples.sample(&["done"], looks.done);
    samples.sample(&["failed"], looks.failed);
    page.single(&metric::TCP_MEMORY_LOOK_SECONDS, looks.used.as_secs_f64());
}

fn write_guard(page: &mut Page, guard: &GuardStatus) {
    let mut samples = page.metric(&metric::GUARD_MODE);
    for mode in GuardMode::ALL {
        samples.sample(&[mode.label()], mode == guard.mode);
    }
    page.single(&metric::GUARD_PRESSURE, guard.pressure.is_some());
    let mut samples = page.metric(&metric::GUARD_STEPS);
    for act in GuardAct::ALL {
        for result in StepResult::ALL {
            let count = guard.steps.get(&(act, result)).copied();
            samples.sample(&[act.label(), result.label()], count.unwrap_or(0));
        }
    }
    page.single(&metric::GUARD_RESETS, guard.reset);
    page.single(&metric::GUARD_FREED_BYTES, guard.freed_bytes);
    let mut samples = page.metric(&metric::GUARD_SPARED);
    for reason in SPARED_REASONS {
        let count = guard.spared.get(reason).copied();
        samples.sample(&[reason], count.unwrap_or(0));
    }
}

/// A number of a ledger, as a metric shows it.
type OfLedger = fn(&Ledger) -> Value;

fn write_peers(page: &mut Page, core: &MetricsSnapshot) {
    let peers = || core.peers.iter().map(|peer| (&*peer.peer, &peer.ledger));
    let all = || peers().chain([(OTHER, &core.other)]);
    let columns: [(_, OfLedger); 6] = [
        (&metric::PEER_WINDOW_SHRINKS, |ledger| {
            let shrinks = ledger.shrinks;
            (shrinks.polite + shrinks.below_flight + shrinks.treason).into()
        }),
        (&metric::PEER_ZERO_WINDOW_EPISODES, |ledger| {
            ledger.zero_window_episodes.into()
        }),
        (&metric::PEER_ZERO_WINDOW_SECONDS, |ledger| {
            ledger.zero_window_seconds.into()
        }),
        (&metric::PEER_STALLED_CONNECTIONS, |ledger| {
            ledger.stalled_connections.into()
        }),
        (&metric::PEER_PINNED_BYTES, |ledger| {
            ledger.pinned_bytes.into()
        }),
        (&metric::PEER_PINNED_BYTE_SECONDS, |ledger| {
            ledger.pinned_byte_seconds.into()
        }),
    ];
    for (metric, value) in columns {
        let mut samples = page.metric(metric);
        for (peer, ledger) in all() {
            samples.sample(&[peer], value(ledger));
        }
    }
    let mut samples = page.metric(&metric::PEER_RETRANSMITS);
    for (peer, ledger) in all() {
        for (cause, segments) in ledger.retransmits.by_cause() {
            samples.sample(&[peer, cause], segments);
        }
    }
    let mut samples = page.metric(&metric::PEER_FLAGGED);
    for peer in &core.peers {
        if let Some(verdict) = peer.flagged {
            samples.sample(&[&peer.peer, verdict.label()], true);
        }
    }
}

fn write_tables(page: &mut Page, core: &MetricsSnapshot) {
    page.metric(&metric::BUILD_INFO)
        .sample(&[env!("CARGO_PKG_VERSION"), std::env::consts::ARCH], true);
    page.single(&metric::PEERS_TRACKED, core.totals.peers_tracked);
    page.single(
        &metric::CONNECTIONS_TRACKED,
        core.totals.connections_tracked,
    );
    page.single(&metric::PEER_EVICTIONS, core.totals.peer_evictions);
    page.single(&metric::SUSPECT_EVICTIONS, core.totals.suspect_evictions);
    page.single(&metric::INCIDENTS_FORGOTTEN, core.incidents_forgotten);
    page.single(
        &metric::CONNECTION_EVICTIONS,
        core.totals.connection_evictions,
    );
}

fn write_kernel(page: &mut Page, core: &MetricsSnapshot, kernel: &KernelStatus) {
    let mut samples = page.metric(&metric::PROBE_ATTACHED);
    for (probe, is_attached) in &kernel.probes {
        samples.sample(&[probe], *is_attached);
    }
    page.single(&metric::RECORDS_RECEIVED, kernel.records_received);
    let mut samples = page.metric(&metric::RECORDS_LOST);
    for (stage, count) in &kernel.records_lost {
        samples.sample(&[stage], *count);
    }
    samples.sample(&["decode"], core.totals.records_refused);
    let mut samples = page.metric(&metric::RECORDS_HELD_BACK);
    for (reason, count) in &kernel.records_held_back {
        samples.sample(&[reason], *count);
    }
    page.single(&metric::SUBFLOW_RETREATS, kernel.subflow_retreats);
    page.single(&metric::SWEEP_SECONDS, kernel.sweep_seconds);
    page.single(&metric::SWEEP_SOCKETS, kernel.sweep_sockets);
    page.single(
        &metric::SWEEP_INTERVAL_SECONDS,
        kernel.sweep_interval_seconds,
    );
    page.single(&metric::SWEEPS, kernel.sweeps_total);
    page.single(&metric::SWEEP_PASSES, kernel.sweep_passes_total);
    page.single(
        &metric::SWEEP_FULL_INTERVAL_SECONDS,
        kernel.sweep_full_interval_seconds,
    );
    page.single(&metric::SWEEP_NAMESPACES, kernel.namespaces);
    let mut samples = page.metric(&metric::PROGRAM_RUNS);
    for program in &kernel.programs {
        samples.sample(&[&program.name], program.runs);
    }
    let mut samples = page.metric(&metric::PROGRAM_SECONDS);
    for program in &kernel.programs {
        samples.sample(&[&program.name], program.seconds);
    }
    let mut samples = page.metric(&metric::MAP_ENTRIES);
    for map in &kernel.maps {
        samples.sample(&[&map.name], map.entries);
    }
    let mut samples = page.metric(&metric::MAP_CAPACITY);
    for map in &kernel.maps {
        samples.sample(&[&map.name], map.capacity);
    }
}

fn write_owners(page: &mut Page, owners: &OwnerReport) {
    let services = owners.held_workers.as_deref().unwrap_or_default();
    let (shown, rest) = services.split_at(SERVICES.min(services.len()));
    let mut samples = page.metric(&metric::HELD_WORKERS);
    for workers in shown {
        if let Some(held) = workers.held {
            samples.sample(&[&workers.service], held);
        }
    }
    let rest: u64 = rest.iter().filter_map(|workers| workers.held).sum();
    samples.sample(&[OTHER], rest);
    let counts = &owners.counts;
    let mut samples = page.metric(&metric::OWNER_LOOKUPS);
    samples.sample(&["found"], counts.found);
    samples.sample(&["not_found"], counts.not_found);
    let mut samples = page.metric(&metric::OWNER_ENTRIES_SKIPPED);
    samples.sample(&["hangs"], counts.hung);
    samples.sample(&["unreadable"], counts.unreadable);
    samples.sample(&["vanished"], counts.vanished);
    page.single(&metric::OWNER_SECONDS, owners.used.as_secs_f64());
}

fn write_self(page: &mut Page, counts: &SelfCounts<'_>) {
    let (counted, not_counted, census_seconds) = counts.census;
    let mut samples = page.metric(&metric::CENSUS_SUSPECTS);
    samples.sample(&["counted"], counted);
    samples.sample(&["not_counted"], not_counted);
    page.single(&metric::CENSUS_SECONDS, census_seconds);
    page.single(&metric::EVENTS_FORGOTTEN, counts.events_forgotten);
    page.single(&metric::EVENTS_SUPPRESSED, counts.events_suppressed);
    page.single(&metric::EVENTS_MISSED, counts.events_missed);
    page.single(&metric::EVENT_FOLLOWERS, counts.followers);
    let mut samples = page.metric(&metric::HTTP_REFUSALS);
    for (listener, refusals) in &counts.refusals {
        for (reason, count) in refusals.counts() {
            samples.sample(&[listener, reason], count);
        }
    }
    page.single(&metric::FLAGS_NOT_LOGGED, counts.flags_not_logged);
    let actions = &counts.actions;
    let mut samples = page.metric(&metric::ACTIONS);
    samples.sample(&["reset"], actions.reset);
    samples.sample(&["block"], actions.blocked);
    samples.sample(&["unblock"], actions.unblocked);
    let mut samples = page.metric(&metric::ACTION_FAILURES);
    samples.sample(&["reset"], actions.reset_failed);
    samples.sample(&["block"], actions.block_failed);
    samples.sample(&["unblock"], actions.unblock_failed);
    page.single(&metric::RESET_BYTES, actions.freed_bytes);
    page.single(&metric::BLOCKED_NETWORKS, actions.blocked_now);
    write_guard(page, &counts.guard);
    page.single(&metric::LOG_LINES_DROPPED, counts.log_lines_dropped);
    page.single(
        &metric::LAST_RELOAD_SUCCESSFUL,
        counts.is_last_reload_successful,
    );
}

fn write_budget(page: &mut Page, budget: &Budget) {
    page.single(&metric::BUDGET_CPU_SHARE, budget.cpu_share);
    if let Some(share) = budget.used_cpu_share {
        page.single(&metric::BUDGET_USED_CPU_SHARE, share);
    }
    let mut given_up = page.metric(&metric::BUDGET_GIVEN_UP);
    for saving in Saving::ALL {
        given_up.sample(&[saving.label()], budget.given_up.contains(&saving));
    }
}

/// Where none is kept, and none was meant to be, there is no line.
fn write_recorder(page: &mut Page, recorder: &RecorderStatus) {
    if recorder.file.is_none() && recorder.failure.is_none() {
        return;
    }
    let counts = &recorder.counts;
    page.single(&metric::RECORDER_UP, recorder.failure.is_none());
    page.single(&metric::RECORDER_BYTES, counts.bytes);
    page.single(&metric::RECORDER_COMMITS, counts.commits);
    page.single(&metric::RECORDER_COMMIT_SECONDS, counts.commit_seconds);
    page.single(
        &metric::RECORDER_LAST_COMMIT,
        counts.last_commit_unix_seconds,
    );
    page.single(&metric::RECORDER_ROWS, counts.rows);
    page.single(&metric::RECORDER_ROWS_DELETED, counts.rows_deleted);
    let mut samples = page.metric(&metric::RECORDER_ROWS_LOST);
    for (kind, lost) in [
        ("sample", counts.samples_left_out),
        ("event", counts.events_lost),
        ("note", counts.notes_lost),
        ("gap", counts.gaps_lost),
        ("window", counts.points_lost),
    ] {
        samples.sample(&[kind], lost);
    }
    page.single(&metric::RECORDER_FAILURES, counts.failures);
    page.single(&metric::RECORDER_FILES_SET_ASIDE, counts.files_set_aside);
}

#[cfg(test)]
mod tests;
