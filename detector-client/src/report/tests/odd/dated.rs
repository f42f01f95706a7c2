//! What is known of a peer from another time than that of the report says so.

use super::{flag, made, night, text, wanted, with_incident};
use crate::report::model::{Report, Time};
use crate::report::tests::story::{Host, at, card, incident};
use crate::report::tests::{Wanted, abuse, html};
use crate::terminal::Capabilities;
use detector_api::snapshot::{Confidence, Verdict};
use detector_recorder::{Batch, OomKill};
use std::path::PathBuf;
use tempfile::TempDir;

const PEER: &str = "203.0.113.9";
/// Of the card, and when the peer was seen first.
const AS_OF: &str = "2026-12-29 21:05:00 UTC";
const SINCE: &str = "since 2026-12-29 21:00:00 UTC";

/// A card of this time, and an incident an hour later.
fn held(name: &str, carded: &str, confidence: Confidence) -> TempDir {
    night(name, |host| {
        let mut card = card(host.moment(at(carded)), PEER, 60);
        card.detail.assessment.confidence = Some(confidence);
        let cards = Batch {
            cards: vec![card],
            ..Batch::default()
        };
        host.record(at(carded), &[(PEER, 60)], cards);
        let mut incident = incident(at("22:10:00"), &[(PEER, 40)]);
        incident.ended = Some(Time(at("22:20:00")).rfc3339());
        incident.open = false;
        let event = flag(host, "22:10:00", PEER, Verdict::ZeroWindowAttack);
        let batch = Batch {
            events: vec![event],
            ..with_incident(incident)
        };
        host.record(at("22:20:01"), &[], batch);
    })
}

/// The report from this time on, its text, its page and the letter, each on one line.
fn told(folders: &[TempDir], since: &str) -> (Report, [String; 3]) {
    let paths: Vec<PathBuf> = folders.iter().map(|each| each.path().to_owned()).collect();
    let since = format!("2026-12-29T{since}Z");
    let wanted = Wanted {
        since: Some(&since),
        peer: Some("203.0.113.9/32".parse().unwrap()),
        ..wanted()
    };
    let (report, recordings) = made(&wanted, &paths);
    let letter = abuse::letter(&report, &recordings, PEER).unwrap();
    let texts = [
        text::text(&report, Capabilities::PIPE),
        html::page(&report),
        letter,
    ];
    let joined = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    (report, texts.map(joined))
}

#[test]
fn evidence_and_counts_of_another_time_are_dated_wherever_they_stand() {
    let folders = [held("web1", "21:05:00", Confidence::High)];
    let (report, texts) = told(&folders, "22:00:00");
    let peer = &report.peers[0];
    let evidence = || {
        let lines = peer.evidence_for.iter().chain(&peer.evidence_against);
        lines.chain(&peer.harmless_causes)
    };
    assert!(evidence().count() > 2, "{peer:?}");
    for line in evidence() {
        assert!(line.starts_with(&format!("As of {AS_OF}: ")), "{line}");
    }
    assert_eq!(peer.as_of, Some(Time(at("21:05:00"))));
    assert_eq!(peer.hosts[0].as_of, peer.as_of);
    for text in &texts {
        let counts =
            format!("as of {AS_OF}: 4 zero-window episodes, window taken back 6 times {SINCE};");
        assert!(text.contains(&counts), "{text}");
        let each = "60 stalled connections pin 48 MB";
        let dated = format!("As of {AS_OF}: {each}");
        assert_eq!(
            text.matches(each).count(),
            text.matches(&dated).count(),
            "{text}"
        );
    }
    let [text, page, _] = &texts;
    assert!(
        text.contains(&format!("confidence high as of {AS_OF}")),
        "{text}"
    );
    assert!(page.contains(&format!("Its worst connections, on web1 as of {AS_OF}")));
    let advice = report.steps.iter().filter(|step| step.what.contains("60 "));
    let advice: Vec<_> = advice.map(|step| &step.what).collect();
    assert!(!advice.is_empty());
    for what in advice {
        let begin = format!("As of {AS_OF}, because of {PEER}: ");
        let advised = what.strip_prefix(&begin);
        let goes_on = advised.is_some_and(|what| what.starts_with(char::is_lowercase));
        assert!(goes_on, "{what}");
    }
    // Of the span itself: counted for longer, but not dated.
    let (_, texts) = told(&folders, "21:01:00");
    for text in &texts {
        assert!(!text.contains(&format!("s of {AS_OF}")), "{text}");
        assert!(text.contains(SINCE), "{text}");
    }
    let (_, texts) = told(&folders, "20:59:00");
    for text in &texts {
        assert!(!text.contains(SINCE), "{text}");
    }
}

