//! The columns of a peer, or of a group of peers.

use super::names::{age, commands, name, severity, shrinks, units, whole};
use super::{Column, Context, Kind, Order, Value};
use detector_api::row::PeerRow;
use detector_api::snapshot::{Direction, Severity, Verdict};

type Own = Column<PeerRow>;

pub(super) const COLUMNS: &[Own] = &[
    Own::text(
        "peer",
        "PEER",
        "peer",
        "address without port, IPv6 as a network; or the group",
        |row, _| Value::Address(&row.peer.peer),
    )
    .of_kind(Kind::Address)
    .also_called(&["net", "address"])
    .cut_to(27, 15),
    Own::count(
        "members",
        "PEERS",
        "members",
        "peers in the group",
        |row, _| Value::Count(row.members),
    )
    .on_request(),
    Own::count(
        "hosts",
        "HOSTS",
        "hosts",
        "hosts on which it holds connections up, as a Prometheus knows",
        |row, _| row.hosts.map_or(Value::Absent, Value::Count),
    )
    .on_request(),
    Own::text(
        "severity",
        "SEVERITY",
        "severity",
        "how much it matters, from what it costs",
        |row, _| severity(row.peer.severity),
    )
    .of_kind(Kind::Level(&Severity::LABELS))
    .telling()
    .in_order(Order::Descending)
    .dispensable(7),
    Own::text(
        "verdict",
        "VERDICT",
        "verdict",
        "what the peer is taken to be",
        |row, _| row.peer.verdict.map_or(Value::Absent, name),
    )
    .of_kind(Kind::Name(&Verdict::LABELS))
    .telling()
    .cut_to(18, 18)
    .dispensable(1),
    Own::count(
        "stalled",
        "STALLED",
        "stalled_connections",
        "connections with queued data held up now",
        |row, _| Value::Count(row.peer.stalled_connections),
    ),
    Own::count(
        "connections",
        "CONNS",
        "connections",
        "all its connections, of a suspect; of others those that misbehaved and still live",
        |row, _| Value::Count(row.peer.connections_all.unwrap_or(row.peer.connections)),
    )
    .also_called(&["conns"])
    .dispensable(6),
    Own::count(
        "all",
        "ALL",
        "connections_all",
        "all its connections that the kernel has, of a suspect",
        |row, _| row.peer.connections_all.map_or(Value::Absent, Value::Count),
    )
    .on_request(),
    Own::count(
        "well",
        "WELL",
        "connections_well",
        "those of all its connections that take what they are sent, of a suspect",
        |row, _| {
            row.peer
                .connections_well
                .map_or(Value::Absent, Value::Count)
        },
    )
    .on_request(),
    Own::size(
        "pinned",
        "PINNED",
        "pinned_bytes",
        "kernel memory the stalled connections hold now",
        |row, _| Value::Bytes(row.peer.pinned_bytes),
    ),
    Own::text(
        "share",
        "OF TCP",
        "pinned_bytes of tcp_memory_limit_bytes in /v1/host",
        "pinned memory as a share of what the kernel allows for TCP",
        share,
    )
    .numeric(Kind::Share)
    .dispensable(9),
    Own::duration(
        "longest",
        "LONGEST",
        "longest_stall_seconds",
        "longest stall of one connection",
        |row, _| Value::Seconds(row.peer.longest_stall_seconds),
    )
    .dispensable(2),
    Own::duration(
        "zero-window",
        "ZERO WIN",
        "zero_window_seconds",
        "time in zero window with data queued, all connections added",
        |row, _| Value::Seconds(row.peer.zero_window_seconds),
    )
    .dispensable(5),
    Own::count(
        "episodes",
        "EPISODES",
        "zero_window_episodes",
        "entries into zero window",
        |row, _| Value::Count(row.peer.zero_window_episodes),
    )
    .dispensable(12),
    Own::count(
        "shrinks",
        "SHRINKS",
        "window_shrinks",
        "window shrinks: polite/below flight/treason; compared by their sum",
        |row, _| shrinks(row.peer.window_shrinks),
    )
    .dispensable(8),
    Own::count(
        "treason",
        "TREASON",
        "window_shrinks.treason",
        "shrinks to zero with data in flight",
        |row, _| Value::Count(row.peer.window_shrinks.treason),
    )
    .on_request(),
    Own::count(
        "retransmits",
        "LOSS/TAIL/WINDOW",
        "retransmits",
        "segments sent again: loss/tail probe/window probe; compared by their sum",
        |row, _| {
            let by_cause = row.peer.retransmits;
            let parts = [by_cause.loss, by_cause.tail_probe, by_cause.window_probe];
            Value::Parts(parts, 3)
        },
    )
    .dispensable(11),
    Own::text(
        "drain",
        "DRAINS",
        "bytes_acked_per_second",
        "what the tracked connections acknowledged in the last sweep interval",
        |row, _| Value::Rate(row.peer.bytes_acked_per_second),
    )
    .numeric(Kind::Rate)
    .dispensable(10),
    Own::text(
        "direction",
        "OPENED",
        "direction",
        "who opened its connections: the peer (inbound), we (outbound) or both",
        |row, _| name(row.peer.direction),
    )
    .of_kind(Kind::Name(&Direction::LABELS))
    .dispensable(14),
    Own::text(
        "service",
        "PORTS",
        "services",
        "local ports; a filter looks at each",
        |row, _| Value::Counts(&row.peer.services),
    )
    .of_kind(Kind::Count)
    .also_called(&["services", "port", "ports"])
    .cut_to(12, 5)
    .dispensable(4),
    Own::text(
        "unit",
        "UNIT",
        "processes[].unit",
        "systemd unit or container that owns the stalled connections, else the process",
        |row, _| units(&row.peer.processes),
    )
    .also_called(&["owner"])
    .cut_to(20, 8)
    .dispensable(3),
    Own::text(
        "process",
        "PROCESS",
        "processes[].comm",
        "names of the processes that own the stalled connections",
        |row, _| commands(&row.peer.processes),
    )
    .also_called(&["comm"])
    .on_request(),
    Own::count(
        "pinned-seconds",
        "BYTE SECONDS",
        "pinned_byte_seconds",
        "integral of pinned memory over time",
        |row, _| Value::Count(whole(row.peer.pinned_byte_seconds)),
    )
    .on_request(),
    Own::duration(
        "first-seen",
        "FIRST SEEN",
        "first_seen",
        "time since the first record",
        |row, context| age(&row.peer.first_seen, context),
    )
    .in_order(Order::Ascending)
    .on_request(),
    Own::duration(
        "last-seen",
        "LAST SEEN",
        "last_seen",
        "time since the last record",
        |row, context| age(&row.peer.last_seen, context),
    )
    .in_order(Order::Ascending)
    .dispensable(13),
];

#[allow(
    clippy::cast_precision_loss,
    reason = "a percentage of two digits is shown"
)]
fn share<'a>(row: &'a PeerRow, context: &Context) -> Value<'a> {
    match context.tcp_memory_limit_bytes {
        None | Some(0) => Value::Absent,
        Some(limit) => Value::Share(row.peer.pinned_bytes as f64 / limit as f64),
    }
}
