//! What the operator of a peer's network needs: in plain words, with times in UTC, addresses, ports
//! and evidence.

use super::model::{PeerPart, Report};
use super::recording::Recording;
use super::words::{listed, moment, range};
use crate::cards::page::{Block, render};
use crate::layout::{Align, width_of};
use crate::table::Table;
use crate::terminal::{Capabilities, Tone};
use detector_api::failure::Failure;
use detector_api::snapshot::{Direction, EventType, Verdict};
use detector_api::text::{self, counted};
use detector_api::units;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Connections listed; the others are counted.
const CONNECTIONS: usize = 40;

/// The letter.
pub(super) fn letter(
    report: &Report,
    recordings: &[Recording],
    asked: &str,
) -> Result<String, Failure> {
    let Some(peer) = report.peers.first() else {
        return Err(Failure::failed(format!(
            "cannot write about {asked}: nothing is recorded of it from {}",
            range(report.span.from, report.span.until)
        ))
        .hint("`detector report` names the peers that mattered; --since begins earlier"));
    };
    let mut blocks = opening(report, peer);
    blocks.push(Block::Heading("WHAT WAS RECORDED".to_owned()));
    for host in &peer.hosts {
        let label = format!("{}:", host.host);
        let column = width_of(&label) + 1;
        let line = super::rows::on_host(host);
        blocks.push(Block::item(&label, column, Tone::Strong, line));
    }
    blocks.extend(connections(recordings, peer));
    blocks.push(Block::Heading("EVIDENCE".to_owned()));
    let evidence = peer.evidence_for.iter();
    blocks.extend(evidence.map(|each| Block::item("+", 2, Tone::Plain, each.clone())));
    blocks.extend(peer.windows.iter().map(|plot| {
        let (first, last) = (plot.points.first(), plot.points.last());
        let lasted = first
            .zip(last)
            .map(|(first, last)| range(first.time, last.time));
        let taken = plot
            .points
            .iter()
            .map(|state| state.edge_max.saturating_sub(state.edge));
        let text = format!(
            "{} to {}, {}: first unacknowledged sequence number {}; {} acknowledged while up to {} \
             waited; right edge of the window at most {} below the highest ever offered.",
            plot.local,
            plot.remote,
            lasted.unwrap_or_default(),
            plot.first_snd_una,
            units::bytes(as_bytes(last.map_or(0, |last| last.acknowledged))),
            units::bytes(
                plot.points
                    .iter()
                    .map(|state| state.queued_bytes)
                    .max()
                    .unwrap_or(0)
            ),
            units::bytes(as_bytes(taken.max().unwrap_or(0))),
        );
        Block::item("+", 2, Tone::Plain, text)
    }));
    let against = peer.evidence_against.iter().chain(&peer.harmless_causes);
    let against: Vec<_> = against.collect();
    if !against.is_empty() {
        blocks.push(Block::Heading("WHAT SPEAKS AGAINST ILL WILL".to_owned()));
        let items = against.into_iter();
        blocks.extend(items.map(|each| Block::item("-", 2, Tone::Plain, each.clone())));
    }
    blocks.push(Block::Heading("WHAT WE ASK".to_owned()));
    blocks.push(Block::Text(request(peer).to_owned()));
    blocks.push(Block::Heading("ABOUT THESE DATA".to_owned()));
    blocks.push(Block::Text(about(report)));
    // For a letter, whatever the terminal.
    Ok(render(&blocks, Capabilities::PIPE))
}

fn as_bytes(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}

const fn is_attack(peer: &PeerPart) -> bool {
    matches!(
        peer.verdict,
        Some(Verdict::SlowReadAttack | Verdict::ZeroWindowAttack)
    )
}

fn opening(report: &Report, peer: &PeerPart) -> Vec<Block> {
    let name = &peer.peer;
    let first = peer.hosts.iter().map(|host| host.first_seen).min();
    let last = peer.hosts.iter().map(|host| host.last_seen).max();
    let when = first.zip(last).map(|(first, last)| range(first, last));
    let when = when.unwrap_or_else(|| range(report.span.from, report.span.until));
    let hosts: Vec<_> = peer.hosts.iter().map(|host| host.host.clone()).collect();
    let hosts = listed(&hosts);
    let registered = super::rows::who(peer);
    let registered = registered.map_or_else(String::new, |who| format!(" ({who})"));
    let stalled = peer
        .hosts
        .iter()
        .map(|host| host.peak_stalled_connections)
        .max();
    let pinned = peer.hosts.iter().map(|host| host.peak_pinned_bytes).max();
    let held_nothing = stalled.unwrap_or(0) == 0 && pinned.unwrap_or(0) == 0;
    let did = did(peer);
    let ours = match opened_by(peer) {
        Direction::Outbound => "hosts",
        _ => "servers",
    };
    let what = if held_nothing {
        format!("as our {ours} saw it")
    } else {
        format!("held up our {ours}")
    };
    let subject = format!("Subject: {name} {what}, {when}");
    let to = format!("To the operator of the network of {name}{registered}: from {when},");
    let body = if held_nothing {
        format!(
            "{to} {hosts} saw of {name} what is listed below. No connection of it was held up for \
             long, and no memory with it."
        )
    } else {
        format!(
            "{to} {name} {did}. At worst it held {} at once and {} of memory on {hosts}.",
            counted(stalled.unwrap_or(0), "such connection", "such connections"),
            units::bytes(pinned.unwrap_or(0)),
        )
    };
    let meaning = format!(
        "What it is taken to be: {}",
        text::verdict_meaning(peer.verdict)
    );
    vec![
        Block::Headline(Tone::Strong, subject),
        Block::Heading("WHAT HAPPENED".to_owned()),
        Block::Text(body),
        Block::Text(meaning),
    ]
}

