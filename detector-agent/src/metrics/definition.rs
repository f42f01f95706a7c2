//! Every metric, once: for the exposition and for the reference.

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows while the agent runs.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Kind {
    /// Name in the exposition.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// One metric.
#[derive(Debug)]
pub(crate) struct Metric {
    /// Name; a contract.
    pub(crate) name: &'static str,
    /// Type.
    pub(crate) kind: Kind,
    /// Names of its labels, in order.
    pub(crate) labels: &'static [&'static str],
    /// What it means, with its unit.
    pub(crate) help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub(crate) const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// All metrics in the order of the reference.
        pub(crate) const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    WINDOW_SHRINKS = Counter "detector_window_shrinks_total" ["severity"]
        "Times a peer moved its right window edge left by at least 2^wscale below the highest it ever offered; severity by what was in flight.";
    SUBFLOW_RETREATS = Counter "detector_subflow_retreats_total" []
        "Times the right window edge of an MPTCP subflow moved left. Subflows share one window, so this is no evidence and no shrink.";
    ZERO_WINDOW_EPISODES = Counter "detector_zero_window_episodes_total" []
        "Times a connection entered zero window, in any TCP state.";
    ZERO_WINDOW_SECONDS = Counter "detector_zero_window_seconds_total" []
        "Seconds in zero window with data queued, summed over all connections.";
    RETRANSMITS = Counter "detector_retransmits_total" ["cause"]
        "Segments retransmitted; window_probe while the peer's window was zero, tail_probe by the loss-probe timer, loss otherwise.";
    RETRANSMITS_NEEDLESS = Counter "detector_retransmits_needless_total" []
        "Segments retransmitted that turned out needless: reported twice by the peer (DSACK), or the kernel took the recovery back (Eifel, F-RTO). A lower bound.";
    STALLED_CONNECTIONS = Gauge "detector_stalled_connections" ["cause"]
        "Connections whose queued data is held up now, by cause.";
    PINNED_BYTES = Gauge "detector_pinned_bytes" []
        "Bytes of kernel memory (sk_wmem_queued) that stalled connections hold now.";
    FLAGS = Counter "detector_flags_total" ["kind"]
        "Flags raised, by kind.";
    INCIDENTS = Counter "detector_incidents_total" ["kind"]
        "Incidents by kind; an incident that several kinds joined counts once for each.";
    INCIDENTS_OPEN = Gauge "detector_incidents_open" ["kind"]
        "1 while an incident that this kind has joined is open, else 0.";
    INCIDENTS_STANDING = Gauge "detector_incidents_standing" ["kind"]
        "1 while what makes an incident of this kind stands, and for half a minute after, else 0; the incident may go on with other kinds.";
    OOM_KILLS = Counter "detector_oom_kills_total" []
        "Processes that the kernel killed for want of memory, since the host started.";
    TCP_MEMORY = Gauge "detector_tcp_memory_bytes" []
        "Bytes of kernel memory used by TCP in all network namespaces.";
    TCP_MEMORY_HELD = Gauge "detector_tcp_memory_held_bytes" ["holder"]
        "Bytes of TCP's memory by who holds them; known while somebody looks: under pressure, in an incident, or asked for.";
    TCP_MEMORY_LOOKS = Counter "detector_tcp_memory_looks_total" ["result"]
        "Listings of all sockets to find who holds TCP's memory.";
    TCP_MEMORY_LOOK_SECONDS = Counter "detector_tcp_memory_look_seconds_total" []
        "Processor seconds spent on these listings.";
    TCP_MEMORY_LIMIT = Gauge "detector_tcp_memory_limit_bytes" []
        "Bytes at which the kernel refuses TCP more memory (net.ipv4.tcp_mem, third number).";
    PEER_WINDOW_SHRINKS = Counter "detector_peer_window_shrinks_total" ["peer"]
        "Window shrinks of one peer, all severities; peers without a line of their own are summed under other.";
    PEER_ZERO_WINDOW_EPISODES = Counter "detector_peer_zero_window_episodes_total" ["peer"]
        "Times connections of one peer entered zero window.";
    PEER_ZERO_WINDOW_SECONDS = Counter "detector_peer_zero_window_seconds_total" ["peer"]
        "Seconds connections of one peer spent in zero window with data queued.";
    PEER_RETRANSMITS = Counter "detector_peer_retransmits_total" ["peer", "cause"]
        "Segments retransmitted to one peer, by the causes of detector_retransmits_total.";
    PEER_STALLED_CONNECTIONS = Gauge "detector_peer_stalled_connections" ["peer"]
        "Connections of one peer whose queued data is held up now.";
    PEER_PINNED_BYTES = Gauge "detector_peer_pinned_bytes" ["peer"]
        "Bytes of kernel memory that stalled connections of one peer hold now.";
    PEER_PINNED_BYTE_SECONDS = Counter "detector_peer_pinned_byte_seconds_total" ["peer"]
        "Byte-seconds: kernel memory pinned by one peer, integrated over time.";
    PEER_FLAGGED = Gauge "detector_peer_flagged" ["peer", "verdict"]
        "1 while a peer is flagged.";
    BUILD_INFO = Gauge "detector_build_info" ["version", "arch"]
        "Always 1; the labels name the running build.";
    PROBE_ATTACHED = Gauge "detector_probe_attached" ["probe"]
        "1 while a kernel probe is attached, else 0.";
    RECORDS_RECEIVED = Counter "detector_records_received_total" []
        "Records received from the kernel side.";
    RECORDS_LOST = Counter "detector_records_lost_total" ["stage"]
        "Records lost or refused, by stage; the next record brings the totals they carried.";
    RECORDS_HELD_BACK = Counter "detector_records_held_back_total" ["reason"]
        "Records not sent, by reason, of which the next one carries all: no count and no state is lost.";
    PEERS_TRACKED = Gauge "detector_peers_tracked" []
        "Peers in the agent's table.";
    CONNECTIONS_TRACKED = Gauge "detector_connections_tracked" []
        "Connections in the agent's table.";
    PEER_EVICTIONS = Counter "detector_peer_evictions_total" []
        "Peers forgotten for lack of room; their totals stay under other.";
    SUSPECT_EVICTIONS = Counter "detector_suspect_evictions_total" []
        "Of these peers, those that were flagged or held connections up when they were forgotten.";
    INCIDENTS_FORGOTTEN = Counter "detector_incidents_forgotten_total" []
        "Incidents forgotten because newer ones needed their room.";
    CONNECTION_EVICTIONS = Counter "detector_connection_evictions_total" []
        "Connections forgotten for lack of room.";
    SWEEP_SECONDS = Gauge "detector_sweep_seconds" []
        "Seconds the last round of sweeps took that had anything to pass over.";
    SWEEP_SOCKETS = Gauge "detector_sweep_sockets" []
        "Sockets met in the last full round of sweeps.";
    SWEEP_INTERVAL_SECONDS = Gauge "detector_sweep_interval_seconds" []
        "Seconds between two rounds of sweeps at present; longer than configured where sweeping would cost too much.";
    SWEEPS = Counter "detector_sweeps_total" []
        "Rounds of sweeps, those included that had nothing to pass over.";
    SWEEP_PASSES = Counter "detector_sweep_passes_total" []
        "Passes over one network namespace: those in which hooks have seen something to follow, and all once in a while.";
    SWEEP_FULL_INTERVAL_SECONDS = Gauge "detector_sweep_full_interval_seconds" []
        "Seconds between two rounds over all network namespaces that nothing calls for.";
    SWEEP_NAMESPACES = Gauge "detector_sweep_namespaces" []
        "Network namespaces known at the last full round, those included that it put off.";
    PROGRAM_RUNS = Counter "detector_bpf_program_runs_total" ["program"]
        "Times an eBPF program ran; 0 while kernel.bpf_stats_enabled is off.";
    PROGRAM_SECONDS = Counter "detector_bpf_program_seconds_total" ["program"]
        "Seconds an eBPF program ran; 0 while kernel.bpf_stats_enabled is off.";
    MAP_ENTRIES = Gauge "detector_bpf_map_entries" ["map"]
        "Entries in an eBPF map.";
    MAP_CAPACITY = Gauge "detector_bpf_map_capacity" ["map"]
        "Entries an eBPF map can hold.";
    HELD_WORKERS = Gauge "detector_held_workers" ["service"]
        "Tasks of a service that sleep in a write to a stalled connection; the 20 services with the most, the rest summed under other. A service of which none is seen to has no sample: an event loop may serve its connections.";
    OWNER_LOOKUPS = Counter "detector_owner_lookups_total" ["result"]
        "Sockets whose owner was found, and searches that found none.";
    OWNER_ENTRIES_SKIPPED = Counter "detector_owner_entries_skipped_total" ["reason"]
        "Entries of /proc that could not be read or vanished, and processes that kept whoever looked at them waiting, during searches for owners.";
    OWNER_SECONDS = Counter "detector_owner_seconds_total" []
        "Processor seconds spent looking for owners and counting held tasks.";
    CENSUS_SUSPECTS = Counter "detector_census_suspects_total" ["result"]
        "Suspects whose connections the kernel was asked to list, by whether it did.";
    CENSUS_SECONDS = Counter "detector_census_seconds_total" []
        "Processor seconds spent asking the kernel for connections of suspects.";
    EVENTS_FORGOTTEN = Counter "detector_events_forgotten_total" []
        "Events forgotten because newer ones needed their room.";
    EVENTS_SUPPRESSED = Counter "detector_events_suppressed_total" []
        "Events left out because their peer had caused too many, or peers in networks of users' own had together; their flags are counted.";
    EVENTS_MISSED = Counter "detector_events_missed_total" []
        "Events that readers missed because they were too slow; each reader got their number.";
    EVENT_FOLLOWERS = Gauge "detector_event_followers" []
        "Readers that are following events now.";
    HTTP_REFUSALS = Counter "detector_http_refusals_total" ["listener", "reason"]
        "Connections and requests that were refused, cut or failed.";
    FLAGS_NOT_LOGGED = Counter "detector_flags_not_logged_total" []
        "Flags that were raised but not logged, to bound the rate of the log.";
    ACTIONS = Counter "detector_actions_total" ["action"]
        "Actions at an operator's request: sockets reset, networks blocked, networks unblocked before their time.";
    ACTION_FAILURES = Counter "detector_action_failures_total" ["action"]
        "Actions that an operator was allowed to ask for and that failed.";
    RESET_BYTES = Counter "detector_reset_bytes_total" []
        "Bytes of kernel memory that sockets held when they were reset.";
    BLOCKED_NETWORKS = Gauge "detector_blocked_networks" []
        "Networks that are blocked now.";
    GUARD_MODE = Gauge "detector_guard_mode" ["mode"]
        "1 for the mode of the guard: off, dry-run or enforce.";
    GUARD_PRESSURE = Gauge "detector_guard_pressure" []
        "1 while the guard sees pressure under which it acts, or would; 0 also while it is off.";
    GUARD_STEPS = Counter "detector_guard_steps_total" ["step", "result"]
        "Steps of the guard on a peer: done, what a dry run would have done, failed.";
    GUARD_RESETS = Counter "detector_guard_resets_total" []
        "Connections that the guard reset.";
    GUARD_FREED_BYTES = Counter "detector_guard_freed_bytes_total" []
        "Bytes of kernel memory that those held.";
    GUARD_SPARED = Counter "detector_guard_spared_total" ["reason"]
        "Times that the guard had reason to act on a peer and spared it.";
    LOG_LINES_DROPPED = Counter "detector_log_lines_dropped_total" []
        "Log lines dropped because stderr did not take them in time.";
    BUDGET_CPU_SHARE = Gauge "detector_budget_cpu_share" []
        "Share of one core that the agent may use: `[budget] cpu_share`.";
    BUDGET_USED_CPU_SHARE = Gauge "detector_budget_used_cpu_share" []
        "Share of one core that it used over the last ten seconds, its hooks included where the kernel counts them (`kernel.bpf_stats_enabled`), what answering requests took left out.";
    BUDGET_GIVEN_UP = Gauge "detector_budget_given_up" ["what"]
        "1 while the agent does without this to stay within its CPU share: windows of suspects in the flight recorder, owners of newly stalled connections, sweeps beyond the share for quiet times.";
    RECORDER_UP = Gauge "detector_recorder_up" []
        "1 while the flight recorder is written, 0 while it cannot be; no line where none is kept.";
    RECORDER_BYTES = Gauge "detector_recorder_bytes" []
        "Size of the flight recorder, its log included.";
    RECORDER_COMMITS = Counter "detector_recorder_commits_total" []
        "Times that something was written to the flight recorder and was on the disk.";
    RECORDER_COMMIT_SECONDS = Counter "detector_recorder_commit_seconds_total" []
        "Seconds spent writing the flight recorder.";
    RECORDER_LAST_COMMIT = Gauge "detector_recorder_last_commit_timestamp_seconds" []
        "When the flight recorder was written last, Unix time in seconds; 0 before that.";
    RECORDER_ROWS = Counter "detector_recorder_rows_total" []
        "Rows written to the flight recorder.";
    RECORDER_ROWS_DELETED = Counter "detector_recorder_rows_deleted_total" []
        "Rows deleted from the flight recorder to thin it with age and to keep its bounds.";
    RECORDER_ROWS_LOST = Counter "detector_recorder_rows_lost_total" ["kind"]
        "Rows that the flight recorder could not keep: samples where room was short, events, notes and gaps that waited too long, points of windows beyond what is followed.";
    RECORDER_FAILURES = Counter "detector_recorder_write_failures_total" []
        "Times that writing the flight recorder failed; findings wait for the next time.";
    RECORDER_FILES_SET_ASIDE = Counter "detector_recorder_files_set_aside_total" []
        "Damaged files of the flight recorder that were set aside.";
    LAST_RELOAD_SUCCESSFUL = Gauge "detector_config_last_reload_successful" []
        "1 if the last reload of the configuration was applied or none has been asked for, else 0.";
    PROCESS_CPU_SECONDS = Counter "process_cpu_seconds_total" []
        "Seconds of user and system CPU time.";
    PROCESS_OPEN_FDS = Gauge "process_open_fds" []
        "Open file descriptors.";
    PROCESS_MAX_FDS = Gauge "process_max_fds" []
        "Limit of open file descriptors.";
    PROCESS_VIRTUAL_MEMORY_BYTES = Gauge "process_virtual_memory_bytes" []
        "Bytes of virtual memory.";
    PROCESS_RESIDENT_MEMORY_BYTES = Gauge "process_resident_memory_bytes" []
        "Bytes of resident memory; without the memory of eBPF maps, which the kernel holds.";
    PROCESS_START_TIME_SECONDS = Gauge "process_start_time_seconds" []
        "Start of the process, Unix time in seconds.";
    PROCESS_THREADS = Gauge "process_threads" []
        "Threads of the agent.";
}

#[cfg(test)]
mod tests {
    use super::{ALL, Kind};
    use std::collections::HashSet;

    #[test]
    fn names_follow_the_conventions_and_are_unique() {
        let mut names = HashSet::new();
        for metric in ALL {
            assert!(names.insert(metric.name), "{}", metric.name);
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            assert!(!metric.help.contains(['\n', '\\', '|']), "{}", metric.name);
        }
    }
}
