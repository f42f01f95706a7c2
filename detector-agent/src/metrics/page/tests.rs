use super::{SelfCounts, render};
use crate::host::tcp_memory::LookCounts;
use crate::http::Refusals;
use crate::kernel::KernelStatus;
use crate::metrics::definition::ALL;
use crate::recording::{RecorderCounts, RecorderStatus};
use detector_api::budget::{Budget, Saving};
use detector_api::host::TcpMemory;
use detector_api::snapshot::{Retransmits, Shrinks, Verdict};
use detector_api::tcp_memory::HeldBytes;
use detector_core::metrics::{HostTotals, Ledger, MetricsSnapshot, PeerMetrics};
use std::path::Path;
use std::time::Duration;

fn ledger(factor: u64) -> Ledger {
    Ledger {
        shrinks: Shrinks {
            polite: factor,
            below_flight: 2 * factor,
            treason: 3 * factor,
        },
        zero_window_episodes: 4 * factor,
        zero_window_seconds: 0.5,
        retransmits: Retransmits {
            loss: 5 * factor,
            tail_probe: 10 * factor,
            window_probe: 6 * factor,
        },
        retransmits_needless: 9 * factor,
        stalled_connections: 7 * factor,
        pinned_bytes: 8 * factor,
        pinned_byte_seconds: 9.25,
    }
}

fn snapshot(peers: Vec<PeerMetrics>) -> MetricsSnapshot {
    MetricsSnapshot {
        totals: HostTotals {
            ledger: ledger(10),
            stalled_by_cause: [1, 2, 3, 4],
            peers_tracked: 2,
            connections_tracked: 3,
            peer_evictions: 4,
            suspect_evictions: 3,
            connection_evictions: 5,
            records_refused: 6,
        },
        flags: std::array::from_fn(|place| place as u64 + 1),
        incidents: [1, 2, 3, 4, 5, 6, 7],
        incidents_open: [1, 0, 0, 0, 1, 0, 0],
        incidents_standing: [1, 0, 0, 0, 0, 0, 0],
        incidents_forgotten: 6,
        peers,
        other: ledger(1),
    }
}

/// With all lines that there are, which others count; each number is another.
fn kernel() -> KernelStatus {
    let mut status = KernelStatus {
        records_received: 11,
        subflow_retreats: 8,
        ..KernelStatus::without_losses()
    };
    for (number, (_, lost)) in (301..).zip(&mut status.records_lost) {
        *lost = number;
    }
    for (number, (_, held_back)) in (401..).zip(&mut status.records_held_back) {
        *held_back = number;
    }
    for (number, program) in (501_u32..).zip(&mut status.programs) {
        program.runs = number.into();
        program.seconds = f64::from(number) / 8.0;
    }
    for map in &mut status.maps {
        (map.entries, map.capacity) = (14, 15);
    }
    // The one that may be missing without the end of the agent.
    if let Some((_, is_attached)) = status.probes.last_mut() {
        *is_attached = false;
    }
    status
}

fn page(peers: Vec<PeerMetrics>) -> String {
    let refusals = Refusals::default();
    let counts = SelfCounts {
        refusals: vec![("web", &refusals), ("control", &refusals)],
        is_last_reload_successful: true,
        census: (40, 2, 0.5),
        tcp_memory: Some(TcpMemory {
            used_bytes: 16,
            pressure_bytes: 17,
            limit_bytes: 18,
        }),
        oom_kills: Some(19),
        budget: Budget {
            cpu_share: 0.25,
            used_cpu_share: Some(0.31),
            given_up: vec![Saving::Timelines],
        },
        recorder: RecorderStatus {
            is_awaited: false,
            file: Some("/var/lib/detector/recorder.db".to_owned()),
            failure: None,
            counts: RecorderCounts {
                bytes: 201,
                commits: 202,
                commit_seconds: 203.5,
                rows: 204,
                rows_deleted: 205,
                samples_left_out: 206,
                events_lost: 207,
                notes_lost: 208,
                gaps_lost: 213,
                points_lost: 209,
                failures: 210,
                files_set_aside: 211,
                last_commit_unix_seconds: 212.5,
            },
        },
        tcp_memory_held: Some(HeldBytes {
            stalled_send: 19,
            send: 20,
            receive: 21,
            orphans: 22,
            unlisted: 23,
        }),
        tcp_memory_looks: LookCounts {
            done: 24,
            failed: 25,
            used: Duration::from_millis(500),
        },
        ..SelfCounts::default()
    };
    render(&snapshot(peers), &kernel(), &counts).unwrap()
}

fn peer(name: String, flagged: Option<Verdict>) -> PeerMetrics {
    PeerMetrics {
        peer: name,
        ledger: ledger(9),
        flagged,
    }
}

/// What the process, the version and the machine decide is not golden; that there is such a line is.
fn stable(line: &str) -> String {
    let (sample, _) = line.rsplit_once(' ').unwrap();
    if sample.starts_with("process_") {
        return format!("{sample} 0\n");
    }
    let version = env!("CARGO_PKG_VERSION");
    let line = line.replace(&format!("version=\"{version}\""), "version=\"VERSION\"");
    let arch = std::env::consts::ARCH;
    line.replace(&format!("arch=\"{arch}\""), "arch=\"ARCH\"") + "\n"
}

#[test]
fn the_page_is_as_it_was() {
    let text = page(vec![peer(
        "198.51.100.7".to_owned(),
        Some(Verdict::ZeroWindowAttack),
    )]);
    let stable: String = text.lines().map(stable).collect();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics/page/golden.txt");
    // After a wanted change, written anew to be read in the diff, as in the core's golden streams.
    if std::env::var_os("DETECTOR_BLESS").is_some() {
        std::fs::write(&golden, &stable).unwrap();
    }
    assert_eq!(stable, std::fs::read_to_string(&golden).unwrap());
}

#[test]
fn every_metric_is_announced_once() {
    let verdict = Some(Verdict::SlowClient);
    let text = page(vec![peer("192.0.2.1".to_owned(), verdict)]);
    for metric in ALL {
        let line = format!("# TYPE {} {}\n", metric.name, metric.kind.name());
        assert_eq!(text.matches(&line).count(), 1, "{}", metric.name);
    }
    assert_eq!(text.matches("# TYPE ").count(), ALL.len());
}

/// The core's simulation of a day counts series by this.
#[test]
fn a_peer_has_nine_lines_and_one_with_its_verdict() {
    let verdict = |number: u32| number.is_multiple_of(2).then_some(Verdict::SlowClient);
    let peers = (0..400).map(|number| peer(format!("192.0.2.{number}"), verdict(number)));
    let text = page(peers.collect());
    let of_peers = text.lines().filter(|line| line.contains("{peer=\""));
    let (of_others, of_peers): (Vec<_>, Vec<_>) =
        of_peers.partition(|line| line.contains("{peer=\"other\""));
    assert_eq!((of_peers.len(), of_others.len()), (400 * 9 + 200, 9));
}

#[test]
fn the_largest_page_stays_below_one_mebibyte() {
    let longest = "2001:db8:1111:2222::/64";
    let peers = (0..1_000)
        .map(|_| {
            let mut peer = peer(longest.to_owned(), Some(Verdict::ZeroWindowAttack));
            peer.ledger = Ledger {
                pinned_bytes: u64::from(u32::MAX),
                pinned_byte_seconds: 1.0e12 / 7.0,
                zero_window_seconds: 1.0e6 / 7.0,
                ..ledger(1_000_000_000)
            };
            peer
        })
        .collect();
    assert!(page(peers).len() < 1 << 20);
}
