//! Words for what the agent says: codes and numbers in, sentences out. Pure.
//!
//! Here an event in one readable line, for the log and for `detector events`; in the modules below
//! the sentences of an evidence card. Every `match` on a code is exhaustive, so that a new code
//! does not compile before it has its words.

mod action;
mod advice;
mod benign;
mod change;
mod evidence;
mod figures;
mod incident;
mod rule;
mod verdict;

pub use action::{block_summary, owner, reset_failures, reset_summary};
pub use advice::{Circumstances, Servers, Setting, Step, advice, workers};
pub use benign::{considered, outcome};
pub use change::change;
pub use evidence::evidence;
pub use figures::counted;
pub use incident::{incident_end, incident_kinds, incident_over};
pub use rule::{rule, source};
pub use verdict::{meaning as verdict_meaning, sentence as verdict};

use crate::address::network_of;
use crate::snapshot::{Event, EventType, FlagKind};
use crate::units;
use ipnet::IpNet;

/// `198.51.100.7: zero window for 5.0 s on 192.0.2.1:80, 4.2 MB pinned (zero-window-stall, sweep)`
pub fn event_line(event: &Event) -> String {
    let evidence = |name: &str| {
        event
            .evidence
            .get(name)
            .map(|number| units::measure(name, *number))
    };
    let mut line = format!("{}: {}", event.peer, what(event));
    if let Some(local) = &event.local {
        line += &format!(" on {local}");
    }
    let pinned = event.evidence.get("pinned_bytes").copied();
    if let Some(pinned) = pinned.filter(|bytes| *bytes > 0.0) {
        let pinned = units::measure("pinned_bytes", pinned);
        line += &format!(", {pinned} pinned");
    }
    if let Some(connections) = evidence("stalled_connections") {
        line += &format!(", {connections} connections stalled");
    }
    let mut notes = vec![event.kind.label()];
    notes.extend(event.verdict.map(|verdict| verdict.label()));
    notes.push(event.source.label());
    line + &format!(" ({})", notes.join(", "))
}

fn what(event: &Event) -> String {
    let evidence = |name: &str| {
        event
            .evidence
            .get(name)
            .map(|number| units::measure(name, *number))
    };
    let lasted = evidence("stalled_seconds").map_or(String::new(), |span| format!(" for {span}"));
    match event.event {
        EventType::Episode => {
            let lasted = evidence("episode_seconds");
            return lasted.map_or("zero window ended".to_owned(), |span| {
                format!("zero window ended after {span}")
            });
        }
        EventType::Cleared => return format!("{} is over", event.kind.label().replace('-', " ")),
        EventType::Flag => {}
    }
    match event.kind {
        FlagKind::WindowShrink => match evidence("retracted_bytes") {
            Some(bytes) => format!("took back {bytes} of window it had offered"),
            None => "took back window it had offered".to_owned(),
        },
        FlagKind::ZeroWindowStall => format!("zero window{lasted}"),
        FlagKind::SmallWindowStall => format!("window too small for the next segment{lasted}"),
        FlagKind::Dribble => match evidence("drain_bytes_per_second") {
            Some(pace) => format!("reads only {pace}"),
            None => "reads at a dribble".to_owned(),
        },
        FlagKind::Unanswered => match evidence("drain_bytes_per_second") {
            Some(pace) => format!("acknowledges only {pace}{lasted}"),
            None => format!("no answer{lasted}"),
        },
        FlagKind::TinyWindow => "never offered more than a tiny window".to_owned(),
        FlagKind::StallHoard => format!("hoards stalled connections{}", company(event)),
    }
}

/// With whom a peer hoards: its network, and others alike.
fn company(event: &Event) -> String {
    let evidence = |name: &str| {
        let number = event.evidence.get(name);
        number.map(|number| units::measure(name, *number))
    };
    let network = network_around(&event.peer).map(|network| network.to_string());
    let groups = [
        (
            "network",
            network.unwrap_or_else(|| "its network".to_owned()),
        ),
        ("alike", "any network that behave alike".to_owned()),
    ];
    let mut text = String::new();
    for (group, name) in groups {
        let peers = evidence(&format!("{group}_peers"));
        let connections = evidence(&format!("{group}_connections"));
        if let Some((peers, connections)) = peers.zip(connections) {
            text += &format!(", one of {peers} peers of {name}, {connections} in all");
        }
    }
    text
}

/// The `/24` or `/64` of a peer.
fn network_around(peer: &str) -> Option<IpNet> {
    let address = network_of(peer)?.addr();
    let length = if address.is_ipv4() { 24 } else { 64 };
    IpNet::new(address, length)
        .ok()
        .map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::event_line;
    use crate::fixtures::event;
    use crate::snapshot::{EventType, FlagKind};

    #[test]
    fn a_stall_is_told_in_one_line() {
        let event = event(
            1,
            FlagKind::ZeroWindowStall,
            &[("stalled_seconds", 5.0), ("pinned_bytes", 4_220_292.0)],
        );
        assert_eq!(
            event_line(&event),
            "198.51.100.7: zero window for 5.0 s on 192.0.2.1:80, 4.2 MB pinned \
             (zero-window-stall, sweep)"
        );
    }

    #[test]
    fn an_episode_tells_its_own_length_and_a_dribble_its_pace() {
        let numbers = [("episode_seconds", 7.9), ("stalled_seconds", 900.0)];
        let mut episode = event(1, FlagKind::ZeroWindowStall, &numbers);
        episode.event = EventType::Episode;
        assert!(event_line(&episode).contains("zero window ended after 7.9 s"));
        let pace = [("drain_bytes_per_second", 120.0)];
        let dribble = event(1, FlagKind::Dribble, &pace);
        assert!(event_line(&dribble).contains("reads only 120 B/s"));
    }

    #[test]
    fn a_hoard_names_those_it_is_held_with() {
        let network = [("network_peers", 6.0), ("network_connections", 21.0)];
        let line = event_line(&event(1, FlagKind::StallHoard, &network));
        let expected = "hoards stalled connections, one of 6 peers of 198.51.100.0/24, 21 in all";
        assert!(line.contains(expected), "{line}");
        let alike = [("alike_peers", 24.0), ("alike_connections", 24.0)];
        let line = event_line(&event(1, FlagKind::StallHoard, &alike));
        let expected = "one of 24 peers of any network that behave alike, 24 in all";
        assert!(line.contains(expected), "{line}");
        let alone = event_line(&event(1, FlagKind::StallHoard, &[]));
        assert!(alone.contains("hoards stalled connections on"), "{alone}");
    }

    #[test]
    fn every_kind_reads_well_without_evidence() {
        for kind in FlagKind::ALL {
            for event_type in [EventType::Flag, EventType::Cleared, EventType::Episode] {
                let mut event = event(1, kind, &[]);
                event.event = event_type;
                event.local = None;
                let line = event_line(&event);
                assert!(!line.contains("  "), "{line}");
                assert!(line.contains(kind.label()), "{line}");
            }
        }
    }
}
