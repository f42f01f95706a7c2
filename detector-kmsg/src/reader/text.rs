//! Lines of text to messages.

use super::broken::without_soft_end;
use super::front::Front;
use super::{LONGEST_LINE, LogReader, PASTED_BYTES, elided, names};
use crate::digest::Origin;
use crate::message::{self, Message, OomLine, Parsed, strangers};
use crate::wrapping::prefix::Prefix;
use crate::wrapping::stamp::Stamps;
use crate::wrapping::{json, markup, prefix};
use std::borrow::Cow;

/// Letters of a text by which it is known again.
const BEGINNING: usize = 32;

impl LogReader {
    /// A text of one or more lines.
    pub(super) fn text(&mut self, text: &str, origin: &Origin) {
        // A container may write what a collector of logs gave it.
        if let Some(records) = json::inner(text) {
            for record in records {
                self.record(record, origin.clone());
            }
            return;
        }
        if text.trim().is_empty() {
            self.before.skip(origin.line);
            self.may_quote = true;
        }
        for (at, line) in text.split('\n').enumerate() {
            let line = cut(line.strip_suffix('\r').unwrap_or(line));
            if at > 0 && self.is_strangers(line, origin.line) {
                self.foreign(line);
            } else if self.is_one(line) {
                self.one_record(line, origin);
            } else {
                self.raw_line(line, origin);
            }
        }
    }

    /// A line as it stands in the log, which may be several where it is marked up.
    fn raw_line(&mut self, line: &str, origin: &Origin) {
        let name = strangers::begin(line).unwrap_or(line.len());
        let (own, name) = line.split_at(name);
        let own = markup::plain(own, true);
        // As syslog writes the end of a line within a message.
        let lines = { own.split("#012") }.flat_map(|part| part.split(['\n', '\r']));
        let mut lines: Vec<_> = lines.map(Cow::Borrowed).collect();
        if let Some(last) = lines.last_mut().filter(|_| !name.is_empty()) {
            last.to_mut().push_str(&markup::plain(name, false));
        }
        for line in &lines {
            if !line.trim().is_empty() {
                self.text_line(line, origin);
            }
        }
    }

    /// A line that is one record: its first line may be a message of the kernel's, others can only be numbers.
    fn one_record(&mut self, line: &str, origin: &Origin) {
        let line = markup::plain(line, false);
        if let Some(whole) = names::kill(&line, "#012", |line| prefix::unwrap(line).rest) {
            return self.text_line(&whole, origin);
        }
        let mut lines = line.split("#012");
        self.text_line(lines.next().unwrap_or_default(), origin);
        for line in lines {
            self.numbers(line, origin);
        }
    }

    /// A later line of a record.
    fn numbers(&mut self, line: &str, origin: &Origin) {
        if let Parsed::Message(Message::Oom(OomLine::Stats(_)), _) = message::parse(line) {
            self.messages(line, origin);
        } else {
            self.foreign(line);
        }
    }

    fn text_line(&mut self, line: &str, origin: &Origin) {
        // Some quote so. Where no other line is, a program's line may have been broken here.
        let quoted = line.strip_prefix(": ").filter(|_| self.may_quote);
        self.may_quote = line.starts_with(": ");
        let line = quoted.unwrap_or(line);
        let found = prefix::unwrap(line);
        self.number = found.number;
        let number = origin.line;
        self.meet_stranger(line, &found, number);
        self.say(line, &found, origin);
        self.before.set(line, number);
        if self.bytes_taken >= PASTED_BYTES {
            self.digest.spoke(None, number);
        } else if let Some(host) = found.speaker() {
            self.digest.spoke(Some(host), number);
        }
    }

    /// What a line says, its wrapping found.
    fn say(&mut self, line: &str, found: &Prefix<'_>, origin: &Origin) {
        if let Some(broken) = self.broken.take()
            && !self.go_on(broken, line, found)
        {
            return;
        }
        let before = self.bare.take().filter(|_| !found.is_wrapped);
        let outer = before.as_ref().unwrap_or(origin);
        let mut stamps = found.stamps.clone().or(&outer.stamps);
        if found.is_relative && stamps == Stamps::default() {
            // Told from the minute on, which `dmesg --human` writes once.
            stamps.clone_from(&self.minute);
        } else if stamps.local.is_some() && self.bytes_taken < PASTED_BYTES {
            self.minute.clone_from(&stamps);
        } else {
            self.minute = Stamps::default();
        }
        let host = found.host.map(str::to_owned).or_else(|| outer.host.clone());
        let origin = Origin {
            line: origin.line,
            stamps,
            host,
            count: found.count,
            is_of_kernel: found.is_of_kernel || origin.is_of_kernel,
            text: found.rest.chars().take(BEGINNING).collect(),
        };
        if found.is_foreign {
            return self.foreign(found.rest);
        }
        if found.is_wrapped && found.rest.is_empty() {
            self.bare = Some(origin);
            self.attention = self.attention.max(1);
            return;
        }
        if !found.is_escaped {
            return match self.front(line, found, &origin) {
                Some(Front::Message(text, host)) => {
                    let found = prefix::unwrap(&text);
                    let origin = Origin {
                        stamps: found.stamps,
                        host: host.map(str::to_owned),
                        ..origin
                    };
                    self.messages(found.rest, &origin);
                }
                Some(Front::Cut) => self.digest.left_out().cut += 1,
                None => self.messages(found.rest, &origin),
            };
        }
        let text = markup::unescaped(found.rest);
        if let Some(whole) = names::kill(&text, "\n", |line| line) {
            return self.messages(&whole, &origin);
        }
        let mut lines = text.split('\n');
        self.messages(lines.next().unwrap_or_default(), &origin);
        for line in lines {
            self.numbers(line, &origin);
        }
    }

