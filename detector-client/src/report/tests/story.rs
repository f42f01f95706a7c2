//! The night of the design as two recorders: peers that do not read hold both web servers, the kernel
//! kills, one host is power-cycled, the other's agent dies for a while. The day before has small
//! incidents.

mod parts;

pub(in crate::report) use parts::card;
pub(super) use parts::incident;

use crate::report::recording::{Recording, Source};
use detector_api::fixtures;
use detector_api::snapshot::{
    Event, EventType, FlagKind, Incident, IncidentEnd, Severity, Verdict,
};
use detector_api::time::{rfc3339, rfc3339_unix_ns};
use detector_recorder::{
    Batch, ClockReading, FILE_NAME, HostSecond, KillScope, Limits, NoteKind, OomKill, Opened,
    PeerSecond, Recorder, Span,
};
use parts::{remote, seconds, windows};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

const LIMITS: Limits = Limits {
    bytes: 256 << 20,
    age_ms: 30 * 24 * 3_600_000,
};
const EACH_BYTES: i64 = 4_220_292;
const ATTACKER: &str = "203.0.113.9";
const SECOND_ATTACKER: &str = "2001:db8:bad::/64";
const THIRD_ATTACKER: &str = "198.51.100.99";
const HONEST: &str = "192.0.2.55";

/// Unix milliseconds of a time of that night.
pub(super) fn at(clock: &str) -> i64 {
    let time = format!("2026-12-29T{clock}Z");
    i64::try_from(rfc3339_unix_ns(&time).unwrap() / 1_000_000).unwrap()
}

fn text(ms: i64) -> String {
    rfc3339(i128::from(ms) * 1_000_000)
}

/// The recorders of both hosts, made once.
pub(super) fn hosts() -> &'static [PathBuf] {
    static HOSTS: OnceLock<(TempDir, [PathBuf; 2])> = OnceLock::new();
    let (_, paths) = HOSTS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["web1", "web2"].map(|host| {
            let path = folder.path().join(host);
            std::fs::create_dir(&path).unwrap();
            path.join(FILE_NAME)
        });
        write_web1(paths[0].parent().unwrap());
        write_web2(paths[1].parent().unwrap());
        (folder, paths)
    });
    paths
}

/// One host under way.
pub(super) struct Host<'a> {
    folder: &'a Path,
    name: &'a str,
    pub(super) recorder: Recorder,
    /// When the host started.
    booted_ms: i64,
    events: u64,
}

impl<'a> Host<'a> {
    pub(super) fn start(
        folder: &'a Path,
        name: &'a str,
        boot: &str,
        booted_ms: i64,
        at_ms: i64,
    ) -> Self {
        let who = Opened {
            host: name,
            boot_id: boot,
            version: "0.1.0",
            at: ClockReading {
                unix_ms: at_ms,
                boot_ms: at_ms - booted_ms,
            },
        };
        let (recorder, _) = Recorder::open(folder, LIMITS, &who).unwrap();
        Self {
            folder,
            name,
            recorder,
            booted_ms,
            events: 0,
        }
    }

    pub(super) fn again(self, boot: &str, booted_ms: i64, at_ms: i64) -> Self {
        let Self {
            folder,
            name,
            recorder,
            events,
            ..
        } = self;
        drop(recorder);
        Self {
            events,
            ..Self::start(folder, name, boot, booted_ms, at_ms)
        }
    }

    pub(super) fn moment(&self, unix_ms: i64) -> ClockReading {
        ClockReading {
            unix_ms,
            boot_ms: unix_ms - self.booted_ms,
        }
    }

    pub(super) fn record(&mut self, at_ms: i64, peers: &[(&str, i64)], more: Batch) {
        let stalled: i64 = peers.iter().map(|(_, stalled)| stalled).sum();
        let workers = stalled.min(150);
        let at = self.moment(at_ms);
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let load = 0.4 + workers as f64 / 9.0;
        let host = HostSecond {
            load_one: Some(load),
            cpu_some_percent: Some(3.0),
            memory_some_percent: Some((load - 8.0).max(0.0) * 6.0),
            memory_full_percent: Some((load - 12.0).max(0.0) * 4.0),
            io_some_percent: Some(2.0),
            memory_total_bytes: Some(4 << 30),
            memory_available_bytes: Some((3 << 30) - stalled * (EACH_BYTES + 26_000_000)),
            tcp_memory_bytes: Some(2_000_000 + stalled * EACH_BYTES),
            tcp_memory_pressure_bytes: Some(270 << 20),
            tcp_memory_limit_bytes: Some(405 << 20),
            held_stalled_send_bytes: Some(stalled * EACH_BYTES),
            held_send_bytes: Some(1_500_000),
            held_receive_bytes: Some(0),
            held_orphans_bytes: Some(0),
            held_unlisted_bytes: Some(500_000),
            stalled_connections: Some(stalled),
            pinned_bytes: Some(stalled * EACH_BYTES),
            held_workers: Some(workers),
            records_lost: Some(0),
            ..HostSecond::default()
        };
        let peers = peers.iter().filter(|(_, stalled)| *stalled > 0);
        let peers = peers.map(|(peer, stalled)| PeerSecond {
            peer: (*peer).to_owned(),
            verdict: Some("zero-window-attack".to_owned()),
            stalled_connections: *stalled,
            pinned_bytes: stalled * EACH_BYTES,
            zero_window_episodes: *stalled,
            ..PeerSecond::default()
        });
        let batch = Batch {
            at,
            host: Some(host),
            peers: peers.collect(),
            ..more
        };
        self.recorder.record(&batch).unwrap();
    }

