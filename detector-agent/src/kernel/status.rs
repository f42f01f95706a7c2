//! What the kernel side counts about itself.

use super::counters::Counts;
use super::hooks::HOOKS;
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
    /// That of a kernel side that has lost nothing, with a line for all that one has.
    pub(crate) fn without_losses() -> Self {
        let mut status = Self::default();
        status.attach_probes(true);
        status.set_losses(&Counts::default(), SweepLosses::default());
        // Each probe is a program; the table is the one map whose fill is told.
        let programs = status.probes.iter().map(|(name, _)| ProgramStatus {
            name: name.clone(),
            runs: 0,
            seconds: 0.0,
        });
        status.programs = programs.collect();
        status.maps = vec![MapStatus {
            name: names::CONNECTIONS_MAP.to_owned(),
            entries: 0,
            capacity: 0,
        }];
        status
    }

    /// With all probes attached; that on victims of the OOM killer only where the kernel has it.
    pub(super) fn attach_probes(&mut self, has_victims: bool) {
        let hooks = HOOKS.iter().map(|(program, _)| *program);
        let victims = has_victims.then_some(names::VICTIM_PROGRAM);
        let probes = hooks.chain([names::SWEEP_PROGRAM]).chain(victims);
        self.probes = probes.map(|program| (program.to_owned(), true)).collect();
    }

    /// The agent is blind.
    pub(super) fn detach_all(&mut self) {
        for (_, is_attached) in &mut self.probes {
            *is_attached = false;
        }
    }

    /// Nobody hears of victims of the OOM killer any more.
    pub(super) fn lose_victims(&mut self) {
        for (name, is_attached) in &mut self.probes {
            *is_attached &= name != names::VICTIM_PROGRAM;
        }
    }

    /// Whether a hook tells of victims of the OOM killer.
    pub(super) fn has_victims(&self) -> bool {
        let mut probes = self.probes.iter();
        probes.any(|(name, is_attached)| *is_attached && name == names::VICTIM_PROGRAM)
    }

    /// Probes without which the agent is not what it says it is. What it can do without may be missing.
    pub(crate) fn detached(&self) -> impl Iterator<Item = &str> {
        let detached = self.probes.iter().filter(|(_, is_attached)| !is_attached);
        detached
            .map(|(name, _)| name.as_str())
            .filter(|name| *name != names::VICTIM_PROGRAM)
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

#[cfg(test)]
mod tests {
    use super::KernelStatus;

    #[test]
    fn without_the_hook_on_victims_it_says_so_and_is_ready() {
        let mut status = KernelStatus::default();
        status.attach_probes(true);
        assert!(status.has_victims());
        status.lose_victims();
        assert!(!status.has_victims());
        let lost = ("det_mark_victim".to_owned(), false);
        assert_eq!(status.probes.last(), Some(&lost));
        assert_eq!(status.detached().count(), 0);
        status.detach_all();
        assert_eq!(status.detached().count(), status.probes.len() - 1);
        // Where the kernel does not have it nothing is missing.
        status.attach_probes(false);
        assert!(status.probes.iter().all(|(_, is_attached)| *is_attached));
    }
}
