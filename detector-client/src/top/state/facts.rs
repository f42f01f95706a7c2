//! What one refresh brings: facts of the host, rows, the page that is open.

use detector_api::budget::Saving;
use detector_api::page::PeerPage;
use detector_api::row::PeerRow;
use detector_api::tcp_memory::HeldBytes;

/// A present moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Now {
    /// Seconds since `detector top` was started.
    pub(crate) seconds: f64,
    /// Wall clock, nanoseconds since 1970.
    pub(crate) unix_ns: i128,
}

/// What one refresh brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Facts of the host.
    pub(crate) facts: Facts,
    /// The most costly peers, if they were asked for.
    pub(crate) listing: Option<Listing>,
    /// The peer that is open; `None` within if the agent does not know it any more.
    pub(crate) page: Option<Option<PeerPage>>,
}

/// The most costly peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// Peers, the most costly first.
    pub(crate) peers: Vec<PeerRow>,
    /// How many there are in all.
    pub(crate) total: usize,
}

/// Facts of the host and of the agent; what is not known is `None`. A record of many fields: all that the header of
/// the screen shows, from whatever source.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// Name of the host.
    pub(crate) host: String,
    /// Release of the kernel.
    pub(crate) kernel: String,
    /// Version of the agent.
    pub(crate) agent_version: String,
    /// How long the agent has run.
    pub(crate) uptime_seconds: f64,
    /// Why the agent does not do its work.
    pub(crate) unready_reason: Option<String>,
    /// Load averages over 1, 5 and 15 minutes, as far as they are known.
    pub(crate) load: Vec<f64>,
    /// Share of the last ten seconds in which some task waited for processor, memory, disk.
    pub(crate) pressure_percent: [Option<f64>; 3],
    /// Memory in use and all there is.
    pub(crate) memory_bytes: Option<(u64, u64)>,
    /// Memory of TCP and what the kernel allows it.
    pub(crate) tcp_memory_bytes: Option<(u64, u64)>,
    /// Who holds the memory of TCP: while the kernel saves it, and in the past wherever somebody had looked.
    pub(crate) tcp_memory_held: Option<HeldBytes>,
    /// Whether the kernel saves it.
    pub(crate) is_tcp_memory_short: bool,
    /// Sockets that no process holds any more.
    pub(crate) orphans: Option<u64>,
    /// Connections held up now.
    pub(crate) stalled_connections: Option<u64>,
    /// Kernel memory these hold.
    pub(crate) pinned_bytes: Option<u64>,
    /// Peers in the agent's table.
    pub(crate) peers: Option<u64>,
    /// Connections in the agent's table.
    pub(crate) connections: Option<u64>,
    /// Share of one processor that the agent takes.
    pub(crate) agent_cpu_share: Option<f64>,
    /// Memory that the agent takes.
    pub(crate) agent_memory_bytes: Option<u64>,
    /// When the incident that goes on began, RFC 3339.
    pub(crate) incident_began: Option<String>,
    /// Records that were lost on the way.
    pub(crate) records_lost: u64,
    /// What the agent gives up to use less of the processors.
    pub(crate) given_up: Vec<Saving>,
}
