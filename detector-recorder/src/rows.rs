//! What is recorded, row by row.

use crate::schema;
use detector_api::recorded::{GapReason, NoteKind, OomKill};
use detector_api::snapshot::{Peer, PeerDetail, Thresholds};
use detector_api::tcp_memory::HeldBytes;
use rusqlite::ToSql;

/// A wall clock that is slewed moves by less between two moments that follow each other.
const STEP_MS: i64 = 1_000;

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockReading {
    /// Wall clock, Unix milliseconds; may step.
    pub unix_ms: i64,
    /// Milliseconds since the host started; never steps.
    pub boot_ms: i64,
}

impl ClockReading {
    /// Whether the wall clock was set between this moment and a later one: times before and after do not
    /// follow each other.
    #[must_use]
    pub const fn is_set_until(self, later: Self) -> bool {
        let passed_ms = later.boot_ms.saturating_sub(self.boot_ms);
        let shown_ms = later.unix_ms.saturating_sub(self.unix_ms);
        shown_ms.saturating_sub(passed_ms).saturating_abs() > STEP_MS
    }
}

/// Declares a row of optional numbers and, from the same list, its columns.
macro_rules! row {
    ($(#[$of_row:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $kind:ty,)+ }) => {
        $(#[$of_row])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$of_field])* pub $field: Option<$kind>,)+
        }

        impl $name {
            /// Names of its columns, in order.
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),+];

            /// What a query asks for to get them of a file of this version.
            pub(crate) fn columns_of(version: i64) -> String {
                let columns = Self::COLUMNS.iter();
                let columns = columns.map(|name| schema::column(version, "host_seconds", name));
                columns.collect::<Vec<_>>().join(", ")
            }

            /// Its values in the order of the columns.
            pub(crate) fn values(&self) -> Vec<&dyn ToSql> {
                vec![$(&self.$field),+]
            }

            /// From a row in which the columns begin at `first`.
            pub(crate) fn of(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Self> {
                let mut columns = first..;
                let mut next = || columns.next().unwrap_or(usize::MAX);
                Ok(Self { $($field: row.get(next())?,)+ })
            }
        }
    };
}

row! {
    /// The host in one second. What the kernel does not say is `None`; counters are totals since the
    /// host or the agent started.
    HostSecond {
        /// Load average over one minute.
        load_one: f64,
        /// Share of ten seconds in which a task waited for a processor, in percent.
        cpu_some_percent: f64,
        /// The same for memory.
        memory_some_percent: f64,
        /// The same, all tasks at once.
        memory_full_percent: f64,
        /// The same as for the processor, for disks.
        io_some_percent: f64,
        /// The same, all tasks at once.
        io_full_percent: f64,
        /// Memory of the host.
        memory_total_bytes: i64,
        /// Memory that programs could still have had.
        memory_available_bytes: i64,
        /// Memory that the kernel's TCP took.
        tcp_memory_bytes: i64,
        /// Above this it begins to save.
        tcp_memory_pressure_bytes: i64,
        /// At this it refuses.
        tcp_memory_limit_bytes: i64,
        /// TCP sockets in all namespaces.
        tcp_sockets: i64,
        /// Those without a process.
        orphans: i64,
        /// Those in TIME-WAIT, in the agent's namespace.
        time_wait: i64,
        /// Connections refused because a listener's queue was full (`ListenOverflows`).
        listen_overflows: i64,
        /// All connection requests dropped at listeners (`ListenDrops`).
        listen_drops: i64,
        /// Frames that arrived broken or could not be sent, all interfaces but the loopback.
        interface_errors: i64,
        /// Frames dropped, for honest reasons too.
        interface_drops: i64,
        /// Kills by the OOM killer (`oom_kill` of `/proc/vmstat`).
        oom_kills: i64,
        /// Connections whose queued data was held up.
        stalled_connections: i64,
        /// Kernel memory that they held.
        pinned_bytes: i64,
        /// Workers that slept in a write to one of them.
        held_workers: i64,
        /// Peers in the agent's table.
        peers: i64,
        /// Entries into zero window.
        zero_window_episodes: i64,
        /// Window shrinks that took back what was not used.
        window_shrinks_polite: i64,
        /// Those that left data in flight beyond the window.
        window_shrinks_below_flight: i64,
        /// Those that closed the window with data in flight.
        window_shrinks_treason: i64,
        /// Segments sent again for loss.
        retransmits_loss: i64,
        /// Segments sent again by the loss-probe timer.
        retransmits_tail_probe: i64,
        /// Segments sent again into a zero window.
        retransmits_window_probe: i64,
        /// Records of the kernel side that were lost.
        records_lost: i64,
        /// Processor time of the agent, as a share of one core.
        agent_cpu_share: f64,
        /// Resident memory of the agent.
        agent_resident_bytes: i64,
        /// Orphans that the kernel allows (`tcp_max_orphans`).
        orphan_limit: i64,
        /// Connections closed for want of memory or of room for orphans, in the agent's namespace
        /// (`TCPAbortOnMemory`).
        aborted_on_memory: i64,
        /// Who held TCP's memory, by the last look at all sockets: send queues of stalled connections,
        held_stalled_send_bytes: i64,
        /// other send queues,
        held_send_bytes: i64,
        /// what programs had not read,
        held_receive_bytes: i64,
        /// sockets without a process,
        held_orphans_bytes: i64,
        /// and what is in no list.
        held_unlisted_bytes: i64,
    }
}

