//! The columns of an event.

use super::names::{age, name, severity};
use super::{Column, Kind, Order, Value};
use detector_api::snapshot::{Direction, Event, EventType, FlagKind, Severity, Source, Verdict};

type Own = Column<Event>;

pub(super) const COLUMNS: &[Own] = &[
    Own::duration(
        "age",
        "AGE",
        "time",
        "time since it happened",
        |row, context| age(&row.time, context),
    )
    .in_order(Order::Ascending),
    Own::text(
        "event",
        "EVENT",
        "event",
        "whether a flag was raised or cleared, or an episode ended",
        |row, _| name(row.event),
    )
    .of_kind(Kind::Name(&EventType::LABELS)),
    Own::text("kind", "KIND", "kind", "kind of the flag", |row, _| {
        name(row.kind())
    })
    .of_kind(Kind::Name(&FlagKind::LABELS)),
    Own::text(
        "severity",
        "SEVERITY",
        "severity",
        "how much it matters",
        |row, _| severity(row.severity),
    )
    .of_kind(Kind::Level(&Severity::LABELS))
    .in_order(Order::Descending),
    Own::text(
        "verdict",
        "VERDICT",
        "verdict",
        "what the peer was taken to be",
        |row, _| row.verdict.map_or(Value::Absent, name),
    )
    .of_kind(Kind::Name(&Verdict::LABELS)),
    Own::text("peer", "PEER", "peer", "the peer", |row, _| {
        Value::Address(&row.peer)
    })
    .of_kind(Kind::Address)
    .also_called(&["net", "address"]),
    Own::text(
        "local",
        "LOCAL",
        "local",
        "local address and port",
        |row, _| row.local.as_deref().map_or(Value::Absent, Value::Address),
    )
    .of_kind(Kind::Address),
    Own::text(
        "remote",
        "REMOTE",
        "remote",
        "remote address and port",
        |row, _| row.remote.as_deref().map_or(Value::Absent, Value::Address),
    )
    .of_kind(Kind::Address),
    Own::size(
        "pinned",
        "PINNED",
        "evidence.pinned_bytes",
        "kernel memory that was held",
        |row, _| row.flag.pinned_bytes().map_or(Value::Absent, Value::Bytes),
    ),
    Own::text(
        "direction",
        "OPENED",
        "direction",
        "who opened the connection: the peer (inbound) or we (outbound)",
        |row, _| name(row.direction),
    )
    .of_kind(Kind::Name(&Direction::LABELS)),
    Own::text(
        "seen-by",
        "SEEN BY",
        "source",
        "which source saw it",
        |row, _| name(row.source),
    )
    .of_kind(Kind::Name(&Source::LABELS))
    .also_called(&["source"]),
];
