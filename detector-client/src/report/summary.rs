//! What happened, in five sentences for somebody who knows nothing of TCP: what and when, who, what it
//! cost, what came of it, and what now.

use super::elsewhere;
use super::kills::kills;
use super::model::{HostIncident, PeerPart, Remedies, Remedy, Report, Time, WorstMoment};
use super::outcome::outcome;
use super::recommended::best;
use super::recording::{Recording, time_of};
use super::shortage;
use super::words::{counted_kills, listed, moment, range, span};
use detector_api::snapshot::{
    Direction, Incident, IncidentEnd, IncidentKind, IncidentPeer, Verdict,
};
use detector_api::text::counted;
use detector_api::units;
use detector_recorder::RecorderError;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// An incident is over when nothing has stood for this long.
const QUIET_MS: i64 = 60_000;

/// The five sentences.
pub(super) fn summary(
    report: &Report,
    recordings: &[Recording],
) -> Result<Vec<String>, RecorderError> {
    let elsewhere = elsewhere::newest(report, recordings)?;
    Ok(vec![
        what(report, recordings, elsewhere.as_deref()),
        who(report, recordings),
        cost(report),
        outcome(report, recordings)?,
        now(report, elsewhere.is_some()),
    ])
}

fn what(report: &Report, recordings: &[Recording], elsewhere: Option<&str>) -> String {
    let hosts: Vec<_> = report.hosts.iter().map(|host| host.host.clone()).collect();
    let spans: Vec<_> = report
        .incidents
        .iter()
        .filter_map(|each| span_of(each, report))
        .collect();
    let Some(when) = covered_range(&spans) else {
        let elsewhere = elsewhere.map_or_else(String::new, |told| format!("; {told}"));
        return format!(
            "Nothing that was recorded held up {} from {}: there was no incident{elsewhere}.",
            listed(&hosts),
            range(report.span.from, report.span.until)
        );
    };
    let held: Vec<_> = hosts
        .into_iter()
        .filter(|host| report.incidents.iter().any(|each| each.host == *host))
        .collect();
    let doings = doings(report);
    let lasted = span(covered_ms(&spans));
    let times = in_incidents(report.incidents.len());
    let short = listed_hosts(shortage::of_hosts(report));
    let were = if held.len() == 1 { "was" } else { "were" };
    if !doings.is_empty() {
        let besides = match short.as_slice() {
            [] => String::new(),
            short => format!(
                "; memory for TCP was short on {} for another cause, too: {}",
                listed(short),
                shortage::all_causes(report)
            ),
        };
        return format!(
            "From {when}, {} {were} held up for {lasted}{times} by other computers that {}{besides}.",
            listed(&held),
            listed(&doings)
        );
    }
    if !short.is_empty() {
        let spans = shortage::of_hosts(report).filter_map(|each| span_of(each, report));
        let spans: Vec<_> = spans.collect();
        let lasted = span(covered_ms(&spans));
        let times = in_incidents(spans.len());
        return format!(
            "From {}, memory for TCP was short on {} for {lasted}{}: {}.",
            covered_range(&spans).unwrap_or(when),
            listed(&short),
            times.trim_end_matches(','),
            shortage::all_causes(report)
        );
    }
    let killed = recordings.iter().flat_map(kills).map(|kill| kill.count);
    format!(
        "From {when}, the kernel killed {} on {}{times} for want of memory; no other computer was \
         seen to hold anything up.",
        counted_kills(killed.fold(0, u64::saturating_add)),
        listed(&held)
    )
}

fn in_incidents(count: usize) -> String {
    match count {
        1 => String::new(),
        more => format!(", in {more} incidents,"),
    }
}

/// From the first begin to the last end.
fn covered_range(spans: &[(Time, Time)]) -> Option<String> {
    let first = spans.iter().map(|(began, _)| *began).min()?;
    let last = spans.iter().map(|(_, ended)| *ended).max()?;
    Some(range(first, last))
}

/// Names of the hosts of these incidents, each once.
fn listed_hosts<'a>(incidents: impl Iterator<Item = &'a HostIncident>) -> Vec<String> {
    let hosts: BTreeSet<_> = incidents.map(|each| each.host.clone()).collect();
    hosts.into_iter().collect()
}

/// What other computers did, each once.
fn doings(report: &Report) -> Vec<String> {
    let mut doings: Vec<String> = Vec::new();
    for incident in report.incidents.iter().map(|each| &each.incident) {
        let told = incident.kinds.iter();
        for doing in told.filter_map(|kind| doing(*kind, incident, &report.peers)) {
            if !doings.iter().any(|known| known == doing) {
                doings.push(doing.to_owned());
            }
        }
    }
    doings
}

/// From when to when an incident went on, within the span.
fn span_of(each: &HostIncident, report: &Report) -> Option<(Time, Time)> {
    let began = time_of(&each.incident.began)?;
    let ended = each.incident.ended.as_deref().and_then(time_of);
    let ended = ended.unwrap_or(report.span.until).min(report.span.until);
    Some((began.max(report.span.from), ended.max(began)))
}