    pub(super) fn event(&mut self, at_ms: i64, peer: &str, port: i64, kind: EventType) -> Event {
        self.events += 1;
        let pinned = 4_220_292.0;
        let numbers = [("stalled_seconds", 5.0), ("pinned_bytes", pinned)];
        let mut event = fixtures::event(self.events, FlagKind::ZeroWindowStall, &numbers);
        let is_honest = peer == HONEST;
        event.event = kind;
        event.time = text(at_ms);
        event.peer = peer.to_owned();
        event.remote = Some(remote(peer, port));
        event.verdict = Some(if is_honest {
            Verdict::SlowClient
        } else {
            Verdict::ZeroWindowAttack
        });
        event.severity = if is_honest {
            Severity::Info
        } else {
            Severity::Critical
        };
        event
    }

    /// Attackers come one connection after the other, all five seconds old when they are flagged, and
    /// stay.
    fn siege(&mut self, from_ms: i64, until_ms: i64, attackers: &[(&str, i64)]) -> Incident {
        let began = from_ms + 20_000;
        let mut incident = incident(began, attackers);
        let mut flagged = vec![0; attackers.len()];
        let mut time = from_ms;
        while time < until_ms {
            let passed = (time - from_ms) / 1_000;
            let now: Vec<_> = attackers
                .iter()
                .map(|(peer, most)| (*peer, (passed / 4).min(*most)))
                .collect();
            let mut more = Batch::default();
            for ((peer, stalled), flagged) in now.iter().zip(&mut flagged) {
                while *flagged < *stalled {
                    *flagged += 1;
                    let event = self.event(time + 5_000, peer, *flagged, EventType::Flag);
                    more.events.push(event);
                }
                more.windows
                    .extend(windows(self.moment(time), peer, from_ms));
            }
            if time == began {
                more.incidents = vec![incident.clone()];
                more.cards = attackers
                    .iter()
                    .map(|(peer, most)| card(self.moment(time), peer, *most))
                    .collect();
            }
            self.record(time, &now, more);
            time += 4_000;
        }
        incident.duration_seconds = seconds(until_ms - began);
        incident
    }

    /// They are ended one after the other, and the incident with them.
    fn relief(&mut self, from_ms: i64, mut incident: Incident, attackers: &[(&str, i64)]) {
        let mut batch = Batch::default();
        for (peer, most) in attackers {
            for port in 1..=*most {
                batch
                    .events
                    .push(self.event(from_ms, peer, port, EventType::Cleared));
            }
        }
        incident.open = false;
        incident.ended = Some(text(from_ms));
        incident.end = Some(IncidentEnd::Closed);
        batch.incidents = vec![incident];
        self.record(from_ms, &[], batch);
    }

    fn quiet(&mut self, from_ms: i64, until_ms: i64, step_ms: usize) {
        for time in (from_ms..until_ms).step_by(step_ms) {
            self.record(time, &[], Batch::default());
        }
    }

    /// An honest reader pauses for a while.
    pub(super) fn pause(&mut self, at_ms: i64, port: i64, lasts_ms: i64) {
        let mut flag = self.event(at_ms, HONEST, port, EventType::Flag);
        flag.time = text(at_ms + 5_000);
        let mut batch = Batch {
            events: vec![flag],
            ..Batch::default()
        };
        self.record(at_ms, &[(HONEST, 1)], std::mem::take(&mut batch));
        let mut over = self.event(at_ms + lasts_ms, HONEST, port, EventType::Cleared);
        over.flag = fixtures::flag(
            FlagKind::ZeroWindowStall,
            &[("stalled_seconds", seconds(lasts_ms))],
        );
        batch.events = vec![over];
        self.record(at_ms + lasts_ms, &[], batch);
    }
}

/// A day with small incidents: somebody pauses, somebody tries.
fn day_before(host: &mut Host<'_>, until_ms: i64) {
    let day_ms = 24 * 3_600_000;
    let from_ms = until_ms - day_ms;
    let step_ms = day_ms / 50;
    for number in 0..48 {
        let begin = from_ms + number * step_ms;
        host.quiet(begin, begin + step_ms - 400_000, 120_000);
        host.pause(begin + step_ms - 390_000, number, 20_000 + number * 1_000);
        let attackers = [(THIRD_ATTACKER, 14)];
        let siege = begin + step_ms - 300_000;
        let over = host.siege(siege, siege + 60_000, &attackers);
        host.relief(siege + 60_000, over, &attackers);
    }
    host.quiet(from_ms + 48 * step_ms, until_ms, 60_000);
}

