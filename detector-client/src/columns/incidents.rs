//! The columns of an incident.

use super::names::{age, name, severity, units};
use super::{Column, Kind, Order, Value};
use detector_api::snapshot::{Incident, IncidentEnd, Severity};
use std::borrow::Cow;

type Own = Column<Incident>;

pub(super) const COLUMNS: &[Own] = &[
    Own::text(
        "id",
        "ID",
        "id",
        "its name, made from when it began; `detector incidents show ID`",
        |row, _| Value::Text(Cow::Borrowed(&row.id)),
    )
    .cut_to(20, 20),
    Own::text(
        "open",
        "OPEN",
        "open",
        "whether it goes on: something stands, or did within the last minute",
        |row, _| Value::YesNo(row.open),
    )
    .of_kind(Kind::YesNo)
    .in_order(Order::Descending)
    .cut_to(4, 4),
    Own::duration(
        "age",
        "AGE",
        "began",
        "time since it began",
        |row, context| age(&row.began, context),
    )
    .in_order(Order::Ascending)
    .dispensable(7),
    Own::duration(
        "lasted",
        "LASTED",
        "duration_seconds",
        "from its beginning to its end, or up to now",
        |row, _| Value::Seconds(row.duration_seconds),
    )
    .also_called(&["duration"])
    .dispensable(4),
    Own::text(
        "severity",
        "SEVERITY",
        "severity",
        "the worst of a peer in it",
        |row, _| severity(row.severity),
    )
    .of_kind(Kind::Level(&Severity::LABELS))
    .telling()
    .in_order(Order::Descending)
    .cut_to(8, 8),
    Own::text("kinds", "KINDS", "kinds", "what stood in it", |row, _| {
        let kinds = row.kinds.iter();
        Value::Texts(kinds.map(|kind| Cow::Borrowed(kind.label())).collect())
    })
    .also_called(&["kind"])
    .cut_to(28, 13),
    Own::count(
        "stalled",
        "STALLED",
        "peak_stalled_connections",
        "most stalled connections at once",
        |row, _| Value::Count(row.peak_stalled_connections),
    )
    .dispensable(2),
    Own::size(
        "pinned",
        "PINNED",
        "peak_pinned_bytes",
        "most kernel memory that they held at once",
        |row, _| Value::Bytes(row.peak_pinned_bytes),
    ),
    Own::count(
        "peers",
        "PEERS",
        "peers_total",
        "peers that took part",
        |row, _| Value::Count(row.peers_total),
    )
    .dispensable(1),
    Own::text(
        "peer",
        "WORST PEER",
        "peers[0].peer",
        "the peer that held most",
        |row, _| {
            let worst = row.peers.first();
            worst.map_or(Value::Absent, |worst| Value::Address(&worst.peer))
        },
    )
    .of_kind(Kind::Address)
    .also_called(&["net", "address"])
    .cut_to(27, 15)
    .dispensable(5),
    Own::text(
        "unit",
        "UNIT",
        "owners",
        "units that owned the stalled connections, names of processes without one",
        |row, _| units(&row.owners),
    )
    .also_called(&["owner"])
    .cut_to(20, 8)
    .dispensable(3),
    Own::text("end", "END", "end", "what ended it", |row, _| {
        row.end.map_or(Value::Absent, name)
    })
    .of_kind(Kind::Name(&IncidentEnd::LABELS))
    .cut_to(13, 7)
    .dispensable(6),
];