/// How long at least one of these spans went on.
fn covered_ms(spans: &[(Time, Time)]) -> i64 {
    let mut spans = spans.to_vec();
    spans.sort_unstable();
    let mut covered = 0_i64;
    let mut reached = Time(i64::MIN);
    for (began, ended) in spans {
        let more = ended.0.saturating_sub(began.max(reached).0).max(0);
        covered = covered.saturating_add(more);
        reached = reached.max(ended);
    }
    covered
}

/// Whether all that took part, as far as they were judged, are servers that we had connected to.
fn are_servers_of_others(incident: &Incident, known: &[PeerPart]) -> bool {
    let is_server = |peer: &IncidentPeer| {
        let known = known.iter().find(|known| known.peer == peer.peer);
        peer.verdict == Some(Verdict::Tarpit)
            || known.is_some_and(|known| known.direction == Direction::Outbound)
    };
    let mut judged = incident.peers.iter().filter(|peer| peer.verdict.is_some());
    judged.next().is_some_and(is_server) && judged.all(is_server)
}

/// What the other side did, if it did anything; completes `other computers that …`.
fn doing(kind: IncidentKind, incident: &Incident, known: &[PeerPart]) -> Option<&'static str> {
    Some(match kind {
        IncidentKind::Hoard => "kept many connections standing",
        IncidentKind::StalledPeers if are_servers_of_others(incident, known) => {
            "took hardly anything of what we sent them"
        }
        IncidentKind::StalledPeers => "asked for data without taking it",
        IncidentKind::SilentPeers => "stopped answering",
        IncidentKind::ShrinkingPeers => "took back room that they had offered",
        IncidentKind::OomKill => return None,
        IncidentKind::OrphanLimit
            if incident.orphans.is_none_or(|orphans| orphans.stalled == 0) =>
        {
            return None;
        }
        IncidentKind::OrphanLimit => "held up connections that nobody here holds any more",
        IncidentKind::MemoryPressure if !shortage::is_of_others(incident) => return None,
        IncidentKind::MemoryPressure => {
            "left so much data waiting that the kernel ran short of memory"
        }
    })
}

fn who(report: &Report, recordings: &[Recording]) -> String {
    let Some(first) = report.peers.first() else {
        return "No other computer stood out.".to_owned();
    };
    let hosts = hosts_held(first, report, recordings);
    let alike = report.peers.iter().take_while(|peer| {
        peer.verdict == first.verdict && hosts_held(peer, report, recordings) == hosts
    });
    let names: Vec<_> = alike.take(3).map(|peer| peer.peer.clone()).collect();
    let rest = report.peers_total.saturating_sub(names.len() as u64);
    let more = match rest {
        0 => String::new(),
        rest => format!("; {} took part", counted(rest, "other", "others")),
    };
    let all = recordings.iter().filter_map(real_host);
    let whom = match (hosts, all.collect::<BTreeSet<_>>().len()) {
        (0 | 1, _) => "held most".to_owned(),
        (2, 2) => "held both hosts".to_owned(),
        (hosts, _) => format!("held {hosts} hosts"),
    };
    let is_one = names.len() == 1;
    format!(
        "{} {whom}, and {} {}{more}.",
        listed(&names),
        if is_one { "is" } else { "are" },
        taken_to_be(first)
    )
}

/// On how many hosts the peer took part in an incident.
fn hosts_held(peer: &PeerPart, report: &Report, recordings: &[Recording]) -> usize {
    let incidents = report.incidents.iter().filter(|each| {
        let mut peers = each.incident.peers.iter();
        peers.any(|part| part.peer == peer.peer)
    });
    let hosts = incidents.filter_map(|each| {
        let mut recordings = recordings.iter();
        real_host(recordings.find(|recording| recording.host() == each.host)?)
    });
    hosts.collect::<BTreeSet<_>>().len()
}

/// The name that the host gives itself: several files may be of one.
fn real_host(recording: &Recording) -> Option<&str> {
    let run = recording.source.runs.last()?;
    Some(&run.host)
}

/// Completes `and is …`.
fn taken_to_be(peer: &PeerPart) -> &'static str {
    match peer.verdict {
        None => "not judged, for want of evidence",
        Some(Verdict::SlowReadAttack) => {
            "taken to be an attack: many connections, each read a few bytes at a time"
        }
        Some(Verdict::ZeroWindowAttack) => {
            "taken to be an attack: many connections that are kept open and never read"
        }
        Some(Verdict::ShrinkingPeer) => {
            "taken to have a network stack, or a box on the way, that takes back what it offers"
        }
        Some(Verdict::Tarpit) => "taken to be a trap that holds our own requests",
        Some(Verdict::PathLoss) => "taken to be fine: the way to there loses data",
        Some(Verdict::Vanished) => "taken to be gone: switched off, moved or cut off",
        Some(Verdict::SlowClient) => "taken to be merely slow",
        Some(Verdict::Benign) => "taken to be harmless",
    }
}

