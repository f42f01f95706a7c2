//! What happened, in five sentences for somebody who knows nothing of TCP: what and when, who, what it
//! cost, what came of it, and what now.

use super::model::{HostIncident, MarkKind, PeerPart, Remedies, Remedy, Report, Time, WorstMoment};
use super::recommended::best;
use super::recording::{Recording, natural, time_of};
use super::words::{clock, listed, moment, range, span};
use detector_api::snapshot::{IncidentEnd, IncidentKind, Verdict};
use detector_api::text::counted;
use detector_api::units;

/// A kill to which stalled connections added at least this share of the host's memory, or this many
/// waiting workers.
const MATTERS_PART: u64 = 20;
const MATTERS_WORKERS: u64 = 8;
/// An incident is over when nothing has stood for this long.
const QUIET_MS: i64 = 60_000;

/// The five sentences.
pub(super) fn summary(report: &Report, recordings: &[Recording]) -> Vec<String> {
    vec![
        what(report),
        who(report),
        cost(report),
        outcome(report, recordings),
        now(report),
    ]
}

fn what(report: &Report) -> String {
    let hosts: Vec<_> = report.hosts.iter().map(|host| host.host.clone()).collect();
    let spans: Vec<_> = report
        .incidents
        .iter()
        .filter_map(|each| span_of(each, report))
        .collect();
    let (Some(first), Some(last)) = (
        spans.iter().map(|(began, _)| *began).min(),
        spans.iter().map(|(_, ended)| *ended).max(),
    ) else {
        return format!(
            "Nothing that was recorded held up {} from {}: there was no incident.",
            listed(&hosts),
            range(report.span.from, report.span.until)
        );
    };
    let held: Vec<_> = hosts
        .into_iter()
        .filter(|host| report.incidents.iter().any(|each| each.host == *host))
        .collect();
    let kinds = report
        .incidents
        .iter()
        .flat_map(|each| &each.incident.kinds);
    let mut doings: Vec<String> = Vec::new();
    for doing in kinds.filter_map(|kind| doing(*kind)) {
        if !doings.iter().any(|known| known == doing) {
            doings.push(doing.to_owned());
        }
    }
    let lasted = span(covered_ms(spans));
    let times = match report.incidents.len() {
        1 => String::new(),
        times => format!(", in {times} incidents,"),
    };
    let were = if held.len() == 1 { "was" } else { "were" };
    if doings.is_empty() {
        return format!(
            "From {}, {} {were} short of memory{times} so that the kernel killed a process; no other \
             computer was seen to hold anything up.",
            range(first, last),
            listed(&held)
        );
    }
    format!(
        "From {}, {} {were} held up for {lasted}{times} by other computers that {}.",
        range(first, last),
        listed(&held),
        listed(&doings)
    )
}

/// From when to when an incident went on, within the span.
fn span_of(each: &HostIncident, report: &Report) -> Option<(Time, Time)> {
    let began = time_of(&each.incident.began)?;
    let ended = each.incident.ended.as_deref().and_then(time_of);
    let ended = ended.unwrap_or(report.span.until).min(report.span.until);
    Some((began.max(report.span.from), ended.max(began)))
}

/// How long at least one of these spans went on.
fn covered_ms(mut spans: Vec<(Time, Time)>) -> i64 {
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

/// What the other side did, if it did anything; completes `other computers that …`.
const fn doing(kind: IncidentKind) -> Option<&'static str> {
    Some(match kind {
        IncidentKind::Hoard => "kept many connections standing",
        IncidentKind::StalledPeers => "asked for data without taking it",
        IncidentKind::SilentPeers => "stopped answering",
        IncidentKind::ShrinkingPeers => "took back room that they had offered",
        IncidentKind::OomKill => return None,
        IncidentKind::MemoryPressure => {
            "left so much data waiting that the kernel ran short of memory"
        }
    })
}

