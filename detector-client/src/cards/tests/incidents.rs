//! Golden cards of incidents.

use super::plain;
use crate::cards::incident_card;
use detector_api::snapshot::{
    FlagKind, HostPressure, Incident, IncidentEnd, IncidentFlag, IncidentKind, IncidentPeer,
    Process, Severity, Verdict,
};
use detector_api::tcp_memory::{HeldBytes, TcpMemoryHeld, Unread};
use detector_api::time;
use std::path::Path;

const NOW: &str = "2026-12-29T21:16:10Z";

fn peer(name: &str, stalled: u64, pinned_bytes: u64) -> IncidentPeer {
    IncidentPeer {
        peer: name.to_owned(),
        verdict: Some(Verdict::ZeroWindowAttack),
        severity: Severity::Critical,
        flags: vec![FlagKind::ZeroWindowStall, FlagKind::StallHoard],
        peak_stalled_connections: stalled,
        peak_pinned_bytes: pinned_bytes,
        peak_held_workers: Some(stalled).filter(|stalled| *stalled > 20),
        since: "2026-12-29T21:04:36.000Z".to_owned(),
        until: "2026-12-29T21:15:41.000Z".to_owned(),
    }
}

fn flag(kind: FlagKind, time: &str) -> IncidentFlag {
    IncidentFlag {
        time: time.to_owned(),
        kind,
        peer: "203.0.113.9".to_owned(),
        severity: Severity::Critical,
    }
}

fn hoard() -> Incident {
    Incident {
        id: "20261229T210436.000Z".to_owned(),
        open: false,
        began: "2026-12-29T21:04:36.000Z".to_owned(),
        ended: Some("2026-12-29T21:15:00.000Z".to_owned()),
        duration_seconds: 624.0,
        kinds: vec![IncidentKind::Hoard, IncidentKind::MemoryPressure],
        severity: Severity::Critical,
        peak_stalled_connections: 43,
        peak_pinned_bytes: 171_000_000,
        peak_time: "2026-12-29T21:12:00.000Z".to_owned(),
        host: Some(HostPressure {
            tcp_memory_bytes: Some(612_000_000),
            tcp_memory_pressure_bytes: Some(500_000_000),
            tcp_memory_limit_bytes: Some(800_000_000),
            memory_available_bytes: Some(300_000_000),
            memory_total_bytes: Some(8_300_000_000),
            load_one: Some(15.2),
            cpu_some_percent: Some(3.0),
            memory_some_percent: Some(41.5),
            memory_full_percent: Some(12.0),
            io_some_percent: None,
            held_workers: Some(40),
            orphans: Some(1_204),
            orphan_limit: Some(16_384),
        }),
        counts: None,
        tcp_memory_held: None,
        orphans: None,
        kills: Vec::new(),
        peers_total: 40,
        peers: vec![
            peer("203.0.113.9", 31, 131_000_000),
            peer("2001:db8:1:2::/64", 12, 40_000_000),
        ],
        owners: vec![Process {
            pid: 870,
            comm: "apache2".to_owned(),
            unit: Some("apache2.service".to_owned()),
            executable: None,
            thread: None,
        }],
        first_flag: Some(flag(FlagKind::ZeroWindowStall, "2026-12-29T21:04:05.000Z")),
        worst_flag: Some(flag(FlagKind::StallHoard, "2026-12-29T21:04:36.000Z")),
        end: Some(IncidentEnd::Closed),
    }
}

fn expect_golden(name: &str, incident: &Incident) {
    let now = time::rfc3339_unix_ns(NOW).unwrap();
    let text = incident_card(incident, now, plain(80));
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/cards/golden")
        .join(format!("{name}.txt"));
    if std::env::var_os("DETECTOR_BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap();
    assert!(text == golden, "{name} differs, now it is:\n{text}");
}

#[test]
fn an_incident_that_is_over() {
    expect_golden("incident-over", &hoard());
}

/// Months later the day is told, too.
#[test]
fn flags_of_an_incident_have_a_day() {
    let now = time::rfc3339_unix_ns("2027-04-01T00:00:00Z").unwrap();
    let text = incident_card(&hoard(), now, plain(80));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("since 2026-12-29 21:04:05 UTC"), "{text}");
}

/// The power went while it stood.
#[test]
fn an_incident_that_nobody_saw_end() {
    let incident = Incident {
        end: Some(IncidentEnd::Unseen),
        ..hoard()
    };
    let now = time::rfc3339_unix_ns(NOW).unwrap();
    let text = incident_card(&incident, now, plain(80));
    for wrong in ["is over", "Nothing has stood since"] {
        assert!(!text.contains(wrong), "{text}");
    }
    expect_golden("incident-unseen", &incident);
}

#[test]
fn an_incident_of_memory_alone_that_goes_on() {
    let incident = Incident {
        open: true,
        ended: None,
        end: None,
        kinds: vec![IncidentKind::MemoryPressure],
        severity: Severity::Warning,
        peers_total: 0,
        peers: Vec::new(),
        owners: Vec::new(),
        first_flag: None,
        worst_flag: None,
        host: None,
        tcp_memory_held: Some(TcpMemoryHeld {
            time: "2026-12-29T21:12:00.000Z".to_owned(),
            counted_bytes: 612_000_000,
            held_bytes: HeldBytes {
                stalled_send: 4_200_000,
                send: 31_000_000,
                receive: 520_000_000,
                orphans: 0,
                unlisted: 56_800_000,
            },
            reserve_bytes: 67_000_000,
            sockets: 4_312,
            namespaces_missed: 0,
            unread: vec![Unread {
                process: Some(Process {
                    pid: 812,
                    comm: "haproxy".to_owned(),
                    unit: Some("haproxy.service".to_owned()),
                    executable: None,
                    thread: None,
                }),
                bytes: 519_000_000,
                sockets: 124,
                not_accepted: 0,
            }],
        }),
        ..hoard()
    };
    expect_golden("incident-of-memory", &incident);
}