/// Who opened the connections. A tarpit is one by those that we opened.
fn opened_by(peer: &PeerPart) -> Direction {
    match peer.verdict {
        Some(Verdict::Tarpit) => Direction::Outbound,
        _ => peer.direction,
    }
}

/// Completes `PEER …`.
fn did(peer: &PeerPart) -> &'static str {
    if is_attack(peer) {
        return "opened connections to our servers, asked for data and did not take it. That is a known way \
                to exhaust a server: each such connection holds memory and a worker that serves nobody else";
    }
    match opened_by(peer) {
        Direction::Outbound if peer.verdict == Some(Verdict::Tarpit) => {
            "hardly took anything on connections that we had opened to it, so that what we sent waited"
        }
        Direction::Outbound => {
            "did not take what our hosts sent on connections that they had opened to it"
        }
        Direction::Inbound => {
            "had connections with our servers on which data that it had asked for was not taken"
        }
        Direction::Both => {
            "did not take what our servers sent on connections with them, of which it had opened some and \
             they the others"
        }
        Direction::Unknown => {
            "had connections with our servers on which data that was sent to it was not taken"
        }
    }
}

/// The first flag of each connection.
fn connections(recordings: &[Recording], peer: &PeerPart) -> Vec<Block> {
    let mut rows = Vec::new();
    let mut more = 0_u64;
    for recording in recordings {
        let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (at, event) in recording.span_events() {
            let (Some(local), Some(remote)) = (&event.local, &event.remote) else {
                continue;
            };
            let is_first = event.peer == peer.peer
                && event.event == EventType::Flag
                && seen.insert((local, remote));
            if is_first && rows.len() < CONNECTIONS {
                rows.push([
                    moment(at).trim_end_matches(" UTC").to_owned(),
                    plain(remote),
                    plain(local),
                    event.kind().label().to_owned(),
                    event
                        .flag
                        .pinned_bytes()
                        .map_or_else(String::new, units::bytes),
                ]);
            } else if is_first {
                more += 1;
            }
        }
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let (theirs, ours) = match opened_by(peer) {
        Direction::Outbound => ("TO", "FROM"),
        Direction::Inbound => ("FROM", "TO"),
        Direction::Both | Direction::Unknown => ("THEIR END", "OUR END"),
    };
    let headings = [
        ("TIME (UTC)", Align::Left),
        (theirs, Align::Left),
        (ours, Align::Left),
        ("WHAT", Align::Left),
        ("HELD", Align::Right),
    ];
    let lines = Table::of_text(headings, rows).text(Capabilities::PIPE);
    let mut blocks = vec![
        Block::Heading("CONNECTIONS, EACH WITH ITS FIRST FLAG".to_owned()),
        // Addresses and ports stay whole, however wide.
        Block::Verbatim(lines.lines().map(str::to_owned).collect()),
    ];
    if more > 0 {
        let more = counted(more, "connection more", "connections more");
        blocks.push(Block::Text(format!("And {more}.")));
    }
    blocks
}

/// An IPv4 address as one, also on an IPv6 socket.
fn plain(endpoint: &str) -> String {
    endpoint.parse::<SocketAddr>().map_or_else(
        |_| endpoint.to_owned(),
        |parsed| SocketAddr::new(parsed.ip().to_canonical(), parsed.port()).to_string(),
    )
}

fn request(peer: &PeerPart) -> &'static str {
    if is_attack(peer) {
        return "Please find the host that had this address at these times, and have it stop: it may have \
                been taken over, or be a proxy that others use. The address is not forged: each connection \
                was established, so that what we sent arrived there. We will gladly send more of what was \
                recorded.";
    }
    match opened_by(peer) {
        Direction::Outbound if peer.verdict == Some(Verdict::Tarpit) => {
            "Please find the host that had this address at these times and look at why it accepts \
             connections and then hardly takes what comes in on them. Where that is meant, as against \
             scanners, please tell us which of our hosts called on it. We do not say that harm was meant."
        }
        Direction::Inbound => {
            "Please find the host that had this address at these times and look at why it does not take \
             what it asks for: its network stack, its memory, or a box on the way that rewrites windows. \
             We do not say that harm was meant."
        }
        Direction::Outbound | Direction::Both | Direction::Unknown => {
            "Please find the host that had this address at these times and look at why it does not take \
             what is sent to it: its network stack, its memory, or a box on the way that rewrites windows. \
             We do not say that harm was meant."
        }
    }
}

fn about(report: &Report) -> String {
    let mut told = format!(
        "Times are UTC, by the clocks of our hosts. Recorded by detector {} in the kernels of these \
         hosts from TCP headers and socket states; no content was recorded.",
        report.version
    );
    for clock in &report.clocks {
        told += " ";
        told += clock;
    }
    told
}