impl HostSecond {
    /// Who held TCP's memory; `None` where nobody had looked lately.
    #[must_use]
    pub fn tcp_memory_held(&self) -> Option<HeldBytes> {
        // A file may say anything.
        let bytes = |held: Option<i64>| held.map(|held| u64::try_from(held).unwrap_or(0));
        Some(HeldBytes {
            stalled_send: bytes(self.held_stalled_send_bytes)?,
            send: bytes(self.held_send_bytes)?,
            receive: bytes(self.held_receive_bytes)?,
            orphans: bytes(self.held_orphans_bytes)?,
            unlisted: bytes(self.held_unlisted_bytes)?,
        })
    }
}

/// What the agent of one run had lost of the kernel side's records, by its counter, which begins anew with each
/// run. `None` where no second tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsLost {
    /// The run.
    pub run: i64,
    /// In the second before the first of the span, if that is of the same run.
    pub before: Option<i64>,
    /// In the first second of the span,
    pub first: Option<i64>,
    /// and in the last.
    pub last: Option<i64>,
}

/// Peers that an agent writes each second; in one in which an incident opens it writes more.
pub const PEERS_EACH_SECOND: usize = 20;

/// A peer in one second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerSecond {
    /// The peer.
    pub peer: String,
    /// What it was taken to be, its label.
    pub verdict: Option<String>,
    /// How much it mattered, its label.
    pub severity: Option<String>,
    /// Connections held up.
    pub stalled_connections: i64,
    /// Kernel memory that they held.
    pub pinned_bytes: i64,
    /// Entries into zero window since the agent started.
    pub zero_window_episodes: i64,
    /// Window shrinks since then that took back what was not used,
    pub window_shrinks_polite: i64,
    /// that left data in flight beyond the window,
    pub window_shrinks_below_flight: i64,
    /// that closed the window with data in flight.
    pub window_shrinks_treason: i64,
    /// What it drained.
    pub bytes_acked_per_second: i64,
    /// Workers of our own programs that waited for it, at least; `None` where none is seen to wait.
    pub held_workers: Option<i64>,
}

/// The most that a peer held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerPeak {
    /// The peer.
    pub peer: String,
    /// Most connections held up at once.
    pub stalled_connections: i64,
    /// Most kernel memory held at once.
    pub pinned_bytes: i64,
    /// Most workers that waited for it at once; `None` where none was seen to.
    pub held_workers: Option<i64>,
}

/// The newest of what was known of a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// When.
    pub at: ClockReading,
    /// What was known.
    pub detail: PeerDetail,
    /// The thresholds in force; `None` in files older than schema 4.
    pub thresholds: Option<Thresholds>,
}

impl Card {
    /// The row of the peer.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.detail.peer
    }
}

/// One state of a connection's window, as the kernel side told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowPoint {
    /// When.
    pub at: ClockReading,
    /// The peer.
    pub peer: String,
    /// Local address and port.
    pub local: String,
    /// Remote address and port.
    pub remote: String,
    /// Lowest sequence number not acknowledged.
    pub snd_una: u32,
    /// Next sequence number to be sent.
    pub snd_nxt: u32,
    /// Right edge of the window.
    pub edge: u32,
    /// Highest right edge ever offered.
    pub edge_max: u32,
    /// Window offered.
    pub window_bytes: i64,
    /// Written and not acknowledged.
    pub queued_bytes: i64,
}

/// Something that happened besides flags and episodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: ClockReading,
    /// What it tells of.
    pub kind: NoteKind,
    /// The peer it concerns.
    pub peer: Option<String>,
    /// The note, sanitized.
    pub text: String,
    /// Of an OOM kill, what is known of it; one that is told again, with more, is the same note. `None` also
    /// in files of schema 1.
    pub kill: Option<OomKill>,
}

/// A span of which the recorder knows nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its begin, Unix milliseconds.
    pub from_ms: i64,
    /// Its end.
    pub until_ms: i64,
    /// Why.
    pub reason: GapReason,
}

/// One run of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// Name of the host.
    pub host: String,
    /// Which start of the host it belongs to.
    pub boot_id: String,
    /// Version of the agent.
    pub version: String,
    /// When it began.
    pub began: ClockReading,
    /// The newest moment that it wrote.
    pub last: ClockReading,
    /// Whether it was stopped, and not killed or crashed.
    pub was_stopped: bool,
}
