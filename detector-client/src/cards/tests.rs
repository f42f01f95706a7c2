//! Golden cards. After a change of words that is meant, run the tests with
//! `DETECTOR_BLESS=1` and read the difference.

mod cases;
mod incidents;

use super::{Subject, peer_card};
use crate::layout::width_of;
use crate::terminal::Capabilities;
use detector_api::snapshot::{
    Advice, BenignCause, Change, Condition, Considered, Evidence, FlagKind, HeldWorkers, Outcome,
    Process, StandingFlag, Thresholds, Verdict,
};
use std::path::Path;

fn plain(width: usize) -> Capabilities {
    Capabilities {
        width: Some(width),
        ..Capabilities::PIPE
    }
}

fn expect_golden(name: &str, subject: &Subject) {
    let text = peer_card(subject, plain(80));
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/cards/golden")
        .join(format!("{name}.txt"));
    if std::env::var_os("DETECTOR_BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap();
    assert!(
        text == golden,
        "{} differs, now it is:\n{text}",
        file.display()
    );
}

#[test]
fn a_zero_window_hoard() {
    expect_golden("zero-window-hoard", &cases::zero_window_hoard());
}

#[test]
fn a_card_of_the_past_says_of_when_it_is() {
    let mut subject = cases::zero_window_hoard();
    subject.recorded = Some("2026-12-29T21:04:05.123Z".to_owned());
    subject.now_unix_ns += 7 * 86_400_000_000_000;
    expect_golden("recorded", &subject);
    let text = peer_card(&subject, plain(80));
    assert!(!text.contains(" now;") && !text.contains("NOW"), "{text}");
}

#[test]
fn a_peer_that_takes_back_window_over_data_in_flight() {
    expect_golden("treason", &cases::treason());
}

#[test]
fn many_dribblers() {
    expect_golden("dribble", &cases::dribble());
}

#[test]
fn a_slow_client_with_its_harmless_causes() {
    expect_golden("slow-client", &cases::slow_client());
}

#[test]
fn a_peer_that_vanished() {
    expect_golden("vanished", &cases::vanished());
}

#[test]
fn a_hoard_of_orphans() {
    expect_golden("orphans", &cases::orphans());
}

/// Its past stands against it, but nobody knows any more who else is there.
#[test]
fn no_block_is_offered_of_an_address_that_others_may_share() {
    let mut subject = cases::zero_window_hoard();
    assert!(peer_card(&subject, plain(80)).contains("detector block"));
    let advice = &mut subject.page.detail.assessment.advice;
    advice.retain(|each| !matches!(each, Advice::LimitConnections { .. }));
    let text = peer_card(&subject, plain(80));
    assert!(!text.contains("detector block"), "{text}");
    assert!(text.contains("detector reset"), "{text}");
}

#[test]
fn a_trusted_network_gets_the_path() {
    let subject = cases::trusted();
    expect_golden("trusted", &subject);
    let text = peer_card(&subject, plain(80));
    assert!(!text.contains("attack"), "{text}");
    assert!(text.contains("341 receive errors"), "{text}");
}

#[test]
fn thresholds_are_those_in_force() {
    let mut subject = cases::zero_window_hoard();
    subject.status.thresholds = Some(Thresholds {
        stall_after_seconds: 12.0,
        dribble_floor_bytes_per_second: 900,
        dribble_over_seconds: 45.0,
        hoard_connections: 31,
        hoard_bytes: 100_000_000,
    });
    let text = peer_card(&subject, plain(200));
    assert!(text.contains("`stall_after` = 12"), "{text}");
    assert!(text.contains("a hoard from 31 connections"), "{text}");
    assert!(text.contains("a hoard from 100 MB"), "{text}");
}

/// A recorder of an older version does not keep them.
#[test]
fn thresholds_that_are_not_known_are_named() {
    let mut subject = cases::zero_window_hoard();
    subject.recorded = Some("2026-12-29T21:04:05.123Z".to_owned());
    subject.status.thresholds = None;
    let flags = &mut subject.page.detail.peer.flags;
    let first = flags[0].clone();
    *flags = FlagKind::ALL
        .into_iter()
        .map(|kind| StandingFlag {
            kind,
            ..first.clone()
        })
        .collect();
    let text = peer_card(&subject, plain(200));
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    for said in [
        ">= `stall_after` (not recorded)",
        "the floor is `dribble_floor` (not recorded) over `dribble_over` (not recorded)",
        "a hoard from `hoard_connections` (not recorded)",
        "a hoard from `hoard_bytes` (not recorded)",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn lines_fit_the_width_and_colours_change_no_word() {
    for subject in cases::all() {
        for width in [40, 60, 80, 110] {
            let text = peer_card(&subject, plain(width));
            for line in text.lines() {
                // Lines to copy stay whole.
                let is_verbatim = line.starts_with("        ") && !line.starts_with("         ");
                assert!(is_verbatim || width_of(line) <= width, "{width}: {line}");
            }
            let coloured = Capabilities {
                has_colours: true,
                ..plain(width)
            };
            let coloured = peer_card(&subject, coloured);
            assert!(coloured.contains('\u{1b}'));
            assert_eq!(without_colours(&coloured), text);
        }
    }
}

fn without_colours(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        text + piece.split_once('m').map_or(piece, |(_, rest)| rest)
    })
}

#[test]
fn every_code_has_words() {
    let mut subject = cases::zero_window_hoard();
    let assessment = &mut subject.page.detail.assessment;
    assessment.evidence_for = Evidence::samples();
    assessment.would_change = Condition::samples()
        .into_iter()
        .map(|condition| Change {
            condition,
            verdict: Some(Verdict::Benign),
        })
        .collect();
    assessment.advice = Advice::samples();
    assessment.considered = BenignCause::samples()
        .into_iter()
        .map(|cause| Considered {
            cause,
            outcome: Outcome::Possible,
        })
        .collect();
    subject.page.detail.connections.clear();
    subject.page.detail.peer.flags = FlagKind::ALL
        .into_iter()
        .map(|kind| StandingFlag {
            kind,
            since: "2026-12-29T21:00:00Z".to_owned(),
            connections: 1,
        })
        .collect();
    for has_events in [false, true] {
        subject.page.events = FlagKind::ALL
            .into_iter()
            .filter(|_| has_events)
            .map(|kind| detector_api::fixtures::event(1, kind, &[]))
            .collect();
        let text = peer_card(&subject, plain(80));
        for kind in FlagKind::ALL {
            assert!(text.contains(kind.label()), "{text}");
        }
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}

/// A hostile agent can send any number, and one of another version any code.
#[test]
fn no_number_and_no_code_breaks_the_card() {
    let whole = serde_json::to_value(&cases::zero_window_hoard().page).unwrap();
    for number in ["-1", "0.5", "1e308", "18446744073709551615", "null"] {
        let mut page = whole.clone();
        let number: serde_json::Value = serde_json::from_str(number).unwrap();
        for list in ["evidence_for", "advice", "would_change", "considered"] {
            let items = page["assessment"][list].as_array_mut().unwrap();
            for item in items {
                let numbers = item["numbers"].as_object_mut().unwrap();
                let is_null = number.is_null();
                numbers.retain(|_, _| !is_null);
                numbers.values_mut().for_each(|each| *each = number.clone());
            }
        }
        let mut subject = cases::zero_window_hoard();
        subject.page = serde_json::from_value(page).unwrap();
        let text = peer_card(&subject, plain(80));
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
    let mut page = whole;
    let stranger = serde_json::json!({ "code": "sings-at-noon", "numbers": { "sung_bytes": 7 } });
    page["assessment"]["evidence_for"][0] = stranger.clone();
    page["assessment"]["advice"][0] = stranger;
    let mut subject = cases::zero_window_hoard();
    subject.page = serde_json::from_value(page).unwrap();
    let text = peer_card(&subject, plain(80));
    assert!(text.contains("sings-at-noon (sung_bytes 7 B)"), "{text}");
}

#[test]
fn every_code_is_on_the_page() {
    let page = include_str!("../../../docs/explain.md");
    let codes = Evidence::CODES
        .into_iter()
        .chain(BenignCause::CODES)
        .chain(Outcome::LABELS)
        .chain(Condition::CODES)
        .chain(Advice::CODES);
    for code in codes {
        assert!(page.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn a_name_cannot_break_out_of_its_line() {
    // Strings are sanitized where the agent's answer comes in; width is all that is left.
    let mut subject = cases::slow_client();
    let process = Process {
        pid: 7,
        comm: "漢".repeat(60),
        unit: Some("x".repeat(300)),
        executable: None,
        thread: None,
    };
    subject.page.detail.peer.processes = vec![process];
    let text = peer_card(&subject, plain(80));
    assert!(text.lines().all(|line| width_of(line) <= 80), "{text}");
}

#[test]
fn the_connection_that_was_asked_for_comes_first() {
    let mut subject = cases::zero_window_hoard();
    let last = subject
        .page
        .detail
        .connections
        .last()
        .unwrap()
        .remote
        .clone();
    subject.asked = Some(last.parse().unwrap());
    let text = peer_card(&subject, plain(80));
    let table = text.split("REMOTE").nth(1).unwrap();
    assert!(table.lines().nth(1).unwrap().contains(&last), "{text}");
    subject.asked = Some("203.0.113.9:1".parse().unwrap());
    let text = peer_card(&subject, plain(80));
    assert!(text.contains("not among them any more"), "{text}");
}

#[test]
fn owners_of_closed_connections_are_told_as_such() {
    let mut subject = cases::zero_window_hoard();
    let closed = "Its connections are closed; they belonged to:";
    assert!(!peer_card(&subject, plain(80)).contains(closed));
    let first = subject.page.detail.peer.processes[0].comm.clone();
    subject.page.detail.connections.clear();
    let text = peer_card(&subject, plain(80));
    let owners = text.split(closed).nth(1).unwrap();
    assert!(owners.trim_start().starts_with(&first), "{text}");
}

#[test]
fn of_an_event_loop_it_is_said_what_can_be_said() {
    let mut subject = cases::zero_window_hoard();
    let process = subject.page.detail.peer.processes[0].clone();
    subject.status.held_workers = vec![HeldWorkers {
        service: process.unit.unwrap_or(process.comm),
        held: None,
        total: 5,
        stalled_connections: 100,
        memory: None,
    }];
    let text = peer_card(&subject, plain(80));
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    let longest = detector_api::units::seconds(725.0);
    let said = format!("100 connections stalled, of this peer the longest for {longest}.");
    assert!(text.contains(&said), "{said}: {text}");
    assert!(text.contains("does not show"), "{text}");
    assert!(!text.contains("sleep in a write to peers"), "{text}");
}
