//! What stands before a kernel message on a line of text: times, priorities, host, tag, marks.

use super::stamp::{self, Stamp, Stamps};
use crate::message;

/// A line's wrapping, and what is in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefix<'a> {
    pub(crate) rest: &'a str,
    pub(crate) stamps: Stamps,
    pub(crate) host: Option<&'a str>,
    /// It says that another program or another part of the system wrote this.
    pub(crate) is_foreign: bool,
    /// So many lines are this one.
    pub(crate) count: u64,
    /// It is written as `/dev/kmsg` gives it, with escapes.
    pub(crate) is_escaped: bool,
}

/// Marks around and between columns and of those who quote.
const MARKS: [char; 14] = [
    ' ', '\t', '\0', '>', '|', '"', '\'', '`', '*', ',', ';', '\u{feff}', '\u{a0}', '\u{1e}',
];

/// Without marks before it.
pub(crate) fn unmarked(line: &str) -> &str {
    line.trim_start_matches(MARKS)
}

/// Takes a line's wrapping off.
pub(crate) fn unwrap(line: &str) -> Prefix<'_> {
    let mut found = Unwrapping {
        text: line,
        ..Unwrapping::default()
    };
    found.file_name();
    // Each turn takes something off.
    while found.step() {}
    Prefix {
        rest: found.text,
        stamps: found.stamps,
        host: found.host,
        is_foreign: found.is_foreign_facility && !found.is_tagged,
        count: found.count.unwrap_or(1),
        is_escaped: found.is_escaped,
    }
}

#[derive(Default)]
struct Unwrapping<'a> {
    text: &'a str,
    stamps: Stamps,
    host: Option<&'a str>,
    is_tagged: bool,
    is_foreign_facility: bool,
    is_escaped: bool,
    is_after_time: bool,
    count: Option<u64>,
}

impl<'a> Unwrapping<'a> {
    fn step(&mut self) -> bool {
        let trimmed = self.text.trim_start_matches(MARKS);
        if trimmed.len() < self.text.len() {
            self.text = trimmed;
            return true;
        }
        if message::begins(self.text) {
            return false;
        }
        self.repeats()
            || self.kmsg()
            || self.angles()
            || self.brackets()
            || self.date()
            || self.container()
            || self.facility()
            || self.pair()
            || self.tag()
            || self.host()
    }

    fn stamp(&mut self, stamp: Option<Stamp>) {
        if let Some(stamp) = stamp {
            self.stamps.add(stamp);
        }
        self.is_after_time = true;
    }

    /// `messages.1:12:Mar  4 …`, as grep writes it, or `web-1  | …`, as compose does.
    fn file_name(&mut self) {
        const LONGEST: usize = 256;
        let end = self.text.find([' ', '\t']).filter(|end| *end < LONGEST);
        let Some(end) = end else { return };
        let word = &self.text[..end];
        if let Some(rest) = self.text[end..].trim_start().strip_prefix("| ")
            && !word.starts_with(|c: char| c.is_ascii_digit())
        {
            self.text = rest;
            return;
        }
        let ends = word.match_indices([':', '-']).map(|(at, _)| at + 1);
        for at in ends {
            let after = &self.text[at..];
            let is_wrapped = after.starts_with(['[', '<'])
                || after.starts_with("kernel:")
                || stamp::date(after).is_some()
                || message::begins(after);
            if is_wrapped
                && at > 5
                && !self.text.starts_with("kernel")
                && stamp::date(self.text).is_none()
            {
                self.text = after;
                return;
            }
        }
    }