fn write_web1(folder: &Path) {
    let booted_ms = at("00:00:00") - 40 * 24 * 3_600_000;
    let first_ms = at("21:00:00") - 24 * 3_600_000;
    let mut host = Host::start(folder, "web1", "boot-1", booted_ms, first_ms);
    day_before(&mut host, at("21:00:00"));
    host.quiet(at("21:00:00"), at("21:04:00"), 10_000);
    let attackers = [(ATTACKER, 60), (SECOND_ATTACKER, 24), (THIRD_ATTACKER, 12)];
    let first = host.siege(at("21:04:00"), at("21:20:08"), &attackers);
    let kill = host.kill(
        at("21:20:10"),
        OomKill {
            pid: Some(870),
            name: Some("httpd".to_owned()),
            unit: Some("httpd.service".to_owned()),
            scope: KillScope::Host,
            anonymous_bytes: Some(212_000_000),
            socket_bytes: Some(4_200_000),
            ..OomKill::default()
        },
    );
    host.record(at("21:20:10"), &attackers, kill);
    let kernel = host.note(
        at("21:20:11"),
        NoteKind::Kernel,
        None,
        "Out of memory: Killed process 870 (httpd)",
    );
    host.record(at("21:20:12"), &attackers, kernel);
    for time in (at("21:20:16")..at("21:31:00")).step_by(4_000) {
        host.record(time, &attackers, Batch::default());
    }
    drop(first);
    // The power goes; three and a half minutes later the agent of the new start writes.
    let booted_ms = at("21:34:10");
    let mut host = host.again("boot-2", booted_ms, at("21:34:30"));
    host.events = 100_000;
    host.quiet(at("21:34:30"), at("21:35:00"), 1_000);
    let second = host.siege(at("21:35:00"), at("21:44:00"), &attackers[..2]);
    let action = host.note(
        at("21:44:00"),
        NoteKind::Action,
        Some(ATTACKER),
        "root (uid 0) reset 60 stalled sockets of 203.0.113.9, freed 253 MB",
    );
    host.record(at("21:44:00"), &attackers[..2], action);
    host.relief(at("21:45:00"), second, &attackers[..2]);
    host.quiet(at("21:45:10"), at("22:40:00"), 30_000);
    let end = host.moment(at("22:40:00"));
    host.recorder.end(end, host.events + 100_000).unwrap();
}

fn write_web2(folder: &Path) {
    let booted_ms = at("00:00:00") - 40 * 24 * 3_600_000;
    let mut host = Host::start(folder, "web2", "boot-9", booted_ms, at("20:30:00"));
    host.quiet(at("20:30:00"), at("21:04:41"), 30_000);
    let attackers = [(ATTACKER, 40), (SECOND_ATTACKER, 16), (THIRD_ATTACKER, 1)];
    // The same peers, by a clock that is ahead by 41 s.
    host.siege(at("21:04:41"), at("21:15:00"), &attackers);
    // The agent is killed; somebody starts it again.
    let mut host = host.again("boot-9", booted_ms, at("21:15:40"));
    host.events = 100_000;
    let second = host.siege(at("21:15:40"), at("21:40:00"), &attackers);
    host.relief(at("21:40:04"), second, &attackers);
    host.quiet(at("21:41:00"), at("22:40:00"), 30_000);
}

/// Eight connections of one peer and one of another; the eight for 40 s.
pub(in crate::report) fn quiet_recording() -> Recording {
    let folder = tempfile::tempdir().unwrap();
    let began = at("12:00:00");
    let mut host = Host::start(folder.path(), "web1", "boot", began - 1_000, began);
    let mut batch = Batch::default();
    for port in 0..9 {
        let (peer, seconds) = if port < 8 {
            ("203.0.113.9", 40.0)
        } else {
            ("203.0.113.10", 6.0)
        };
        let mut event = host.event(began + 40_000, peer, port, EventType::Flag);
        event.flag = fixtures::flag(
            FlagKind::ZeroWindowStall,
            &[("stalled_seconds", seconds), ("pinned_bytes", 4e6)],
        );
        batch.events.push(event);
    }
    let peer = |peer: &str, stalled: i64| PeerSecond {
        peer: peer.to_owned(),
        verdict: None,
        stalled_connections: stalled,
        pinned_bytes: stalled * 4_000_000,
        zero_window_episodes: 0,
        ..PeerSecond::default()
    };
    batch.at = host.moment(began + 40_000);
    batch.peers = vec![peer("203.0.113.9", 8), peer("203.0.113.10", 1)];
    batch.host = Some(HostSecond {
        stalled_connections: Some(9),
        pinned_bytes: Some(36_000_000),
        held_workers: Some(9),
        ..HostSecond::default()
    });
    host.recorder.record(&batch).unwrap();
    let source = Source::open_all(&[folder.path().to_owned()])
        .unwrap()
        .pop()
        .unwrap();
    source.read(Span::ALL, None).unwrap()
}
