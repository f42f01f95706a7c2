//! The log on stderr: one line an event, wall-clock time in front, text or JSON.
//!
//! In: `tracing` events, and records of the `log` crate. Out: lines on stderr, written by a thread
//! of its own so that a stuck reader of stderr never stops the agent. Lines that find the queue
//! full are dropped and counted.
//!
//! The queue is ours: that of `tracing-appender` prints to stdout when it cannot end, keeps the end
//! of the process waiting for up to a second, and cannot be flushed.

use crate::clock;
use crate::privilege;
use clap::ValueEnum;
use detector_api::sanitize;
use detector_api::snapshot::{Event as PeerEvent, Severity};
use detector_api::time::rfc3339;
use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Lines waiting for stderr; at 200 bytes each about 200 KiB, and with events in them as much as 1 MiB.
const QUEUED_LINES: usize = 1024;
/// Target of lines that are written as they are, whatever the level.
const NOTICE: &str = "notice";
/// Field of what happened to a peer, for lines of JSON alone.
const EVENT: &str = "event";

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

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warning => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

static QUEUE: OnceLock<SyncSender<Entry>> = OnceLock::new();
static LINES_DROPPED: AtomicU64 = AtomicU64::new(0);
static IS_JSON: AtomicBool = AtomicBool::new(false);
/// Whether the thread that writes is to give up changing files.
static IS_CONFINED: AtomicBool = AtomicBool::new(false);

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
    /// Has the thread look at [`IS_CONFINED`].
    Wake,
}

/// Starts the log of this process; to be called once.
pub fn start(format: LogFormat, level: LogLevel) -> io::Result<()> {
    let (queue, entries) = mpsc::sync_channel(QUEUED_LINES);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_entries(&entries))?;
    let queue = QUEUE.get_or_init(|| queue);
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    subscriber(format, level, || Queue(queue))
        .try_init()
        .map_err(io::Error::other)
}

fn write_entries(entries: &mpsc::Receiver<Entry>) {
    privilege::give_up_all();
    let mut is_confined = false;
    for entry in entries {
        if !is_confined && IS_CONFINED.load(Ordering::Acquire) {
            privilege::change_nothing();
            is_confined = true;
        }
        match entry {
            // Without stderr there is nobody to tell.
            Entry::Line(line) => drop(io::stderr().lock().write_all(&line)),
            Entry::Flush(done) => drop(done.send(())),
            Entry::Wake => {}
        }
    }
}

/// Writes a line as it is, in its place among the logged ones (as JSON, if the log is JSON).
pub(crate) fn notice(line: &str) {
    tracing::info!(target: NOTICE, "{line}");
}

/// Whether lines are JSON objects, for programs to read.
pub(crate) fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Logs what happened to a peer as a sentence, and with `event` as the object that `/v1/events` has of it, too,
/// where lines are JSON.
pub(crate) fn of_peer(severity: Severity, line: &str, event: Option<&PeerEvent>) {
    let event = event.and_then(|event| serde_json::to_string(event).ok());
    let event = event.as_deref();
    match severity {
        Severity::Info => tracing::info!(event, "{line}"),
        Severity::Warning | Severity::Critical => tracing::warn!(event, "{line}"),
    }
}

/// Has the thread that writes it give up changing files, once calls have been forbidden to all threads.
pub(crate) fn confine() {
    IS_CONFINED.store(true, Ordering::Release);
    if let Some(queue) = QUEUE.get() {
        // Where there is no room for it, lines wait that do as well.
        drop(queue.try_send(Entry::Wake));
    }
}

/// Waits until what was logged is written, at most `patience`.
pub fn flush(patience: Duration) {
    let Some(queue) = QUEUE.get() else { return };
    let (done, written) = mpsc::sync_channel(1);
    if queue.try_send(Entry::Flush(done)).is_ok() {
        // Timed out or not: the process ends next.
        let _ = written.recv_timeout(patience);
    }
}

/// Lines dropped because stderr did not take them in time.
pub(crate) fn lines_dropped() -> u64 {
    LINES_DROPPED.load(Ordering::Relaxed)
}

