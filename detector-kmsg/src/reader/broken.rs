//! Messages that a mail program, a terminal or a web page has broken into lines.

use super::LogReader;
use crate::digest::Origin;
use crate::message::{self, Parsed};
use crate::wrapping::prefix::{self, Prefix};

/// Lines over which a broken message is put together.
const MOST_PARTS: u8 = 12;

/// A message that ends, or may go on, on the next line.
pub(super) struct Broken {
    text: String,
    parts: u8,
    origin: Origin,
    /// Quoted-printable: it goes on right where it ended.
    is_soft: bool,
    /// Of its last line, where lines are numbered.
    number: Option<u64>,
}

impl LogReader {
    /// Waits for the next line before `text` is told to the digest.
    pub(super) fn hold(&mut self, text: &str, is_soft: bool, origin: &Origin) {
        let text = if is_soft { text } else { text.trim_end() };
        self.broken = Some(Broken {
            text: text.to_owned(),
            parts: 1,
            origin: origin.clone(),
            is_soft,
            number: self.number,
        });
        self.attention = self.attention.max(1);
    }

    /// Adds a line to the message that waits for it if it goes on there, whether what stands before it
    /// belongs to the line or to its wrapping. Whether the line is still to be read.
    pub(super) fn go_on(&mut self, broken: Broken, line: &str, found: &Prefix<'_>) -> bool {
        let before = weight(&message::parse(&broken.text), &broken.text, "");
        let mut best: Option<((u8, usize), String, bool)> = None;
        for rest in parts_of(line, found, &broken, before.0 > BEGUN) {
            let (rest, is_soft) = without_soft_end(rest);
            for glue in glues(&broken, rest) {
                let joined = format!("{}{glue}{rest}", broken.text);
                let reached = weight(&message::parse(&joined), &joined, glue);
                let is_further = best.as_ref().is_none_or(|(most, ..)| reached > *most);
                let is_on = reached > before || reached == before && ends_in_field(&joined, rest);
                if is_on && is_further {
                    best = Some((reached, joined, is_soft));
                }
            }
        }
        let Some((_, text, is_soft)) = best.filter(|_| broken.parts < MOST_PARTS) else {
            self.broken = Some(broken);
            self.end_broken();
            return true;
        };
        let parsed = message::parse(&text);
        if let Parsed::Message(message, _) = &parsed
            && !message.may_go_on()
        {
            // The next line may say that it was repeated.
            let origin = Origin {
                line: self.lines,
                ..broken.origin
            };
            self.digest.take(message.clone(), &origin);
            return false;
        }
        let number = broken.number.map(|number| number + 1);
        self.broken = Some(Broken {
            text,
            parts: broken.parts + 1,
            is_soft,
            number: number.filter(|number| after_number(line, *number).is_some()),
            ..broken
        });
        self.attention = self.attention.max(1);
        false
    }

    /// The message that waits will not go on: counts what is known of it.
    pub(super) fn end_broken(&mut self) {
        let Some(broken) = self.broken.take() else {
            return;
        };
        match message::parse(&broken.text) {
            Parsed::Message(message, _) | Parsed::Cut(Some(message)) => {
                self.digest.take(message, &broken.origin);
            }
            Parsed::Cut(None) => self.digest.left_out().cut += 1,
            _ => {}
        }
    }
}

/// What a whole message weighs, and its first words.
const MESSAGE: u8 = 3;
const BEGUN: u8 = 1;

/// How much of a text is understood: what it is, and how many parts of it, or bytes, are.
fn weight(parsed: &Parsed<'_>, text: &str, glue: &str) -> (u8, usize) {
    let length = text.len() - glue.len();
    match parsed {
        Parsed::Message(message, _) => (MESSAGE, message.parts()),
        Parsed::Cut(_) => (2, length),
        Parsed::Begun => (BEGUN, length),
        Parsed::Impossible | Parsed::NoLocalPort | Parsed::Nothing => (0, 0),
    }
}

