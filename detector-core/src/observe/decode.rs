//! Bytes to observations. Every byte is untrusted until it has passed here.
//!
//! In: the bytes of [`ConnectionRecord`]s. Out: [`Observation`]s whose numbers are possible.
//! Never: a panic, whatever the bytes.

mod error;

pub use error::DecodeError;

use crate::observe::observation::{
    CongestionState, ConnectionId, Direction, Observation, PendingTimer, Retransmits, Shrinks,
    Source, TcpState, Totals,
};
use crate::observe::peer_address::PeerAddress;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_common::record::{ConnectionRecord, Reason, flag, severity};
use detector_common::retransmit::Cause;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Bytes of one record.
pub const RECORD_BYTES: usize = size_of::<ConnectionRecord>();

/// Latest moment that is believed: the monotonic clock reaches it after 146 years.
const LATEST_NS: u64 = i64::MAX as u64;

/// How far a moment inside a record may lie after the record's own time.
///
/// Two CPUs may each read the clock before they take the socket's lock, so a copy can carry a
/// moment slightly later than its own time; such a moment is cut to the record's time.
const MAX_SKEW_NS: u64 = SECOND_NS;

/// Largest window shift of RFC 7323.
const MAX_WINDOW_SHIFT: u8 = 14;

/// Decodes records; knows only how peers are cut from addresses.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    ipv6_prefix: u8,
}

impl Decoder {
    /// A decoder that cuts IPv6 peers to `ipv6_prefix` bits (1 to 128, clamped).
    #[must_use]
    pub const fn new(ipv6_prefix: u8) -> Self {
        Self { ipv6_prefix }
    }

    /// Decodes exactly one record.
    ///
    /// # Errors
    ///
    /// The first field that cannot be what the kernel side writes.
    pub fn decode(&self, bytes: &[u8]) -> Result<Observation, DecodeError> {
        if bytes.len() != RECORD_BYTES {
            return Err(DecodeError::Length {
                actual_bytes: bytes.len(),
            });
        }
        self.check(&bytemuck::pod_read_unaligned(bytes))
    }

    /// Decodes records laid end to end, as a sweep's file gives them.
    ///
    /// Bytes after the last whole record are one [`DecodeError::Length`] at the end, so that a
    /// caller that counts errors counts them too.
    #[must_use]
    pub const fn decode_rows<'a>(&self, bytes: &'a [u8]) -> Rows<'a> {
        Rows {
            decoder: *self,
            rest: bytes,
        }
    }

    fn check(&self, record: &ConnectionRecord) -> Result<Observation, DecodeError> {
        let at = moment("time_ns", record.time_ns)?;
        if record.time_ns == 0 {
            return Err(DecodeError::ImpossibleTime {
                field: "time_ns",
                value_ns: 0,
            });
        }
        let reason = reason(record.reason)?;
        let local = address(record.local_address);
        let remote = address(record.remote_address);
        if remote.is_unspecified() {
            return Err(DecodeError::ImpossibleAddress {
                field: "remote_address",
                value: remote,
            });
        }
        // A remote port of 0 is odd but possible: the peer chooses it. Ours cannot be 0.
        if record.local_port == 0 {
            return Err(DecodeError::ImpossibleNumber {
                field: "local_port",
                value: 0,
            });
        }
        if record.window_shift > MAX_WINDOW_SHIFT {
            return Err(DecodeError::UnknownNumber {
                field: "window_shift",
                value: record.window_shift,
            });
        }
        // `sk_wmem_queued` is a signed int.
        if i32::try_from(record.wmem_queued_bytes).is_err() {
            return Err(DecodeError::ImpossibleNumber {
                field: "wmem_queued_bytes",
                value: u64::from(record.wmem_queued_bytes),
            });
        }
        let generation = moment_within("generation_ns", record.generation_ns, record.time_ns)?;
        let zero_window_since = moment_within(
            "zero_window_since_ns",
            record.zero_window_since_ns,
            record.time_ns,
        )?;
        let harmful_since =
            moment_within("harmful_since_ns", record.harmful_since_ns, record.time_ns)?;
        let has = |bit: u16| record.flags & bit != 0;

        Ok(Observation {
            at,
            connection: ConnectionId {
                socket: record.socket,
                local: SocketAddr::new(local, record.local_port),
                remote: SocketAddr::new(remote, record.remote_port),
                netns: record.netns,
            },
            peer: PeerAddress::of(remote, self.ipv6_prefix),
            reason,
            direction: direction(record.flags),
            source: source(record.flags, reason),
            generation,
            totals: if generation.is_some() {
                totals(record)?
            } else {
                Totals::default()
            },
            zero_window_since,
            harmful_since: harmful_since.filter(|_| zero_window_since.is_some()),
            state: tcp_state(record.tcp_state)?,
            is_orphan: has(flag::ORPHAN),
            is_subflow: has(flag::SUBFLOW),
            is_on_our_way: !has(flag::OFF_OUR_WAY),
            inode: Some(record.inode).filter(|&inode| inode != 0),
            snd_una: record.snd_una,
            snd_nxt: record.snd_nxt,
            write_seq: record.write_seq,
            window_bytes: record.snd_wnd_bytes,
            max_window_bytes: record.max_window_bytes,
            window_shift: record.window_shift,
            edge_max: has(flag::EDGE_KNOWN).then_some(record.edge_max),
            retracted_max_bytes: record.retracted_max_bytes,
            mss_bytes: record.mss_bytes,
            cwnd_segments: record.snd_cwnd_segments,
            in_flight_segments: record.packets_out_segments,
            pinned_bytes: u64::from(record.wmem_queued_bytes),
            bytes_acked: record.bytes_acked,
            srtt_us: record.srtt_us,
            congestion: congestion_state(record.congestion_state)?,
            timer: pending_timer(record.pending_timer),
            backoff: record.backoff,
            timeouts: record.timeouts,
            probes_unanswered: record.probes_unanswered,
            retransmits_unanswered: record.retransmits_unanswered,
            head_retransmits: record.head_retransmits,
        })
    }
}