/// Takes one line at a time, and drops it if there is no room.
struct Queue(&'static SyncSender<Entry>);

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Entry::Line(line.to_vec())).is_err() {
            LINES_DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn subscriber(
    format: LogFormat,
    level: LogLevel,
    writer: impl for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    let level = LevelFilter::from(level);
    // Loader and HTTP library speak to their developers below warning.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets([("detector", level), ("log", level)])
        .with_target(NOTICE, LevelFilter::INFO);
    let message = |writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        match field.name() {
            "message" => write!(writer, "{value:?}"),
            EVENT => Ok(()),
            // Where a record of the `log` crate came from: noise for an operator.
            name if name.starts_with("log.") => Ok(()),
            name => write!(writer, " {name}={value:?}"),
        }
    };
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .fmt_fields(debug_fn(message))
        .event_format(format)
        .with_writer(writer)
        .finish()
        .with(targets)
}

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = String::new();
        context.format_fields(Writer::new(&mut message), event)?;
        let message = sanitize::text(&message);
        let metadata = event.metadata();
        let time = rfc3339(clock::unix_ns());
        let level = level_name(*metadata.level());
        match self {
            Self::Text if metadata.target() == NOTICE => writeln!(line, "{message}"),
            Self::Text => writeln!(line, "{time} {level} {message}"),
            Self::Json => {
                let mut object =
                    serde_json::json!({ "time": time, "level": level, "message": message });
                let mut of_peer = OfPeer::default();
                event.record(&mut of_peer);
                if let Some(of_peer) = of_peer.0 {
                    object[EVENT] = of_peer;
                }
                writeln!(line, "{object}")
            }
        }
    }
}

/// Takes [`EVENT`] from among the fields.
#[derive(Default)]
struct OfPeer(Option<serde_json::Value>);

impl Visit for OfPeer {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == EVENT {
            self.0 = serde_json::from_str(value).ok();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
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

#[cfg(test)]
pub(crate) mod tests {
    use super::{LogFormat, LogLevel, NOTICE, of_peer, subscriber};
    use detector_api::fixtures::event;
    use detector_api::snapshot::{FlagKind, Severity};
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(crate) fn logged(format: LogFormat, level: LogLevel, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, level, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_text_line_has_time_level_and_message() {
        let line = logged(LogFormat::Text, LogLevel::Info, || {
            tracing::warn!(peer = "192.0.2.1", "peer\u{1b}[2J");
        });
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-12-29T21:04:05.123Z".len());
        assert_eq!(rest, "warning peer\u{fffd}[2J peer=\"192.0.2.1\"\n");
    }

    #[test]
    fn a_json_line_is_one_object() {
        let line = logged(LogFormat::Json, LogLevel::Info, || {
            tracing::info!("two\nlines");
        });
        assert_eq!(line.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "info");
        assert_eq!(value["message"], "two\u{fffd}lines");
        assert_eq!(
            value["time"].as_str().unwrap().len(),
            "2026-12-29T21:04:05.123Z".len()
        );
    }

    #[test]
    fn what_happened_to_a_peer_is_a_sentence_and_in_json_an_object_too() {
        let flag = event(1, FlagKind::ZeroWindowStall, &[("stalled_seconds", 5.0)]);
        let log = || of_peer(Severity::Warning, "it stalls", Some(&flag));
        let text = logged(LogFormat::Text, LogLevel::Info, log);
        assert!(text.ends_with(" warning it stalls\n"), "{text}");
        let line = logged(LogFormat::Json, LogLevel::Info, log);
        assert_eq!(line.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["message"], "it stalls");
        assert_eq!(line["event"], serde_json::to_value(&flag).unwrap());
        let line = logged(LogFormat::Json, LogLevel::Info, || {
            of_peer(Severity::Info, "it reads", None);
        });
        assert!(!line.contains("event"), "{line}");
    }

    #[test]
    fn a_notice_is_written_as_it_is_and_at_every_level() {
        let line = logged(LogFormat::Text, LogLevel::Error, || {
            tracing::info!(target: NOTICE, "ready: {}", "a\u{1b}b");
        });
        assert_eq!(line, "ready: a\u{fffd}b\n");
        let line = logged(LogFormat::Json, LogLevel::Error, || {
            tracing::info!(target: NOTICE, "ready");
        });
        assert!(line.contains("\"message\":\"ready\""), "{line}");
    }

    #[test]
    fn libraries_speak_from_warning_on() {
        let text = logged(LogFormat::Text, LogLevel::Debug, || {
            tracing::debug!("ours");
            tracing::trace!("too low");
            tracing::debug!(target: "hyper::proto", "chatter");
            tracing::warn!(target: "hyper::proto", "trouble");
        });
        let messages: Vec<_> = text.lines().filter_map(|line| line.get(25..)).collect();
        assert_eq!(messages, ["debug ours", "warning trouble"]);
        let quiet = logged(LogFormat::Text, LogLevel::Error, || {
            tracing::warn!(target: "hyper::proto", "trouble");
        });
        assert_eq!(quiet, "");
    }
}