/// Whether a kill's text ends within what it says of memory, and `rest`, its last line, is no more than
/// that, or the rest of the number that stands last.
fn ends_in_field(text: &str, rest: &str) -> bool {
    const FIELDS: [&str; 7] = [
        "total-vm:",
        "anon-rss:",
        "file-rss:",
        "shmem-rss:",
        "UID:",
        "pgtables:",
        "oom_score_adj:",
    ];
    let last = text.rsplit([' ', ',']).next().unwrap_or(text);
    let is_field = |field: &str| last.len() > 2 && field.starts_with(last);
    let is_score = || {
        let score = last.strip_prefix("oom_score_adj:");
        score.is_some_and(|score| {
            let is_number =
                score.len() >= rest.len() && !score.trim_start_matches('-').starts_with('0');
            is_number
                && score
                    .parse()
                    .is_ok_and(|score: i16| (-1000..=1000).contains(&score))
        })
    };
    !rest.contains(' ') && (FIELDS.iter().any(|field| is_field(field)) || is_score())
}

/// Fields of the record of a kill.
const FIELDS: [&str; 9] = [
    "constraint",
    "nodemask",
    "cpuset",
    "mems_allowed",
    "oom_memcg",
    "task_memcg",
    ",task",
    ",pid",
    ",uid",
];

/// What may have stood where the message was broken, the likeliest first.
fn glues(broken: &Broken, rest: &str) -> &'static [&'static str] {
    let text = &broken.text;
    // Paths and that record have no blanks where they could be broken.
    let is_unbroken =
        text.starts_with("oom-kill:") || text.starts_with("Memory cgroup stats for /");
    let is_digit = |c: char| c.is_ascii_digit();
    let is_within = text.ends_with(['(', '-', '/', '=', ':'])
        || rest.starts_with([')', ',', '.', ':', '/'])
        || text.ends_with(is_digit) && rest.starts_with(is_digit)
        || is_within_name(text);
    match () {
        // Or it was no such mark, as where a record is broken right before a value.
        () if broken.is_soft && is_before_value(text) && !rest.starts_with('=') => &["=", ""],
        () if broken.is_soft => &["", "="],
        () if is_unbroken || is_within => &["", " "],
        () => &[" ", ""],
    }
}

fn is_before_value(text: &str) -> bool {
    text.starts_with("oom-kill:") && FIELDS.iter().any(|field| text.ends_with(field))
}

/// Whether a text ends within the name of a task: most names have no blank at which they could be broken.
fn is_within_name(text: &str) -> bool {
    let is_part = |name: &str| !name.is_empty() && !name.contains([' ', ')']);
    let victim = text
        .rsplit_once("ill")
        .and_then(|(_, rest)| rest.split_once(" ("));
    let task = text.strip_prefix("INFO: task ");
    victim.is_some_and(|(_, name)| is_part(name)) || task.is_some_and(is_part)
}

/// What of a line may belong to the message before it. A line that is a message is no part of another,
/// unless all that there is of that is its first words, and the line has no times of its own.
fn parts_of<'a>(line: &'a str, found: &Prefix<'a>, of: &Broken, is_told: bool) -> Vec<&'a str> {
    if (found.is_wrapped || is_told) && message::begins(found.rest) {
        return Vec::new();
    }
    // Where each line has a time it is none of the path.
    if found.is_wrapped && of.text.starts_with("Task in /") {
        return vec![found.rest];
    }
    if let Some(rest) = of.number.and_then(|number| after_number(line, number + 1)) {
        return vec![rest];
    }
    let mut parts = vec![prefix::unquoted(line), prefix::unmarked(line), found.rest];
    if of.is_soft {
        parts.insert(0, line);
    }
    parts
}

/// What follows this number of a line: `102\tshrinks window …`, `13:2077733939:…`.
fn after_number(line: &str, number: u64) -> Option<&str> {
    let text = line.trim_start();
    let text = text.strip_prefix(['#', 'L']).unwrap_or(text);
    let rest = text.strip_prefix(&number.to_string())?;
    let after = rest.trim_start_matches([':', '.', ')', '|', '-', ' ', '\t']);
    (after.len() < rest.len()).then_some(after)
}

/// Quoted-printable writes `=` where a line is broken that does not end.
pub(super) fn without_soft_end(text: &str) -> (&str, bool) {
    let trimmed = text.trim_end();
    trimmed
        .strip_suffix('=')
        .map_or((trimmed, false), |text| (text, true))
}
