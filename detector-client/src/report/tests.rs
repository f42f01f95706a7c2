//! The story of the design, from recorders on disk to text, page and JSON. After a change of words that
//! is meant, run the tests with `DETECTOR_BLESS=1` and read the difference.

mod danger;
mod hostile;
mod odd;
mod stepped;
mod story;

use super::build::{Wanted, build};
use super::model::{MarkKind, Report, Time};
use super::recording::{Recording, Source};
use super::{abuse, html, text};
use crate::terminal::Capabilities;
use detector_recorder::Span;
use ipnet::IpNet;
use rustix::time::{ClockId, clock_gettime};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) use story::{card, quiet_recording};

const PLAIN: Capabilities = Capabilities::PIPE;

/// Some minutes after the night.
fn wanted<'a>() -> Wanted<'a> {
    Wanted {
        since: None,
        until: None,
        incident: None,
        peer: None,
        now: Time(story::at("22:45:00")),
    }
}

fn made(wanted: &Wanted<'_>, paths: &[PathBuf]) -> (Report, Vec<Recording>) {
    let sources = Source::open_all(paths).unwrap();
    let (mut report, recordings) = build(sources, wanted).unwrap();
    // Folders of tests have names of chance.
    for host in &mut report.hosts {
        host.file = format!("{}.db", host.host);
    }
    (report, recordings)
}

fn night() -> Report {
    let wanted = Wanted {
        since: Some("2026-12-29T20:55:00Z"),
        ..wanted()
    };
    made(&wanted, story::hosts()).0
}

fn expect_golden(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/report/golden")
        .join(format!("{name}.txt"));
    if std::env::var_os("DETECTOR_BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        text == golden,
        "{} differs, now it is:\n{text}",
        file.display()
    );
}

#[test]
fn the_night_of_two_hosts_is_told() {
    expect_golden("night", &text::text(&night(), PLAIN));
}

#[test]
fn the_operator_of_a_network_gets_a_letter() {
    let peer: IpNet = "203.0.113.9/32".parse().unwrap();
    let wanted = Wanted {
        peer: Some(peer),
        ..wanted()
    };
    let (report, recordings) = made(&wanted, story::hosts());
    assert_eq!(report.peers.len(), 1);
    let letter = abuse::letter(&report, &recordings, "203.0.113.9").unwrap();
    expect_golden("abuse", &letter);
    let mut held_nothing = report;
    for host in held_nothing
        .peers
        .iter_mut()
        .flat_map(|peer| &mut peer.hosts)
    {
        (host.peak_stalled_connections, host.peak_pinned_bytes) = (0, 0);
    }
    let letter = abuse::letter(&held_nothing, &recordings, "203.0.113.9").unwrap();
    assert!(letter.starts_with("Subject: 203.0.113.9 as our servers saw it, "));
    assert!(!letter.contains("At worst"), "{letter}");
    let stranger = Wanted {
        peer: Some("192.0.2.200/32".parse().unwrap()),
        ..wanted
    };
    let (report, recordings) = made(&stranger, story::hosts());
    let failure = abuse::letter(&report, &recordings, "192.0.2.200").unwrap_err();
    assert!(
        failure.to_string().contains("nothing is recorded of it"),
        "{failure}"
    );
}

/// Rows stay in the order in which they were written; each step is told once, with its size.
#[test]
fn a_clock_that_was_set_is_told_and_mixes_nothing_up() {
    let folder = stepped::stepped();
    let wanted = Wanted {
        now: Time(story::at("23:45:00")),
        ..wanted()
    };
    let (report, recordings) = made(&wanted, &[folder.path().to_owned()]);
    let seconds = recordings[0].seconds.iter();
    let stalled: Vec<_> = seconds
        .map(|second| second.host.stalled_connections)
        .collect();
    assert!(stalled.is_sorted() && stalled.len() > 100, "{stalled:?}");
    assert_eq!(report.clocks.len(), 2, "{:?}", report.clocks);
    for (told, words) in report.clocks.iter().zip([
        "was set forwards by 1h 0m at 2026-12-29 22:30:00 UTC",
        "was set back by 2h 30m at 2026-12-29 20:30:00 UTC",
    ]) {
        assert!(told.contains(words), "{told}");
    }
    // An hour that never came was not seen, one that came twice was.
    let gaps = &report.hosts[0].gaps;
    let lasted: Vec<_> = gaps.iter().map(|gap| gap.until.0 - gap.from.0).collect();
    assert_eq!(lasted, [3_610_000, 0]);
    let text = text::text(&report, PLAIN);
    assert!(
        text.contains("2026-12-29 20:30:00 UTC: the clock was set."),
        "{text}"
    );
    assert!(!html::page(&report).contains("NaN"));
}

