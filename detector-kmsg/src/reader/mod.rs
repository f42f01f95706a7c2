//! Bytes to lines, and of those the few that can matter: the rest is passed over at memory speed.

mod broken;
mod elided;
mod front;
mod names;
mod needles;
mod objects;
mod parts;
mod strangers;
mod text;

use crate::digest::{Digest, Origin};
use crate::message;
use crate::report::LogReport;
use crate::wrapping::container::{self, Containers};
use crate::wrapping::json::{self, Record};
use crate::wrapping::pretty::Pretty;
use crate::wrapping::stamp::Stamps;
use crate::wrapping::table::Table;
use crate::wrapping::verbose::Verbose;
use aho_corasick::AhoCorasick;
use broken::Broken;
use front::Before;
use memchr::{memchr, memchr_iter, memrchr};
use needles::DOCKER;
use parts::Parts;
use strangers::Stranger;

/// How Docker's lines end that are whole.
const DOCKER_WHOLE: &[u8] = b"\\n\",\"stream\":\"";
/// From the beginning on, each line of so many bytes is looked at: a log that was pasted, mailed or
/// exported by hand is that short, and only there lines are broken within the words that are searched.
const PASTED_BYTES: u64 = 1 << 17;
/// Lines in which the names of a table's columns are looked for.
const HEAD_LINES: u64 = 20;

/// A longer line is cut there.
const LONGEST_LINE: usize = 256 << 10;
/// All that a console shows stands on one.
const LONGEST_CONSOLE: usize = 4 << 20;
/// Bytes of a line that show whether it is such a one.
const HEAD_BYTES: usize = 64;
/// Lines after which the rest of a container's line is no longer waited for.
const PARTIAL_LINES: u32 = 64;

/// Reads one log, piece by piece. A field for each form of log that takes more than one line to say something.
pub struct LogReader {
    needles: AhoCorasick,
    digest: Digest,
    /// The beginning of a line whose end has not come yet.
    unfinished: Vec<u8>,
    lines: u64,
    /// Bytes fed, and bytes of the lines that were taken.
    bytes: u64,
    bytes_taken: u64,
    /// So many of the next lines are looked at whatever they have.
    attention: u32,
    /// So many of the next texts of pretty entries are looked at whatever they have.
    texts_wanted: u32,
    pretty: Option<Pretty>,
    verbose: Option<Verbose>,
    containers: Containers,
    table: Option<Table>,
    broken: Option<Broken>,
    parts: Option<Parts>,
    /// The line before, by which is known what one without a front is.
    before: Before,
    /// Times and host of a line that had nothing else: its text was moved to the next.
    bare: Option<Origin>,
    /// The last time of a line that came with it alone.
    minute: Stamps,
    /// Number of the line that is being read, where lines are numbered.
    number: Option<u64>,
    /// The line before was empty, or quoted with a colon.
    may_quote: bool,
    /// The line before has a name that may go on.
    stranger: Option<Stranger>,
    /// The log is a web page.
    is_page: bool,
}

impl LogReader {
    /// Nothing read yet.
    ///
    /// # Errors
    ///
    /// If the search for the words of messages cannot be set up.
    pub fn new() -> Result<Self, String> {
        Ok(Self::with(needles::search()?))
    }

