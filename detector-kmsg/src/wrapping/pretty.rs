//! JSON objects whose members stand on lines of their own.

use super::date;
use super::json::{Console, Record};
use super::member::{Member, member, names_writer};
use super::stamp::Stamp;
use crate::message;
use memchr::{memchr, memchr2};
use serde_json::Value;
use std::borrow::Cow;

const FIELD: &str = "field";
const VALUE: &str = "value";

/// An object whose members stand on lines of their own.
#[derive(Default)]
pub(crate) struct Pretty {
    record: Record,
    /// A text that is a list.
    list: Option<List>,
    depth: u32,
    /// Depth at which the text stood.
    text_depth: u32,
    /// The last item of an array was a time: the next one is a line.
    item_time: Option<Stamp>,
    /// A record whose object is closed: the one around it may say more of it.
    held: Option<Held>,
    /// CloudWatch names a field on one line, and its value on the next.
    field: Option<String>,
    /// Depth of the object that may be of a console.
    console_depth: u32,
    /// A line of it has the words of a message.
    is_like_message: bool,
    /// Records came of it.
    is_told: bool,
    /// Names of the objects that are open, the outermost ones.
    names: Vec<String>,
}

/// A record, and the depth at which its object stood.
struct Held {
    record: Record,
    depth: u32,
}

/// A text that stands on lines of its own: its bytes, or several texts.
#[derive(Default)]
struct List {
    texts: Vec<String>,
    bytes: Vec<u8>,
    depth: u32,
}

/// What a line did to a pretty object.
pub(crate) enum Step {
    /// It belongs to it.
    Inside,
    /// Records are complete; more may come.
    Complete(Vec<Record>),
    /// The last object is closed.
    Closed(Vec<Record>),
    /// It is no JSON.
    Foreign,
}

/// A member whose value is a string without escapes, on a line of its own: its name and value.
fn plain_member(line: &[u8]) -> Option<(&str, &[u8])> {
    let line = line.trim_ascii();
    let line = line.strip_suffix(b",").unwrap_or(line);
    let text = line.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let (name, rest) = text.split_at(memchr(b'"', text)?);
    let value = rest[1..].trim_ascii_start().strip_prefix(b":")?;
    let value = value.trim_ascii_start().strip_prefix(b"\"")?;
    let is_plain = memchr2(b'"', b'\\', value).is_none();
    is_plain.then_some((std::str::from_utf8(name).ok()?, value))
}

/// `"name" => "value"`, `"@timestamp" => 2026-10-08T08:40:05.000Z`, as Logstash's rubydebug writes a member.
fn of_ruby(line: &str) -> Cow<'_, str> {
    // Most have no such sign at all, which is seen at once.
    let arrow = line.contains('>').then(|| line.split_once("\" => "));
    let Some((name, value)) = arrow.flatten().filter(|(name, _)| name.starts_with('"')) else {
        return Cow::Borrowed(line);
    };
    let value = value.trim_end_matches(',');
    Cow::Owned(
        match value.starts_with(|c: char| c.is_ascii_digit()) && value.contains(':') {
            true => format!("{name}\": \"{value}\""),
            false => format!("{name}\": {value}"),
        },
    )
}

impl Pretty {
    /// Whether nothing is in a member that a record is made of.
    pub(crate) fn passes(&mut self, line: &[u8]) -> bool {
        let is_of_writer = self.names.last().is_some_and(|name| names_writer(name));
        let Some((name, value)) = plain_member(line) else {
            return false;
        };
        let is_of_none = self.list.is_none()
            && !is_of_writer
            && !matches!(name, FIELD | VALUE)
            && member(name).is_none_or(|known| self.record.is_foreign && known.is_beside());
        if is_of_none {
            self.look(value);
        }
        is_of_none
    }

    /// Whether a line is the text of journald's entry, and no other line.
    pub(crate) fn is_journal_text(&self, line: &[u8]) -> bool {
        self.list.is_none() && plain_member(line).is_some_and(|(name, _)| name == "MESSAGE")
    }

    /// Takes a text for read that is of no interest: the entry has one.
    pub(crate) fn pass_text(&mut self) {
        self.text_depth = self.depth;
        " ".clone_into(&mut self.record.text);
    }

