//! Chooses the span and puts the parts of a report together.

use super::model::{HostIncident, Report, ReportSpan, Time};
use super::recording::{Recording, Source, time_of};
use super::remedies::Tried;
use super::stalls::stalls;
use super::words::listed;
use super::{chronicle, clocks, peers, remedies, steps, summary, timeline, unseen};
use detector_api::failure::Failure;
use detector_api::sanitize;
use detector_api::snapshot::Incident;
use detector_api::{text, time};
use detector_recorder::Span;
use ipnet::IpNet;

/// Without a wish, the last so much of what is recorded.
const DAY_MS: i64 = 24 * 3_600_000;
/// Around an incident: as much as the recorder keeps whole.
const BEFORE_MS: i64 = 600_000;
const AFTER_MS: i64 = 120_000;
/// The newest incident.
const LAST: &str = "last";
/// Incidents named where the one that was asked for is unknown.
const NAMED: usize = 5;

/// What a report is wanted of.
pub(super) struct Wanted<'a> {
    pub(super) since: Option<&'a str>,
    pub(super) until: Option<&'a str>,
    pub(super) incident: Option<&'a str>,
    /// Only this peer, whatever it did.
    pub(super) peer: Option<IpNet>,
    pub(super) now: Time,
}

/// Reads the recorders and makes the report.
pub(super) fn build(
    sources: Vec<Source>,
    wanted: &Wanted<'_>,
) -> Result<(Report, Vec<Recording>), Failure> {
    let chosen = choose(&sources, wanted)?;
    let span = Span {
        from_ms: chosen.from.0,
        until_ms: chosen.until.0,
    };
    let read = sources.into_iter().map(|source| source.read(span, None));
    let recordings = read.collect::<Result<Vec<_>, _>>()?;
    let verdicts = peers::verdicts(&recordings);
    let stalls: Vec<_> = recordings.iter().map(stalls).collect();
    let (peers, peers_total) = peers::peers(&recordings, wanted.peer, &verdicts, &stalls)?;
    let hosts: Vec<_> = recordings.iter().map(timeline::host_part).collect();
    let names: Vec<&str> = peers.iter().map(|peer| peer.peer.as_str()).collect();
    let chronicle = chronicle::chronicle(&recordings, &names);
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made: wanted.now,
        span: chosen,
        summary: Vec::new(),
        clocks: clocks::clocks(&recordings, wanted.now),
        incidents: incidents(&recordings),
        chronicle,
        peers,
        peers_total,
        remedies: remedies::remedies(Tried {
            recordings: &recordings,
            stalls: &stalls,
            verdicts: &verdicts,
            only: None,
        })?,
        actions: chronicle::actions(&recordings),
        unseen: unseen::unseen(&recordings, &hosts)?,
        hosts,
        steps: Vec::new(),
    };
    report.summary = summary::summary(&report, &recordings)?;
    report.steps = steps::steps(&report, &recordings);
    Ok((report, recordings))
}

fn incidents(recordings: &[Recording]) -> Vec<HostIncident> {
    let all = recordings.iter().flat_map(|recording| {
        let incidents = recording.incidents.iter();
        incidents.map(|incident| HostIncident {
            host: recording.host().to_owned(),
            weighed: text::weighed(incident),
            incident: incident.clone(),
        })
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by(|a, b| (&a.incident.began, &a.host).cmp(&(&b.incident.began, &b.host)));
    all
}

/// The span that was asked for.
fn choose(sources: &[Source], wanted: &Wanted<'_>) -> Result<ReportSpan, Failure> {
    let extents = sources.iter().filter_map(Source::extent);
    let (firsts, lasts): (Vec<_>, Vec<_>) = extents.unzip();
    let (Some(first), Some(last)) = (firsts.into_iter().min(), lasts.into_iter().max()) else {
        return Err(Failure::failed(
            "cannot report: nothing has been recorded yet",
        ));
    };
    if let Some(id) = wanted.incident {
        return around_incident(sources, id, last);
    }
    let read = |name: &str, text: Option<&str>| {
        let now_ns = i128::from(wanted.now.0) * 1_000_000;
        let time = text.map(|text| time::parse(text, now_ns)).transpose();
        let time = time
            .map_err(|error| Failure::usage(format!("cannot read --{name}: {error}")))?
            .map(|ns| Time(i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)));
        Ok::<_, Failure>(time)
    };
    let since = read("since", wanted.since)?;
    // One end may lie beyond what is recorded: then the other does, too.
    let open_end = match since {
        Some(since) if since > last => since.max(wanted.now),
        _ => last,
    };
    let until = read("until", wanted.until)?.unwrap_or(open_end);
    let day_before = Time(until.0.saturating_sub(DAY_MS));
    let from = since.unwrap_or(match wanted.peer {
        _ if until < first => day_before,
        // A letter tells all that is known.
        Some(_) => first,
        None => day_before.max(first),
    });
    if from > until {
        return Err(Failure::usage(format!(
            "cannot report from {} until {}: the end is before the begin",
            from.rfc3339(),
            until.rfc3339()
        )));
    }
    Ok(ReportSpan {
        from,
        until,
        incident: None,
    })
}

fn around_incident(sources: &[Source], id: &str, last: Time) -> Result<ReportSpan, Failure> {
    let mut found: Vec<Incident> = Vec::new();
    for source in sources {
        let incidents = match id {
            LAST => source.reader.incidents(Span::ALL).map(|mut all| all.pop()),
            id => source.reader.incident(id),
        };
        found.extend(incidents?);
    }
    if id == LAST {
        // Of several hosts the newest; the others are in its span if they have to do with it.
        found.sort_by(|a, b| a.began.cmp(&b.began));
        found.drain(..found.len().saturating_sub(1));
    }
    let began = found.iter().filter_map(|each| time_of(&each.began)).min();
    let Some(began) = began else {
        return Err(unknown(sources, id));
    };
    let ended = found
        .iter()
        .map(|each| each.ended.as_deref().and_then(time_of));
    let ended = ended
        .map(|ended| ended.unwrap_or(last))
        .max()
        .unwrap_or(last);
    Ok(ReportSpan {
        from: Time(began.0.saturating_sub(BEFORE_MS)),
        until: Time(ended.0.max(began.0).saturating_add(AFTER_MS)),
        incident: found.pop().map(|incident| incident.id),
    })
}

fn unknown(sources: &[Source], id: &str) -> Failure {
    let id = sanitize::text(id);
    let failure = Failure::failed(format!("cannot report incident {id}: it is not recorded"));
    let all = sources
        .iter()
        .filter_map(|source| source.reader.incidents(Span::ALL).ok());
    let mut ids: Vec<String> = all.flatten().map(|incident| incident.id).collect();
    ids.sort();
    ids.dedup();
    let newest = ids.split_off(ids.len().saturating_sub(NAMED));
    failure.hint(match newest.as_slice() {
        [] => "no incident is recorded; --since reports a span without one".to_owned(),
        some => format!("the newest that are recorded: {}", listed(some)),
    })
}
