//! Reads of a recorder what the state wants to show.

use super::state::{Facts, HostHistory, Mark, Recorded, RecordedPage, RecorderQuery};
use detector_api::page::PeerPage;
use detector_api::sanitize;
use detector_api::snapshot::{Peer, Severity, Shrinks};
use detector_api::time::rfc3339;
use detector_recorder::{
    EventsWanted, Gap, GapReason, HostSecond, PeerSecond, Reader, RecorderError, Run, Second, Span,
    Step,
};
use std::path::Path;

/// Seconds of the host's history, at most what a header shows.
const HISTORY: usize = 60;
/// How windows moved over that long.
const WINDOWS_MS: i64 = 300_000;
/// Events of the peer that is open.
const EVENTS: usize = 100;

/// Reads the second that `query` leads to.
pub(super) fn read(path: &Path, query: &RecorderQuery) -> Result<Recorded, String> {
    recorded(path, query)
        .map_err(|error| match error.hint() {
            Some(hint) => format!("no past to show: {error}; {hint}"),
            None => format!("no past to show: {error}"),
        })?
        .ok_or_else(|| {
            format!(
                "no past to show: no second is recorded in {}",
                sanitize::text(&path.display().to_string())
            )
        })
}

fn recorded(path: &Path, query: &RecorderQuery) -> Result<Option<Recorded>, RecorderError> {
    let reader = Reader::open(path)?;
    let Some(second) = reader.second(query.from, query.step)? else {
        return Ok(None);
    };
    let now_ms = second.at.unix_ms;
    let before = reader.second(second.id, Step::Seconds(-1))?;
    let runs = reader.runs()?;
    let run = runs.iter().find(|run| run.id == second.run);
    let gaps = match before.filter(|before| before.id != second.id) {
        Some(before) => {
            let mut gaps = gaps_between(&reader, &before, &second)?;
            gaps.extend(gaps_of_start(
                &reader,
                &before,
                run.filter(|run| run.id != before.run),
            )?);
            gaps
        }
        None => Vec::new(),
    };
    let mut facts = facts(&second.host);
    if let Some(run) = run {
        add_run(&mut facts, run, &second);
    }
    let now = Span {
        from_ms: now_ms,
        until_ms: now_ms,
    };
    let incident = reader.incidents(now)?.pop();
    facts.incident_began = incident.map(|incident| incident.began);
    let mut history = HostHistory::default();
    for host in reader.hosts_until(second.id, HISTORY)? {
        history.take(&self::facts(&host));
    }
    let page = match &query.page {
        Some(peer) => Some(page(&reader, peer, now_ms)?),
        None => None,
    };
    let time = unix_time(now_ms);
    Ok(Some(Recorded {
        mark: Mark {
            id: second.id,
            unix_ns: i128::from(now_ms) * 1_000_000,
            span_seconds: second.span_seconds,
            gaps: longest_and_step(gaps),
        },
        facts,
        history,
        peers: second.peers.iter().map(|row| peer(row, &time)).collect(),
        page,
    }))
}

/// What was not seen between two seconds that follow each other.
fn gaps_between(reader: &Reader, before: &Second, now: &Second) -> Result<Vec<Gap>, RecorderError> {
    let (before_ms, now_ms) = (before.at.unix_ms, now.at.unix_ms);
    let (low_ms, high_ms) = (before_ms.min(now_ms), before_ms.max(now_ms));
    let all = reader.gaps(Span {
        from_ms: low_ms.saturating_add(1),
        until_ms: high_ms,
    })?;
    let is_step = |gap: &Gap| gap.reason == GapReason::ClockStep;
    let (steps, mut gaps): (Vec<Gap>, Vec<Gap>) = all.into_iter().partition(is_step);
    // One that begins only now is told of the second behind it. Where the clock was set back, what else lies
    // between was seen before.
    gaps.retain(|gap| before_ms <= now_ms && gap.from_ms < now_ms);
    let is_set = if before.run == now.run {
        before.at.is_set_until(now.at)
    } else {
        before_ms > now_ms
    };
    if is_set {
        // It may have been set at other times, too, and shown the same hour again.
        let distance = |gap: &Gap| {
            let from = gap.from_ms.abs_diff(low_ms);
            from.saturating_add(gap.until_ms.abs_diff(high_ms))
        };
        gaps.extend(steps.into_iter().min_by_key(distance));
    }
    Ok(gaps)
}

