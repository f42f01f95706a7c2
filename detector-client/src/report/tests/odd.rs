//! Nights that are not like the one of the story: what is told of them is true all the same.

mod dated;
mod lost;
mod many;
mod servers;
mod strangers;
mod times;

use super::story::{Host, at, card, incident};
use super::{Wanted, abuse, html, made, text, wanted};
use crate::report::model::{Report, Time};
use crate::report::recording::Recording;
use crate::terminal::Capabilities;
use detector_api::fixtures;
use detector_api::snapshot::{Event, EventType, Incident, IncidentKind, Thresholds, Verdict};
use detector_api::tcp_memory::{HeldBytes, TcpMemoryHeld, Unread};
use detector_recorder::{Batch, HostSecond, KillScope, OomKill};
use std::path::PathBuf;
use tempfile::TempDir;

/// A host, under way since long before.
fn night(name: &str, write: impl FnOnce(&mut Host<'_>)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path(), name, "boot", at("00:00:00"), at("21:00:00"));
    host.record(at("21:00:00"), &[], Batch::default());
    write(&mut host);
    drop(host);
    folder
}

fn report_of(folders: &[TempDir]) -> (Report, Vec<Recording>) {
    let paths: Vec<PathBuf> = folders.iter().map(|each| each.path().to_owned()).collect();
    made(&wanted(), &paths)
}

fn told(folder: TempDir) -> Report {
    report_of(&[folder]).0
}

/// An incident without a peer, over.
fn without_peers(began: &str, ended: &str, kind: IncidentKind) -> Incident {
    let mut incident = incident(at(began), &[]);
    incident.kinds = vec![kind];
    incident.tcp_memory_held = None;
    (
        incident.peak_stalled_connections,
        incident.peak_pinned_bytes,
    ) = (0, 0);
    incident.ended = Some(Time(at(ended)).rfc3339());
    incident.open = false;
    incident.end = None;
    incident
}

fn with_incident(incident: Incident) -> Batch {
    Batch {
        incidents: vec![incident],
        ..Batch::default()
    }
}

fn short_of_memory(held_bytes: HeldBytes) -> Report {
    let mut incident = without_peers("21:10:00", "21:20:00", IncidentKind::MemoryPressure);
    incident.tcp_memory_held = Some(TcpMemoryHeld {
        counted_bytes: 424_000_000,
        held_bytes,
        unread: vec![Unread {
            process: Some(fixtures::process(812, "haproxy", Some("haproxy.service"))),
            bytes: held_bytes.receive,
            sockets: 24,
            not_accepted: 0,
        }],
        ..TcpMemoryHeld::default()
    });
    told(night("web1", |host| {
        host.record(at("21:21:00"), &[], with_incident(incident));
    }))
}

#[test]
fn memory_that_this_host_holds_itself_is_not_laid_to_others() {
    let none = HeldBytes::default();
    let report = short_of_memory(HeldBytes {
        receive: 411_000_000,
        ..none
    });
    assert_eq!(
        report.summary[0],
        "From 2026-12-29 21:10:00 to 21:20:00 UTC, memory for TCP was short on web1 for 10m \
         0s: programs of the host itself had not read what they had received (haproxy[812] \
         haproxy.service)."
    );
    let steps: Vec<_> = report.steps.iter().map(|step| &step.what).collect();
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert!(
        steps[0].contains("haproxy[812] haproxy.service") && !steps[0].contains("Nothing"),
        "{steps:?}"
    );
    for (held_bytes, words) in [
        (
            HeldBytes {
                orphans: 400_000_000,
                ..none
            },
            "sockets that no program holds any more still kept data",
        ),
        (
            HeldBytes {
                unlisted: 400_000_000,
                ..none
            },
            "the kernel counted memory that no socket in its lists holds",
        ),
    ] {
        let report = short_of_memory(held_bytes);
        assert!(report.summary[0].contains(words), "{}", report.summary[0]);
        assert!(!report.summary[0].contains("other computers"));
        assert!(!report.steps[0].what.starts_with("Nothing"));
    }
    // Of both: one sentence for each.
    let both = short_of_memory(HeldBytes {
        receive: 200_000_000,
        stalled_send: 200_000_000,
        ..none
    });
    assert!(both.summary[0].contains("by other computers that left so much data waiting"));
    assert!(both.summary[0].contains("programs of the host itself had not read"));
}

/// The counter of the kernel, and what stands beside it.
fn second(host: &mut Host<'_>, clock: &str, oom_kills: i64, more: Batch) {
    let batch = Batch {
        at: host.moment(at(clock)),
        host: Some(HostSecond {
            oom_kills: Some(oom_kills),
            memory_total_bytes: Some(64 << 30),
            pinned_bytes: Some(101_000_000),
            stalled_connections: Some(24),
            ..HostSecond::default()
        }),
        ..more
    };
    host.recorder.record(&batch).unwrap();
}

#[test]
fn a_kill_that_no_log_names_is_a_kill() {
    let incident = || without_peers("21:20:10", "21:21:10", IncidentKind::OomKill);
    let report = told(night("web1", |host| {
        second(host, "21:20:09", 3, Batch::default());
        second(host, "21:20:11", 5, with_incident(incident()));
        second(host, "21:22:00", 5, Batch::default());
    }));
    assert_eq!(
        report.summary[0],
        "From 2026-12-29 21:20:10 to 21:21:10 UTC, the kernel killed 2 processes on web1 for want of \
         memory; no other computer was seen to hold anything up."
    );
    let kills = "For want of memory the kernel killed a process on web1 by 21:20:11 (which one \
                 is not recorded), and 1 more time, when such connections held 101 MB of the 69 GB that \
                 the host has.";
    assert!(
        report.summary[3].starts_with(kills),
        "{}",
        report.summary[3]
    );
    // Neither a note nor the next second: the host hung, or the agent was down.
    let report = told(night("web1", |host| {
        second(host, "21:20:12", 3, with_incident(incident()));
    }));
    let kills = "For want of memory the kernel killed a process on web1 by 21:20:12 (which one is";
    assert!(
        report.summary[3].starts_with(kills),
        "{}",
        report.summary[3]
    );
    // While the agent was down.
    let folder = tempfile::tempdir().unwrap();
    let booted = at("00:00:00");
    let mut host = Host::start(folder.path(), "web1", "boot", booted, at("21:20:09"));
    second(&mut host, "21:20:09", 3, Batch::default());
    let mut host = host.again("boot", booted, at("21:40:00"));
    second(&mut host, "21:40:00", 4, Batch::default());
    drop(host);
    let report = told(folder);
    let kills = "For want of memory the kernel killed a process on web1 by 21:40:00 (which one is";
    assert!(
        report.summary[3].starts_with(kills),
        "{}",
        report.summary[3]
    );
    // Another start of the host counts anew, and nothing is killed where nothing is counted.
    let report = told(night("web1", |host| {
        second(host, "21:20:09", 3, Batch::default());
        second(host, "21:20:10", 3, Batch::default());
    }));
    assert!(report.summary[3].starts_with("The kernel killed no process"));
}

#[test]
fn a_kill_that_is_named_is_counted_once() {
    let report = told(night("web1", |host| {
        second(host, "21:20:09", 3, Batch::default());
        let kill = host.kill(
            at("21:20:12"),
            OomKill {
                pid: Some(9),
                name: Some("nginx".to_owned()),
                cgroup: Some("/nginx".to_owned()),
                scope: KillScope::ControlGroup,
                anonymous_bytes: Some(150_000_000),
                socket_bytes: Some(101_000_000),
                limit_bytes: Some(268_435_456),
                ..OomKill::default()
            },
        );
        second(host, "21:20:11", 4, Batch::default());
        host.recorder.record(&kill).unwrap();
        let incident = without_peers("21:20:10", "21:21:10", IncidentKind::OomKill);
        second(host, "21:22:00", 4, with_incident(incident));
    }));
    let outcome = &report.summary[3];
    assert!(
        outcome.starts_with("For want of memory the kernel killed a process (nginx) on web1 at 21:20:12; that was at the memory limit of its "),
        "{outcome}"
    );
    assert!(!outcome.contains("not the cause"), "{outcome}");
    assert!(
        outcome.contains("101 MB sockets of the control group; the limit was 268 MB"),
        "{outcome}"
    );
    assert!(!report.summary[0].contains("short of memory"));
}

fn flag(host: &mut Host<'_>, clock: &str, peer: &str, severity: Verdict) -> Event {
    let mut event = host.event(at(clock), peer, 1, EventType::Flag);
    event.verdict = Some(severity);
    event
}

#[test]
fn a_host_that_a_peer_only_brushed_was_not_held_by_it() {
    let attacker = "203.0.113.9";
    let held = |name: &'static str| {
        night(name, |host| {
            let mut incident = incident(at("21:10:00"), &[(attacker, 40)]);
            incident.ended = Some(Time(at("21:20:00")).rfc3339());
            incident.open = false;
            host.record(at("21:21:00"), &[], with_incident(incident));
        })
    };
    let brushed = |name: &'static str| {
        night(name, |host| {
            let event = flag(host, "21:10:00", attacker, Verdict::ZeroWindowAttack);
            let batch = Batch {
                events: vec![event],
                ..Batch::default()
            };
            host.record(at("21:10:01"), &[], batch);
        })
    };
    let who = |folders: &[TempDir]| report_of(folders).0.summary[1].clone();
    let one = who(&[held("web1"), brushed("web2")]);
    assert!(one.starts_with("203.0.113.9 held most, "), "{one}");
    let two = who(&[held("web1"), held("web2")]);
    assert!(two.starts_with("203.0.113.9 held both hosts, "), "{two}");
    let three = who(&[held("web1"), held("web2"), brushed("web3")]);
    assert!(three.starts_with("203.0.113.9 held 2 hosts, "), "{three}");
    // A file that was set aside, and its successor.
    let same = who(&[held("web1"), held("web1")]);
    assert!(same.starts_with("203.0.113.9 held most, "), "{same}");
}

