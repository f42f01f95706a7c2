//! Two servers of different kinds, held by the same peer: what is told of each, and what to do about both.

use super::{night, report_of, text};
use crate::report::model::Time;
use crate::report::steps;
use crate::report::tests::story::{at, card, incident};
use crate::terminal::Capabilities;
use detector_api::fixtures;
use detector_api::snapshot::Advice;
use detector_recorder::{Batch, HostSecond, KillScope, OomKill};
use tempfile::TempDir;

const PEER: &str = "203.0.113.9";

/// What stood still on one server.
struct Server {
    name: &'static str,
    program: &'static str,
    port: u16,
    stalled: i64,
    pinned_bytes: i64,
    workers: Option<i64>,
}

const APACHE: Server = Server {
    name: "web1",
    program: "apache2",
    port: 81,
    stalled: 149,
    pinned_bytes: 10_000_000,
    workers: Some(115),
};
const NGINX: Server = Server {
    name: "web2",
    program: "nginx",
    port: 80,
    stalled: 125,
    pinned_bytes: 11_000_000,
    workers: None,
};

/// Held for ten minutes from 21:10:00 on.
fn held(server: &Server) -> TempDir {
    night(server.name, |host| {
        let mut card = card(host.moment(at("21:10:02")), PEER, server.stalled);
        let detail = &mut card.detail;
        detail.peer.services = vec![server.port];
        detail.peer.processes = vec![fixtures::process(870, server.program, None)];
        for connection in &mut detail.connections {
            connection.processes.clear();
        }
        let stalled_connections = server.stalled.unsigned_abs();
        let reset = Advice::ResetStalled {
            stalled_connections,
        };
        detail.assessment.advice.insert(0, reset);
        let mut incident = incident(at("21:10:00"), &[(PEER, server.stalled)]);
        incident.open = false;
        incident.ended = Some(Time(at("21:20:00")).rfc3339());
        for (clock, workers) in [("21:10:01", None), ("21:10:02", server.workers)] {
            let batch = Batch {
                at: host.moment(at(clock)),
                host: Some(HostSecond {
                    stalled_connections: Some(server.stalled),
                    pinned_bytes: Some(server.pinned_bytes),
                    held_workers: workers,
                    ..HostSecond::default()
                }),
                cards: vec![card.clone()],
                incidents: vec![incident.clone()],
                ..Batch::default()
            };
            host.recorder.record(&batch).unwrap();
        }
        let killed = OomKill {
            pid: Some(870),
            name: Some(server.program.to_owned()),
            scope: KillScope::ControlGroup,
            limit_bytes: Some(80_000_000),
            ..OomKill::default()
        };
        if server.workers.is_some() {
            let kill = host.kill(at("21:10:05"), killed);
            host.recorder.record(&kill).unwrap();
        }
        host.record(at("21:20:01"), &[], Batch::default());
    })
}

#[test]
fn the_worst_of_one_host_is_not_told_without_what_was_worse_on_another() {
    let (report, _) = report_of(&[held(&APACHE), held(&NGINX)]);
    assert_eq!(
        report.summary[2],
        "At the worst moment, 2026-12-29 21:10:01 UTC on web2, 125 connections that stood still held 11 MB of \
         the kernel's memory; at that of web1, 2026-12-29 21:10:02 UTC, 149 connections that stood still held \
         10 MB of the kernel's memory, and 115 workers of the server that could serve nobody else."
    );
    // Alone, and of the moments at which the same was held one at which workers were counted.
    let (report, _) = report_of(&[held(&NGINX)]);
    assert!(
        !report.summary[2].contains("at that of"),
        "{:?}",
        report.summary
    );
}

#[test]
fn a_kill_at_a_limit_is_told_with_its_victim_and_the_workers_that_waited() {
    let (report, _) = report_of(&[held(&APACHE)]);
    assert_eq!(
        report.summary[3],
        "For want of memory the kernel killed a process (apache2) on web1 at 21:10:05; that was at the memory \
         limit of its control group; the limit was 80 MB; on the whole host 115 workers of servers \
         waited on stalled connections then."
    );
}

#[test]
fn advice_names_its_peer_and_fits_all_servers_that_it_held() {
    let (report, _) = report_of(&[held(&APACHE), held(&NGINX)]);
    let told = text::text(&report, Capabilities::PIPE);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, advised) = told.split_once("WHAT TO DO NOW").unwrap();
    for each in [
        "Because of 203.0.113.9: limit connections for each address: this one has",
        "Because of 203.0.113.9: end connections that do not move",
        "tcp dport { 80, 81 }",
        "limit_conn peers 20;",
        "send_timeout 30s;",
        " Timeout 30",
    ] {
        assert!(advised.contains(each), "{each}: {advised}");
    }
    assert!(told.contains("port 81; of apache2"), "{told}");
    // Nothing is held any more.
    assert!(!advised.contains("detector reset"), "{advised}");
    let (mut report, recordings) = report_of(&[held(&APACHE)]);
    report.incidents[0].incident.open = true;
    let steps = steps::steps(&report, &recordings);
    let resets: Vec<_> = steps
        .iter()
        .flat_map(|step| &step.settings)
        .flat_map(|setting| &setting.lines)
        .filter(|line| line.contains("detector reset"))
        .collect();
    assert_eq!(resets, ["detector reset 203.0.113.9"]);
}
