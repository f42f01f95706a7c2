//! How long things went on, where their ends are odd.

use super::{night, report_of, told, with_incident};
use crate::report::model::{MarkKind, Time};
use crate::report::stalls::stalls;
use crate::report::tests::story::{Host, at, card, incident};
use crate::report::tests::{Wanted, html, made, text, wanted};
use crate::terminal::Capabilities;
use detector_api::fixtures;
use detector_api::snapshot::{EventType, FlagKind};
use detector_recorder::{Batch, Gap, GapReason};

#[test]
fn a_connection_that_pauses_often_is_one_connection() {
    let (report, _) = report_of(&[night("web1", |host| {
        for pause in 0..30 {
            let began = at("21:10:00") + pause * 60_000;
            host.pause(began, 1, 20_000);
        }
    })]);
    let remedies = &report.remedies;
    assert_eq!(remedies.honest_stalled_connections, 1);
    let costs = remedies.timeouts.iter().map(|each| each.honest_connections);
    assert_eq!(costs.collect::<Vec<_>>(), [1, 1, 1, 0, 0]);
}

#[test]
fn the_end_of_a_dribble_is_no_stall_of_its_own() {
    let (_, recordings) = report_of(&[night("web1", |host| {
        let mut raised = host.event(at("21:10:30"), "203.0.113.9", 1, EventType::Flag);
        let numbers = |seconds| [("stalled_seconds", seconds), ("pinned_bytes", 4e6)];
        raised.flag = fixtures::flag(FlagKind::Dribble, &numbers(30.0));
        let mut cleared = host.event(at("21:15:00"), "203.0.113.9", 1, EventType::Cleared);
        cleared.flag = fixtures::flag(FlagKind::Dribble, &numbers(0.0));
        for (clock, event) in [("21:10:30", raised), ("21:15:00", cleared)] {
            let batch = Batch {
                events: vec![event],
                ..Batch::default()
            };
            host.record(at(clock), &[("203.0.113.9", 1)], batch);
        }
    })]);
    let stalls = stalls(&recordings[0]);
    let spans: Vec<_> = stalls
        .iter()
        .map(|each| (each.began.0, each.ended.0))
        .collect();
    assert_eq!(spans, [(at("21:10:00"), at("21:15:00"))]);
}

#[test]
fn a_stall_without_an_end_ends_where_the_host_was_calm() {
    let folder = night("web1", |host| {
        let card = card(host.moment(at("21:10:00")), "203.0.113.9", 3);
        let batch = Batch {
            cards: vec![card],
            ..Batch::default()
        };
        host.record(at("21:10:00"), &[("203.0.113.9", 3)], batch);
        for clock in ["21:12:00", "22:00:00", "22:30:00"] {
            host.record(at(clock), &[], Batch::default());
        }
    });
    // A report of a later time.
    let later = Wanted {
        since: Some("2026-12-29T22:15:00Z"),
        ..wanted()
    };
    let (_, recordings) = made(&later, &[folder.path().to_owned()]);
    let ended: Vec<_> = stalls(&recordings[0])
        .iter()
        .map(|each| each.ended.0)
        .collect();
    assert_eq!(ended, [at("21:12:00"); 3]);
}

#[test]
fn a_host_that_starts_with_an_earlier_clock_is_seen_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let booted = at("00:00:00");
    let mut host = Host::start(folder.path(), "web1", "one", booted, at("20:40:00"));
    for second in (0..3_000).step_by(10) {
        let time = at("20:40:00") + second * 1_000;
        host.record(time, &[("203.0.113.9", 30)], Batch::default());
    }
    // The power went at 21:30; the clock of the hardware is an hour off.
    let mut host = host.again("two", at("20:32:40"), at("20:33:00"));
    let batch = Batch {
        gaps: vec![Gap {
            from_ms: at("21:29:50"),
            until_ms: at("20:33:00"),
            reason: GapReason::HostDown,
        }],
        ..Batch::default()
    };
    host.record(at("20:33:00"), &[], batch);
    drop(host);
    let report = told(folder);
    assert!(
        report.summary[3].contains("web1 started again at 20:33:00"),
        "{}",
        report.summary[3]
    );
    let last = report.hosts[0].gaps.last().unwrap();
    assert_eq!(
        (last.from.0, last.until.0),
        (at("21:29:50"), at("21:29:50"))
    );
    text::text(&report, Capabilities::PIPE);
    html::page(&report);
}

