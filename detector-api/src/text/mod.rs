//! Words for what the agent says: codes and numbers in, sentences out. Pure.
//!
//! Here an event in one readable line, for the log and for `detector events`; in the modules below
//! the sentences of an evidence card. Every `match` on a code is exhaustive, so that a new code
//! does not compile before it has its words.

mod action;
mod advice;
mod benign;
mod budget;
mod change;
mod evidence;
mod figures;
mod flag;
mod guard;
mod incident;
mod kernel_line;
mod kill;
mod rule;
mod tcp_memory;
mod verdict;
mod weighed;

pub use action::{block_summary, owner, reset_failures, reset_summary, unblock_summary};
pub use advice::{Circumstances, Servers, Setting, Step, advice, workers};
pub use benign::{considered, outcome};
pub use budget::budget_line;
pub use change::change;
pub use evidence::evidence;
pub use figures::{counted, each_number, listed};
pub use flag::rule;
pub use guard::guard_step;
pub use incident::{incident_end, incident_kinds, incident_over};
pub use kernel_line::kernel_line;
pub use kill::{oom_kill, oom_kill_at_limit};
pub use rule::{Seen, source};
pub use tcp_memory::{holders, tcp_memory_held, unit_share};
pub use verdict::{meaning as verdict_meaning, sentence as verdict};
pub use weighed::{Answer, Speaks, Weighed, weighed};

use crate::snapshot::{Event, EventType, FlagEvidence};
use crate::units;

/// `198.51.100.7: zero window for 5.0 s on 192.0.2.1:80, 4.2 MB pinned (zero-window-stall, sweep)`
pub fn event_line(event: &Event) -> String {
    if let Some(step) = &event.guard {
        return format!("{}: {}", event.peer, guard_step(step));
    }
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
        // What it did is told with the event.
        EventType::Flag | EventType::Guard => {}
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
    flag::clause(event)
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
            for event_type in EventType::ALL {
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
