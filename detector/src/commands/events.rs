//! `detector events`: flags and episodes, newest last.

use crate::cli::EventsArgs;
use crate::control::client;
use crate::failure::Failure;
use crate::http::percent_encoded;
use crate::{clock, time_text, wording};
use detector_core::snapshot::Event;
use detector_core::time::rfc3339;
use serde_json::Value;
use std::io::{self, Write};

pub(super) fn run(args: &EventsArgs) -> Result<(), Failure> {
    let target = target(args)?;
    let is_json = args.json;
    let print = move |value: Value| {
        let line = if is_json {
            value.to_string()
        } else {
            readable(value)
        };
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()
    };
    let socket = &args.control_socket;
    super::talk(
        socket,
        client::each_line(socket, &target, args.follow, print),
    )
}

/// Path and query for what was asked.
fn target(args: &EventsArgs) -> Result<String, Failure> {
    let mut parameters = Vec::new();
    for (name, text) in [("since", &args.since), ("until", &args.until)] {
        if let Some(text) = text {
            let time = time_text::parse(text, clock::unix_ns())
                .map_err(|error| Failure::usage(format!("cannot read --{name}: {error}")))?;
            parameters.push((name, rfc3339(time)));
        }
    }
    if let Some(peer) = &args.peer {
        parameters.push(("peer", peer.clone()));
    }
    if let Some(kind) = args.kind {
        parameters.push(("kind", kind.label().to_owned()));
    }
    if args.follow {
        parameters.push(("follow", "1".to_owned()));
    }
    let query: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
        .collect();
    Ok(format!("/v1/events?{}", query.join("&")))
}

fn readable(value: Value) -> String {
    if let Some(dropped) = value.get("dropped").and_then(Value::as_u64) {
        return format!("({dropped} events are missing here: they were read too late)");
    }
    match serde_json::from_value::<Event>(value.clone()) {
        Ok(event) => format!(
            "{} {} {}",
            event.time,
            wording::severity_label(event.severity),
            wording::event_line(&event)
        ),
        // An agent of another version: better shown raw than not.
        Err(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{readable, target};
    use crate::cli::{Cli, Command};
    use crate::wording::tests::event;
    use clap::Parser;
    use detector_core::snapshot::FlagKind;

    fn target_of(line: &[&str]) -> Result<String, String> {
        let line = ["detector", "events"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Events(args) => target(&args).map_err(|failure| failure.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_become_a_query() {
        assert_eq!(target_of(&[]), Ok("/v1/events?".to_owned()));
        assert_eq!(
            target_of(&["--follow", "--peer=2001:db8::/64", "--kind=dribble"]),
            Ok("/v1/events?peer=2001:db8::/64&kind=dribble&follow=1".to_owned())
        );
        assert_eq!(
            target_of(&["--since=2026-12-29T22:04:05+01:00"]),
            Ok("/v1/events?since=2026-12-29T21:04:05.000Z".to_owned())
        );
        assert!(target_of(&["--since=yesterday"]).is_err());
    }

    #[test]
    fn lines_are_readable_whatever_comes() {
        let stall = event(1, FlagKind::ZeroWindowStall, &[("stalled_seconds", 5.0)]);
        assert_eq!(
            readable(serde_json::to_value(&stall).unwrap()),
            "2026-12-29T21:04:05.123Z warning 198.51.100.7: zero window for 5.0 s on \
             192.0.2.1:80 (zero-window-stall, sweep)"
        );
        assert!(readable(serde_json::json!({"dropped": 7})).starts_with("(7 events"));
        assert_eq!(readable(serde_json::json!({"new": 1})), "{\"new\":1}");
    }
}
