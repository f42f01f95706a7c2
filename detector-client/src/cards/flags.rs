//! The flags of a card: the rule with its numbers, the standard, the kernel, and who saw it.

use super::connections::{example, numbers};
use super::page::{Block, Item};
use super::phrases::{counted, moment};
use super::subject::Subject;
use crate::layout::width_of;
use crate::terminal::Tone;
use detector_api::snapshot::{
    Assessment, EvidenceCode, FlagKind, Numbers, Peer, Source, StandingFlag, Thresholds,
};
use detector_api::text;

/// Column of `rule`, `RFC`, `kernel`, `seen by`.
const FIELD: usize = 9;

/// The flags that stand.
pub(super) fn flags(subject: &Subject) -> Vec<Block> {
    let standing = &subject.page.detail.peer.flags;
    let heading = if standing.is_empty() {
        "FLAGS: none stands now"
    } else {
        "FLAGS"
    };
    let mut blocks = vec![Block::Heading(heading.to_owned())];
    let mut told = Vec::new();
    for flag in standing {
        blocks.extend(flag_card(subject, flag, &mut told));
    }
    blocks
}

/// One flag; what a source means is told once, `told` are those told.
fn flag_card(subject: &Subject, flag: &StandingFlag, told: &mut Vec<&'static str>) -> Vec<Block> {
    let place = match flag.kind {
        FlagKind::StallHoard => "on the peer".to_owned(),
        _ => format!(
            "on {}",
            counted(flag.connections, "connection", "connections")
        ),
    };
    let since = moment(&flag.since, subject.now_unix_ns);
    let title = format!("{place}, since {since}");
    let (numbers, source, at) = evidence_of(subject, flag.kind);
    let rule = text::rule(flag.kind, &numbers);
    let field = |label: &str, text: String| {
        Block::Item(Item {
            indent: 4,
            label: label.to_owned(),
            column: FIELD,
            tone: Tone::Quiet,
            text,
        })
    };
    let at = at.map_or(String::new(), |at| format!(" ({at})"));
    let kind = flag.kind.label();
    let mut blocks = vec![
        Block::item(kind, width_of(kind) + 1, Tone::Caution, title),
        field("rule", format!("{}{at}.", rule.numbers)),
    ];
    for quote in rule.quotes {
        let text = quote.text.trim_end_matches('.');
        blocks.push(field("RFC", format!("\"{text}\" ({})", quote.section)));
    }
    blocks.push(field("kernel", rule.kernel.to_owned()));
    let (who, meaning) = text::source(flag.kind, source);
    blocks.push(if told.contains(&who) {
        field("seen by", format!("{who}, see above"))
    } else {
        told.push(who);
        field("seen by", format!("{who}: {meaning}"))
    });
    blocks
}

/// The numbers to put into a rule, who saw it, and on which connection.
fn evidence_of(subject: &Subject, kind: FlagKind) -> (Numbers, Source, Option<String>) {
    let detail = &subject.page.detail;
    let last = subject
        .page
        .events
        .iter()
        .rev()
        .find(|event| event.kind == kind);
    let mut known = match &subject.status.thresholds {
        Some(thresholds) => configured(thresholds),
        None => thresholds(&detail.assessment),
    };
    known.extend(last.iter().flat_map(|event| event.evidence.clone()));
    let connection = example(subject, kind);
    if let Some(connection) = connection {
        known.extend(numbers(connection));
    }
    if kind == FlagKind::StallHoard {
        known.extend(peer_numbers(&detail.peer));
    }
    let source = match (last, connection) {
        (Some(event), Some(connection)) => event.source.join(connection.source),
        (Some(event), None) => event.source,
        (None, Some(connection)) => connection.source,
        (None, None) => Source::Both,
    };
    let remote = connection.map(|connection| connection.remote.clone());
    let at = remote.or_else(|| last.and_then(|event| event.remote.clone()));
    (known, source, at)
}

#[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
fn peer_numbers(peer: &Peer) -> Numbers {
    [
        ("stalled_connections", peer.stalled_connections as f64),
        ("pinned_bytes", peer.pinned_bytes as f64),
    ]
    .into_iter()
    .map(|(name, number)| (name.to_owned(), number))
    .collect()
}

/// Thresholds in force, as the agent says them.
#[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
fn configured(thresholds: &Thresholds) -> Numbers {
    let Thresholds {
        stall_after_seconds,
        dribble_floor_bytes_per_second,
        dribble_over_seconds,
        hoard_connections,
        hoard_bytes,
    } = *thresholds;
    [
        ("stall_after_seconds", stall_after_seconds),
        (
            "floor_bytes_per_second",
            dribble_floor_bytes_per_second as f64,
        ),
        ("over_seconds", dribble_over_seconds),
        ("hoard_connections", hoard_connections as f64),
        ("hoard_bytes", hoard_bytes as f64),
    ]
    .into_iter()
    .map(|(name, number)| (name.to_owned(), number))
    .collect()
}

/// Thresholds in force, as far as the weighing names them: an older agent says no more.
fn thresholds(assessment: &Assessment) -> Numbers {
    const HOARD: [&str; 2] = ["hoard_connections", "hoard_bytes"];
    const PACE: [&str; 2] = ["floor_bytes_per_second", "over_seconds"];
    let all = assessment
        .evidence_for
        .iter()
        .chain(&assessment.evidence_against);
    let mut known = Numbers::new();
    for evidence in all {
        let names: &[&str] = match evidence.code {
            EvidenceCode::Dribble | EvidenceCode::DrainsNothing => &PACE,
            _ => &HOARD,
        };
        let found = names
            .iter()
            .filter_map(|name| evidence.numbers.get_key_value(*name));
        known.extend(found.map(|(name, number)| (name.clone(), *number)));
    }
    for change in &assessment.would_change {
        let found = HOARD.iter().chain(&PACE[1..]);
        let found = found.filter_map(|name| change.numbers.get_key_value(*name));
        for (name, number) in found {
            known.entry(name.clone()).or_insert(*number);
        }
    }
    known
}
