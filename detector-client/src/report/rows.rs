//! Rows and lines that the text and the page of a report share.

use super::model::{
    HostIncident, HostPart, PeerOnHost, PeerPart, Remedies, Remedy, Time, WorkersFreed,
};
use super::recording::time_of;
use super::words::{are_of_one_day, clock, moment};
use detector_api::snapshot::Connection;
use detector_api::text::{counted, holders};
use detector_api::units;

pub(super) const INCIDENT_HEADINGS: [&str; 8] = [
    "BEGAN (UTC)",
    "HOST",
    "LASTED",
    "PEERS",
    "CONNS",
    "PINNED",
    "WHAT STOOD",
    "WORST",
];

/// Who held TCP's memory when it was highest of all seconds in which that is known.
pub(super) fn held_line(host: &HostPart) -> Option<String> {
    let known = host.timeline.iter().filter_map(|point| {
        let (bytes, held) = point.tcp_memory_bytes.zip(point.tcp_memory_held)?;
        Some((bytes, point.time, held))
    });
    let (bytes, time, held) = known.max_by_key(|(bytes, ..)| *bytes)?;
    let who = holders(&held, bytes)?;
    Some(format!(
        "who held the memory of TCP at {}: of {}, {who}",
        moment(time),
        units::bytes(bytes)
    ))
}

/// One incident.
pub(super) fn incident(row: &HostIncident) -> [String; 8] {
    let incident = &row.incident;
    let began = time_of(&incident.began).map_or_else(|| incident.began.clone(), moment);
    let kinds: Vec<_> = incident.kinds.iter().map(|kind| kind.label()).collect();
    let goes_on = if incident.open { ", goes on" } else { "" };
    [
        began.trim_end_matches(" UTC").to_owned(),
        row.host.clone(),
        units::seconds(incident.duration_seconds.max(0.0)) + goes_on,
        incident.peers_total.to_string(),
        incident.peak_stalled_connections.to_string(),
        units::bytes(incident.peak_pinned_bytes),
        kinds.join(", "),
        incident.severity.label().to_owned(),
    ]
}

/// `What it may have been, on web1 from 2026-12-29 21:04:20 UTC`
pub(super) fn weighed_heading(row: &HostIncident) -> String {
    let began = time_of(&row.incident.began).map_or_else(|| row.incident.began.clone(), moment);
    format!("What it may have been, on {} from {began}", row.host)
}

pub(super) const REMEDY_HEADINGS: [&str; 7] = [
    "",
    "ENDED",
    "FREED",
    "WORKERS",
    "IN DANGER",
    "UNTIL",
    "HONEST COST",
];

/// One value of a setting; `name` tells which.
fn remedy(name: String, remedy: &Remedy, is_one_day: bool) -> [String; 7] {
    [
        name,
        remedy.ended_connections.to_string(),
        units::bytes(remedy.freed_bytes),
        workers(remedy.freed_workers),
        in_danger(remedy.danger_seconds),
        out_of_danger(remedy.danger_seconds, remedy.out_of_danger, is_one_day),
        remedy.honest_connections.to_string(),
    ]
}

fn workers(freed: Option<WorkersFreed>) -> String {
    match freed {
        None => "?".to_owned(),
        Some(WorkersFreed { least, most }) if least == most => most.to_string(),
        Some(WorkersFreed { least, most }) => format!("{least} to {most}"),
    }
}

fn in_danger(seconds: f64) -> String {
    if seconds > 0.0 {
        units::seconds(seconds)
    } else {
        "never".to_owned()
    }
}

fn out_of_danger(seconds: f64, at: Option<Time>, is_one_day: bool) -> String {
    match at {
        _ if seconds <= 0.0 => "-".to_owned(),
        Some(at) if is_one_day => clock(at),
        // With year and seconds there were no room for the last column.
        Some(at) => moment(at).get(5..16).unwrap_or_default().to_owned(),
        None => "open end".to_owned(),
    }
}

/// All rows: as it was, the timeouts, the limits.
pub(super) fn remedies(remedies: &Remedies) -> Vec<[String; 7]> {
    let settings = remedies.timeouts.iter().chain(&remedies.limits);
    let ends = settings.filter_map(|each| each.out_of_danger);
    let worst = remedies.worst.iter().map(|worst| worst.time);
    let times = worst.chain(remedies.out_of_danger).chain(ends);
    let is_one_day = are_of_one_day(&times.collect::<Vec<_>>());
    let as_it_was = [
        "as it was".to_owned(),
        "0".to_owned(),
        units::bytes(0),
        "0".to_owned(),
        in_danger(remedies.danger_seconds),
        out_of_danger(remedies.danger_seconds, remedies.out_of_danger, is_one_day),
        "0".to_owned(),
    ];
    let timeouts = remedies.timeouts.iter();
    let timeouts =
        timeouts.map(|each| remedy(format!("timeout {} s", each.value), each, is_one_day));
    let limits = remedies.limits.iter();
    let limits = limits.map(|each| remedy(format!("limit {} each", each.value), each, is_one_day));
    std::iter::once(as_it_was)
        .chain(timeouts)
        .chain(limits)
        .collect()
}

/// Whose doing is the danger, in a report.
pub(super) const ALL_HOLD: &str = "peers of incidents hold";

