//! What stands before a kernel message on a line of text: times, priorities, host, tag, marks.

use super::bracket::bracket;
use super::date;
use super::stamp::{Stamp, Stamps};
use crate::message;

/// A line's wrapping, and what is in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefix<'a> {
    pub(crate) rest: &'a str,
    pub(crate) stamps: Stamps,
    pub(crate) host: Option<&'a str>,
    /// It says that another program or another part of the system wrote this.
    pub(crate) is_foreign: bool,
    /// It has the kernel's name or time.
    pub(crate) is_of_kernel: bool,
    /// Something was taken off that a line has which begins a message.
    pub(crate) is_wrapped: bool,
    /// All that it says of its time is how long after the line before it came.
    pub(crate) is_relative: bool,
    /// So many lines are this one.
    pub(crate) count: u64,
    /// The line's number, where lines are numbered.
    pub(crate) number: Option<u64>,
    /// It is written as `/dev/kmsg` gives it, with escapes.
    pub(crate) is_escaped: bool,
}

impl Prefix<'_> {
    /// The host of the line, also where a program wrote it.
    pub(crate) fn speaker(&self) -> Option<&str> {
        let word = || {
            let (word, _) = self.rest.split_once(' ')?;
            let is_dated = self.stamps.local.is_some() || self.stamps.utc_ns.is_some();
            (is_dated && !word.ends_with(':')).then_some(word)
        };
        self.host.or_else(word)
    }
}

/// Marks around and between columns and of those who quote.
pub(super) const MARKS: [char; 19] = [
    ' ', '\t', '\0', '>', '|', '"', '\'', '`', '*', ',', ';', '\u{feff}', '\u{a0}', '\u{1e}',
    '\u{200b}', '•', '·', '»', '\u{7f}',
];

/// Without marks before it.
pub(crate) fn unmarked(line: &str) -> &str {
    line.trim_start_matches(MARKS)
}

/// Without marks of those who quote before it: a sentence may go on with a comma.
pub(crate) fn unquoted(line: &str) -> &str {
    line.trim_start_matches(|c| MARKS.contains(&c) && c != ',')
}

/// Takes a line's wrapping off.
pub(crate) fn unwrap(line: &str) -> Prefix<'_> {
    let mut found = Unwrapping::of(line);
    found.people();
    // Each turn takes something off, and looks at all that is left: no tool writes more than this.
    const MOST_STEPS: usize = 128;
    let mut steps = 0;
    while steps < MOST_STEPS && found.step() {
        steps += 1;
    }
    Prefix {
        rest: found.text,
        is_relative: found.is_relative && found.stamps == Stamps::default(),
        is_wrapped: found.is_tagged || found.is_after_time,
        is_of_kernel: found.is_tagged || found.stamps.boot_us.is_some(),
        stamps: found.stamps,
        host: found.host.filter(|host| !matches!(*host, "-" | "(none)")),
        is_foreign: found.is_foreign_record || found.is_foreign_facility && !found.is_tagged,
        count: found.count.unwrap_or(1),
        number: found.number,
        is_escaped: found.is_escaped,
    }
}

#[derive(Default)]
pub(super) struct Unwrapping<'a> {
    pub(super) text: &'a str,
    pub(super) stamps: Stamps,
    pub(super) host: Option<&'a str>,
    /// The host may only have passed on what another wrote.
    pub(super) is_relay: bool,
    pub(super) is_tagged: bool,
    pub(super) is_foreign_facility: bool,
    /// Whoever writes such a record is believed.
    pub(super) is_foreign_record: bool,
    is_escaped: bool,
    is_relative: bool,
    pub(super) is_after_time: bool,
    pub(super) count: Option<u64>,
    pub(super) number: Option<u64>,
}