    /// What a line of its own has lost of a message, if it has and is none without that.
    fn front<'a>(&self, line: &'a str, found: &Prefix<'_>, origin: &Origin) -> Option<Front<'a>> {
        let is_bare = !found.is_wrapped && origin.stamps == Stamps::default();
        let is_other = is_bare && matches!(message::parse(found.rest), Parsed::Nothing);
        is_other
            .then(|| self.before.mend(line, origin.line))
            .flatten()
    }

    /// A text of which a tool shows no more than the beginning, and says so: it does not go on on the next line.
    /// Whether it is one.
    fn elided(&mut self, text: &str, origin: &Origin) -> bool {
        let Some(shown) = elided::shown(text) else {
            return false;
        };
        match message::parse(shown) {
            Parsed::Message(message, "") | Parsed::Cut(Some(message)) => {
                self.digest.take(message, origin);
            }
            Parsed::Cut(None) => self.digest.left_out().cut += 1,
            Parsed::Begun => {}
            _ => return false,
        }
        true
    }

    /// The messages in a text, one after the other where line ends were lost.
    fn messages(&mut self, text: &str, origin: &Origin) {
        let (text, is_soft) = without_soft_end(text);
        if self.elided(text, origin) {
            return;
        }
        let mut rest = text;
        let mut origin = origin.clone();
        loop {
            let mut parsed = message::parse(rest);
            let is_all = !matches!(parsed, Parsed::Message(_, after) if !after.is_empty());
            let next = if is_all {
                next_start(rest, &parsed, origin.is_of_kernel)
            } else {
                None
            };
            if let Some(next) = next {
                parsed = message::parse(&rest[..next]);
            }
            let after = match parsed {
                Parsed::Message(message, "") if message.may_go_on() && next.is_none() => {
                    return self.hold(rest, is_soft, &origin);
                }
                Parsed::Message(message, after) => {
                    origin.count = origin.count.max(message::times_after(after));
                    self.digest.take(message, &origin);
                    after
                }
                Parsed::Cut(_) | Parsed::Begun => {
                    self.hold(next.map_or(rest, |next| &rest[..next]), is_soft, &origin);
                    ""
                }
                Parsed::Impossible => {
                    self.digest.left_out().impossible += 1;
                    ""
                }
                Parsed::NoLocalPort => {
                    self.digest.left_out().without_local_port += 1;
                    ""
                }
                Parsed::Nothing => {
                    self.foreign(next.map_or(rest, |next| &rest[..next]));
                    ""
                }
            };
            let after = next.map_or(after, |next| &rest[next..]);
            let after = after
                .trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '[' && c != '<');
            let found = prefix::unwrap(after);
            rest = found.rest;
            if rest.is_empty() || rest.len() >= text.len() || !message::begins(rest) {
                return;
            }
            origin.stamps = found.stamps.or(&origin.stamps);
            origin.count = found.count;
        }
    }
}

/// A line within a text, which may be longer than a line of the log.
fn cut(line: &str) -> &str {
    let ends = (0..=line.len().min(LONGEST_LINE)).rev();
    let end = { ends }.find(|end| line.is_char_boundary(*end));
    &line[..end.unwrap_or(0)]
}

/// Where another message begins in a text that should be one: line ends were lost, or the kernel was
/// interrupted by itself, which shows only in a text of its own.
fn next_start(text: &str, parsed: &Parsed<'_>, is_of_kernel: bool) -> Option<usize> {
    const LONGEST: usize = 4096;
    let is_message = !matches!(parsed, Parsed::Nothing);
    // Strangers write what they like into lines of programs: of a client that says who it is, or of a user's name.
    if !is_message && !is_of_kernel && !message::begins(text) {
        return None;
    }
    let bytes = text.as_bytes();
    let end = strangers::begin(text).unwrap_or(bytes.len());
    (names::end(text)..end.min(LONGEST)).find(|&at| match bytes[at] {
        b'[' => {
            // A quotation has a blank before it, the kernel's own none.
            let is_apart = matches!(bytes[at - 1], b' ' | b'"') || text[..at].contains("]: ");
            (is_message || !is_apart) && is_stamped(&text[at..])
        }
        _ if !is_message || !b" .)]>".contains(&bytes[at - 1]) => false,
        _ => {
            let before = text[..at].trim_end();
            !before.ends_with([':', '"', '(']) && message::begins(&text[at..])
        }
    })
}

/// Whether the kernel's time and a message stand here.
fn is_stamped(text: &str) -> bool {
    let found = prefix::unwrap(text);
    found.stamps != Stamps::default() && message::begins(found.rest)
}