fn who(report: &Report) -> String {
    let Some(first) = report.peers.first() else {
        return "No other computer stood out.".to_owned();
    };
    let alike = report.peers.iter();
    let alike = alike
        .take_while(|peer| peer.verdict == first.verdict && peer.hosts.len() == first.hosts.len());
    let names: Vec<_> = alike.take(3).map(|peer| peer.peer.clone()).collect();
    let rest = report.peers_total.saturating_sub(names.len() as u64);
    let more = match rest {
        0 => String::new(),
        rest => format!("; {} took part", counted(rest, "other", "others")),
    };
    let hosts = first.hosts.len();
    let whom = match hosts {
        0 | 1 => "held most".to_owned(),
        2 => "held both hosts".to_owned(),
        hosts => format!("held {hosts} hosts"),
    };
    let is_one = names.len() == 1;
    format!(
        "{} {whom}, and {} {}{more}.",
        listed(&names),
        if is_one { "is" } else { "are" },
        taken_to_be(first)
    )
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
    let worst = report.remedies.worst.iter();
    let Some(worst) = worst.max_by_key(|worst| worst.pinned_bytes) else {
        return "At no recorded moment did a connection stand still with data waiting.".to_owned();
    };
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
        "At the worst moment, {} on {host}, {} held {} of the kernel's memory{share}{workers}.",
        moment(*time),
        counted(
            *stalled_connections,
            "connection that stood still",
            "connections that stood still"
        ),
        units::bytes(*pinned_bytes),
    )
}

fn outcome(report: &Report, recordings: &[Recording]) -> String {
    let marks = report.hosts.iter().flat_map(|host| {
        let of_host = host.marks.iter();
        of_host.map(|mark| (host.host.as_str(), mark))
    });
    let kills: Vec<_> = marks
        .clone()
        .filter(|(_, mark)| mark.kind == MarkKind::OomKill)
        .collect();
    let reboots: Vec<String> = marks
        .filter(|(_, mark)| mark.kind == MarkKind::Reboot)
        .map(|(host, mark)| format!("{host} started again at {}", clock(mark.time)))
        .collect();
    let restarted = match reboots.as_slice() {
        [] => String::new(),
        some => format!("; {}", listed(some)),
    };
    let Some((host, first)) = kills.first() else {
        return match reboots.as_slice() {
            [] => "The kernel killed no process for want of memory and no host restarted, as far \
                   as was recorded."
                .to_owned(),
            some => format!(
                "No kill for want of memory was recorded, but {}.",
                listed(some)
            ),
        };
    };
    let times = match kills.len() {
        1 => String::new(),
        more => format!(", and {} more times", more - 1),
    };
    let recording = recordings.iter().find(|each| each.host() == *host);
    let added = recording.map_or_else(String::new, |recording| added(recording, first.time.0));
    format!(
        "For want of memory the kernel killed a process on {host} at {}{times}{added}{restarted}.",
        clock(first.time)
    )
}

/// Whether what stalled connections held had to do with a kill.
fn added(recording: &Recording, at_ms: i64) -> String {
    let seconds = recording.seconds.iter();
    let before = seconds.rev().find(|second| second.at.unix_ms <= at_ms);
    let Some(host) = before.map(|second| &second.host) else {
        return String::new();
    };
    let Some((pinned, total)) = host.pinned_bytes.zip(host.memory_total_bytes) else {
        return String::new();
    };
    let (pinned, total) = (natural(pinned), natural(total));
    let workers = natural(host.held_workers.unwrap_or(0));
    if pinned >= total / MATTERS_PART || workers >= MATTERS_WORKERS {
        let waiting = match workers {
            0 => String::new(),
            workers => format!(
                " and {} waited on them",
                counted(workers, "worker", "workers")
            ),
        };
        format!(
            ", when such connections held {} that cannot be swapped out{waiting}",
            units::bytes(pinned)
        )
    } else {
        let held = units::bytes(pinned);
        format!(", but such connections held only {held} then: they were not the cause")
    }
}

fn now(report: &Report) -> String {
    let open: Vec<_> = report
        .incidents
        .iter()
        .filter(|each| each.incident.open)
        .map(|each| each.host.clone())
        .collect();
    let state = if !open.is_empty() {
        format!("It goes on, on {}", listed(&open))
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
        some => counted(some, "honest connection", "honest connections"),
    }
}
