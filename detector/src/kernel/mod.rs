//! The kernel side: check, load, attach, read the ring, sweep, count. The only place that imports
//! aya.
//!
//! In: settings. Out: batches of [`Message`]s through a bounded channel, and a
//! [`KernelStatus`] when asked. Never: judging, HTTP.

pub(crate) mod check;

use detector_common::settings::KernelSettings;
use detector_core::observation::{Observation, SweepEnd, UntrackedTotals};
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc;

/// How to load the kernel side.
#[derive(Clone, Debug)]
pub(crate) struct KernelOptions {
    /// Rate bound and log level of the programs.
    pub(crate) settings: KernelSettings,
    /// Size of the ring buffer, a power of two.
    pub(crate) ring_bytes: u32,
    /// Most connections with kernel state.
    pub(crate) connections_capacity: u32,
    /// How to sweep.
    pub(crate) sweep: SweepOptions,
}

/// How to sweep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SweepOptions {
    /// From the begin of one round over all network namespaces to the next.
    pub(crate) interval: Duration,
}

/// What the kernel side sends.
#[derive(Debug)]
pub(crate) enum Message {
    /// Decoded records, oldest first.
    Records(Vec<Observation>),
    /// So many records could not be decoded.
    Refused(u64),
    /// One pass over one namespace ended.
    SweepEnd(SweepEnd),
    /// New totals of what the kernel side could not keep per connection.
    Untracked(UntrackedTotals),
    /// The kernel side cannot go on; nothing follows.
    Failed(String),
}

/// What the kernel side counts about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct KernelStatus {
    /// Name of each probe, and whether it is attached.
    pub(crate) probes: Vec<(String, bool)>,
    /// Records read from ring and sweeps.
    pub(crate) records_received: u64,
    /// Records lost, by the stage that lost them.
    pub(crate) records_lost: Vec<(&'static str, u64)>,
    /// Time the last full round of sweeps took.
    pub(crate) sweep_seconds: f64,
    /// Sockets met in the last full round.
    pub(crate) sweep_sockets: u64,
    /// Time between rounds, as the governor set it.
    pub(crate) sweep_interval_seconds: f64,
    /// Full rounds so far.
    pub(crate) sweeps_total: u64,
    /// Network namespaces swept in the last round.
    pub(crate) namespaces: u64,
    /// Cost of each program.
    pub(crate) programs: Vec<ProgramStatus>,
    /// Fill of each map.
    pub(crate) maps: Vec<MapStatus>,
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

/// Why the kernel side did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// This kernel lacks something that is needed.
    Unsupported {
        /// What is missing.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// A capability is missing.
    Privilege {
        /// Which, and for what.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// Anything else.
    Failed {
        /// What failed, and why.
        reason: String,
    },
}

impl StartError {
    /// The exit code that tells this case.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Unsupported { .. } => 3,
            Self::Privilege { .. } => 4,
            Self::Failed { .. } => 1,
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            Self::Unsupported { hint, .. } | Self::Privilege { hint, .. } => Some(hint),
            Self::Failed { .. } => None,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { reason, .. }
            | Self::Privilege { reason, .. }
            | Self::Failed { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for StartError {}

/// The running kernel side. Dropping it detaches everything.
#[derive(Debug)]
pub(crate) struct Kernel {
    _sink: mpsc::Sender<Message>,
}

/// Checks, loads and attaches; messages flow into `sink` from then on.
pub(crate) fn start(
    options: &KernelOptions,
    sink: mpsc::Sender<Message>,
) -> Result<Kernel, StartError> {
    let _ = (options, sink);
    Err(StartError::Failed {
        reason: "the eBPF object is not part of this build".to_owned(),
    })
}

impl Kernel {
    /// Counts of this moment; cheap enough for each scrape.
    pub(crate) fn status(&self) -> KernelStatus {
        KernelStatus::default()
    }

    /// Detaches and waits until the threads have ended.
    pub(crate) fn stop(self) {}
}
