//! Cards of peers that the agent does not know.

use super::{live, nearest};
use crate::commands::fake_agent::answering;
use detector_api::address::network_of;
use detector_recorder::fixtures::{WORST, night};

#[test]
fn the_nearest_peer_is_of_the_same_neighbourhood() {
    let known = [
        "203.0.113.200",
        "203.0.113.8",
        "198.51.100.7",
        "2001:db8:1::/64",
    ];
    let near = |text| nearest(network_of(text).unwrap(), known.into_iter());
    assert_eq!(near("203.0.113.7"), Some("203.0.113.8"));
    assert_eq!(near("198.51.1.1"), Some("198.51.100.7"));
    assert_eq!(near("192.0.2.1"), None);
    assert_eq!(near("2001:db8:2::1"), Some("2001:db8:1::/64"));
    assert_eq!(near("2a00::1"), None);
}

/// The agent of a host that was started again, with the recorder in `state`.
fn of_agent_with(state: &str, peer: &str, json: bool) -> Result<String, String> {
    let status =
        format!(r#"{{"recorder":{{"file":"{state}/recorder.db","bytes":1,"failure":null}}}}"#);
    let agent = answering(move |target| match target {
        "/v1/status" => (200, status.clone()),
        target if target.starts_with("/v1/peers?") => (200, "[]".to_owned()),
        _ => (
            404,
            r#"{"error":"the agent does not track this peer"}"#.to_owned(),
        ),
    });
    let mut told = String::new();
    let mut tell = |text: &str| {
        told.push_str(text);
        Ok(())
    };
    live(agent.socket(), peer.parse().unwrap(), json, &mut tell)
        .map(|()| told)
        .map_err(|failure| failure.to_string())
}

#[test]
fn a_peer_from_before_the_agent_started_is_told_from_its_recorder() {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path()).unwrap();
    let state = folder.path().to_str().unwrap();
    let card = of_agent_with(state, WORST, false).unwrap();
    let dated = "All this is as it was recorded 2026-12-29 21:02:00 UTC";
    assert!(card.starts_with(dated), "{card}");
    assert!(card.contains("WHAT WOULD HAVE HELPED"), "{card}");
    // JSON has no date: whoever asks an agent for it gets nothing old for new.
    let refused = of_agent_with(state, WORST, true).unwrap_err();
    let hint = format!("`detector explain {WORST} --state-dir {state}`");
    assert!(refused.contains(&hint), "{refused}");
    assert!(
        refused.contains("the agent does not track this peer"),
        "{refused}"
    );
    // Nobody knows it.
    let unknown = of_agent_with(state, "192.0.2.200", false).unwrap_err();
    assert!(
        unknown.contains("it tracks none") && !unknown.contains("--state-dir"),
        "{unknown}"
    );
    assert!(
        unknown.contains("nor has its recorder a card of it"),
        "{unknown}"
    );
    // It cannot be read, as by somebody who may not.
    let unread = of_agent_with("/nowhere", WORST, false).unwrap_err();
    let hint = format!("`detector explain {WORST} --state-dir /nowhere`");
    assert!(unread.contains(&hint), "{unread}");
}
