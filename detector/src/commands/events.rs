//! `detector events`: flags and episodes, newest last.

use crate::cli::EventsArgs;
use detector_api::failure::Failure;
use detector_api::sanitize;
use detector_api::snapshot::Event;
use detector_api::text;
use detector_api::time;
use detector_api::time::rfc3339;
use detector_client::client::percent_encoded;
use detector_client::client::{self, Answer, ClientError};
use detector_client::clock;
use detector_client::columns::Context;
use detector_client::table::Look;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

/// Between two attempts to reach an agent that went away.
const RETRY_EVERY: Duration = Duration::from_millis(250);

pub(super) fn run(args: &EventsArgs) -> Result<(), Failure> {
    let target = target(args)?;
    super::talk(&args.control_socket, async {
        let mut reader = Reader::new(args);
        let answer = reader.ask(&target).await?;
        let mut ended = reader.read(answer).await;
        if !args.follow {
            return ended;
        }
        loop {
            match ended {
                // The output failed, or the agent refuses: coming back would not help.
                Err(error @ (ClientError::Sink(_) | ClientError::Refused { .. })) => {
                    return Err(error);
                }
                Ok(()) => note("the agent ended; waiting for the next one"),
                Err(error) => note(&format!("{error}; waiting for the agent")),
            }
            let answer = reader.ask_again(&target).await?;
            ended = reader.read(answer).await;
        }
    })
}

/// Says on stderr what happens with the agent.
fn note(text: &str) {
    // A lost note is no failure.
    drop(writeln!(io::stderr().lock(), "note: {text}"));
}

/// Reads events, and knows which it has.
struct Reader<'a> {
    args: &'a EventsArgs,
    look: Look,
    /// When the agent started that numbered them, as it said.
    agent: Option<String>,
    /// Number of the last one.
    last_id: u64,
}

impl<'a> Reader<'a> {
    fn new(args: &'a EventsArgs) -> Self {
        Self {
            args,
            look: Look::of_stdout(),
            agent: None,
            last_id: 0,
        }
    }

    /// Asks for what comes after what we have.
    async fn ask(&mut self, target: &str) -> Result<Answer, ClientError> {
        let target = match &self.agent {
            Some(agent) => format!(
                "{target}&after={}&agent={}",
                self.last_id,
                percent_encoded(agent)
            ),
            None => target.to_owned(),
        };
        let answer = client::open(&self.args.control_socket, &target).await?;
        let agent = answer.started();
        if agent != self.agent {
            if self.agent.is_some() {
                let since = agent.as_deref().unwrap_or("some time ago");
                note(&format!(
                    "another agent runs since {since}; its events follow"
                ));
            }
            self.last_id = 0;
            self.agent = agent;
        } else if self.last_id > 0 {
            note("the agent is back");
        }
        Ok(answer)
    }

    /// Asks until there is an agent that answers.
    async fn ask_again(&mut self, target: &str) -> Result<Answer, ClientError> {
        loop {
            tokio::time::sleep(RETRY_EVERY).await;
            match self.ask(target).await {
                Err(ClientError::Unreachable { .. } | ClientError::Silent) => {}
                // It may be on its way down, or up.
                Err(ClientError::Broken { .. }) => {}
                answer => return answer,
            }
        }
    }

    async fn read(&mut self, answer: Answer) -> Result<(), ClientError> {
        let follows = self.args.follow;
        answer.each_line(follows, |line| self.print(line)).await
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        // An agent of another version: better shown raw than not.
        let event: Option<Event> = serde_json::from_str(line).ok();
        if let Some(event) = &event {
            self.last_id = event.id;
            let context = Context {
                now_unix_ns: clock::unix_ns(),
                ..Context::default()
            };
            if !self.args.filter.wants(event, &context) {
                return Ok(());
            }
        }
        let line = match &event {
            _ if self.args.json => json_line(line),
            Some(event) => Cow::Owned(readable(event, self.look)),
            None => other_line(line),
        };
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()
    }
}

/// Path and query for what was asked.
fn target(args: &EventsArgs) -> Result<String, Failure> {
    let mut parameters = Vec::new();
    for (name, text) in [("since", &args.since), ("until", &args.until)] {
        if let Some(text) = text {
            let time = time::parse(text, clock::unix_ns())
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

fn readable(event: &Event, look: Look) -> String {
    format!(
        "{} {} {}",
        event.time,
        look.severity(event.severity),
        text::event_line(event)
    )
}

/// A line that is no event we know.
fn other_line(line: &str) -> Cow<'_, str> {
    let dropped = serde_json::from_str::<Value>(line)
        .ok()
        .and_then(|value| value.get("dropped")?.as_u64());
    match dropped {
        Some(dropped) => Cow::Owned(format!(
            "({dropped} events are missing here: they were read too late)"
        )),
        None => json_line(line),
    }
}

/// JSON as it came; control characters of what is none would reach the terminal.
fn json_line(line: &str) -> Cow<'_, str> {
    match serde_json::from_str::<IgnoredAny>(line) {
        Ok(_) => Cow::Borrowed(line),
        Err(_) => Cow::Owned(sanitize::text(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, other_line, readable, target};
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use detector_api::fixtures::event;
    use detector_api::snapshot::FlagKind;

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
        let look = Look {
            width: None,
            has_colours: false,
            ellipsis: '~',
        };
        let stall = event(1, FlagKind::ZeroWindowStall, &[("stalled_seconds", 5.0)]);
        assert_eq!(
            readable(&stall, look),
            "2026-12-29T21:04:05.123Z warning 198.51.100.7: zero window for 5.0 s on \
             192.0.2.1:80 (zero-window-stall, sweep)"
        );
        assert!(other_line("{\"dropped\":7}").starts_with("(7 events"));
        assert_eq!(other_line("{\"new\":1}"), "{\"new\":1}");
        assert!(!other_line("\u{1b}]0;owned\u{7}").contains(char::is_control));
    }
}