#[test]
fn a_tarpit_is_not_told_that_it_asked_for_data() {
    let tarpit = "203.0.113.9";
    let folder = night("web1", |host| {
        let event = flag(host, "21:10:00", tarpit, Verdict::Tarpit);
        let batch = Batch {
            events: vec![event],
            ..Batch::default()
        };
        host.record(at("21:10:01"), &[(tarpit, 3)], batch);
    });
    let wanted = Wanted {
        peer: Some("203.0.113.9/32".parse().unwrap()),
        ..wanted()
    };
    let (report, recordings) = made(&wanted, &[folder.path().to_owned()]);
    let letter = abuse::letter(&report, &recordings, tarpit).unwrap();
    let letter = letter.split_whitespace().collect::<Vec<_>>().join(" ");
    for wrong in ["asked for data", "it had asked for", "what it asks for"] {
        assert!(!letter.contains(wrong), "{letter}");
    }
    assert!(
        letter.contains("connections that we had opened to it"),
        "{letter}"
    );
}

#[test]
fn one_end_of_the_span_may_lie_outside_of_the_record() {
    let folder = night("web1", |host| {
        host.record(at("22:00:00"), &[], Batch::default())
    });
    for wanted in [
        Wanted {
            until: Some("2026-12-01T00:00:00Z"),
            ..wanted()
        },
        Wanted {
            since: Some("2026-12-29T22:30:00Z"),
            ..wanted()
        },
        // Still to come.
        Wanted {
            since: Some("2027-01-01T00:00:00Z"),
            ..wanted()
        },
    ] {
        let (report, _) = made(&wanted, &[folder.path().to_owned()]);
        assert!(report.span.from <= report.span.until);
        assert!(text::text(&report, Capabilities::PIPE).contains("nothing is recorded "));
        html::page(&report);
    }
}

#[test]
fn danger_is_judged_by_the_thresholds_that_were_in_force() {
    let report = told(night("web1", |host| {
        for (clock, peer, hoard_connections) in [
            ("21:05:00", "198.51.100.9", 5),
            ("21:06:00", "198.51.100.7", 7),
        ] {
            let mut card = card(host.moment(at(clock)), peer, 3);
            card.thresholds = Some(Thresholds {
                hoard_connections,
                hoard_bytes: 9 << 20,
                ..fixtures::thresholds()
            });
            let cards = vec![card];
            let more = Batch {
                cards,
                ..Batch::default()
            };
            host.record(at(clock), &[], more);
        }
    }));
    let remedies = &report.remedies;
    let hoard = (remedies.hoard_connections, remedies.hoard_bytes);
    assert_eq!(hoard, (7, 9 << 20));
}