    /// One that has read nothing, without setting up the search again.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::with(self.needles.clone())
    }

    fn with(needles: AhoCorasick) -> Self {
        Self {
            needles,
            digest: Digest::default(),
            unfinished: Vec::new(),
            lines: 0,
            bytes: 0,
            bytes_taken: 0,
            attention: 0,
            texts_wanted: 0,
            pretty: None,
            verbose: None,
            containers: Containers::default(),
            table: None,
            broken: None,
            parts: None,
            before: Before::default(),
            bare: None,
            minute: Stamps::default(),
            number: None,
            may_quote: false,
            stranger: None,
            is_page: false,
        }
    }

    /// Takes the next piece.
    pub fn feed(&mut self, mut piece: &[u8]) {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if !self.unfinished.is_empty() {
            let Some(end) = memchr(b'\n', piece) else {
                self.keep(piece);
                return;
            };
            let (end, rest) = piece.split_at(end + 1);
            self.keep(end);
            // What was cut has lost its end, too.
            if self.unfinished.last() != Some(&b'\n') {
                self.unfinished.push(b'\n');
            }
            let line = std::mem::take(&mut self.unfinished);
            self.lines_of(&line);
            piece = rest;
        }
        let whole = memrchr(b'\n', piece).map_or(0, |end| end + 1);
        let (whole, rest) = piece.split_at(whole);
        self.lines_of(whole);
        self.keep(rest);
    }

    fn keep(&mut self, piece: &[u8]) {
        let piece = match self.unfinished.is_empty() {
            true => without_hole(piece),
            false => piece,
        };
        let head = self.unfinished.iter().chain(piece).take(HEAD_BYTES);
        let longest = longest(&head.copied().collect::<Vec<_>>());
        let room = longest.saturating_sub(self.unfinished.len());
        self.unfinished
            .extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// What the log says, all of it read.
    #[must_use]
    pub fn finish(mut self) -> LogReport {
        let mut line = std::mem::take(&mut self.unfinished);
        if !line.is_empty() {
            line.push(b'\n');
            self.lines_of(&line);
        }
        self.end_parts();
        self.end_verbose(self.lines);
        self.end_pretty();
        self.end_containers();
        self.end_broken();
        self.digest.finish(self.lines, self.bytes)
    }

    /// Messages were lost on the way to here: all counts are lower bounds.
    pub const fn lines_are_lost(&mut self) {
        self.digest.lines_are_lost();
    }

    /// Takes whole lines.
    fn lines_of(&mut self, block: &[u8]) {
        let mut at = 0;
        while at < block.len() {
            if self.attention == 0 && self.bytes_taken >= PASTED_BYTES {
                let Some(found) = self.needles.find(&block[at..]) else {
                    self.lines += memchr_iter(b'\n', &block[at..]).count() as u64;
                    return;
                };
                let before = &block[at..at + found.start()];
                let start = memrchr(b'\n', before).map_or(0, |end| end + 1);
                self.lines += memchr_iter(b'\n', &before[..start]).count() as u64;
                at += start;
            }
            let length = memchr(b'\n', &block[at..]).unwrap_or(block.len() - at);
            self.lines += 1;
            let line = without_hole(&block[at..at + length]);
            self.bytes_taken += line.len().min(LONGEST_LINE) as u64 + 1;
            self.attention = self.attention.saturating_sub(1);
            self.line(line);
            let wanted = self.digest.lines_wanted();
            self.attention = self.attention.max(wanted);
            self.texts_wanted = self.texts_wanted.max(wanted);
            at += length + 1;
        }
    }

    /// The line that is being read.
    fn here(&self) -> Origin {
        Origin {
            line: self.lines,
            count: 1,
            ..Origin::default()
        }
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.is_of_part(line) {
            return;
        }
        let line = match line.len() > LONGEST_LINE {
            true => &line[..line.len().min(longest(line))],
            false => line,
        };
        if self.is_plain_docker(line) || self.is_plain_json(line) || self.is_plain_member(line) {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let origin = self.here();
        if self.is_strangers(&text, self.lines) {
            return self.foreign(&text);
        }
        if self.is_of_pretty(&text, &origin) {
            return;
        }
        let begins = Verbose::begin(&text);
        if begins.is_some() || self.verbose.as_mut().is_some_and(|open| !open.field(&text)) {
            self.end_verbose(self.lines - 1);
            self.verbose = begins;
        }
        if self.verbose.is_some() {
            self.attention = self.attention.max(1);
            return;
        }
        if let Some(pretty) = Pretty::begin(&text) {
            self.pretty = Some(pretty);
            self.attention = 1;
            return;
        }
        if self.is_of_table(&text, &origin) {
            return;
        }
        // `--query Output` prints what a console shows.
        if self.lines == 1
            && let Some(text) = json::string(&text)
        {
            return self.text(&text, &origin);
        }
        if let Some(records) = json::records(&text) {
            if records.is_empty() {
                self.foreign(&text);
            }
            return self.records(records, &origin);
        }
        match container::part(&text) {
            Some((record, is_whole)) => self.container(record, is_whole, &origin),
            None => self.text(&text, &origin),
        }
    }

    /// Whether this is a row of a table, or the names of its columns.
    fn is_of_table(&mut self, text: &str, origin: &Origin) -> bool {
        let Some(table) = &mut self.table else {
            if self.lines <= HEAD_LINES {
                self.table = Table::head(text);
            }
            return self.table.is_some();
        };
        let (is_row, record) = table.row(text);
        if table.is_open() {
            self.attention = self.attention.max(1);
        }
        if let Some(record) = record {
            self.record(record, origin.clone());
        }
        is_row
    }

    /// The entry that was being read has ended with this line.
    fn end_verbose(&mut self, line: u64) {
        if let Some(record) = self.verbose.take().and_then(Verbose::end) {
            let origin = Origin {
                line,
                count: 1,
                ..Origin::default()
            };
            self.record(record, origin);
        }
    }

    /// A line of a container, or a part of one.
    fn container(&mut self, record: Record, is_whole: bool, origin: &Origin) {
        match self.containers.join(record, is_whole) {
            Some(record) => self.joined(record, origin),
            None => self.attention = self.attention.max(PARTIAL_LINES),
        }
    }

    fn joined(&mut self, record: Record, origin: &Origin) {
        let origin = Origin {
            stamps: record.stamps.or(&origin.stamps),
            host: record.host.or_else(|| origin.host.clone()),
            ..origin.clone()
        };
        self.text(&record.text, &origin);
    }

    /// The log ends, and with it the lines of containers that have begun.
    fn end_containers(&mut self) {
        let origin = self.here();
        for record in self.containers.end() {
            self.joined(record, &origin);
        }
    }

    /// Whether this is a line of Docker's in which nothing is of interest.
    fn is_plain_docker(&self, line: &[u8]) -> bool {
        let is_alone = self.containers.are_whole() && self.broken.is_none() && self.attention == 0;
        is_alone
            && line.starts_with(DOCKER.as_bytes())
            && memchr::memmem::find(line, DOCKER_WHOLE).is_some()
            && !self.needles.is_match(&line[DOCKER.len()..])
    }

    /// Another program's line: evidence of nothing, but it may say that messages were lost.
    fn foreign(&mut self, text: &str) {
        // rsyslog's reader of the journal, which has the kernel's lines, too.
        let is_dropping = text.contains("rsyslogd")
            && text.contains("imjournal: ")
            && text.contains("due to rate-limiting");
        let is_missed = text.contains("Missed ") && text.contains(" kernel messages");
        if is_missed || is_dropping {
            self.digest.lines_are_lost();
        } else if message::resembles(text) {
            self.digest.left_out().other_programs += 1;
        }
    }
}

/// Without the zero bytes before a line, which a file has where a host went down as it was written.
fn without_hole(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| *byte != 0);
    &line[start.unwrap_or(line.len())..]
}

/// Where a line that begins so is cut.
fn longest(line: &[u8]) -> usize {
    let head = &line[..line.len().min(HEAD_BYTES)];
    let mut names = [&b"\"contents\":"[..], b"\"Output\":"].into_iter();
    match names.any(|name| memchr::memmem::find(head, name).is_some()) {
        true => LONGEST_CONSOLE,
        false => LONGEST_LINE,
    }
}