/// Iterator over the records in a chunk of bytes; see [`Decoder::decode_rows`].
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    decoder: Decoder,
    rest: &'a [u8],
}

impl Rows<'_> {
    /// Bytes not read yet that cannot be a whole record: the short tail.
    #[must_use]
    pub const fn tail_bytes(&self) -> usize {
        self.rest.len() % RECORD_BYTES
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Observation, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let row_bytes = self.rest.len().min(RECORD_BYTES);
        let (row, rest) = self.rest.split_at(row_bytes);
        self.rest = rest;
        Some(self.decoder.decode(row))
    }
}

fn moment(field: &'static str, value_ns: u64) -> Result<MonotonicTime, DecodeError> {
    if value_ns > LATEST_NS {
        return Err(DecodeError::ImpossibleTime { field, value_ns });
    }
    Ok(MonotonicTime::from_ns(value_ns))
}

/// A moment not after the record's own time; `None` for 0.
fn moment_within(
    field: &'static str,
    value_ns: u64,
    time_ns: u64,
) -> Result<Option<MonotonicTime>, DecodeError> {
    if value_ns == 0 {
        return Ok(None);
    }
    if value_ns > time_ns.saturating_add(MAX_SKEW_NS) {
        return Err(DecodeError::ImpossibleTime { field, value_ns });
    }
    moment(field, value_ns.min(time_ns)).map(Some)
}

fn address(bytes: [u8; 16]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

fn totals(record: &ConnectionRecord) -> Result<Totals, DecodeError> {
    if record.zero_window_ns > record.time_ns {
        return Err(DecodeError::ImpossibleTime {
            field: "zero_window_ns",
            value_ns: record.zero_window_ns,
        });
    }
    let sent_again = |cause: Cause| u64::from(record.retransmits[cause as usize]);
    let retransmits = Retransmits {
        loss: sent_again(Cause::Loss),
        tail_probe: sent_again(Cause::TailProbe),
        window_probe: sent_again(Cause::WindowProbe),
    };
    Ok(Totals {
        shrinks: Shrinks {
            polite: u64::from(record.shrinks[severity::POLITE]),
            below_flight: u64::from(record.shrinks[severity::BELOW_FLIGHT]),
            treason: u64::from(record.shrinks[severity::TREASON]),
        },
        granularity_retreats: u64::from(record.granularity_retreats),
        ambiguous_windows: u64::from(record.ambiguous_windows),
        ignored_segments: u64::from(record.ignored_segments),
        zero_window_episodes: u64::from(record.zero_window_episodes),
        zero_window_ns: record.zero_window_ns,
        retransmits,
        retransmits_needless: needless(record),
    })
}

const fn direction(flags: u16) -> Direction {
    match (flags & flag::INBOUND != 0, flags & flag::OUTBOUND != 0) {
        (true, false) => Direction::Inbound,
        (false, true) => Direction::Outbound,
        (true, true) | (false, false) => Direction::Unknown,
    }
}

/// How many segments were sent again needlessly. The peer's reports and the kernel's undoing may speak
/// of the same segments, and a peer may report what was never sent again.
fn needless(record: &ConnectionRecord) -> u64 {
    let known = record.duplicates_reported.max(record.retransmits_undone);
    u64::from(known).min(record.retransmits.map(u64::from).iter().sum())
}

fn source(flags: u16, reason: Reason) -> Source {
    match (
        flags & flag::SEEN_BY_HOOK != 0,
        flags & flag::SEEN_BY_SWEEP != 0,
    ) {
        (true, true) => Source::Both,
        (true, false) => Source::Hook,
        (false, true) => Source::Sweep,
        (false, false) if reason == Reason::Sweep => Source::Sweep,
        (false, false) => Source::Hook,
    }
}

fn reason(number: u8) -> Result<Reason, DecodeError> {
    Reason::from_u8(number).ok_or(DecodeError::UnknownNumber {
        field: "reason",
        value: number,
    })
}

fn tcp_state(number: u8) -> Result<TcpState, DecodeError> {
    Ok(match number {
        1 => TcpState::Established,
        2 => TcpState::SynSent,
        3 => TcpState::SynReceived,
        4 => TcpState::FinWait1,
        5 => TcpState::FinWait2,
        6 => TcpState::TimeWait,
        7 => TcpState::Close,
        8 => TcpState::CloseWait,
        9 => TcpState::LastAck,
        10 => TcpState::Listen,
        11 => TcpState::Closing,
        12 => TcpState::NewSynReceived,
        value => {
            return Err(DecodeError::UnknownNumber {
                field: "tcp_state",
                value,
            });
        }
    })
}

fn congestion_state(number: u8) -> Result<CongestionState, DecodeError> {
    Ok(match number {
        0 => CongestionState::Open,
        1 => CongestionState::Disorder,
        2 => CongestionState::Cwr,
        3 => CongestionState::Recovery,
        4 => CongestionState::Loss,
        value => {
            return Err(DecodeError::UnknownNumber {
                field: "congestion_state",
                value,
            });
        }
    })
}

/// Kernels add timers, so an unknown one is no garbage.
const fn pending_timer(number: u8) -> PendingTimer {
    match number {
        0 => PendingTimer::None,
        1 => PendingTimer::Retransmit,
        3 => PendingTimer::WindowProbe,
        5 => PendingTimer::LossProbe,
        6 => PendingTimer::Reorder,
        other => PendingTimer::Other(other),
    }
}