fn cost(report: &Report) -> String {
    let mut worst: Vec<_> = report.remedies.worst.iter().collect();
    worst.sort_by_key(|worst| Reverse(worst.pinned_bytes));
    let Some((first, others)) = worst.split_first() else {
        return "At no recorded moment did a connection stand still with data waiting.".to_owned();
    };
    let most = |each: &WorstMoment| (each.stalled_connections, each.held_workers.unwrap_or(0));
    // More connections or workers stood still on another host, which held less memory.
    let worse = others.iter().filter(|other| {
        let (connections, workers) = most(first);
        other.stalled_connections > connections || most(other).1 > workers
    });
    let other = worse.max_by_key(|other| {
        let (connections, workers) = most(other);
        (workers, connections)
    });
    let other = other.map_or_else(String::new, |other| {
        format!(
            "; at that of {}, {}, {}",
            other.host,
            moment(other.time),
            held(other, report)
        )
    });
    format!(
        "At the worst moment, {} on {}, {}{other}.",
        moment(first.time),
        first.host,
        held(first, report)
    )
}

/// `96 connections that stood still held 405 MB of the kernel's memory (…), and 96 workers …`
fn held(worst: &WorstMoment, report: &Report) -> String {
    let WorstMoment {
        host,
        time,
        stalled_connections,
        pinned_bytes,
        held_workers,
        ..
    } = worst;
    let point = report.hosts.iter().find(|part| part.host == *host);
    let point = point.and_then(|part| part.timeline.iter().find(|point| point.time == *time));
    let limit = point.and_then(|point| point.tcp_memory_limit_bytes);
    let share = match limit.filter(|limit| *limit > 0) {
        #[allow(clippy::cast_precision_loss, reason = "two digits are shown")]
        Some(limit) => format!(
            " ({} of what it has for all connections)",
            units::percent(*pinned_bytes as f64 / limit as f64)
        ),
        None => String::new(),
    };
    let workers = match held_workers {
        None | Some(0) => String::new(),
        Some(workers) => format!(
            ", and {} that could serve nobody else",
            counted(*workers, "worker of the server", "workers of the server")
        ),
    };
    format!(
        "{} held {} of the kernel's memory{share}{workers}",
        counted(
            *stalled_connections,
            "connection that stood still",
            "connections that stood still"
        ),
        units::bytes(*pinned_bytes),
    )
}

fn now(report: &Report, is_elsewhere: bool) -> String {
    let open: Vec<_> = report
        .incidents
        .iter()
        .filter(|each| each.incident.open)
        .map(|each| each.host.clone())
        .collect();
    let state = if !open.is_empty() {
        format!("It goes on, on {}", listed(&open))
    } else if is_elsewhere {
        "There is nothing to do about this time".to_owned()
    } else if report.incidents.is_empty() {
        "There is nothing to do".to_owned()
    } else if let Some(host) = report
        .incidents
        .iter()
        .find_map(|each| unseen_on(each, report))
    {
        format!("How it went on, on {host}, nobody saw: the record ends before")
    } else {
        "It is over".to_owned()
    };
    match best(&report.remedies) {
        Some((setting, remedy)) => format!(
            "{state}; {setting} would have {}, and would have cost {}.",
            effect(remedy, &report.remedies),
            price(remedy)
        ),
        None if report.incidents.is_empty() => format!("{state}."),
        None => format!("{state}; what to do about it is under \"What to do now\"."),
    }
}

/// The host of an incident that nobody saw end, and after which it was not watched for as long as an
/// incident takes to be over.
fn unseen_on<'a>(each: &'a HostIncident, report: &Report) -> Option<&'a str> {
    let mut hosts = report.hosts.iter();
    let host = hosts.find(|host| host.host == each.host)?;
    let ended = each.incident.ended.as_deref().and_then(time_of)?;
    let watched_ms = host.last.0.saturating_sub(ended.0);
    let is_unseen = each.incident.end == Some(IncidentEnd::Unseen) && watched_ms < QUIET_MS;
    is_unseen.then_some(&each.host)
}

/// Completes `… would have`.
pub(super) fn effect(remedy: &Remedy, remedies: &Remedies) -> String {
    if remedy.danger_seconds <= 0.0 {
        return "kept the hosts out of danger".to_owned();
    }
    format!(
        "kept the danger to {} (it was {})",
        units::seconds(remedy.danger_seconds),
        units::seconds(remedies.danger_seconds)
    )
}

/// Completes `would have cost …`.
pub(super) fn price(remedy: &Remedy) -> String {
    match remedy.honest_connections {
        0 => "no honest connection that was recorded".to_owned(),
        some => format!(
            "at least {}",
            counted(some, "honest connection", "honest connections")
        ),
    }
}
