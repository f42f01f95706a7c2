//! The log on stderr: one line an event, wall-clock time in front, text or JSON.
//!
//! In: `tracing` events, and records of the `log` crate. Out: lines on stderr, written by a thread
//! of its own so that a stuck reader of stderr never stops the agent. Lines that find the queue
//! full are dropped and counted.

use crate::clock;
use clap::ValueEnum;
use detector_api::sanitize;
use detector_api::time::rfc3339;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

/// Lines waiting for stderr; at 200 bytes each about 200 KiB.
const QUEUED_LINES: usize = 1024;

/// Format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line each
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Level of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warning,
    #[default]
    Info,
    Debug,
    Trace,
}

static OUTPUT: OnceLock<Output> = OnceLock::new();

struct Output {
    queue: SyncSender<Entry>,
    dropped: AtomicU64,
    format: LogFormat,
}

enum Entry {
    Line(String),
    Flush(SyncSender<()>),
}

/// Starts the log of this process. Further calls change nothing.
pub fn start(format: LogFormat, level: LogLevel) -> io::Result<()> {
    let (queue, entries) = mpsc::sync_channel(QUEUED_LINES);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_entries(&entries))?;
    let output = Output {
        queue,
        dropped: AtomicU64::new(0),
        format,
    };
    if OUTPUT.set(output).is_err() {
        return Ok(());
    }
    let filter = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    tracing::subscriber::set_global_default(Lines { filter }).map_err(io::Error::other)?;
    tracing_log::LogTracer::init().map_err(io::Error::other)
}

fn write_entries(entries: &mpsc::Receiver<Entry>) {
    for entry in entries {
        match entry {
            // Without stderr there is nobody to tell.
            Entry::Line(line) => drop(io::stderr().lock().write_all(line.as_bytes())),
            Entry::Flush(done) => drop(done.send(())),
        }
    }
}

/// Writes a line as it is, in its place among the logged ones (as JSON, if the log is JSON).
pub fn notice(line: &str) {
    let Some(output) = OUTPUT.get() else { return };
    match output.format {
        LogFormat::Text => output.write(format!("{}\n", sanitize::text(line))),
        LogFormat::Json => output.write(json_line(Level::INFO, line, &[])),
    }
}

/// Waits until what was logged is written, at most `patience`.
pub fn flush(patience: Duration) {
    let Some(output) = OUTPUT.get() else { return };
    let (done, written) = mpsc::sync_channel(1);
    if output.queue.try_send(Entry::Flush(done)).is_ok() {
        // Timed out or not: the process ends next.
        let _ = written.recv_timeout(patience);
    }
}

/// Lines dropped because stderr did not take them in time.
pub fn lines_dropped() -> u64 {
    OUTPUT
        .get()
        .map_or(0, |output| output.dropped.load(Ordering::Relaxed))
}

impl Output {
    fn write(&self, line: String) {
        if self.queue.try_send(Entry::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Turns events into lines. Spans are not used.
struct Lines {
    filter: LevelFilter,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Loader and HTTP library speak to their developers below warning.
        let is_ours = metadata.target().starts_with("detector") || metadata.target() == "log";
        *metadata.level() <= self.filter && (is_ours || *metadata.level() <= Level::WARN)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let Some(output) = OUTPUT.get() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        output.write(match output.format {
            LogFormat::Text => text_line(level, &fields.message, &fields.others),
            LogFormat::Json => json_line(level, &fields.message, &fields.others),
        });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            // Where a record of the `log` crate came from: noise for an operator.
            name if name.starts_with("log.") => {}
            name => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn text_line(level: Level, message: &str, others: &[(&'static str, String)]) -> String {
    let mut line = format!("{} {} ", rfc3339(clock::unix_ns()), level_name(level));
    line.push_str(&sanitize::text(message));
    for (name, value) in others {
        // Writing to a string cannot fail.
        let _ = write!(line, " {name}={}", sanitize::text(value));
    }
    line.push('\n');
    line
}

fn json_line(level: Level, message: &str, others: &[(&'static str, String)]) -> String {
    let mut object = serde_json::Map::new();
    object.insert("time".to_owned(), rfc3339(clock::unix_ns()).into());
    object.insert("level".to_owned(), level_name(level).into());
    object.insert("message".to_owned(), sanitize::text(message).into());
    for (name, value) in others {
        object.insert((*name).to_owned(), sanitize::text(value).into());
    }
    format!("{}\n", serde_json::Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::{json_line, text_line};
    use tracing::Level;

    #[test]
    fn a_text_line_has_time_level_message_and_fields() {
        let line = text_line(
            Level::WARN,
            "peer\u{1b}[2J",
            &[("peer", "192.0.2.1".to_owned())],
        );
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-12-29T21:04:05.123Z".len());
        assert_eq!(rest, "warning peer\u{fffd}[2J peer=192.0.2.1\n");
    }

    #[test]
    fn a_json_line_is_one_object() {
        let line = json_line(Level::INFO, "two\nlines", &[("n", "1".to_owned())]);
        assert_eq!(line.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "info");
        assert_eq!(value["message"], "two\u{fffd}lines");
        assert_eq!(value["n"], "1");
    }
}