/// To what the numbers belong.
pub(super) fn remedies_explained(remedies: &Remedies, who_holds: &str) -> String {
    let moments = remedies.worst.iter().map(|worst| {
        format!(
            "{} on {} ({}, {})",
            moment(worst.time),
            worst.host,
            counted(
                worst.stalled_connections,
                "stalled connection",
                "stalled connections"
            ),
            units::bytes(worst.pinned_bytes)
        )
    });
    let moments = super::words::listed(&moments.collect::<Vec<_>>());
    format!(
        "Tried on what was recorded. A timeout ends connections that took nothing for that long \
         (nginx send_timeout, Apache Timeout, TCP_USER_TIMEOUT); a limit refuses those of one \
         address beyond that number. Ended, freed and workers are what would have been missing at \
         the worst moment: {moments}. A host is in danger while {who_holds} {} stalled \
         connections or {}, or more. Honest cost is the number of connections, in all that is recorded, of \
         peers that nobody accuses: of {} that were stalled at some time.",
        remedies.hoard_connections,
        units::bytes(remedies.hoard_bytes),
        remedies.honest_stalled_connections,
    )
}

/// The peer in one line: who it is and what it is taken to be.
pub(super) fn peer_title(peer: &PeerPart) -> String {
    let verdict = peer.verdict.map_or("not judged", |verdict| verdict.label());
    let as_of = peer.as_of.map(|as_of| format!(" as of {}", moment(as_of)));
    let as_of = as_of.unwrap_or_default();
    let confidence = peer.confidence.map_or_else(String::new, |confidence| {
        format!(", confidence {}{as_of}", confidence.label())
    });
    let trusted = if peer.trusted {
        ", trusted network"
    } else {
        ""
    };
    format!(
        "{verdict}{confidence}, severity {}{trusted}",
        peer.severity.label()
    )
}

/// Whose network it is, and what its addresses are called.
pub(super) fn who(peer: &PeerPart) -> Option<String> {
    let network = peer.network.as_ref().map(super::model::Registered::words);
    let names = (!peer.names.is_empty()).then(|| format!("named {}", peer.names.join(", ")));
    let parts: Vec<_> = network.into_iter().chain(names).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What it did on one host.
pub(super) fn on_host(part: &PeerOnHost) -> String {
    let mut text = format!(
        "{}: at most {} at once, {} pinned; {}, longest stall {}",
        super::words::range(part.first_seen, part.last_seen),
        counted(
            part.peak_stalled_connections,
            "stalled connection",
            "stalled connections"
        ),
        units::bytes(part.peak_pinned_bytes),
        counted(part.flags, "flag", "flags"),
        units::seconds(part.longest_stall_seconds),
    );
    if let Some(workers) = part.peak_held_workers.filter(|workers| *workers > 0) {
        let waited = counted(workers, "worker", "workers");
        text += &format!(", {waited} waited for it");
    }
    let known = of_card(part);
    match part.as_of {
        Some(as_of) if !known.is_empty() => {
            text += &format!("; as of {}: {}", moment(as_of), known.join("; "));
        }
        _ => text.extend(known.iter().flat_map(|each| ["; ", each.as_str()])),
    }
    text + "."
}

/// What the card knows of it: counts, ports, owners.
fn of_card(part: &PeerOnHost) -> Vec<String> {
    let shrinks = part.window_shrinks;
    let shrunk = shrinks
        .treason
        .saturating_add(shrinks.below_flight)
        .saturating_add(shrinks.polite);
    let mut counts = Vec::new();
    if part.zero_window_episodes > 0 {
        let episodes = part.zero_window_episodes;
        counts.push(counted(
            episodes,
            "zero-window episode",
            "zero-window episodes",
        ));
    }
    if shrunk > 0 {
        counts.push(format!(
            "window taken back {}",
            counted(shrunk, "time", "times")
        ));
    }
    let mut known = Vec::new();
    if !counts.is_empty() {
        let since = part
            .counted_since
            .map(|since| format!(" since {}", moment(since)));
        known.push(counts.join(", ") + &since.unwrap_or_default());
    }
    if !part.ports.is_empty() {
        let ports: Vec<_> = part.ports.iter().map(u16::to_string).collect();
        let noun = if ports.len() == 1 { "port" } else { "ports" };
        known.push(format!("{noun} {}", ports.join(", ")));
    }
    let mut owners: Vec<_> = part
        .processes
        .iter()
        .map(|process| process.unit.clone().unwrap_or_else(|| process.comm.clone()))
        .collect();
    owners.dedup();
    owners.truncate(4);
    if !owners.is_empty() {
        known.push(format!("of {}", owners.join(", ")));
    }
    known
}

pub(super) const CONNECTION_HEADINGS: [&str; 7] = [
    "REMOTE", "LOCAL", "STATE", "STALL", "FOR", "PINNED", "WINDOW",
];

/// Says of when they are where that is no time of the span.
pub(super) fn connections_title(peer: &PeerPart) -> String {
    let hosts = peer
        .hosts
        .iter()
        .filter(|part| !part.connections.is_empty());
    let dated = hosts.filter_map(|part| {
        let as_of = moment(part.as_of?);
        Some(format!("on {} as of {as_of}", part.host))
    });
    let dated: Vec<_> = dated.collect();
    match dated.as_slice() {
        [] => "Its worst connections".to_owned(),
        dated => format!("Its worst connections, {}", super::words::listed(dated)),
    }
}

/// A connection as it was last known.
pub(super) fn connection(connection: &Connection) -> [String; 7] {
    [
        connection.remote.clone(),
        connection.local.clone(),
        connection.state.clone(),
        connection
            .stall
            .map_or("-", |stall| stall.label())
            .to_owned(),
        units::seconds(connection.stalled_seconds.max(0.0)),
        units::bytes(connection.pinned_bytes),
        units::bytes(connection.window_bytes),
    ]
}

/// How a file is told.
pub(super) fn host_line(host: &HostPart) -> String {
    let goes_on = if host.is_written {
        ", still written"
    } else {
        ""
    };
    format!(
        "recorded {}{goes_on}; {}; {}",
        super::words::range(host.first, host.last),
        counted(host.boots, "start of the host", "starts of the host"),
        host.file
    )
}
