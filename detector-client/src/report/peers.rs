//! The peers that mattered, over all hosts.

use super::model::{PeerOnHost, PeerPart, Time};
use super::recording::{Recording, natural, time_of};
use super::remedies::Verdicts;
use super::stalls::Stall;
use super::windows::window_plots;
use super::words::moment;
use detector_api::address::network_of;
use detector_api::failure::Failure;
use detector_api::snapshot::{
    Direction, Event, EventType, FlagKind, IncidentPeer, Outcome, PeerDetail, Severity, Verdict,
};
use detector_api::text;
use detector_recorder::{Card, PeerPeak};
use ipnet::IpNet;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Peers told of; the others are counted.
const PEERS: usize = 20;
/// Those of them whose windows are drawn.
const WITH_WINDOWS: usize = 8;
/// Connections of each on each host.
const CONNECTIONS: usize = 5;

/// What is known of one peer on one host.
struct Trace<'a> {
    recording: &'a Recording,
    part: Option<&'a IncidentPeer>,
    /// Flags of the span.
    flags: Vec<(Time, &'a Event)>,
    card: Option<&'a Card>,
    peak: Option<&'a PeerPeak>,
}

/// What each peer is taken to be: what it was while it took part in an incident, for a peer that has
/// been quiet for long is taken to be harmless again; else what it was with the newest event, else
/// now.
pub(super) fn verdicts(recordings: &[Recording]) -> Verdicts {
    let mut verdicts = Verdicts::new();
    for recording in recordings {
        for card in &recording.cards {
            let verdict = card.detail.assessment.verdict;
            verdicts.insert(card.peer().peer.clone(), verdict);
        }
    }
    for event in recordings.iter().flat_map(|recording| &recording.events) {
        if event.event == EventType::Flag && event.verdict.is_some() {
            verdicts.insert(event.peer.clone(), event.verdict);
        }
    }
    let incidents = recordings.iter().flat_map(|recording| &recording.incidents);
    let mut parts: Vec<_> = incidents.flat_map(|incident| &incident.peers).collect();
    parts.sort_by_key(|part| (part.severity, part.peak_pinned_bytes));
    for part in parts.into_iter().filter(|part| part.verdict.is_some()) {
        verdicts.insert(part.peer.clone(), part.verdict);
    }
    verdicts
}

/// The peers that mattered, and how many there are in all.
pub(super) fn peers(
    recordings: &[Recording],
    wanted: Option<IpNet>,
    verdicts: &Verdicts,
    stalls: &[Vec<Stall>],
) -> Result<(Vec<PeerPart>, u64), Failure> {
    let traces = traces(recordings, &names(recordings, wanted));
    let total = traces.len() as u64;
    let mut ranked: Vec<_> = traces.into_iter().collect();
    ranked.sort_by_cached_key(|(name, traces)| {
        let taken_part = traces.iter().filter(|trace| trace.part.is_some()).count();
        let worst = traces.iter().map(Trace::severity).max();
        let pinned = traces.iter().map(Trace::peak_pinned_bytes).max();
        let stalled = traces.iter().map(Trace::peak_stalled).max();
        (
            Reverse(taken_part),
            Reverse(worst),
            Reverse(pinned),
            Reverse(stalled),
            (*name).to_owned(),
        )
    });
    ranked.truncate(PEERS);
    let mut parts = Vec::new();
    for (place, (name, traces)) in ranked.into_iter().enumerate() {
        let mut part = peer_part(name, &traces, verdicts, stalls, recordings);
        if place < WITH_WINDOWS {
            for trace in &traces {
                part.windows.extend(window_plots(trace.recording, name)?);
            }
        }
        parts.push(part);
    }
    Ok((parts, total))
}

