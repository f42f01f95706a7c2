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
pub use figures::{counted, each_number};
pub use incident::{incident_end, incident_kinds, incident_over};
pub use rule::{Seen, rule, source};
pub use verdict::{meaning as verdict_meaning, sentence as verdict};

use crate::address::network_of;
use crate::snapshot::{Event, EventType, FlagEvidence, HoardEvidence};
use crate::units;
use figures::unknown_code;
use ipnet::IpNet;

/// `198.51.100.7: zero window for 5.0 s on 192.0.2.1:80, 4.2 MB pinned (zero-window-stall, sweep)`
pub fn event_line(event: &Event) -> String {
    let mut line = format!("{}: {}", event.peer, what(event));
    if let Some(local) = &event.local {
        line += &format!(" on {local}");
    }
    if let Some(pinned) = event.flag.pinned_bytes().filter(|bytes| *bytes > 0) {
        line += &format!(", {} pinned", units::bytes(pinned));
    }
    if let FlagEvidence::StallHoard(hoard) = &event.flag {
        line += &format!(", {} connections stalled", hoard.stalled_connections);
    }
    let mut notes = vec![event.kind().label()];
    notes.extend(event.verdict.map(|verdict| verdict.label()));
    notes.push(event.source.label());
    line + &format!(" ({})", notes.join(", "))
}

fn what(event: &Event) -> String {
    match event.event {
        EventType::Flag => {}
        EventType::Cleared => {
            return format!("{} is over", event.kind().label().replace('-', " "));
        }
        EventType::Episode => {
            let episode = match &event.flag {
                FlagEvidence::ZeroWindowStall(stall) => stall.episode_seconds,
                _ => None,
            };
            return episode.map_or("zero window ended".to_owned(), |span| {
                format!("zero window ended after {}", units::seconds(span))
            });
        }
    }
    let lasted = || units::seconds(event.flag.stalled_seconds().unwrap_or_default());
    match &event.flag {
        FlagEvidence::WindowShrink(shrink) => format!(
            "took back {} of window it had offered",
            units::bytes(shrink.retracted_bytes)
        ),
        FlagEvidence::ZeroWindowStall(_) => format!("zero window for {}", lasted()),
        FlagEvidence::SmallWindowStall(_) => {
            format!("window too small for the next segment for {}", lasted())
        }
        FlagEvidence::Dribble(dribble) => {
            format!("reads only {}", units::pace(dribble.drain_bytes_per_second))
        }
        FlagEvidence::Unanswered(silence) => match silence.drain_bytes_per_second {
            Some(pace) => format!("acknowledges only {} for {}", units::pace(pace), lasted()),
            None => format!("no answer for {}", lasted()),
        },
        FlagEvidence::TinyWindow(_) => "never offered more than a tiny window".to_owned(),
        FlagEvidence::StallHoard(hoard) => {
            format!("hoards stalled connections{}", company(&event.peer, hoard))
        }
        FlagEvidence::Other { kind, evidence } => unknown_code(kind.label(), evidence),
    }
}

/// With whom a peer hoards: its network, and others alike.
fn company(peer: &str, hoard: &HoardEvidence) -> String {
    let one_of = |peers: u64, name: &str, connections: u64| {
        format!(", one of {peers} peers of {name}, {connections} in all")
    };
    let mut text = String::new();
    if let Some(network) = &hoard.network {
        let name = network_around(peer).map(|network| network.to_string());
        text += &one_of(
            network.network_peers,
            name.as_deref().unwrap_or("its network"),
            network.network_connections,
        );
    }
    if let Some(alike) = &hoard.alike {
        let name = "any network that behave alike";
        text += &one_of(alike.alike_peers, name, alike.alike_connections);
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
        let network = [
            ("network_peers", 6.0),
            ("network_connections", 21.0),
            ("network_pinned_bytes", 0.0),
        ];
        let line = event_line(&event(1, FlagKind::StallHoard, &network));
        let expected = "hoards stalled connections, one of 6 peers of 198.51.100.0/24, 21 in all";
        assert!(line.contains(expected), "{line}");
        let alike = [
            ("alike_peers", 24.0),
            ("alike_connections", 24.0),
            ("alike_pinned_bytes", 0.0),
        ];
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