/// A clock that was set in between makes the host seem to have started while the agent before still wrote.
#[test]
fn a_host_does_not_start_before_the_run_before_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path(), "web1", "one", at("00:00:00"), at("21:00:00"));
    for second in (0..1_800).step_by(10) {
        let time = at("21:00:00") + second * 1_000;
        host.record(time, &[("203.0.113.9", 30)], Batch::default());
    }
    let mut host = host.again("two", at("21:10:00"), at("21:32:00"));
    host.record(at("21:32:00"), &[], Batch::default());
    drop(host);
    let report = told(folder);
    let marks = report.hosts[0].marks.iter();
    let starts: Vec<i64> = marks
        .filter(|mark| mark.kind == MarkKind::Reboot)
        .map(|mark| mark.time.0)
        .collect();
    assert_eq!(starts, [at("21:29:50")]);
}

#[test]
fn danger_is_not_counted_while_no_agent_ran() {
    let folder = tempfile::tempdir().unwrap();
    let attackers = [("203.0.113.9", 40)];
    let mut host = Host::start(
        folder.path(),
        "web1",
        "boot",
        at("00:00:00"),
        at("15:00:00"),
    );
    let mut of_night = incident(at("15:00:00"), &attackers);
    of_night.ended = Some(Time(at("15:01:00")).rfc3339());
    of_night.open = false;
    host.record(at("15:00:00"), &attackers, with_incident(of_night));
    for second in 1..=60 {
        let time = at("15:00:00") + second * 1_000;
        host.record(time, &attackers, Batch::default());
    }
    let mut host = host.again("boot", at("00:00:00"), at("22:00:00"));
    host.record(at("22:00:00"), &[], Batch::default());
    drop(host);
    let report = told(folder);
    assert!(
        (report.remedies.danger_seconds - 60.0).abs() < 1.0,
        "{}",
        report.remedies.danger_seconds
    );
}

#[test]
fn an_incident_that_nobody_saw_end_was_not_over_then() {
    let (report, _) = report_of(&[night("web1", |host| {
        let stands = incident(at("21:10:00"), &[("203.0.113.9", 40)]);
        host.record(
            at("21:10:00"),
            &[("203.0.113.9", 40)],
            with_incident(stands),
        );
        host.record(at("21:20:00"), &[("203.0.113.9", 40)], Batch::default());
    })]);
    let told = report.chronicle.iter();
    let told: Vec<_> = told.map(|entry| entry.text.as_str()).collect();
    assert!(
        !told.iter().any(|text| text.contains("was over")),
        "{told:?}"
    );
    let last = told.iter().find(|text| text.contains("Nobody saw it end"));
    let begin = "the record of incident 20261229T211000Z ends here: ";
    assert!(last.is_some_and(|text| text.starts_with(begin)), "{told:?}");
}

/// A week later, of an agent that has written ever since.
#[test]
fn a_quiet_span_names_the_newest_incident_of_another_time() {
    let week_ms = 7 * 24 * 3_600_000;
    let write = |host: &mut Host<'_>, incidents: &[&str]| {
        for began in incidents {
            let mut over = incident(at(began), &[("203.0.113.9", 40)]);
            over.ended = Some(Time(at(began) + 60_000).rfc3339());
            over.open = false;
            host.record(at(began), &[], with_incident(over));
        }
        host.record(at("22:00:00") + week_ms, &[], Batch::default());
    };
    let folders = [
        night("web1", |host| write(host, &["21:10:00", "21:20:00"])),
        night("web2", |host| write(host, &["21:15:00"])),
    ];
    let (report, _) = report_of(&folders);
    assert!(report.incidents.is_empty());
    let first = "Nothing that was recorded held up web1 and web2 from 2027-01-04 22:00:00 to \
                 2027-01-05 22:00:00 UTC: there was no incident; the newest that is recorded began \
                 2026-12-29 21:20:00 UTC on web1, and `detector report --incident 20261229T212000Z` \
                 tells of it.";
    assert_eq!(report.summary[0], first);
    assert_eq!(report.summary[4], "There is nothing to do about this time.");
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let json = serde_json::to_string(&report).unwrap();
    for told in [
        words(text::text(&report, Capabilities::PIPE)),
        html::page(&report),
        json,
    ] {
        assert!(
            told.contains("detector report --incident 20261229T212000Z"),
            "{told}"
        );
    }
    let none = told(night("web1", |host| write(host, &[])));
    assert!(none.summary[0].ends_with(": there was no incident."));
    assert_eq!(none.summary[4], "There is nothing to do.");
}
