//! Bytes to lines, and of those the few that can matter: the rest is passed over at memory speed.

use crate::digest::{Digest, Origin};
use crate::message::{self, Parsed};
use crate::report::Report;
use crate::wrapping::container::{self, Containers};
use crate::wrapping::json::{self, Pretty, Record, Step};
use crate::wrapping::verbose::Verbose;
use crate::wrapping::{markup, prefix};
use aho_corasick::AhoCorasick;
use memchr::{memchr, memchr_iter, memrchr};

/// What a line must have to be looked at. A message that a mail program has broken is found by its
/// first part.
const NEEDLES: [&str; 44] = [
    // Where the text itself cannot be searched for, or goes on on the next line.
    DOCKER,
    "{\n",
    "{\r\n",
    "\"MESSAGE\":[",
    "\"MESSAGE\" : [",
    " [s=",
    "__CURSOR=s=",
    " stdout P ",
    " stderr P ",
    "Treason",
    "TCP: Peer",
    "unexpectedly shrunk",
    "robing zero",
    "ut of memory",
    "ut of Memory",
    "ut of socket memory",
    "orphaned socket",
    "SYN flood",
    "drop open request",
    "oom-kill",
    "oom_reaper",
    "ill process",
    "illed process",
    "illing process",
    "memory: usage",
    "emory cgroup",
    "killed as a result",
    " suppressed",
    "essage repeated",
    "messages dropped",
    "Missed ",
    "-- Boot",
    "-- Reboot",
    "Linux version ",
    "llocation fail",
    "blocked for more than",
    "ink is ",
    "ink down",
    "ink up",
    "ink status",
    "NETDEV WATCHDOG",
    "Unit Hang",
    "etting adapter",
    "eset adapter",
];
/// Each line of Docker's has it; few are looked at further.
const DOCKER: &str = "{\"log\":\"";
/// How Docker's lines end that are whole.
const DOCKER_WHOLE: &[u8] = b"\\n\",\"stream\":\"";

/// A longer line is cut there.
const LONGEST_LINE: usize = 256 << 10;
/// Lines over which a broken message is put together.
const MOST_PARTS: u8 = 4;
/// Lines after which the rest of a container's line is no longer waited for.
const PARTIAL_LINES: u32 = 64;

/// Reads one log, piece by piece.
pub struct LogReader {
    needles: AhoCorasick,
    digest: Digest,
    /// The beginning of a line whose end has not come yet.
    unfinished: Vec<u8>,
    lines: u64,
    bytes: u64,
    /// So many of the next lines are looked at whatever they have.
    attention: u32,
    pretty: Option<Pretty>,
    verbose: Option<Verbose>,
    containers: Containers,
    broken: Option<Broken>,
}

/// A message whose end is due on the next line.
struct Broken {
    text: String,
    parts: u8,
    origin: Origin,
}

