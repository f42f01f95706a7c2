//! The report as text.

use super::model::{HostPart, MarkKind, PeerPart, Remedies, Report, ReportStep, Time};
use super::rows;
use super::series::{self, Series, highest};
use super::words::{NOTHING_DONE, clock, moment, range};
use crate::cards::page::{Block, Item, render};
use crate::layout::{Align, width_of};
use crate::table::Table;
use crate::terminal::{Capabilities, Tone};
use detector_api::snapshot::Severity;
use detector_api::text::Speaks;

/// Cells of the curves.
const CELLS: usize = 50;
/// Cells before them.
const LABELS: usize = 10;
/// Rows of the list of incidents; of more, the newest.
const INCIDENTS: usize = 20;

/// The report for this terminal.
pub(super) fn text(report: &Report, terminal: Capabilities) -> String {
    let mut blocks = headline(report);
    blocks.extend(timeline(report, terminal));
    blocks.extend(incidents(report));
    blocks.extend(weighed(report));
    let chronicle = report.chronicle.iter();
    let chronicle = chronicle.map(|entry| (entry.time, format!("{}: {}", entry.host, entry.text)));
    blocks.extend(timed("WHAT HAPPENED (UTC)", chronicle));
    blocks.extend(peers(report));
    blocks.extend(remedies(&report.remedies, rows::ALL_HOLD));
    blocks.extend(actions(report));
    let unseen = listed("WHAT COULD NOT BE SEEN", &report.unseen);
    blocks.extend(unseen);
    blocks.extend(listed("CLOCKS", &report.clocks));
    blocks.extend(steps(&report.steps));
    render(&blocks, terminal)
}

/// What would have helped against one peer, as the end of its card.
pub(super) fn helped(of_peer: &Remedies, terminal: Capabilities) -> String {
    render(&remedies(of_peer, "it holds"), terminal)
}

fn headline(report: &Report) -> Vec<Block> {
    let hosts: Vec<_> = report.hosts.iter().map(|host| host.host.clone()).collect();
    let span = range(report.span.from, report.span.until);
    let worst = report
        .incidents
        .iter()
        .map(|each| each.incident.severity)
        .max();
    let tone = worst.map_or(Tone::Strong, |worst| match worst {
        Severity::Info => Tone::Strong,
        other => Tone::of(other),
    });
    let title = format!("Report on {}, {span}", super::words::listed(&hosts));
    let mut blocks = vec![
        Block::Headline(tone, title),
        Block::Heading("IN SHORT".to_owned()),
    ];
    blocks.extend(report.summary.iter().cloned().map(Block::Text));
    blocks.push(Block::Heading("RECORDED".to_owned()));
    let lines = report.hosts.iter();
    blocks.extend(lines.map(|host| {
        let label = format!("{}:", host.host);
        Block::item(&label, label.len() + 1, Tone::Strong, rows::host_line(host))
    }));
    blocks
}

fn timeline(report: &Report, terminal: Capabilities) -> Vec<Block> {
    let span = (report.span.from, report.span.until);
    let mut blocks = vec![Block::Heading(format!(
        "TIMELINE, {}",
        range(span.0, span.1)
    ))];
    for host in &report.hosts {
        let mut lines = vec![host.host.clone()];
        for series in &series::ALL {
            // Hosts on one scale, so that they can be compared.
            let all = report.hosts.iter().flat_map(|host| &host.timeline);
            let top = highest(series, all).map(|top| top.max(series.at_least));
            if let Some(top) = top {
                lines.extend(curve(host, series, span, top, terminal));
            }
        }
        lines.extend(marks(host, span));
        let (begin, end) = (clock(span.0), clock(span.1));
        let rest = CELLS - begin.len().min(CELLS);
        lines.push(format!("{:LABELS$}{begin}{end:>rest$}", ""));
        // Lines that must not be broken.
        blocks.push(Block::Verbatim(lines));
    }
    let held = report.hosts.iter().filter_map(|host| {
        let line = rows::held_line(host)?;
        Some(Block::Text(format!("{}: {line}", host.host)))
    });
    blocks.extend(held);
    blocks.push(Block::Text(
        "Each column shows the most of its time; K the kernel killed a process, R the host started, \
         A the agent started, x nothing was seen."
            .to_owned(),
    ));
    blocks
}