impl<'a> Unwrapping<'a> {
    /// Nothing taken off yet.
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }

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
            || self.processor()
            || self.date()
            || self.guest()
            || self.container()
            || self.facility()
            || self.pair()
            || self.tag()
            || self.debug()
            || self.host()
    }

    pub(super) fn stamp(&mut self, stamp: Option<Stamp>) {
        if let Some(stamp) = stamp {
            self.stamps.add(stamp);
        }
        self.is_after_time = true;
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
        // Netconsole may say the kernel's release first.
        let head = head
            .split_once(',')
            .filter(|(release, _)| release.matches('.').count() > 1)
            .map_or(head, |(_, head)| head);
        let mut fields = head.split(',');
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (Some(priority), Some(_), Some(us)) = (number(), number(), number()) else {
            return false;
        };
        if fields.next().is_none() {
            return false;
        }
        self.is_foreign_record |= priority >> 3 != 0;
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
            self.text = match rest.strip_prefix("1 ") {
                // It may have no time, which is written so.
                Some(rest) => rest.strip_prefix("- ").unwrap_or(rest),
                None => rest,
            };
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
        if let Some(rest) = after_data(self.text) {
            self.text = rest;
            return true;
        }
        let Some((inside, rest)) = self
            .text
            .strip_prefix('[')
            .and_then(|text| text.split_once(']'))
        else {
            return false;
        };
        // The pod that kubectl names tells nothing that is wanted.
        let is_data = inside.len() < 512 && (inside.starts_with("pod/") || is_of_forum(inside));
        match bracket(inside).filter(|_| inside.len() < 64) {
            Some(stamp) => {
                self.is_relative |= inside.trim_start().starts_with('+');
                self.stamp(stamp);
            }
            None if is_data => {}
            None => return false,
        }
        self.text = rest;
        true
    }

    /// `(0)[1234:kworker]`, `[3:  ksoftirqd/3:   24]`, `I[0:  swapper/0:    0]`, as some vendors' kernels write who
    /// speaks.
    fn processor(&mut self) -> bool {
        let is_number = |text: &str| {
            (1..8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let inside = || {
            let (number, rest) = self.text.strip_prefix('(')?.split_once(")[")?;
            let (task, rest) = rest.split_once(']')?;
            (is_number(number) && task.len() < 40 && task.contains(':')).then_some(rest)
        };
        let named = || {
            let text = self
                .text
                .trim_start_matches(|c: char| c.is_ascii_uppercase());
            let (inside, rest) = text.strip_prefix('[')?.split_once("] ")?;
            let (number, task) = inside.split_once(':')?;
            let (task, id) = task.rsplit_once(':')?;
            let is_task = is_number(number) && is_number(id.trim()) && task.len() < 40;
            (is_task && self.text.len() - text.len() < 2).then_some(rest)
        };
        let Some(rest) = inside().or_else(named).filter(|_| self.is_after_time) else {
            return false;
        };
        self.text = rest;
        true
    }

    fn date(&mut self) -> bool {
        let Some((stamp, rest)) = date::date(self.text) else {
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
}

/// What follows structured data of RFC 5424, `[id name="value" …]`, which tells nothing that is wanted. In a
/// value `"`, `\` and `]` are escaped, or only the first of them.
fn after_data(text: &str) -> Option<&str> {
    const LONGEST: usize = 4096;
    let (id, _) = text.strip_prefix('[')?.split_once("=\"")?;
    let is_part = |c: char| c == ' ' || c.is_ascii_graphic() && !"[]\"".contains(c);
    if id.len() > 80 || !id.chars().all(is_part) {
        return None;
    }
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = text.bytes().take(LONGEST).position(|byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'\\' if is_quoted => is_escaped = !was_escaped,
            b'"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        byte == b']' && !is_quoted
    })?;
    Some(&text[end + 1..])
}

/// `[code]`, `[/quote]`, `[quote=jd]`, `[color=red]`.
fn is_of_forum(inside: &str) -> bool {
    const TAGS: [&str; 14] = [
        "code", "quote", "pre", "php", "noparse", "log", "plain", "mono", "b", "i", "u", "color",
        "size", "font",
    ];
    let tag = inside.trim_start_matches('/').split(['=', ' ']).next();
    tag.is_some_and(|tag| TAGS.iter().any(|known| tag.eq_ignore_ascii_case(known)))
}
