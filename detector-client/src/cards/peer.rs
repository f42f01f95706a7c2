//! The sections of a card, in the order in which a person asks: what is it, what does it hold, why
//! is that believed, what else could it be, whose is it, what to do.

use super::connections::connections;
use super::flags::flags;
use super::owners::owners;
use super::page::{Block, render};
use super::phrases::moment;
use super::steps::steps;
use super::subject::{HostFacts, Subject};
use crate::layout::width_of;
use crate::terminal::{Capabilities, Tone};
use detector_api::snapshot::{Assessment, Direction, Outcome, Peer, Severity};
use detector_api::text::{self, counted};
use detector_api::units;
use std::cmp::Reverse;

/// Events shown.
const EVENTS: usize = 8;

/// The card as text.
pub(crate) fn peer_card(subject: &Subject, terminal: Capabilities) -> String {
    let assessment = &subject.page.detail.assessment;
    let is_recorded = subject.recorded.is_some();
    let when = |past: &str, present: &str| {
        let heading = if is_recorded { past } else { present };
        Block::Heading(heading.to_owned())
    };
    let mut blocks = headline(subject);
    blocks.push(when("HELD THEN", "HOLDS NOW"));
    blocks.extend(holding(subject));
    blocks.extend(reasons(assessment));
    blocks.extend(benign(assessment));
    let changes = assessment.would_change.iter().map(text::change);
    blocks.extend(listed("WHAT WOULD CHANGE IT", ">", Tone::Quiet, changes));
    blocks.extend(flags(subject));
    blocks.push(Block::Heading("OWNER".to_owned()));
    blocks.extend(owners(subject));
    blocks.push(Block::Heading("WORST CONNECTIONS".to_owned()));
    blocks.extend(connections(subject));
    blocks.extend(events(subject));
    blocks.push(when("WHAT TO DO IF IT COMES BACK", "WHAT TO DO"));
    blocks.extend(steps(subject));
    render(&blocks, terminal)
}

fn headline(subject: &Subject) -> Vec<Block> {
    let (peer, assessment) = (&subject.page.detail.peer, &subject.page.detail.assessment);
    let since = assessment
        .since
        .as_deref()
        .map(|since| format!("since {}", moment(since, subject.now_unix_ns)));
    let sentence = text::verdict(
        &peer.peer,
        assessment.verdict,
        assessment.confidence,
        peer.severity,
        since.as_deref(),
    );
    let tone = match peer.severity {
        Severity::Info => Tone::Strong,
        Severity::Warning => Tone::Caution,
        Severity::Critical => Tone::Alarm,
    };
    let mut meaning = text::verdict_meaning(assessment.verdict).to_owned();
    if peer.trusted {
        meaning += " Its network is trusted, so it is not accused of anything.";
    }
    let mut blocks = vec![Block::Headline(tone, sentence), Block::Text(meaning)];
    if let Some(recorded) = &subject.recorded {
        let text = format!(
            "All this is as it was recorded {}: nothing of it is live.",
            moment(recorded, subject.now_unix_ns)
        );
        blocks.insert(0, Block::Headline(Tone::Caution, text));
    }
    blocks
}

fn holding(subject: &Subject) -> Vec<Block> {
    let detail = &subject.page.detail;
    let peer = &detail.peer;
    let mut text = if peer.stalled_connections == 0 {
        match peer.connections {
            0 => "Nothing: no connection of it is tracked any more.".to_owned(),
            1 => "Nothing: its one tracked connection is not stalled.".to_owned(),
            many => format!("Nothing: none of its {many} tracked connections is stalled."),
        }
    } else {
        let pinned = units::bytes(peer.pinned_bytes);
        let share = share_of_tcp_memory(peer, &subject.host);
        format!(
            "{} of {} stalled, {pinned} of kernel memory pinned{share}.",
            peer.stalled_connections,
            match peer.connections_all {
                Some(all) => counted(all, "connection is", "connections are"),
                None => counted(
                    peer.connections,
                    "tracked connection is",
                    "tracked connections are"
                ),
            },
        )
    };
    text += match peer.direction {
        Direction::Inbound => "",
        Direction::Outbound => " We opened its connections.",
        Direction::Both => " Some of its connections we opened.",
        Direction::Unknown => " Who opened its connections is not known.",
    };
    let threads = waiting_threads(subject);
    if threads > 0 {
        let threads = counted(threads, "thread sleeps", "threads sleep");
        text += &format!(" {threads} in a write to it.");
    }
    let orphans = detail.connections.iter().filter(|each| each.is_orphan);
    let orphans = orphans.count() as u64;
    if orphans > 0 {
        let orphans = counted(orphans, "is an orphan", "are orphans");
        text += &format!(" {orphans}: closed by our process, kept by the kernel.");
    }
    let drain = units::pace(peer.bytes_acked_per_second);
    let longest = units::seconds(peer.longest_stall_seconds);
    let takes = match subject.recorded {
        Some(_) => format!("took {drain} then"),
        None => format!("takes {drain} now"),
    };
    text += &format!(" It {takes}; its longest stall lasted {longest}.");
    let past = format!(
        "Since {}: {}, {} in zero window; windows taken back {} (treason {}, below flight {}, \
         polite {}); segments sent again {} as lost, {} as a tail \
         probe, {} into a closed window ({} known to have been needless).",
        moment(&peer.first_seen, subject.now_unix_ns),
        counted(
            peer.zero_window_episodes,
            "zero-window episode",
            "zero-window episodes"
        ),
        units::seconds(peer.zero_window_seconds),
        counted(all_shrinks(peer), "time", "times"),
        peer.window_shrinks.treason,
        peer.window_shrinks.below_flight,
        peer.window_shrinks.polite,
        peer.retransmits.loss,
        peer.retransmits.tail_probe,
        peer.retransmits.window_probe,
        peer.retransmits_needless,
    );
    vec![Block::Text(text), Block::Text(past)]
}

