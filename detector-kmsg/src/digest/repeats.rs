//! Which message `last message repeated` is about: the last one of the same host, whatever others said
//! in between.

use super::{MOST_NAMES, Origin};
use crate::message::Message;
use crate::wrapping::prefix;

/// What a line came to that a later one may say was repeated.
#[derive(Clone)]
pub(super) struct Last {
    pub(super) message: Message,
    pub(super) host: Option<String>,
    /// How its text begins.
    pub(super) text: String,
    line: u64,
}

/// Whether a text begins so, where that is told: the kernel's time may be told with it.
pub(super) fn begins(text: &str, beginning: Option<&str>) -> bool {
    beginning.is_none_or(|beginning| {
        let beginning = prefix::unwrap(beginning).rest;
        !beginning.is_empty() && text.starts_with(beginning)
    })
}

/// The last message of each host, and the last line.
#[derive(Default)]
pub(super) struct Repeats {
    messages: Vec<Last>,
    /// Known only as long as each line of the log is looked at.
    lines: Vec<(String, u64)>,
}

impl Repeats {
    /// A message that may be repeated.
    pub(super) fn told(&mut self, message: &Message, origin: &Origin) {
        self.messages.retain(|last| last.host != origin.host);
        if self.messages.len() >= MOST_NAMES {
            self.messages.remove(0);
        }
        self.messages.push(Last {
            message: message.clone(),
            host: origin.host.clone(),
            text: origin.text.clone(),
            line: origin.line,
        });
    }

    /// A line of a host, whatever it says.
    pub(super) fn spoke(&mut self, host: &str, line: u64) {
        let known = self.lines.iter().position(|(name, _)| name == host);
        if let Some(at) = known {
            self.lines[at].1 = line;
        } else if self.lines.len() < MOST_NAMES {
            self.lines.push((host.to_owned(), line));
        }
    }

    /// From here on not each line is looked at.
    pub(super) fn forget_lines(&mut self) {
        self.lines.clear();
    }

    /// What the line before `line` of this host said, if it is known. It may be repeated again.
    pub(super) fn before(&mut self, line: u64, host: Option<&str>) -> Option<Last> {
        let is_last = |last: &Last| {
            let is_next = last.line + 1 == line
                && (last.host.as_deref() == host || last.host.is_none() || host.is_none());
            let is_its_last = host.is_some()
                && last.host.as_deref() == host
                && self
                    .lines
                    .iter()
                    .any(|(name, at)| Some(name.as_str()) == host && *at == last.line);
            is_next || is_its_last
        };
        let at = self.messages.iter().rposition(is_last)?;
        self.messages[at].line = line;
        Some(self.messages[at].clone())
    }
}