    /// `3 Time(s): …` of logwatch, `message repeated 3 times: [ … ]` of rsyslog.
    fn repeats(&mut self) -> bool {
        let (text, head) = match self.text.strip_prefix("message repeated ") {
            Some(rest) => (rest, " times: ["),
            None => (self.text, " Time(s):"),
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (Ok(count), Some(rest)) = (text[..digits].parse(), text[digits..].strip_prefix(head))
        else {
            return false;
        };
        self.count = Some(count);
        self.text = rest;
        true
    }

    /// `7,1234,98765432101,-;…`
    fn kmsg(&mut self) -> bool {
        let Some((head, rest)) = self
            .text
            .split_once(';')
            .filter(|(head, _)| head.len() < 80)
        else {
            return false;
        };
        let mut fields = head.split(',');
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (Some(priority), Some(_), Some(us)) = (number(), number(), number()) else {
            return false;
        };
        if fields.next().is_none() {
            return false;
        }
        self.is_foreign_facility |= priority >> 3 != 0;
        self.is_escaped = true;
        self.stamp(Some(Stamp::Boot(us)));
        self.text = rest;
        true
    }

    /// `<7>`, `<7>1 ` of RFC 5424, or a tag of HTML.
    fn angles(&mut self) -> bool {
        let Some((inside, rest)) = self
            .text
            .strip_prefix('<')
            .and_then(|text| text.split_once('>'))
        else {
            return false;
        };
        if let Ok(priority) = inside.trim().parse::<u32>() {
            self.is_foreign_facility |= priority >> 3 != 0;
            self.text = rest.strip_prefix("1 ").unwrap_or(rest);
            self.is_after_time = true;
            return true;
        }
        let is_html =
            inside.len() < 80 && inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        if is_html {
            self.text = rest;
        }
        is_html
    }

    fn brackets(&mut self) -> bool {
        let Some((inside, rest)) = self
            .text
            .strip_prefix('[')
            .and_then(|text| text.split_once(']'))
        else {
            return false;
        };
        // Structured data of RFC 5424, and the pod that kubectl names, tell nothing that is wanted.
        let is_data = inside.len() < 512 && (inside.contains("=\"") || inside.starts_with("pod/"));
        match stamp::bracket(inside).filter(|_| inside.len() < 64) {
            Some(stamp) => self.stamp(stamp),
            None if is_data => {}
            None => return false,
        }
        self.text = rest;
        true
    }

    fn date(&mut self) -> bool {
        let Some((stamp, rest)) = stamp::date(self.text) else {
            return false;
        };
        self.stamp(Some(stamp));
        self.text = rest;
        true
    }

    /// `stdout F ` of CRI.
    fn container(&mut self) -> bool {
        let Some(rest) = ["stdout ", "stderr "]
            .iter()
            .find_map(|stream| self.text.strip_prefix(stream))
        else {
            return false;
        };
        let Some(rest) = rest
            .strip_prefix(['F', 'P'])
            .and_then(|rest| rest.strip_prefix(' '))
        else {
            return false;
        };
        self.text = rest;
        true
    }

    /// `level=debug`, `msg="…"`, `MESSAGE=…`, and what a store writes in braces about all its lines.
    fn pair(&mut self) -> bool {
        if let Some((inside, rest)) = self
            .text
            .strip_prefix('{')
            .and_then(|text| text.split_once('}'))
        {
            self.text = rest;
            return inside.contains("=\"");
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-@".contains(c);
        let end = self.text.find(|c: char| !is_part(c)).unwrap_or(0);
        let (key, rest) = self.text.split_at(end);
        let Some(value) = rest.strip_prefix('=').filter(|_| !key.is_empty()) else {
            return false;
        };
        if matches!(key, "MESSAGE" | "message" | "msg" | "log" | "line" | "_raw") {
            self.text = value;
            return true;
        }
        let (value, rest) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_at(value.find(' ').unwrap_or(value.len())),
        };
        if matches!(
            key,
            "program" | "ident" | "app" | "appname" | "SYSLOG_IDENTIFIER"
        ) {
            self.is_foreign_facility |= !value.eq_ignore_ascii_case("kernel");
        }
        if let Some((stamp, "")) = stamp::date(value) {
            self.stamp(Some(stamp));
        }
        self.text = rest;
        true
    }

    /// `kern.info`, `kern  :info  :`.
    fn facility(&mut self) -> bool {
        const FACILITIES: [&str; 6] = ["kern", "user", "daemon", "syslog", "auth", "local"];
        const LEVELS: [&str; 10] = [
            "emerg", "panic", "alert", "crit", "err", "warn", "notice", "info", "debug", "none",
        ];
        let Some(facility) = FACILITIES.iter().find(|name| self.text.starts_with(**name)) else {
            return false;
        };
        let rest = self.text[facility.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(rest) = rest
            .strip_prefix('.')
            .or_else(|| rest.trim_start().strip_prefix(':'))
        else {
            return false;
        };
        let Some(level) = LEVELS.iter().find(|level| rest.starts_with(**level)) else {
            return false;
        };
        let rest = rest[level.len()..].trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let after = rest.trim_start();
        let Some(rest) = after
            .strip_prefix(':')
            .or_else(|| (after.len() < rest.len()).then_some(after))
        else {
            return false;
        };
        self.is_foreign_facility |= *facility != "kern";
        self.is_after_time = true;
        self.text = rest;
        true
    }

    /// `kernel:`, `kernel[0]:`, `kernel - - - `.
    fn tag(&mut self) -> bool {
        let name = "kernel";
        let Some(rest) = self
            .text
            .get(..name.len())
            .filter(|word| word.eq_ignore_ascii_case(name))
        else {
            return false;
        };
        let mut rest = &self.text[rest.len()..];
        if let Some(after) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            rest = after.1;
        }
        let after = rest
            .strip_prefix(':')
            .or_else(|| rest.strip_prefix([' ', '\t', '"', ',']));
        let Some(mut rest) = after else { return false };
        // PROCID, MSGID and no structured data.
        for _ in 0..3 {
            rest = rest.strip_prefix("- ").unwrap_or(rest);
        }
        self.is_tagged = true;
        self.text = rest;
        true
    }

    /// A host name: a word after a time and before what only a kernel's line has.
    fn host(&mut self) -> bool {
        if !self.is_after_time || self.is_tagged || self.host.is_some() {
            return false;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        let end = self
            .text
            .find(|c: char| !is_part(c))
            .unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        let after = rest.trim_start_matches(MARKS);
        let is_known = message::begins(after)
            || after.starts_with("last message repeated ")
            || after.starts_with("message repeated ")
            || after.starts_with('[')
            || after
                .get(..6)
                .is_some_and(|word| word.eq_ignore_ascii_case("kernel"))
            || after.starts_with("kern.");
        if word.is_empty() || word.ends_with(':') || after.len() == rest.len() || !is_known {
            return false;
        }
        self.host = Some(word);
        self.text = after;
        true
    }
}