fn all_shrinks(peer: &Peer) -> u64 {
    let shrinks = peer.window_shrinks;
    let harmful = shrinks.treason.saturating_add(shrinks.below_flight);
    harmful.saturating_add(shrinks.polite)
}

#[allow(clippy::cast_precision_loss, reason = "two digits are shown")]
fn share_of_tcp_memory(peer: &Peer, host: &HostFacts) -> String {
    let Some(memory) = host.tcp_memory.filter(|memory| memory.limit_bytes > 0) else {
        return String::new();
    };
    let share = peer.pinned_bytes as f64 / memory.limit_bytes as f64;
    let share = if share > 0.0 && share < 0.001 {
        "less than 0.1 %".to_owned()
    } else {
        units::percent(share)
    };
    format!(
        ", {share} of the {} that TCP may use on this host (net.ipv4.tcp_mem)",
        units::bytes(memory.limit_bytes)
    )
}

/// Threads known to wait for this very peer.
fn waiting_threads(subject: &Subject) -> u64 {
    let connections = subject.page.detail.connections.iter();
    let processes = connections.flat_map(|each| &each.processes);
    let mut threads: Vec<(u32, u32)> = processes
        .filter_map(|process| Some((process.pid, process.thread?)))
        .collect();
    threads.sort_unstable();
    threads.dedup();
    threads.len() as u64
}

fn listed(
    heading: &str,
    mark: &str,
    tone: Tone,
    items: impl Iterator<Item = String>,
) -> Vec<Block> {
    let mut blocks: Vec<Block> = items.map(|text| Block::item(mark, 2, tone, text)).collect();
    if !blocks.is_empty() {
        blocks.insert(0, Block::Heading(heading.to_owned()));
    }
    blocks
}

fn reasons(assessment: &Assessment) -> Vec<Block> {
    let sentences = |all: &[_]| all.iter().map(text::evidence).collect::<Vec<_>>();
    let speaks_for = sentences(&assessment.evidence_for);
    let speaks_against = sentences(&assessment.evidence_against);
    let mut blocks = listed("SPEAKS FOR IT", "+", Tone::Caution, speaks_for.into_iter());
    blocks.extend(listed(
        "SPEAKS AGAINST IT, OR AGAINST WORSE",
        "-",
        Tone::Plain,
        speaks_against.into_iter(),
    ));
    blocks
}

fn benign(assessment: &Assessment) -> Vec<Block> {
    let mut blocks = Vec::new();
    let widest = assessment
        .considered
        .iter()
        .map(|each| width_of(text::outcome(each.outcome)));
    let column = widest.max().unwrap_or(0) + 2;
    // What is likely first.
    let mut considered: Vec<_> = assessment.considered.iter().collect();
    considered.sort_by_key(|each| Reverse(each.outcome));
    for considered in considered {
        let tone = match considered.outcome {
            Outcome::RuledOut => Tone::Quiet,
            Outcome::Possible => Tone::Caution,
            Outcome::Likely => Tone::Plain,
        };
        let label = text::outcome(considered.outcome);
        blocks.push(Block::item(
            label,
            column,
            tone,
            text::considered(considered),
        ));
    }
    if !blocks.is_empty() {
        blocks.insert(0, Block::Heading("HARMLESS CAUSES CONSIDERED".to_owned()));
    }
    blocks
}

fn events(subject: &Subject) -> Vec<Block> {
    let all = &subject.page.events;
    let shown = all.iter().skip(all.len().saturating_sub(EVENTS));
    let blocks: Vec<Block> = shown
        .map(|event| {
            // Recorded ones may be of many days.
            let shown = match subject.recorded {
                Some(_) => 0..19,
                None => 11..19,
            };
            let clock = event.time.get(shown).unwrap_or(&event.time);
            let clock = clock.replace('T', " ");
            let line = text::event_line(event);
            let own = format!("{}: ", event.peer);
            let line = line.strip_prefix(&own).unwrap_or(&line).to_owned();
            Block::item(&clock, width_of(&clock) + 2, Tone::Quiet, line)
        })
        .collect();
    if blocks.is_empty() {
        return blocks;
    }
    let mut section = vec![Block::Heading("LAST EVENTS (UTC)".to_owned())];
    section.extend(blocks);
    section
}
