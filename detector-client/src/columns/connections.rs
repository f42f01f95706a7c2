//! The columns of a connection.

use super::names::{age, commands, name, shrinks, units};
use super::{Column, Kind, Order, Value};
use detector_api::snapshot::{Connection, Direction, Source, StallCause};
use std::borrow::Cow;

type Own = Column<Connection>;

pub(super) const COLUMNS: &[Own] = &[
    Own::text(
        "remote",
        "REMOTE",
        "remote",
        "remote address and port",
        |row, _| Value::Address(&row.remote),
    )
    .of_kind(Kind::Address)
    .also_called(&["net", "address"])
    .cut_to(30, 21),
    Own::text(
        "peer",
        "PEER",
        "peer",
        "the peer it belongs to",
        |row, _| Value::Address(&row.peer),
    )
    .of_kind(Kind::Address)
    .cut_to(27, 15)
    .on_request(),
    Own::text(
        "local",
        "LOCAL",
        "local",
        "local address and port",
        |row, _| Value::Address(&row.local),
    )
    .of_kind(Kind::Address)
    .cut_to(24, 12)
    .dispensable(3),
    Own::text(
        "direction",
        "OPENED",
        "direction",
        "who opened it: the peer (inbound) or we (outbound)",
        |row, _| name(row.direction),
    )
    .of_kind(Kind::Name(&Direction::LABELS))
    .dispensable(14),
    Own::text(
        "state",
        "STATE",
        "state",
        "TCP state by its RFC 9293 name",
        |row, _| Value::Text(Cow::Borrowed(&row.state)),
    )
    .cut_to(11, 6)
    .dispensable(4),
    Own::text("stall", "STALL", "stall", "why it is held up", |row, _| {
        row.stall.map_or(Value::Absent, name)
    })
    .of_kind(Kind::Name(&StallCause::LABELS))
    .also_called(&["cause"])
    .telling()
    .cut_to(12, 12),
    Own::duration(
        "stalled-for",
        "FOR",
        "stalled_seconds",
        "for how long it has been held up",
        |row, _| match row.stall {
            Some(_) => Value::Seconds(row.stalled_seconds),
            None => Value::Absent,
        },
    )
    .also_called(&["for", "longest"]),
    Own::size(
        "pinned",
        "PINNED",
        "pinned_bytes",
        "kernel memory it holds (sk_wmem_queued)",
        |row, _| Value::Bytes(row.pinned_bytes),
    ),
    Own::size(
        "queued",
        "QUEUED",
        "queued_bytes",
        "written but not acknowledged",
        |row, _| Value::Bytes(row.queued_bytes),
    )
    .dispensable(6),
    Own::size(
        "in-flight",
        "FLIGHT",
        "in_flight_bytes",
        "sent but not acknowledged",
        |row, _| Value::Bytes(row.in_flight_bytes),
    )
    .also_called(&["flight"])
    .on_request(),
    Own::size(
        "window",
        "WINDOW",
        "window_bytes",
        "the peer's window now",
        |row, _| Value::Bytes(row.window_bytes),
    )
    .dispensable(1),
    Own::size(
        "largest",
        "LARGEST",
        "max_window_bytes",
        "largest window ever offered",
        |row, _| Value::Bytes(row.max_window_bytes),
    )
    .dispensable(8),
    Own::count(
        "snd-una",
        "SND UNA",
        "snd_una",
        "first sequence number not yet acknowledged",
        |row, _| Value::Count(row.sequence.snd_una.into()),
    )
    .on_request(),
    Own::count(
        "snd-nxt",
        "SND NXT",
        "snd_nxt",
        "next sequence number to send",
        |row, _| Value::Count(row.sequence.snd_nxt.into()),
    )
    .on_request(),
    Own::count(
        "edge",
        "EDGE",
        "edge",
        "right edge of the window, a sequence number",
        |row, _| Value::Count(row.sequence.edge.into()),
    )
    .on_request(),
    Own::count(
        "edge-max",
        "EDGE MAX",
        "edge_max",
        "highest right edge ever offered, a sequence number",
        |row, _| match row.sequence.edge_max {
            Some(edge) => Value::Count(edge.into()),
            None => Value::Absent,
        },
    )
    .on_request(),
    Own::size(
        "taken-back",
        "TAKEN BACK",
        "retracted_bytes",
        "how far the right edge lies below its maximum now",
        |row, _| Value::Bytes(row.retracted_bytes),
    )
    .also_called(&["retracted"])
    .dispensable(10),
    Own::count(
        "episodes",
        "EPISODES",
        "zero_window_episodes",
        "entries into zero window",
        |row, _| Value::Count(row.zero_window_episodes),
    )
    .dispensable(9),
    Own::duration(
        "zero-window",
        "ZERO WIN",
        "zero_window_seconds",
        "time in zero window with data queued",
        |row, _| Value::Seconds(row.zero_window_seconds),
    )
    .on_request(),
    Own::count(
        "shrinks",
        "SHRINKS",
        "window_shrinks",
        "window shrinks: polite/below flight/treason; compared by their sum",
        |row, _| shrinks(row.window_shrinks),
    )
    .dispensable(7),
    Own::count(
        "retransmits",
        "LOSS/TAIL/WINDOW",
        "retransmits",
        "segments sent again: loss/tail probe/window probe; compared by their sum",
        |row, _| {
            let by_cause = row.retransmits;
            let parts = [by_cause.loss, by_cause.tail_probe, by_cause.window_probe];
            Value::Parts(parts, 3)
        },
    )
    .on_request(),
    Own::text(
        "drain",
        "DRAINS",
        "bytes_acked_per_second",
        "what it acknowledged in the last sweep interval",
        |row, _| Value::Rate(row.bytes_acked_per_second),
    )
    .numeric(Kind::Rate)
    .dispensable(5),
    Own::text(
        "unit",
        "UNIT",
        "processes[].unit",
        "systemd unit or container that owns it, else the process",
        |row, _| units(&row.processes),
    )
    .also_called(&["owner"])
    .cut_to(20, 8)
    .dispensable(2),
    Own::text(
        "process",
        "PROCESS",
        "processes[].comm",
        "names of the processes that own it",
        |row, _| commands(&row.processes),
    )
    .also_called(&["comm"])
    .on_request(),
    Own::count(
        "service",
        "PORT",
        "the port of local",
        "local port",
        |row, _| {
            let port = row.local.rsplit_once(':').map(|(_, port)| port.parse());
            port.and_then(Result::ok)
                .map_or(Value::Absent, Value::Count)
        },
    )
    .also_called(&["port"])
    .on_request(),
    Own::duration(
        "rtt",
        "RTT",
        "rtt_seconds",
        "smoothed round-trip time",
        |row, _| Value::Seconds(row.rtt_seconds),
    )
    .on_request(),
    Own::text(
        "timer",
        "TIMER",
        "timer",
        "timer that is armed",
        |row, _| Value::Text(Cow::Borrowed(&row.timer)),
    )
    .cut_to(12, 10)
    .dispensable(11),
    Own::text(
        "orphan",
        "ORPHAN",
        "is_orphan",
        "whether no process holds the socket any more",
        |row, _| Value::YesNo(row.is_orphan),
    )
    .of_kind(Kind::YesNo)
    .on_request(),
    Own::count(
        "netns",
        "NETNS",
        "netns",
        "network namespace, the number in /proc/PID/ns/net",
        |row, _| Value::Count(u64::from(row.netns)),
    )
    .dispensable(13),
    Own::text(
        "seen-by",
        "SEEN BY",
        "source",
        "which sources saw it",
        |row, _| name(row.source),
    )
    .of_kind(Kind::Name(&Source::LABELS))
    .also_called(&["source"])
    .dispensable(12),
    Own::duration(
        "first-seen",
        "FIRST SEEN",
        "first_seen",
        "time since the first record",
        |row, context| age(&row.first_seen, context),
    )
    .in_order(Order::Ascending)
    .on_request(),
    Own::duration(
        "last-seen",
        "LAST SEEN",
        "last_seen",
        "time since the last record",
        |row, context| age(&row.last_seen, context),
    )
    .in_order(Order::Ascending)
    .on_request(),
];
