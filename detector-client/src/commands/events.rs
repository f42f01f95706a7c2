//! `detector events`: flags and episodes, newest last.

use super::place::{note_left_out, older};
use super::{AgentOrRecorder, talk};
use crate::clock;
use crate::columns::Context;
use crate::filter::Filter;
use crate::output::note;
use crate::socket::{self, Answer, ClientError, percent_encoded};
use crate::terminal::Capabilities;
use detector_api::address::{concerns, network_of};
use detector_api::failure::Failure;
use detector_api::sanitize;
use detector_api::snapshot::{AgentNote, AgentNoteType, Event, FlagKind, Severity};
use detector_api::text;
use detector_api::time::{self, rfc3339};
use detector_recorder::{self as recorder, EventsWanted, Note, NoteKind, Span};
use ipnet::IpNet;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;

/// Between two attempts to reach an agent that went away.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// Which events are printed, and how.
pub struct EventsQuery<'a> {
    /// Goes on as they happen.
    pub follow: bool,
    /// Only since this time.
    pub since: Option<&'a str>,
    /// Only until this time.
    pub until: Option<&'a str>,
    /// Only of this peer.
    pub peer: Option<&'a str>,
    /// Only of this kind.
    pub kind: Option<FlagKind>,
    /// Only those that it wants.
    pub filter: &'a Filter<Event>,
    /// As JSON, one object a line.
    pub json: bool,
    /// Where to look.
    pub place: AgentOrRecorder<'a>,
}

/// Prints events.
pub fn events(query: &EventsQuery<'_>) -> Result<(), Failure> {
    let target = target(query)?;
    // Only an agent knows what comes.
    if !query.follow
        && let Some(reader) = query.place.recorder()?
    {
        return recorded(query, &reader);
    }
    let has_printed = talk(query.place.socket, async {
        let mut reader = Reader::new(query);
        let answer = reader.ask(&target).await?;
        let mut ended = reader.read(answer).await;
        if !query.follow {
            return ended.map(|()| reader.has_printed);
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
    })?;
    if !has_printed && let Some(older) = query.older() {
        note(&older);
    }
    Ok(())
}

/// Prints the events of a recorder.
fn recorded(query: &EventsQuery<'_>, reader: &recorder::Reader) -> Result<(), Failure> {
    let milliseconds = |time: Option<i128>| {
        let time = time?.div_euclid(1_000_000);
        i64::try_from(time).ok()
    };
    let peer = query.network()?;
    // The peer of an IPv4 address is that address; an IPv6 address lies in a peer.
    let exact = peer.filter(|peer| matches!(peer, IpNet::V4(v4) if v4.prefix_len() == 32));
    let exact = exact.map(|peer| peer.addr().to_string());
    let wanted = EventsWanted {
        span: Span {
            from_ms: milliseconds(time("since", query.since)?).unwrap_or(i64::MIN),
            until_ms: milliseconds(time("until", query.until)?).unwrap_or(i64::MAX),
        },
        peer: exact.as_deref(),
        kind: query.kind.map(FlagKind::label),
        limit: usize::MAX,
    };
    let terminal = Capabilities::of_stdout();
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let mut notes = if query.wants_notes() {
        of_agent(reader.notes(wanted.span)?)
    } else {
        VecDeque::new()
    };
    let print_note = |out: &mut dyn Write, note: &AgentNote| {
        let line = if query.json {
            json(note)?
        } else {
            readable_note(note, terminal)
        };
        Ok::<_, Failure>(writeln!(out, "{line}")?)
    };
    reader.each_event(&wanted, |event| {
        // Both tell their time in one form, so that its text is in its order.
        while let Some(note) = notes.front().filter(|note| note.time < event.time) {
            print_note(&mut stdout, note)?;
            notes.pop_front();
        }
        if peer.is_some_and(|peer| !concerns(&event.peer, peer)) || !query.wants(&event) {
            return Ok(());
        }
        let line = if query.json {
            json(&event)?
        } else {
            readable(&event, terminal)
        };
        Ok::<_, Failure>(writeln!(stdout, "{line}")?)
    })?;
    for note in notes {
        print_note(&mut stdout, &note)?;
    }
    stdout.flush()?;
    note_left_out(reader);
    Ok(())
}

fn json(line: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(line)
        .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))
}

/// What of a recorder's notes the agent said of itself, in their order.
fn of_agent(mut notes: Vec<Note>) -> VecDeque<AgentNote> {
    notes.retain(|note| note.kind == NoteKind::Budget);
    let notes = notes.into_iter().map(|note| AgentNote {
        event: AgentNoteType::Budget,
        time: rfc3339(i128::from(note.at.unix_ms) * 1_000_000),
        text: note.text,
        budget: None,
    });
    notes.collect()
}