impl LogReader {
    /// Nothing read yet.
    ///
    /// # Errors
    ///
    /// If the search for the words of messages cannot be set up.
    pub fn new() -> Result<Self, String> {
        let needles = AhoCorasick::new(NEEDLES).map_err(|error| error.to_string())?;
        Ok(Self::with(needles))
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
            attention: 0,
            pretty: None,
            verbose: None,
            containers: Containers::default(),
            broken: None,
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
        let room = LONGEST_LINE.saturating_sub(self.unfinished.len());
        self.unfinished
            .extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// What the log says, all of it read.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let mut line = std::mem::take(&mut self.unfinished);
        if !line.is_empty() {
            line.push(b'\n');
            self.lines_of(&line);
        }
        self.end_verbose(self.lines);
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
            if self.attention == 0 {
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
            self.attention = self.attention.saturating_sub(1);
            self.line(&block[at..at + length]);
            self.attention = self.attention.max(self.digest.lines_wanted());
            at += length + 1;
        }
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = &line[..line.len().min(LONGEST_LINE)];
        if self.is_plain_docker(line) {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let origin = Origin {
            line: self.lines,
            count: 1,
            ..Origin::default()
        };
        if let Some(pretty) = &mut self.pretty {
            self.attention = 1;
            match pretty.line(&text) {
                Step::Inside => return,
                Step::Complete(record) => return self.record(record, origin),
                Step::Closed(record) => {
                    self.pretty = None;
                    return record.map_or((), |record| self.record(record, origin));
                }
                Step::Foreign => self.pretty = None,
            }
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
        if let Some(records) = json::records(&text) {
            if records.is_empty() {
                self.foreign(&text);
            }
            for record in records {
                self.record(record, origin.clone());
            }
            return;
        }
        match container::part(&text) {
            Some((record, is_whole)) => self.container(record, is_whole, &origin),
            None => self.text(&text, &origin),
        }
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
            Some(record) => {
                let origin = Origin {
                    stamps: record.stamps,
                    ..origin.clone()
                };
                self.text(&record.text, &origin);
            }
            None => self.attention = self.attention.max(PARTIAL_LINES),
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

    fn record(&mut self, record: Record, mut origin: Origin) {
        if let Some(boot) = record.boot.clone() {
            self.digest.boot(boot);
        }
        if record.stream.is_some() {
            let is_whole = record.text.ends_with('\n');
            return self.container(record, is_whole, &origin);
        }
        if record.is_foreign {
            self.foreign(&record.text);
            return;
        }
        origin.stamps = record.stamps;
        origin.host = record.host;
        self.text(&record.text, &origin);
    }

    /// Another program's line: evidence of nothing, but it may say that messages were lost.
    fn foreign(&mut self, text: &str) {
        if text.contains("Missed ") && text.contains(" kernel messages") {
            self.digest.lines_are_lost();
        } else if message::resembles(text) {
            self.digest.left_out().other_programs += 1;
        }
    }

    /// A text of one or more lines.
    fn text(&mut self, text: &str, origin: &Origin) {
        for line in markup::plain(text)
            .split('\n')
            .filter(|line| !line.trim().is_empty())
        {
            self.text_line(line, origin);
        }
    }

    fn text_line(&mut self, line: &str, origin: &Origin) {
        let found = prefix::unwrap(line);
        if let Some(broken) = self.broken.take()
            && !self.put_together(broken, [prefix::unmarked(line), found.rest])
        {
            return;
        }
        let origin = Origin {
            line: origin.line,
            stamps: found.stamps.or(&origin.stamps),
            host: found
                .host
                .map(str::to_owned)
                .or_else(|| origin.host.clone()),
            count: found.count,
        };
        if found.is_foreign {
            return self.foreign(found.rest);
        }
        if !found.is_escaped {
            return self.messages(found.rest, &origin);
        }
        for line in markup::unescaped(found.rest).split('\n') {
            self.messages(line, &origin);
        }
    }

    /// The messages in a text, one after the other where line ends were lost.
    fn messages(&mut self, text: &str, origin: &Origin) {
        // A soft line end of quoted-printable.
        let mut rest = text.strip_suffix('=').unwrap_or(text);
        loop {
            match message::parse(rest) {
                Parsed::Message(message, after) => {
                    self.digest.take(message, origin);
                    rest = after.trim_start_matches(|c: char| {
                        !c.is_ascii_alphanumeric() && c != '[' && c != '<'
                    });
                    rest = prefix::unwrap(rest).rest;
                    if rest.is_empty() || rest.len() >= text.len() || !message::begins(rest) {
                        return;
                    }
                }
                Parsed::Cut(_) => {
                    self.broken = Some(Broken {
                        text: rest.to_owned(),
                        parts: 1,
                        origin: origin.clone(),
                    });
                    self.attention = self.attention.max(1);
                    return;
                }
                Parsed::Impossible => {
                    self.digest.left_out().impossible += 1;
                    return;
                }
                Parsed::NoLocalPort => {
                    self.digest.left_out().without_local_port += 1;
                    return;
                }
                Parsed::Nothing => return self.foreign(rest),
            }
        }
    }

    /// Adds a line to a broken message if it goes on there, whether what stands before it belongs to
    /// the line or to its wrapping. Whether the line is still to be read.
    fn put_together(&mut self, broken: Broken, rests: [&str; 2]) -> bool {
        // Quoted-printable writes the blank where a line was broken.
        let begun = broken.text.trim_end();
        let begun = begun.strip_suffix("=20").unwrap_or(begun).trim_end();
        let mut longer = None;
        // That record has no blanks where it could be broken.
        let glues = if begun.starts_with("oom-kill:") {
            ["", " "]
        } else {
            [" ", ""]
        };
        let glued = |rest| glues.map(|glue| (rest, glue));
        for (rest, glue) in rests.into_iter().flat_map(glued) {
            let joined = format!("{begun}{glue}{}", rest.trim());
            match message::parse(&joined) {
                Parsed::Message(message, _) => {
                    // The next line may say that it was repeated.
                    let origin = Origin {
                        line: self.lines,
                        ..broken.origin
                    };
                    self.digest.take(message, &origin);
                    return false;
                }
                Parsed::Cut(_) if !rest.trim().is_empty() && !message::begins(rest) => {
                    longer = longer.or(Some(joined));
                }
                _ => {}
            }
        }
        match longer.filter(|_| broken.parts < MOST_PARTS) {
            Some(text) => {
                self.broken = Some(Broken {
                    text,
                    parts: broken.parts + 1,
                    ..broken
                });
                self.attention = self.attention.max(1);
                false
            }
            None => {
                self.broken = Some(broken);
                self.end_broken();
                true
            }
        }
    }

    /// A broken message will not be completed: counts what is known of it.
    fn end_broken(&mut self) {
        let Some(broken) = self.broken.take() else {
            return;
        };
        match message::parse(&broken.text) {
            Parsed::Cut(Some(message)) => self.digest.take(message, &broken.origin),
            _ => self.digest.left_out().cut += 1,
        }
    }
}
