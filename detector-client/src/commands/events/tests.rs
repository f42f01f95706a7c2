use super::{AgentOrRecorder, EventsQuery, of_agent, other_line, readable, readable_note, target};
use crate::commands::fake_agent::answering;
use crate::filter::Filter;
use crate::terminal::Capabilities;
use detector_api::fixtures::event;
use detector_api::snapshot::{AgentNote, Event, FlagKind};
use detector_recorder::{Note, NoteKind, fixtures};
use std::path::Path;

/// All events of the agent at a socket.
fn query<'a>(socket: &'a Path, filter: &'a Filter<Event>) -> EventsQuery<'a> {
    EventsQuery {
        follow: false,
        since: None,
        until: None,
        peer: None,
        kind: None,
        filter,
        json: false,
        place: AgentOrRecorder {
            socket,
            state_dir: None,
        },
    }
}

#[test]
fn what_is_asked_for_becomes_a_query() {
    let all = Filter::default();
    let query = query(Path::new("/nowhere"), &all);
    let target_of = |query: &EventsQuery<'_>| target(query).map_err(|error| error.to_string());
    assert_eq!(target_of(&query), Ok("/v1/events?".to_owned()));
    let followed = EventsQuery {
        follow: true,
        peer: Some("2001:db8::/64"),
        kind: Some(FlagKind::Dribble),
        ..query
    };
    assert_eq!(
        target_of(&followed),
        Ok("/v1/events?peer=2001:db8::/64&kind=dribble&follow=1".to_owned())
    );
    let since = |since| EventsQuery {
        since: Some(since),
        ..query
    };
    assert_eq!(
        target_of(&since("2026-12-29T22:04:05+01:00")),
        Ok("/v1/events?since=2026-12-29T21:04:05.000Z".to_owned())
    );
    assert!(target_of(&since("yesterday")).is_err());
}

#[test]
fn lines_are_readable_whatever_comes() {
    let stall = event(1, FlagKind::ZeroWindowStall, &[("stalled_seconds", 5.0)]);
    assert_eq!(
        readable(&stall, Capabilities::PIPE),
        "2026-12-29T21:04:05.123Z warning 198.51.100.7: zero window for 5.0 s on \
         192.0.2.1:80 (zero-window-stall, sweep)"
    );
    let numbers = [("shrinks_treason", 1.0), ("in_flight_bytes", 190.0)];
    let retraction = event(1, FlagKind::WindowShrink, &numbers);
    assert_eq!(
        readable(&retraction, Capabilities::PIPE).lines().nth(1),
        Some(
            "2026-12-29T21:04:05.123Z warning TCP: Treason uncloaked! Peer \
             198.51.100.7:40000/80 shrinks window 3584164780:3584164970."
        )
    );
    let note = AgentNote {
        time: "2026-12-29T21:04:05.123Z".to_owned(),
        text: "own cost 31 %\u{1b}".to_owned(),
        ..AgentNote::default()
    };
    let line = readable_note(&note, Capabilities::PIPE);
    assert!(line.starts_with("2026-12-29T21:04:05.123Z info agent: own cost 31 %"));
    assert!(!line.contains(char::is_control));
    assert!(other_line("{\"dropped\":7}").starts_with("(7 events"));
    assert_eq!(other_line("{\"new\":1}"), "{\"new\":1}");
    assert!(!other_line("\u{1b}]0;owned\u{7}").contains(char::is_control));
}

#[test]
fn a_recorder_tells_what_the_agent_gave_up_and_no_other_note() {
    let note = |kind, text: &str| Note {
        at: fixtures::at(90),
        kind,
        peer: None,
        text: text.to_owned(),
        kill: None,
    };
    let notes = of_agent(vec![
        note(NoteKind::OomKill, "killed 870 (httpd)"),
        note(NoteKind::Budget, "own cost 31 % of a core"),
    ]);
    let told: Vec<_> = notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(told, ["own cost 31 % of a core"]);
    assert_eq!(notes[0].time.len(), "2026-12-29T21:04:05.123Z".len());
}

#[test]
fn what_an_agent_has_no_events_of_may_be_in_its_recorder() {
    let status = r#"{"recorder":{"file":"/state/recorder.db","bytes":1,"failure":null}}"#;
    let agent = answering(move |_| (200, status.to_owned()));
    let filter = Filter::default();
    let all = query(agent.socket(), &filter);
    assert_eq!(all.older(), None);
    let query = EventsQuery {
        since: Some("24h"),
        ..all
    };
    let told = query.older().unwrap();
    let command = "`detector events --since 24h --state-dir /state`";
    assert!(told.contains(command), "{told}");
}
