//! The newest state of a connection, packed: a table has tens of thousands.

use crate::observe::observation::{
    CongestionState, ConnectionId, Observation, PendingTimer, TcpState,
};
use crate::time::MonotonicTime;
use detector_api::snapshot::SequenceNumbers;
use detector_common::window::{self, span_bytes};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU64;

/// A [`ConnectionId`] in half the room. IPv6 scopes and flow labels are no part of it; records
/// carry neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackedId {
    socket: u64,
    local: [u8; 16],
    remote: [u8; 16],
    netns: u32,
    local_port: u16,
    remote_port: u16,
}

/// A few whole words, so that a look-up stays cheap.
impl Hash for PackedId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.socket);
        state.write_u128(u128::from_ne_bytes(self.remote));
        state.write_u128(u128::from_ne_bytes(self.local));
        let ports = u32::from(self.local_port) << 16 | u32::from(self.remote_port);
        state.write_u64(u64::from(self.netns) << 32 | u64::from(ports));
    }
}

impl PackedId {
    pub(crate) fn of(id: &ConnectionId) -> Self {
        Self {
            socket: id.socket,
            local: octets(id.local.ip()),
            remote: octets(id.remote.ip()),
            netns: id.netns,
            local_port: id.local.port(),
            remote_port: id.remote.port(),
        }
    }

    pub(crate) fn unpack(&self) -> ConnectionId {
        let endpoint = |octets: [u8; 16], port| {
            SocketAddr::new(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical(), port)
        };
        ConnectionId {
            socket: self.socket,
            local: endpoint(self.local, self.local_port),
            remote: endpoint(self.remote, self.remote_port),
            netns: self.netns,
        }
    }

    pub(crate) const fn local_port(&self) -> u16 {
        self.local_port
    }

    pub(crate) const fn netns(&self) -> u32 {
        self.netns
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// What an [`Observation`] says of the moment, without peer and totals: what rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) id: PackedId,
    pub(crate) at: MonotonicTime,
    pub(crate) generation: Option<MonotonicTime>,
    pub(crate) zero_window_since: Option<MonotonicTime>,
    pub(crate) harmful_since: Option<MonotonicTime>,
    /// Finished zero-window time in this observation.
    pub(crate) zero_window_ns: u64,
    pub(crate) bytes_acked: u64,
    pub(crate) inode: Option<NonZeroU64>,
    pinned_bytes: u32,
    pub(crate) snd_una: u32,
    pub(crate) snd_nxt: u32,
    pub(crate) write_seq: u32,
    pub(crate) window_bytes: u32,
    pub(crate) max_window_bytes: u32,
    edge_max: u32,
    pub(crate) retracted_max_bytes: u32,
    pub(crate) mss_bytes: u32,
    pub(crate) cwnd_segments: u32,
    pub(crate) in_flight_segments: u32,
    pub(crate) srtt_us: u32,
    is_edge_known: bool,
    pub(crate) is_orphan: bool,
    pub(crate) is_subflow: bool,
    pub(crate) state: TcpState,
    pub(crate) congestion: CongestionState,
    pub(crate) timer: PendingTimer,
    pub(crate) window_shift: u8,
    pub(crate) backoff: u8,
    pub(crate) timeouts: u8,
    pub(crate) probes_unanswered: u8,
    pub(crate) retransmits_unanswered: u32,
    pub(crate) head_retransmits: u32,
}

impl State {
    pub(crate) fn of(seen: &Observation) -> Self {
        Self {
            id: PackedId::of(&seen.connection),
            at: seen.at,
            generation: seen.generation,
            zero_window_since: seen.zero_window_since,
            harmful_since: seen.harmful_since,
            zero_window_ns: seen.totals.zero_window_ns,
            bytes_acked: seen.bytes_acked,
            inode: seen.inode.and_then(NonZeroU64::new),
            // `sk_wmem_queued` is an int.
            pinned_bytes: u32::try_from(seen.pinned_bytes).unwrap_or(u32::MAX),
            snd_una: seen.snd_una,
            snd_nxt: seen.snd_nxt,
            write_seq: seen.write_seq,
            window_bytes: seen.window_bytes,
            max_window_bytes: seen.max_window_bytes,
            edge_max: seen.edge_max.unwrap_or(0),
            retracted_max_bytes: seen.retracted_max_bytes,
            mss_bytes: seen.mss_bytes,
            cwnd_segments: seen.cwnd_segments,
            in_flight_segments: seen.in_flight_segments,
            srtt_us: seen.srtt_us,
            is_edge_known: seen.edge_max.is_some(),
            is_orphan: seen.is_orphan,
            is_subflow: seen.is_subflow,
            state: seen.state,
            congestion: seen.congestion,
            timer: seen.timer,
            window_shift: seen.window_shift,
            backoff: seen.backoff,
            timeouts: seen.timeouts,
            probes_unanswered: seen.probes_unanswered,
            retransmits_unanswered: seen.retransmits_unanswered,
            head_retransmits: seen.head_retransmits,
        }
    }

    /// Kernel memory the write queue takes.
    pub(crate) fn pinned_bytes(&self) -> u64 {
        u64::from(self.pinned_bytes)
    }

    /// Bytes written but not acknowledged: sent and unsent.
    pub(crate) const fn queued_bytes(&self) -> u32 {
        span_bytes(self.snd_una, self.write_seq)
    }

    /// Bytes sent but not acknowledged.
    pub(crate) const fn in_flight_bytes(&self) -> u32 {
        span_bytes(self.snd_una, self.snd_nxt)
    }

    /// Sequence numbers as they are published.
    pub(crate) fn sequence(&self) -> SequenceNumbers {
        SequenceNumbers {
            snd_una: self.snd_una,
            snd_nxt: self.snd_nxt,
            edge: window::edge(self.snd_una, self.window_bytes),
            edge_max: self.edge_max(),
        }
    }

    /// Highest right edge ever offered, if known.
    pub(crate) fn edge_max(&self) -> Option<u32> {
        self.is_edge_known.then_some(self.edge_max)
    }
}