    /// Looks at a text for the words of a message.
    fn look(&mut self, text: &[u8]) {
        const SHORTEST: usize = 14;
        if text.len() >= SHORTEST && memchr2(b' ', b'=', text).is_some() {
            self.is_like_message |= message::resembles(&String::from_utf8_lossy(text));
        }
    }

    /// Whether it ends with something in it that is like a message, and no text that is read.
    pub(crate) const fn is_left_out(&self) -> bool {
        self.is_like_message && !self.is_told
    }

    /// Begins with the line `{`.
    pub(crate) fn begin(line: &str) -> Option<Self> {
        let line = line.trim();
        let opens = line.ends_with('{') && line.bytes().all(|byte| b"{}[], ".contains(&byte));
        opens.then(|| Self {
            depth: 1,
            ..Self::default()
        })
    }

    pub(crate) fn line(&mut self, line: &str) -> Step {
        let step = self.step(line);
        self.is_told |= match &step {
            Step::Complete(records) | Step::Closed(records) => !records.is_empty(),
            Step::Inside | Step::Foreign => false,
        };
        step
    }

    fn step(&mut self, line: &str) -> Step {
        let line = &*of_ruby(line.trim());
        if let Some(list) = &mut self.list {
            match list.line(line) {
                Some(true) => return Step::Inside,
                Some(false) => {
                    self.record.text = list.texts.join("\n");
                    self.text_depth = self.depth;
                    self.list = None;
                    return Step::Inside;
                }
                // It was none.
                None => {
                    self.depth = self.depth.saturating_add(list.depth);
                    self.list = None;
                }
            }
        }
        if line.starts_with(['}', ']']) {
            return self.close(line);
        }
        if line.ends_with(['{', '[']) {
            if line.ends_with('[') && line.starts_with("\"MESSAGE\"") {
                self.list = Some(List {
                    depth: 1,
                    ..List::default()
                });
            } else {
                self.depth = self.depth.saturating_add(1);
                self.open(line);
            }
            // The next item of an array says nothing of the one before.
            let depth = self.depth;
            let is_next = |held: &mut Held| line == "{" && held.depth == depth;
            return match self.held.take_if(is_next) {
                Some(held) => Step::Complete(vec![held.record]),
                None => Step::Inside,
            };
        }
        if let Some((name, value)) = plain_member(line.as_bytes()) {
            self.look(value);
            let value = String::from_utf8_lossy(value);
            self.member(name, &Value::from(value.into_owned()));
            return Step::Inside;
        }
        self.look(line.as_bytes());
        let Ok(Value::Object(members)) =
            serde_json::from_str(&format!("{{{}}}", line.trim_end_matches(',')))
        else {
            return self.item(line);
        };
        for (name, value) in &members {
            self.member(name, value);
        }
        Step::Inside
    }

    fn member(&mut self, name: &str, value: &Value) {
        if name == FIELD {
            self.field = value.as_str().map(str::to_owned);
            return;
        }
        if name == VALUE
            && let Some(name) = self.field.take()
        {
            // All of a row are one record.
            self.depth -= 1;
            self.member(&name, value);
            self.depth += 1;
            return;
        }
        let known = member(name);
        if known == Some(Member::Text) {
            self.text_depth = self.depth;
        }
        if let Some(known) = known {
            let is_of_console = matches!(known, Member::Console | Member::ConsoleOf);
            if is_of_console && self.console_depth != self.depth {
                self.console_depth = self.depth;
                self.record.console = Console::default();
            }
            self.record.put(known, value);
        }
        let around = self.names.get(self.depth.saturating_sub(2) as usize);
        let around = around.filter(|name| names_writer(name));
        let path = around.map(|around| format!("{around}.{name}"));
        if let Some(path) = &path {
            self.record.set_within(path, value);
        }
        let depth = self.depth;
        if let Some(held) = self.held.as_mut().filter(|held| depth < held.depth) {
            held.record.set_within(name, value);
        } else if let (Some(held), Some(path)) = (&mut self.held, &path) {
            held.record.set_within(path, value);
        }
    }