/// The peer that is wanted, whatever it did; else those that took part in an incident or have a flag of
/// warning or above; where there is none, those with any flag.
fn names(recordings: &[Recording], wanted: Option<IpNet>) -> BTreeSet<&str> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let leasts: &[Severity] = match wanted {
        Some(_) => &[Severity::Info],
        None => &[Severity::Warning, Severity::Info],
    };
    for least in leasts {
        for recording in recordings {
            let parts = recording.incidents.iter().flat_map(|each| &each.peers);
            names.extend(parts.map(|part| part.peer.as_str()));
            let flags = flags(recording).filter(|(_, event)| event.severity >= *least);
            names.extend(flags.map(|(_, event)| event.peer.as_str()));
        }
        if !names.is_empty() {
            break;
        }
    }
    if let Some(wanted) = wanted {
        names.retain(|name| {
            network_of(name)
                .is_some_and(|of_name| of_name.contains(&wanted) || wanted.contains(&of_name))
        });
    }
    names
}

/// What is known of these peers, host by host.
fn traces<'a>(
    recordings: &'a [Recording],
    names: &BTreeSet<&str>,
) -> BTreeMap<&'a str, Vec<Trace<'a>>> {
    let mut traces: BTreeMap<&str, Vec<Trace<'_>>> = BTreeMap::new();
    for recording in recordings {
        for (name, trace) in traces_of(recording, names) {
            traces.entry(name).or_default().push(trace);
        }
    }
    traces
}

fn flags(recording: &Recording) -> impl Iterator<Item = (Time, &Event)> {
    let events = recording.span_events();
    events.filter(|(_, event)| event.event == EventType::Flag)
}

fn traces_of<'a>(recording: &'a Recording, names: &BTreeSet<&str>) -> BTreeMap<&'a str, Trace<'a>> {
    let mut traces: BTreeMap<&str, Trace<'_>> = BTreeMap::new();
    let empty = || Trace {
        recording,
        part: None,
        flags: Vec::new(),
        card: None,
        peak: None,
    };
    let parts = recording.incidents.iter().flat_map(|each| &each.peers);
    for part in parts.filter(|part| names.contains(part.peer.as_str())) {
        let trace = traces.entry(&part.peer).or_insert_with(empty);
        let rank = |part: &IncidentPeer| (part.severity, part.peak_pinned_bytes);
        if trace.part.is_none_or(|before| rank(before) < rank(part)) {
            trace.part = Some(part);
        }
    }
    for (at, event) in flags(recording).filter(|(_, event)| names.contains(event.peer.as_str())) {
        let trace = traces.entry(&event.peer).or_insert_with(empty);
        trace.flags.push((at, event));
    }
    for peak in &recording.peaks {
        if let Some(trace) = traces.get_mut(peak.peer.as_str()) {
            trace.peak = Some(peak);
        }
    }
    for card in &recording.cards {
        if let Some(trace) = traces.get_mut(card.peer().peer.as_str()) {
            trace.card = Some(card);
        }
    }
    traces
}