/// One column of the axis.
fn column(at: Time, (from, until): (Time, Time)) -> usize {
    let whole = i128::from(until.0).saturating_sub(from.0.into()).max(1);
    let passed = i128::from(at.0).saturating_sub(from.0.into());
    let cell = passed.saturating_mul(CELLS as i128) / whole;
    usize::try_from(cell).unwrap_or(0).min(CELLS - 1)
}

fn curve(
    host: &HostPart,
    series: &Series,
    span: (Time, Time),
    top: f64,
    terminal: Capabilities,
) -> Option<String> {
    let mut cells: [Option<f64>; CELLS] = [None; CELLS];
    for point in &host.timeline {
        if let Some(value) = (series.value)(point) {
            let cell = &mut cells[column(point.time, span)];
            *cell = Some(cell.map_or(value, |before| before.max(value)));
        }
    }
    let most = cells.iter().flatten().copied().reduce(f64::max)?;
    let bars: Vec<char> = if terminal.has_unicode {
        "▁▂▃▄▅▆▇█".chars().collect()
    } else {
        "_.,-=+*#".chars().collect()
    };
    let bar = |value: &Option<f64>| {
        let Some(value) = value else { return ' ' };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "eight steps; a float cast saturates"
        )]
        let step = (value / top * (bars.len() - 1) as f64).round() as usize;
        bars.get(step).or(bars.last()).copied().unwrap_or(' ')
    };
    let line: String = cells.iter().map(bar).collect();
    Some(format!(
        "{:LABELS$}{line}  {}",
        series.label,
        (series.shown)(most)
    ))
}

fn marks(host: &HostPart, span: (Time, Time)) -> Option<String> {
    let mut cells = [' '; CELLS];
    for gap in &host.gaps {
        for cell in &mut cells[column(gap.from, span)..=column(gap.until, span)] {
            *cell = 'x';
        }
    }
    for mark in &host.marks {
        cells[column(mark.time, span)] = match mark.kind {
            MarkKind::OomKill => 'K',
            MarkKind::Reboot => 'R',
            MarkKind::AgentStart => 'A',
        };
    }
    let line: String = cells.iter().collect();
    (!line.trim().is_empty()).then(|| format!("{:LABELS$}{}", "", line.trim_end()))
}

fn incidents(report: &Report) -> Vec<Block> {
    if report.incidents.is_empty() {
        return Vec::new();
    }
    let skipped = report.incidents.len().saturating_sub(INCIDENTS);
    let rows = report.incidents.iter().skip(skipped).map(rows::incident);
    let headings = rows::INCIDENT_HEADINGS.map(|heading| {
        let align = match heading {
            "PEERS" | "CONNS" | "PINNED" => Align::Right,
            _ => Align::Left,
        };
        (heading, align)
    });
    let mut blocks = vec![
        Block::Heading("INCIDENTS".to_owned()),
        Block::Table(Table::of_text(headings, rows.collect())),
    ];
    if skipped > 0 {
        blocks.push(Block::Text(format!(
            "{skipped} before these; --json and -o show all."
        )));
    }
    blocks
}

fn weighed(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    for each in report.worst_incidents() {
        let heading = rows::weighed_heading(each).to_uppercase();
        blocks.push(Block::Heading(heading));
        blocks.extend(each.weighed.iter().map(|answer| {
            let tone = match answer.speaks {
                Speaks::For => Tone::Caution,
                Speaks::Against | Speaks::Open => Tone::Quiet,
            };
            Block::item("-", 2, tone, answer.line())
        }));
    }
    blocks
}