/// What the second run says of the time before it, where it began by a clock that said less than what was
/// written last: how long nothing was seen is not known, so that it is empty.
fn gaps_of_start(
    reader: &Reader,
    before: &Second,
    run: Option<&Run>,
) -> Result<Vec<Gap>, RecorderError> {
    let Some(run) = run.filter(|run| run.began.unix_ms < before.at.unix_ms) else {
        return Ok(Vec::new());
    };
    let began_ms = run.began.unix_ms;
    let mut gaps = reader.gaps(Span {
        from_ms: began_ms,
        until_ms: began_ms,
    })?;
    gaps.retain(|gap| (gap.from_ms, gap.until_ms) == (began_ms, began_ms));
    Ok(gaps)
}

/// The longest of them, and whether the clock was set.
fn longest_and_step(gaps: Vec<Gap>) -> Vec<Gap> {
    let is_step = |gap: &Gap| gap.reason == GapReason::ClockStep;
    let (steps, gaps): (Vec<Gap>, Vec<Gap>) = gaps.into_iter().partition(is_step);
    let length = |gap: &Gap| gap.until_ms.saturating_sub(gap.from_ms);
    let longest = gaps.into_iter().max_by_key(length);
    longest
        .into_iter()
        .chain(steps.into_iter().next())
        .collect()
}

fn unix_time(unix_ms: i64) -> String {
    rfc3339(i128::from(unix_ms) * 1_000_000)
}

/// A count of a file, which may say anything.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn facts(host: &HostSecond) -> Facts {
    let pair = |used: Option<i64>, all: Option<i64>| Some((count(used?), count(all?)));
    let taken = host.memory_total_bytes.zip(host.memory_available_bytes);
    let taken = taken.map(|(total, available)| total.saturating_sub(available));
    Facts {
        load: host.load_one.into_iter().collect(),
        pressure_percent: [
            host.cpu_some_percent,
            host.memory_some_percent,
            host.io_some_percent,
        ],
        memory_bytes: pair(taken, host.memory_total_bytes),
        tcp_memory_bytes: pair(host.tcp_memory_bytes, host.tcp_memory_limit_bytes),
        tcp_memory_held: host.tcp_memory_held(),
        is_tcp_memory_short: host.tcp_memory_bytes >= host.tcp_memory_pressure_bytes
            && host.tcp_memory_pressure_bytes.is_some(),
        orphans: host.orphans.map(count),
        stalled_connections: host.stalled_connections.map(count),
        pinned_bytes: host.pinned_bytes.map(count),
        peers: host.peers.map(count),
        agent_cpu_share: host.agent_cpu_share,
        agent_memory_bytes: host.agent_resident_bytes.map(count),
        records_lost: host.records_lost.map_or(0, count),
        given_up: Vec::new(),
        ..Facts::default()
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "an uptime of two digits is shown"
)]
fn add_run(facts: &mut Facts, run: &Run, second: &Second) {
    facts.host.clone_from(&run.host);
    facts.agent_version.clone_from(&run.version);
    let up_ms = second.at.boot_ms.saturating_sub(run.began.boot_ms).max(0);
    facts.uptime_seconds = up_ms as f64 / 1e3;
}

/// What is kept of a peer each second; the rest is not shown.
#[allow(clippy::cast_precision_loss, reason = "a rate of two digits is shown")]
fn peer(row: &PeerSecond, time: &str) -> Peer {
    let verdict = row.verdict.as_deref();
    let severity = row.severity.as_deref();
    let severity = severity.and_then(|severity| severity.parse().ok());
    Peer {
        verdict: verdict.and_then(|verdict| verdict.parse().ok()),
        severity: severity.unwrap_or(Severity::Info),
        stalled_connections: count(row.stalled_connections),
        pinned_bytes: count(row.pinned_bytes),
        zero_window_episodes: count(row.zero_window_episodes),
        window_shrinks: Shrinks {
            polite: count(row.window_shrinks_polite),
            below_flight: count(row.window_shrinks_below_flight),
            treason: count(row.window_shrinks_treason),
        },
        bytes_acked_per_second: count(row.bytes_acked_per_second),
        first_seen: time.to_owned(),
        last_seen: time.to_owned(),
        ..Peer::unknown(row.peer.clone())
    }
}

fn page(reader: &Reader, peer: &str, now_ms: i64) -> Result<Option<RecordedPage>, RecorderError> {
    let Some(card) = reader.card(peer)? else {
        return Ok(None);
    };
    let events = reader.events(&EventsWanted {
        span: Span {
            from_ms: i64::MIN,
            until_ms: now_ms,
        },
        peer: Some(&card.peer().peer),
        kind: None,
        limit: EVENTS,
    })?;
    let span = Span {
        from_ms: now_ms.saturating_sub(WINDOWS_MS),
        until_ms: now_ms,
    };
    Ok(Some(RecordedPage {
        time: unix_time(card.at.unix_ms),
        windows: reader.windows(&card.peer().peer, span)?,
        page: PeerPage {
            detail: card.detail,
            events,
        },
    }))
}