impl Trace<'_> {
    fn severity(&self) -> Severity {
        let of_flags = self.flags.iter().map(|(_, event)| event.severity);
        let of_part = self.part.map(|part| part.severity);
        of_flags.chain(of_part).max().unwrap_or_default()
    }

    fn peak_pinned_bytes(&self) -> u64 {
        let of_part = self.part.map_or(0, |part| part.peak_pinned_bytes);
        of_part.max(self.peak.map_or(0, |peak| natural(peak.pinned_bytes)))
    }

    fn peak_stalled(&self) -> u64 {
        let of_part = self.part.map_or(0, |part| part.peak_stalled_connections);
        of_part.max(
            self.peak
                .map_or(0, |peak| natural(peak.stalled_connections)),
        )
    }

    fn peak_workers(&self) -> Option<u64> {
        let of_part = self.part.and_then(|part| part.peak_held_workers);
        let of_seconds = self.peak.and_then(|peak| peak.held_workers);
        of_part.max(of_seconds.map(natural))
    }

    /// Who opened its connections: those of the flags of the span, or else all that the card knows.
    fn direction(&self) -> Direction {
        let of_flags = self.flags.iter().map(|(_, event)| event.direction);
        match of_flags.fold(Direction::Unknown, Direction::join) {
            Direction::Unknown => self
                .card
                .map_or(Direction::Unknown, |card| card.peer().direction),
            known => known,
        }
    }

    fn kinds(&self) -> BTreeSet<FlagKind> {
        let of_flags = self.flags.iter().map(|(_, event)| event.kind());
        let of_part = self
            .part
            .into_iter()
            .flat_map(|part| part.flags.iter().copied());
        of_flags.chain(of_part).collect()
    }

    fn on_host(&self, name: &str, stalls: &[Stall]) -> PeerOnHost {
        let of_peer = stalls.iter().filter(|stall| stall.peer == name);
        let in_span = of_peer.filter(|stall| {
            stall.ended.0 >= self.recording.span.from_ms
                && stall.began.0 <= self.recording.span.until_ms
        });
        let longest_ms = in_span.map(Stall::lasted_ms).max().unwrap_or(0);
        let times = self.flags.iter().map(|(at, _)| *at);
        let part = self.part;
        let first = times
            .clone()
            .chain(part.and_then(|part| time_of(&part.since)));
        let last = times.chain(part.and_then(|part| time_of(&part.until)));
        let detail = self.card.map(|card| &card.detail);
        let known = |of: fn(&PeerDetail) -> u64| detail.map_or(0, of);
        let counted_since = detail.and_then(|detail| time_of(&detail.peer.first_seen));
        #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
        let longest_stall_seconds = longest_ms as f64 / 1_000.0;
        PeerOnHost {
            host: self.recording.host().to_owned(),
            first_seen: first.min().unwrap_or_default(),
            last_seen: last.max().unwrap_or_default(),
            peak_stalled_connections: self.peak_stalled(),
            peak_pinned_bytes: self.peak_pinned_bytes(),
            peak_held_workers: self.peak_workers(),
            longest_stall_seconds,
            flags: self.flags.len() as u64,
            as_of: self.card.and_then(|card| as_of(self.recording, card)),
            counted_since: counted_since.filter(|since| since.0 < self.recording.span.from_ms),
            zero_window_episodes: known(|detail| detail.peer.zero_window_episodes),
            window_shrinks: detail
                .map(|detail| detail.peer.window_shrinks)
                .unwrap_or_default(),
            ports: detail.map_or_else(Vec::new, |detail| detail.peer.services.clone()),
            processes: detail.map_or_else(Vec::new, |detail| detail.peer.processes.clone()),
            connections: detail.map_or_else(Vec::new, |detail| {
                detail
                    .connections
                    .iter()
                    .take(CONNECTIONS)
                    .cloned()
                    .collect()
            }),
        }
    }
}