impl EventsQuery<'_> {
    fn wants(&self, event: &Event) -> bool {
        let context = Context {
            now_unix_ns: clock::unix_ns(),
            ..Context::default()
        };
        self.filter.wants(event, &context)
    }

    /// Whether what the agent says of itself is printed: not where some events alone are asked for.
    fn wants_notes(&self) -> bool {
        self.peer.is_none() && self.kind.is_none() && self.filter.is_empty()
    }

    /// Where there may be something from before the agent started.
    fn older(&self) -> Option<String> {
        let since = self.since.filter(|_| !self.json)?;
        older(self.place.socket, "events", since)
    }

    fn network(&self) -> Result<Option<IpNet>, Failure> {
        let Some(text) = self.peer else {
            return Ok(None);
        };
        let network = network_of(text).ok_or_else(|| {
            let text = sanitize::text(text);
            Failure::usage(format!(
                "cannot read --peer: `{text}` is no address or network such as 203.0.113.7 or \
                 2001:db8::/64"
            ))
        })?;
        Ok(Some(network))
    }
}

/// Reads events, and knows which it has.
struct Reader<'a> {
    query: &'a EventsQuery<'a>,
    terminal: Capabilities,
    /// When the agent started that numbered them, as it said.
    agent: Option<String>,
    /// Number of the last one.
    last_id: u64,
    has_printed: bool,
}

impl<'a> Reader<'a> {
    fn new(query: &'a EventsQuery<'a>) -> Self {
        Self {
            query,
            terminal: Capabilities::of_stdout(),
            agent: None,
            last_id: 0,
            has_printed: false,
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
        let answer = socket::open(self.query.place.socket, &target).await?;
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
        let follows = self.query.follow;
        answer.each_line(follows, |line| self.print(line)).await
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        // An agent of another version: better shown raw than not.
        let event: Option<Event> = serde_json::from_str(line).ok();
        if let Some(event) = &event {
            self.last_id = event.id;
            if !self.query.wants(event) {
                return Ok(());
            }
        }
        let note = || serde_json::from_str::<AgentNote>(line).ok();
        let note = if event.is_some() { None } else { note() };
        if note.is_some() && !self.query.wants_notes() {
            return Ok(());
        }
        let line = match (&event, &note) {
            _ if self.query.json => json_line(line),
            (Some(event), _) => Cow::Owned(readable(event, self.terminal)),
            (None, Some(note)) => Cow::Owned(readable_note(note, self.terminal)),
            (None, None) => other_line(line),
        };
        self.has_printed = true;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()
    }
}

/// Path and query for what was asked.
fn target(query: &EventsQuery<'_>) -> Result<String, Failure> {
    let mut parameters = Vec::new();
    for (name, text) in [("since", query.since), ("until", query.until)] {
        if let Some(time) = time(name, text)? {
            parameters.push((name, rfc3339(time)));
        }
    }
    if let Some(peer) = query.peer {
        parameters.push(("peer", peer.to_owned()));
    }
    if let Some(kind) = query.kind {
        parameters.push(("kind", kind.label().to_owned()));
    }
    if query.follow {
        parameters.push(("follow", "1".to_owned()));
    }
    let query: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
        .collect();
    Ok(format!("/v1/events?{}", query.join("&")))
}

/// Unix nanoseconds of what the option of this name says.
fn time(name: &str, text: Option<&str>) -> Result<Option<i128>, Failure> {
    let time = text.map(|text| time::parse(text, clock::unix_ns()));
    time.transpose()
        .map_err(|error| Failure::usage(format!("cannot read --{name}: {error}")))
}

fn readable(event: &Event, terminal: Capabilities) -> String {
    let severity = terminal.severity(event.severity);
    let dated = |line: String| format!("{} {severity} {line}", event.time);
    let lines = [Some(text::event_line(event)), text::kernel_line(event)];
    let lines: Vec<String> = lines.into_iter().flatten().map(dated).collect();
    lines.join("\n")
}

/// What the agent says of itself.
fn readable_note(note: &AgentNote, terminal: Capabilities) -> String {
    let severity = terminal.severity(Severity::Info);
    let (time, text) = (sanitize::text(&note.time), sanitize::text(&note.text));
    format!("{time} {severity} agent: {text}")
}

/// A line that is no event we know.
fn other_line(line: &str) -> Cow<'_, str> {
    let dropped = serde_json::from_str::<Value>(line)
        .ok()
        .and_then(|value| value.get("dropped")?.as_u64());
    match dropped {
        Some(dropped) => Cow::Owned(format!(
            "({dropped} events are missing here: they were not read in time)"
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
mod tests;