/// A quiet day has a report too.
#[test]
fn a_quiet_span_says_so() {
    let wanted = Wanted {
        since: Some("2026-12-29T20:40:00Z"),
        until: Some("2026-12-29T20:50:00Z"),
        ..wanted()
    };
    let (report, _) = made(&wanted, story::hosts());
    let text = text::text(&report, PLAIN);
    assert!(text.contains("there was no incident"), "{text}");
    assert!(text.contains("Nothing: no peer held enough"), "{text}");
    assert!(!html::page(&report).contains("NaN"));
}

#[test]
fn what_the_story_asks_for_is_in_it() {
    let report = night();
    assert_eq!(report.summary.len(), 5);
    let first: Vec<_> = report.peers.iter().map(|peer| peer.peer.as_str()).collect();
    // Those that held both come first, although another held more of one.
    assert_eq!(
        first[..2],
        ["203.0.113.9", "2001:db8:bad::/64"],
        "{first:?}"
    );
    assert_eq!(first[2], "198.51.100.99");
    let marks = &report.hosts[0].marks;
    for kind in [MarkKind::OomKill, MarkKind::Reboot] {
        assert!(marks.iter().any(|mark| mark.kind == kind), "{marks:?}");
    }
    let reasons = report.hosts.iter().flat_map(|host| &host.gaps);
    let reasons: Vec<_> = reasons.map(|gap| gap.reason.as_str()).collect();
    assert_eq!(reasons, ["host-down", "killed"]);
    assert!(
        report.clocks.iter().any(|clock| clock.contains("41 s")),
        "{:?}",
        report.clocks
    );
    assert!(report.peers[0].windows.len() >= 2);
    let remedies = &report.remedies;
    let limits: Vec<_> = remedies
        .limits
        .iter()
        .map(|each| each.ended_connections)
        .collect();
    assert!(
        limits.is_sorted_by(|a, b| a >= b) && limits[0] > limits[3],
        "{limits:?}"
    );
    let timeouts: Vec<_> = remedies
        .timeouts
        .iter()
        .map(|each| each.honest_connections)
        .collect();
    assert!(timeouts.is_sorted_by(|a, b| a >= b), "{timeouts:?}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["hosts"][0]["host"], "web1");
    assert!(json["span"]["from"].as_str().unwrap().ends_with('Z'));
    let points = json["hosts"][0]["timeline"].as_array().unwrap();
    let held = |point: &serde_json::Value| point["tcp_memory_held"]["stalled_send"].as_u64();
    assert!(points.iter().any(|point| held(point) > Some(100_000_000)));
    let who = "send queues of stalled connections";
    for shown in [text::text(&report, PLAIN), html::page(&report)] {
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, line) = shown.split_once("who held the memory of TCP at ").unwrap();
        let (line, _) = line.split_once(who).unwrap();
        assert!(line.len() < 60, "{line}");
    }
}

#[test]
fn the_card_of_a_peer_ends_with_what_would_have_helped_against_it() {
    let web1 = &story::hosts()[0];
    let helped = super::helped(web1, "203.0.113.9", PLAIN).unwrap();
    assert!(helped.starts_with("\nWHAT WOULD HAVE HELPED\n"), "{helped}");
    let joined = helped.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        joined.contains("(60 stalled connections, 253 MB)"),
        "{helped}"
    );
    assert!(joined.contains("limit 50 each 10 42 MB"), "{helped}");
    assert_eq!(super::helped(web1, "192.0.2.200", PLAIN).unwrap(), "");
    assert!(super::helped(Path::new("/nowhere"), "203.0.113.9", PLAIN).is_err());
}

#[test]
fn an_incident_is_reported_with_what_lies_around_it() {
    let wanted = Wanted {
        incident: Some("last"),
        ..wanted()
    };
    let (report, _) = made(&wanted, story::hosts());
    let id = report.span.incident.clone().unwrap();
    let again = Wanted {
        incident: Some(&id),
        ..wanted
    };
    let (again, _) = made(&again, story::hosts());
    assert_eq!(again.span.from, report.span.from);
    let unknown = Wanted {
        incident: Some("20000101T000000Z"),
        ..wanted
    };
    let sources = Source::open_all(story::hosts()).unwrap();
    let failure = build(sources, &unknown)
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("is not recorded") && failure.contains(&id),
        "{failure}"
    );
}