fn peer_part(
    name: &str,
    traces: &[Trace<'_>],
    verdicts: &Verdicts,
    stalls: &[Vec<Stall>],
    recordings: &[Recording],
) -> PeerPart {
    let verdict = verdict_of(name, traces, verdicts);
    let card = telling(traces, verdict);
    let assessment = card.map(|(card, _)| &card.detail.assessment);
    let as_of = card.and_then(|(_, as_of)| as_of);
    let dated = |sentence: String| match as_of {
        Some(as_of) => format!("As of {}: {sentence}", moment(as_of)),
        None => sentence,
    };
    let sentences = |evidence: &[_]| {
        evidence
            .iter()
            .map(|each| dated(text::evidence(each)))
            .collect()
    };
    let mut evidence_for: Vec<String> =
        assessment.map_or_else(Vec::new, |assessment| sentences(&assessment.evidence_for));
    if evidence_for.is_empty() {
        evidence_for = flags_as_evidence(traces);
    }
    let harmless = assessment.into_iter().flat_map(|each| &each.considered);
    let harmless = harmless.filter(|each| each.outcome != Outcome::RuledOut);
    let hosts = traces.iter().map(|trace| {
        let place = recordings
            .iter()
            .position(|recording| std::ptr::eq(recording, trace.recording));
        let stalls = place.and_then(|place| stalls.get(place));
        trace.on_host(name, stalls.map_or(&[], Vec::as_slice))
    });
    let kinds: BTreeSet<_> = traces.iter().flat_map(Trace::kinds).collect();
    PeerPart {
        peer: name.to_owned(),
        network: None,
        names: Vec::new(),
        verdict,
        confidence: assessment.and_then(|assessment| assessment.confidence),
        as_of,
        severity: traces.iter().map(Trace::severity).max().unwrap_or_default(),
        direction: traces
            .iter()
            .map(Trace::direction)
            .fold(Direction::Unknown, Direction::join),
        trusted: traces
            .iter()
            .filter_map(|trace| trace.card)
            .any(|card| card.peer().trusted),
        flags: kinds.into_iter().collect(),
        evidence_for,
        evidence_against: assessment.map_or_else(Vec::new, |assessment| {
            sentences(&assessment.evidence_against)
        }),
        harmless_causes: harmless.map(|each| dated(text::considered(each))).collect(),
        hosts: hosts.collect(),
        windows: Vec::new(),
    }
}

/// What the peer was taken to be in the span: while it took part in an incident, or else with its newest flag.
fn verdict_of(name: &str, traces: &[Trace<'_>], verdicts: &Verdicts) -> Option<Verdict> {
    let took_part = |trace: &Trace<'_>| trace.part.is_some_and(|part| part.verdict.is_some());
    let flags = traces.iter().flat_map(|trace| &trace.flags);
    let judged = flags.filter(|(_, event)| event.verdict.is_some());
    let newest = judged
        .max_by_key(|(at, _)| *at)
        .filter(|_| !traces.iter().any(took_part));
    newest.map_or_else(
        || verdicts.get(name).copied().flatten(),
        |(_, event)| event.verdict,
    )
}

/// The card that tells most of the peer as it is taken, and of when it is if that is no time of the span: only the
/// newest card of a peer is kept. One of the span comes first; the evidence of another verdict is none for this one.
fn telling<'a>(traces: &[Trace<'a>], verdict: Option<Verdict>) -> Option<(&'a Card, Option<Time>)> {
    let known = traces.iter().filter_map(|trace| {
        let card = trace.card?;
        Some((card, as_of(trace.recording, card)))
    });
    let fitting = known.filter(|(card, _)| card.detail.assessment.verdict == verdict);
    fitting.max_by_key(|(card, as_of)| {
        (
            as_of.is_none(),
            card.detail.assessment.confidence,
            card.peer().pinned_bytes,
            card.at.unix_ms,
        )
    })
}

/// When the card was written, if that is no time of the span.
pub(super) fn as_of(recording: &Recording, card: &Card) -> Option<Time> {
    let at = Time(card.at.unix_ms);
    (!recording.contains(at)).then_some(at)
}

/// Of each kind of flag the one that weighs most, as a line.
fn flags_as_evidence(traces: &[Trace<'_>]) -> Vec<String> {
    let mut worst: BTreeMap<FlagKind, &Event> = BTreeMap::new();
    for (_, event) in traces.iter().flat_map(|trace| &trace.flags) {
        let weight = |event: &Event| (event.severity, event.flag.pinned_bytes());
        let before = worst.entry(event.kind()).or_insert(event);
        if weight(before) < weight(event) {
            *before = event;
        }
    }
    let lines = worst.values().map(|event| {
        let line = text::event_line(event);
        let own = format!("{}: ", event.peer);
        line.strip_prefix(&own).unwrap_or(&line).to_owned()
    });
    lines.collect()
}