    /// It ends within itself: what is complete of it.
    pub(crate) fn end(mut self) -> Vec<Record> {
        self.release().into_iter().collect()
    }

    fn release(&mut self) -> Option<Record> {
        self.held.take().map(|held| held.record)
    }

    /// An object that was opened, by its name.
    fn open(&mut self, line: &str) {
        const MOST: usize = 16;
        let at = self.depth.saturating_sub(2) as usize;
        self.names.truncate(at);
        if at != self.names.len() || at >= MOST {
            return;
        }
        let name = line.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let name = name.map_or("", |(name, _)| name);
        let around = self.names.last().filter(|around| names_writer(around));
        let path = around.map_or_else(|| name.to_owned(), |around| format!("{around}.{name}"));
        self.names.push(path);
    }

    /// An item of an array: one of Loki's has a time and a line.
    fn item(&mut self, line: &str) -> Step {
        let item = serde_json::from_str::<Value>(line.trim_end_matches(','));
        let before = self.item_time.take();
        match item {
            Ok(Value::String(text)) => {
                let time = date::date(&text).filter(|(_, rest)| rest.is_empty());
                if let Some((time, _)) = time {
                    self.item_time = Some(time);
                    return Step::Inside;
                }
                let Some(time) = before else {
                    return Step::Inside;
                };
                let mut record = Record {
                    text,
                    host: self.record.host.clone(),
                    ..Record::default()
                };
                record.stamps.add(time);
                Step::Complete(self.release().into_iter().chain([record]).collect())
            }
            Ok(_) => Step::Inside,
            Err(_) if line.is_empty() => Step::Inside,
            Err(_) => Step::Foreign,
        }
    }

    fn close(&mut self, line: &str) -> Step {
        if self.depth == self.console_depth {
            if self.record.settle() {
                self.text_depth = self.depth;
            }
            self.console_depth = 0;
        }
        let has_text = !self.record.text.is_empty();
        let record = (has_text && (self.depth <= self.text_depth || self.depth == 1))
            .then(|| std::mem::take(&mut self.record));
        let depth = self.depth;
        self.depth -= 1;
        self.names.truncate(self.depth.saturating_sub(1) as usize);
        if line.ends_with(['{', '[']) {
            self.depth += 1;
            self.open(line.trim_start_matches(['}', ']', ',', ' ']));
        }
        // Another one beside it says nothing of it.
        let is_beside =
            record.is_none() && self.held.as_ref().is_some_and(|held| depth >= held.depth);
        if is_beside {
            return Step::Inside;
        }
        let before = self.release();
        if self.depth == 0 {
            return Step::Closed(before.into_iter().chain(record).collect());
        }
        if line.ends_with('{') && self.names.last().is_none_or(String::is_empty) {
            return Step::Complete(before.into_iter().chain(record).collect());
        }
        // The object around it may go on.
        self.held = record.map(|record| Held { record, depth });
        before.map_or(Step::Inside, |before| Step::Complete(vec![before]))
    }
}

impl List {
    /// Takes a line: whether more may come; `None` if it is of no such list.
    fn line(&mut self, line: &str) -> Option<bool> {
        const MOST_BYTES: usize = 1 << 16;
        const MOST_TEXTS: usize = 64;
        let item = line.trim_end_matches(',').trim_end();
        if let Ok(byte) = item.parse() {
            if self.bytes.len() < MOST_BYTES {
                self.bytes.push(byte);
            }
            return Some(true);
        }
        let bytes = std::mem::take(&mut self.bytes);
        let text = match serde_json::from_str(item) {
            Ok(Value::String(text)) => text,
            _ if item == "[" => {
                self.depth = self.depth.saturating_add(1);
                return Some(true);
            }
            _ if item.starts_with(']') => String::from_utf8_lossy(&bytes).into_owned(),
            _ => return None,
        };
        if self.texts.len() < MOST_TEXTS && !text.is_empty() {
            self.texts.push(text);
        }
        if item.starts_with(']') && !item.ends_with('[') {
            self.depth -= 1;
        }
        Some(self.depth > 0)
    }
}