fn timed(heading: &str, entries: impl Iterator<Item = (Time, String)>) -> Vec<Block> {
    let mut day = String::new();
    let mut blocks = Vec::new();
    for (time, text) in entries {
        let moment = moment(time);
        let (date, clock) = moment.split_at(10.min(moment.len()));
        if date != day {
            day = date.to_owned();
            blocks.push(Block::Text(day.clone()));
        }
        let clock = clock.trim_end_matches(" UTC").trim();
        blocks.push(Block::item(clock, 10, Tone::Quiet, text));
    }
    if !blocks.is_empty() {
        blocks.insert(0, Block::Heading(heading.to_owned()));
    }
    blocks
}

fn peers(report: &Report) -> Vec<Block> {
    if report.peers.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Heading("PEERS THAT MATTERED".to_owned())];
    for peer in &report.peers {
        blocks.extend(peer_blocks(peer));
    }
    let rest = report.peers_total.saturating_sub(report.peers.len() as u64);
    if rest > 0 {
        blocks.push(Block::Text(format!("{rest} more took part and held less.")));
    }
    blocks
}

fn peer_blocks(peer: &PeerPart) -> Vec<Block> {
    let under = |label: &str, text: String| {
        Block::Item(Item {
            indent: 4,
            label: label.to_owned(),
            column: label.len() + 1,
            tone: Tone::Quiet,
            text,
        })
    };
    let column = width_of(&peer.peer) + 2;
    let tone = Tone::of(peer.severity);
    let mut blocks = vec![Block::item(
        &peer.peer,
        column,
        tone,
        rows::peer_title(peer),
    )];
    blocks.extend(rows::who(peer).map(|who| under("network", who)));
    let hosts = peer.hosts.iter();
    blocks.extend(hosts.map(|part| under(&part.host, rows::on_host(part))));
    let evidence = peer.evidence_for.iter();
    blocks.extend(evidence.map(|each| under("+", each.clone())));
    let against = peer.evidence_against.iter();
    blocks.extend(against.map(|each| under("-", each.clone())));
    blocks
}

/// What would have helped; empty where nothing was held. `who_holds` says whose doing is the danger.
fn remedies(remedies: &Remedies, who_holds: &str) -> Vec<Block> {
    if remedies.worst.is_empty() {
        return Vec::new();
    }
    let headings = rows::REMEDY_HEADINGS.map(|heading| {
        let align = if heading.is_empty() {
            Align::Left
        } else {
            Align::Right
        };
        (heading, align)
    });
    let mut blocks = vec![
        Block::Heading("WHAT WOULD HAVE HELPED".to_owned()),
        Block::Text(rows::remedies_explained(remedies, who_holds)),
        Block::Table(Table::of_text(headings, rows::remedies(remedies))),
    ];
    blocks.extend(listed("WHAT THE RECORD CANNOT DECIDE", &remedies.undecided));
    blocks
}

fn actions(report: &Report) -> Vec<Block> {
    let actions = report.actions.iter();
    let told = actions.map(|entry| (entry.time, format!("{}: {}", entry.host, entry.text)));
    let blocks = timed("WHAT THE AGENT DID (UTC)", told);
    if !blocks.is_empty() {
        return blocks;
    }
    vec![
        Block::Heading("WHAT THE AGENT DID".to_owned()),
        Block::Text(NOTHING_DONE.to_owned()),
    ]
}

fn listed(heading: &str, items: &[String]) -> Vec<Block> {
    let items = items.iter();
    let mut blocks: Vec<_> = items
        .map(|each| Block::item("-", 2, Tone::Quiet, each.clone()))
        .collect();
    if !blocks.is_empty() {
        blocks.insert(0, Block::Heading(heading.to_owned()));
    }
    blocks
}

fn steps(steps: &[ReportStep]) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("WHAT TO DO NOW".to_owned())];
    for (number, step) in (1..).zip(steps) {
        let label = format!("{number}.");
        blocks.push(Block::item(&label, 3, Tone::Strong, step.what.clone()));
        for setting in &step.settings {
            blocks.push(Block::Item(Item {
                indent: 5,
                label: String::new(),
                column: 0,
                tone: Tone::Quiet,
                text: format!("{}:", setting.note),
            }));
            blocks.push(Block::Verbatim(setting.lines.clone()));
        }
    }
    blocks
}
