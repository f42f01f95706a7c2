//! What to do.

use super::page::{Block, Item};
use super::subject::Subject;
use crate::terminal::Tone;
use detector_api::text::{self, Circumstances, Servers, Setting, Step};

/// The steps, with values that fit what was seen.
pub(super) fn steps(subject: &Subject) -> Vec<Block> {
    let around = circumstances(subject);
    let assessment = &subject.page.detail.assessment;
    let mut steps: Vec<Step> = assessment
        .advice
        .iter()
        .map(|advice| text::advice(advice, &around))
        .collect();
    if !subject.page.detail.peer.trusted {
        let services = subject.held_workers().into_iter();
        steps.extend(services.filter_map(|service| text::workers(service, around.servers)));
    }
    let mut blocks = Vec::new();
    for (number, step) in (1..).zip(steps) {
        let label = format!("{number}.");
        blocks.push(Block::item(&label, 3, Tone::Strong, step.what));
        for Setting { lines, note } in step.settings {
            blocks.push(Block::Item(Item {
                indent: 5,
                label: String::new(),
                column: 0,
                tone: Tone::Quiet,
                text: format!("{note}:"),
            }));
            blocks.push(Block::Verbatim(lines));
        }
    }
    blocks
}

fn circumstances(subject: &Subject) -> Circumstances {
    let detail = &subject.page.detail;
    let peer = &detail.peer;
    let of_connections = detail.connections.iter().flat_map(|each| &each.processes);
    let processes = peer.processes.iter().chain(of_connections);
    let remote = detail.connections.first().and_then(|connection| {
        let remote: std::net::SocketAddr = connection.remote.parse().ok()?;
        Some(remote.ip().to_canonical())
    });
    Circumstances {
        servers: Servers::of(processes.map(|process| process.comm.as_str())),
        ports: peer.services.clone(),
        address: peer.peer.parse().ok().or(remote),
        is_ipv6: peer.peer.contains(':'),
        tcp_wmem: subject.kernel.tcp_wmem,
        tcp_orphan_retries: subject.kernel.tcp_orphan_retries,
        interfaces: subject
            .host
            .interfaces
            .as_ref()
            .map(|interfaces| (interfaces.total, interfaces.last_minute)),
        ..Circumstances::of(&detail.assessment)
    }
}
