//! The card of one incident.

use super::page::{Block, render};
use super::phrases::moment;
use crate::layout::Align;
use crate::table::Table;
use crate::terminal::{Capabilities, Tone};
use detector_api::snapshot::{
    HostPressure, Incident, IncidentEnd, IncidentFlag, IncidentPeer, Severity,
};
use detector_api::text::{self, Speaks};
use detector_api::{time, units};

/// The card as text.
pub(crate) fn incident_card(
    incident: &Incident,
    now_unix_ns: i128,
    terminal: Capabilities,
) -> String {
    let mut blocks = headline(incident, now_unix_ns);
    if let Some(host) = &incident.host {
        let told = pressure(host);
        if !told.is_empty() {
            blocks.push(Block::Heading("THE HOST WHEN MOST WAS HELD".to_owned()));
            blocks.push(Block::Text(told));
        }
    }
    if let Some(held) = &incident.tcp_memory_held {
        blocks.push(Block::Heading("WHO HELD TCP'S MEMORY".to_owned()));
        blocks.push(Block::Text(text::tcp_memory_held(held)));
    }
    blocks.extend(weighed(incident));
    blocks.extend(flags(incident));
    blocks.extend(peers(incident));
    blocks.extend(owners(incident));
    render(&blocks, terminal)
}

fn headline(incident: &Incident, now_unix_ns: i128) -> Vec<Block> {
    let tone = match incident.severity {
        Severity::Info => Tone::Strong,
        Severity::Warning => Tone::Caution,
        Severity::Critical => Tone::Alarm,
    };
    let ended = incident.ended.as_deref();
    let ended = ended.map(|ended| moment(ended, now_unix_ns));
    let is_unseen = incident.end == Some(IncidentEnd::Unseen);
    let state = match (incident.open, incident.end, &ended) {
        (false, _, Some(last)) if is_unseen => &*format!("was last seen at {last}"),
        (false, ..) => "is over",
        (true, None, _) => "goes on",
        (true, Some(_), _) => "calms down",
    };
    let severity = incident.severity.label();
    let sentence = format!(
        "Incident {} ({severity}) {state}: {}.",
        incident.id,
        text::incident_over(incident)
    );
    let mut text = format!(
        "Began {}. What stood: {}.",
        moment(&incident.began, now_unix_ns),
        text::incident_kinds(&incident.kinds)
    );
    if let Some(end) = incident.end {
        text += &format!(" {}", text::incident_end(end));
    }
    if let Some(ended) = ended.filter(|_| !is_unseen) {
        text += &format!(" Nothing has stood since {ended}.");
        if incident.open {
            text += " It is over when that has been so for a minute.";
        }
    }
    text += &format!(
        " Most was held at {}.",
        moment(&incident.peak_time, now_unix_ns)
    );
    vec![Block::Headline(tone, sentence), Block::Text(text)]
}

/// What is known of the host, in sentences.
fn pressure(host: &HostPressure) -> String {
    let mut told = Vec::new();
    if let Some((used, limit)) = host.tcp_memory_bytes.zip(host.tcp_memory_limit_bytes) {
        let saves = match host.tcp_memory_pressure_bytes {
            Some(bound) if used >= bound => "; the kernel was saving it",
            _ => "",
        };
        told.push(format!(
            "TCP took {} of the {} it may have (net.ipv4.tcp_mem){saves}.",
            units::bytes(used),
            units::bytes(limit)
        ));
    }
    if let Some((orphans, limit)) = host.orphans.zip(host.orphan_limit) {
        let orphans = text::counted(orphans, "orphan", "orphans");
        told.push(format!(
            "There were {orphans} of the {limit} that there may be (net.ipv4.tcp_max_orphans)."
        ));
    }
    if let Some((available, total)) = host.memory_available_bytes.zip(host.memory_total_bytes) {
        told.push(format!(
            "{} of {} of memory were available.",
            units::bytes(available),
            units::bytes(total)
        ));
    }
    let waits = [
        ("a processor", host.cpu_some_percent),
        ("memory", host.memory_some_percent),
        ("disks", host.io_some_percent),
    ];
    let waits: Vec<_> = waits
        .into_iter()
        .filter_map(|(what, percent)| Some(format!("{what} in {:.0} %", percent?)))
        .collect();
    if !waits.is_empty() {
        told.push(format!(
            "Tasks waited for {} of ten seconds.",
            waits.join(", for ")
        ));
    }
    if let Some(load) = host.load_one {
        told.push(format!("The load was {load:.2}."));
    }
    told.join(" ")
}

/// The answers that people reach for.
fn weighed(incident: &Incident) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("WHAT IT MAY HAVE BEEN".to_owned())];
    blocks.extend(text::weighed(incident).into_iter().map(|each| {
        let tone = match each.speaks {
            Speaks::For => Tone::Alarm,
            Speaks::Against | Speaks::Open => Tone::Quiet,
        };
        Block::item("-", 2, tone, each.line())
    }));
    blocks
}

fn flags(incident: &Incident) -> Vec<Block> {
    let Some(first) = &incident.first_flag else {
        return Vec::new();
    };
    let told = |flag: &IncidentFlag| {
        let severity = flag.severity.label();
        format!(
            "{} on {}, {severity}, since {}",
            flag.kind.label(),
            flag.peer,
            time::moment(&flag.time)
        )
    };
    let mut blocks = vec![
        Block::Heading("FLAGS".to_owned()),
        Block::item("first", 7, Tone::Quiet, told(first)),
    ];
    if let Some(worst) = incident.worst_flag.as_ref().filter(|worst| *worst != first) {
        blocks.push(Block::item("worst", 7, Tone::Caution, told(worst)));
    }
    blocks
}

fn peers(incident: &Incident) -> Vec<Block> {
    if incident.peers.is_empty() {
        return Vec::new();
    }
    let headings = [
        ("PEER", Align::Left),
        ("STALLED", Align::Right),
        ("PINNED", Align::Right),
        ("WORKERS", Align::Right),
        ("VERDICT", Align::Left),
        ("FLAGS", Align::Left),
    ];
    let rows = incident.peers.iter().map(row).collect();
    let mut blocks = vec![
        Block::Heading("WHO HELD MOST, EACH AT ITS WORST".to_owned()),
        Block::Table(Table::of_text(headings, rows)),
    ];
    let untold = incident
        .peers_total
        .saturating_sub(incident.peers.len() as u64);
    if untold > 0 {
        blocks.push(Block::Text(format!("{untold} more peers held less.")));
    }
    blocks
}

fn row(peer: &IncidentPeer) -> [String; 6] {
    let flags: Vec<_> = peer.flags.iter().map(|flag| flag.label()).collect();
    [
        peer.peer.clone(),
        peer.peak_stalled_connections.to_string(),
        units::bytes(peer.peak_pinned_bytes),
        peer.peak_held_workers
            .map_or_else(|| "-".to_owned(), |workers| workers.to_string()),
        peer.verdict
            .map_or("-", |verdict| verdict.label())
            .to_owned(),
        flags.join(","),
    ]
}

fn owners(incident: &Incident) -> Vec<Block> {
    if incident.owners.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Heading("WHOSE CONNECTIONS".to_owned())];
    for process in &incident.owners {
        let owner = format!("{} [{}]", process.comm, process.pid);
        let unit = process.unit.as_deref().unwrap_or("of no unit");
        let text = format!("{owner}, {unit}");
        blocks.push(Block::item("", 0, Tone::Plain, text));
    }
    blocks
}
