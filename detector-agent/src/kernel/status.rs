//! What the kernel side counts about itself.

use super::counters::Counts;
use detector_common::names;
use std::time::Duration;

/// What the kernel side counts about itself. A record of many fields: all that a scrape, `/v1/status` and the
/// recorder show of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct KernelStatus {
    /// Name of each probe, and whether it is attached.
    pub(crate) probes: Vec<(String, bool)>,
    /// Records read from ring and sweeps.
    pub(crate) records_received: u64,
    /// Records lost, by the stage that lost them.
    pub(crate) records_lost: Vec<(&'static str, u64)>,
    /// Records not sent of which the next one carries all, by reason.
    pub(crate) records_held_back: Vec<(&'static str, u64)>,
    /// Times the right edge of an MPTCP subflow moved left.
    pub(crate) subflow_retreats: u64,
    /// Time the last round took that had anything to pass over.
    pub(crate) sweep_seconds: f64,
    /// Sockets met in the last full round.
    pub(crate) sweep_sockets: u64,
    /// Sockets met since the start.
    pub(crate) sweep_sockets_total: u64,
    /// Time between rounds over all namespaces that nothing calls for.
    pub(crate) sweep_full_interval_seconds: f64,
    /// Passes over one namespace since the start.
    pub(crate) sweep_passes_total: u64,
    /// Time between rounds, as its share of the processors allows.
    pub(crate) sweep_interval_seconds: f64,
    /// Rounds so far, those included that had nothing to pass over.
    pub(crate) sweeps_total: u64,
    /// Network namespaces known at the last full round, those included that it put off.
    pub(crate) namespaces: u64,
    /// Network namespaces that went away, or could not be entered, before they were swept.
    pub(crate) namespaces_missed: u64,
    /// Times one that is not on this host's way in was left for a later round.
    pub(crate) namespaces_put_off: u64,
    /// Cost of each program.
    pub(crate) programs: Vec<ProgramStatus>,
    /// Fill of each map.
    pub(crate) maps: Vec<MapStatus>,
}

/// What the kernel side's own counters do not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SweepLosses {
    /// Passes, and looks for closed connections, that failed.
    pub(super) failures: u64,
    /// Runs of a program that the kernel left out, as the processor ran it already.
    pub(super) recursion_misses: u64,
}

impl KernelStatus {
    /// That of a kernel side that has lost nothing.
    pub(crate) fn without_losses() -> Self {
        let mut status = Self::default();
        status.set_losses(&Counts::default(), SweepLosses::default());
        status
    }

    /// What was lost and what was held back, by their labels.
    pub(super) fn set_losses(&mut self, counts: &Counts, sweep: SweepLosses) {
        self.records_held_back = counts.held_back();
        self.records_lost = counts.losses();
        let of_sweep = [
            ("sweep_failed", sweep.failures),
            ("recursion", sweep.recursion_misses),
        ];
        self.records_lost.extend(of_sweep);
    }

    /// Processor time of the hooks, where the kernel counts it: that of the sweep is the agent's own.
    pub(crate) fn hook_time(&self) -> Duration {
        let hooks = self.programs.iter();
        let hooks = hooks.filter(|program| program.name != names::SWEEP_PROGRAM);
        let seconds = hooks.map(|program| program.seconds).sum();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

/// Cost of one program, as the kernel accounts it (zero while `bpf_stats_enabled` is off).
#[derive(Clone, Debug)]
pub(crate) struct ProgramStatus {
    /// Name of the program.
    pub(crate) name: String,
    /// Times it ran.
    pub(crate) runs: u64,
    /// Seconds it ran.
    pub(crate) seconds: f64,
}

/// Fill of one map.
#[derive(Clone, Debug)]
pub(crate) struct MapStatus {
    /// Name of the map.
    pub(crate) name: String,
    /// Entries in it.
    pub(crate) entries: u64,
    /// Entries it can hold.
    pub(crate) capacity: u64,
}