/// Time of the processor that this thread has had: other tests run beside it.
pub(super) fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap();
    Duration::new(now.tv_sec.unsigned_abs(), nanoseconds)
}

/// The numbers of the issue, in a build that is not even optimised.
#[test]
fn a_day_with_fifty_incidents_is_reported_at_once() {
    let paths = story::hosts();
    let wanted = Wanted {
        since: Some("2026-12-28T21:00:00Z"),
        ..wanted()
    };
    let began = thread_time();
    let (report, _) = made(&wanted, &paths[..1]);
    let page = html::page(&report);
    let took = thread_time() - began;
    assert!(report.incidents.len() >= 50, "{}", report.incidents.len());
    assert!(page.len() <= 5 << 20, "{} bytes", page.len());
    assert!(took <= Duration::from_secs(2), "{took:?}");
}

/// The recorder of somebody who means harm: every string and number of it is hostile.
#[test]
fn nothing_of_a_hostile_recorder_breaks_out() {
    let folder = hostile::hostile();
    let sources = Source::open_all(&[folder.path().to_owned()]).unwrap();
    let (report, recordings) = build(sources, &wanted()).unwrap();
    assert!(!report.peers.is_empty() && !report.chronicle.is_empty());
    let page = html::page(&report);
    for evil in [
        "<script",
        "<img",
        "\"onload",
        "javascript:x\"",
        "NaN",
        "inf\"",
    ] {
        assert!(!page.contains(evil), "{evil}");
    }
    assert_eq!(page.matches("<style>").count(), 1);
    let json = serde_json::to_string(&report).unwrap();
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
    let letter = abuse::letter(&report, &recordings, "it").unwrap();
    for text in [text::text(&report, PLAIN), page, json, letter] {
        let is_bad = |each: char| each.is_control() && each != '\n' || each == '\u{202e}';
        assert!(!text.contains(is_bad), "{text}");
    }
}

#[test]
fn two_recorders_of_one_host_are_told_apart_and_one_is_read_once() {
    let web1 = &story::hosts()[0];
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(web1, copy.path().join("recorder.db")).unwrap();
    let paths = [web1.clone(), web1.clone(), copy.path().to_owned()];
    let sources = Source::open_all(&paths).unwrap();
    let names: Vec<_> = sources.iter().map(|source| source.host.as_str()).collect();
    assert_eq!(names, ["web1", "web1 (2)"]);
}

#[test]
fn what_is_no_recorder_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let failure = Source::open_all(&[folder.path().to_owned()])
        .err()
        .unwrap()
        .to_string();
    assert!(
        failure.contains("there is no recorder at") && failure.contains("hint:"),
        "{failure}"
    );
    let file = folder.path().join("other");
    std::fs::write(&file, "<html>").unwrap();
    let failure = Source::open_all(&[file]).err().unwrap().to_string();
    assert!(failure.contains("is not a recorder"), "{failure}");
}

/// Writes pages where `cargo xtask browse` wants to look at them.
#[test]
fn pages_to_look_at() {
    let Some(folder) = std::env::var_os("DETECTOR_PAGES") else {
        return;
    };
    let folder = Path::new(&folder);
    std::fs::write(folder.join("night.html"), html::page(&night())).unwrap();
    let (day, _) = made(&wanted(), story::hosts());
    std::fs::write(folder.join("day.html"), html::page(&day)).unwrap();
    let harmful = hostile::hostile();
    let (hostile, _) = made(&wanted(), &[harmful.path().to_owned()]);
    std::fs::write(folder.join("hostile.html"), html::page(&hostile)).unwrap();
}

#[test]
fn a_span_outside_of_the_record_is_no_failure() {
    let wanted = Wanted {
        since: Some("2020-01-01T00:00:00Z"),
        until: Some("2020-01-02T00:00:00Z"),
        ..wanted()
    };
    let (report, recordings) = made(&wanted, story::hosts());
    assert!(
        recordings
            .iter()
            .all(|recording| recording.seconds.is_empty())
    );
    assert!(text::text(&report, PLAIN).contains("nothing is recorded before"));
    html::page(&report);
    assert_eq!(
        recordings[0].span,
        Span {
            from_ms: report.span.from.0,
            until_ms: report.span.until.0,
        }
    );
}