#[test]
fn the_card_of_the_span_comes_before_a_surer_one_of_another_time() {
    let folders = [
        held("web1", "21:05:00", Confidence::High),
        held("web2", "22:15:00", Confidence::Low),
    ];
    let (report, _) = told(&folders, "22:00:00");
    let peer = &report.peers[0];
    assert_eq!((peer.confidence, peer.as_of), (Some(Confidence::Low), None));
    let as_of: Vec<_> = peer.hosts.iter().map(|host| host.as_of).collect();
    assert_eq!(as_of, [Some(Time(at("21:05:00"))), None]);
}

#[test]
fn what_a_peer_was_taken_for_later_is_not_laid_to_an_earlier_span() {
    let folder = night("web1", |host| {
        for (clock, verdict) in [
            ("21:10:00", Verdict::SlowClient),
            ("22:30:00", Verdict::ZeroWindowAttack),
        ] {
            let event = flag(host, clock, PEER, verdict);
            let events = Batch {
                events: vec![event],
                ..Batch::default()
            };
            host.record(at(clock), &[(PEER, 3)], events);
        }
    });
    for (until, verdict) in [
        ("22:00:00", Verdict::SlowClient),
        ("22:40:00", Verdict::ZeroWindowAttack),
    ] {
        let until = format!("2026-12-29T{until}Z");
        let wanted = Wanted {
            until: Some(&until),
            ..wanted()
        };
        let (report, _) = made(&wanted, &[folder.path().to_owned()]);
        assert_eq!(report.peers[0].verdict, Some(verdict), "until {until}");
    }
}

/// Two incidents, with a kill and a start of the host, on two days.
#[test]
fn times_of_a_span_of_several_days_have_a_day() {
    let day_ms = 24 * 3_600_000;
    let folder = tempfile::tempdir().unwrap();
    let booted = at("00:00:00");
    let mut host = Host::start(folder.path(), "web1", "one", booted, at("21:00:00"));
    let held = |host: &mut Host<'_>, began: i64| {
        let mut held = incident(began, &[(PEER, 40)]);
        held.ended = Some(Time(began + 20_000).rfc3339());
        held.open = false;
        for second in 0..20 {
            let more = match second {
                0 => with_incident(held.clone()),
                _ => Batch::default(),
            };
            host.record(began + second * 1_000, &[(PEER, 40)], more);
        }
        host.record(began + 20_000, &[], Batch::default());
    };
    held(&mut host, at("21:10:00"));
    let killed = OomKill {
        pid: Some(9),
        name: Some("nginx".to_owned()),
        ..OomKill::default()
    };
    let kill = host.kill(at("21:20:12"), killed);
    host.record(at("21:20:12"), &[], kill);
    let started = at("08:12:00") + day_ms;
    let mut host = host.again("two", started, started + 20_000);
    held(&mut host, at("08:30:00") + day_ms);
    drop(host);
    let now = Time(at("22:00:00") + day_ms);
    let report = |until| {
        let wanted = Wanted {
            since: Some("2026-12-29T20:00:00Z"),
            until: Some(until),
            now,
            ..wanted()
        };
        made(&wanted, &[folder.path().to_owned()]).0
    };
    let both = report("2026-12-30T09:00:00Z");
    let outcome = &both.summary[3];
    for words in [
        "on web1 at 2026-12-29 21:20:12 UTC",
        "web1 started again at 2026-12-30 08:12:00 UTC.",
    ] {
        assert!(outcome.contains(words), "{outcome}");
    }
    let text = text::text(&both, Capabilities::PIPE);
    // The worst moment is of the day before.
    assert!(text.contains("40 s  12-30 08:30  "), "{text}");
    let heading = "WHAT IT MAY HAVE BEEN, ON WEB1 FROM 2026-12-30 08:30:00 UTC";
    assert!(text.contains(heading), "{text}");
    // On one day a time is enough.
    let one = report("2026-12-29T23:00:00Z");
    assert!(
        one.summary[3].contains("on web1 at 21:20:12"),
        "{}",
        one.summary[3]
    );
    let text = text::text(&one, Capabilities::PIPE);
    assert!(text.contains("20 s  21:10:20  "), "{text}");
}
