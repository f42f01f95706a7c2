//! Lines that have lost their front: the kernel's buffer begins within one, and so does what was cut by hand.

use crate::message::{self, Parsed};
use crate::wrapping::prefix;

/// How the sentences about a peer begin.
const SENTENCES: [&str; 4] = [
    "TCP: Treason uncloaked! Peer ",
    "TCP: Peer ",
    "TCP: Probing zero-window on ",
    "TCP: peer ",
];
/// How lines about a victim begin.
const KILLS: [&str; 3] = [
    "Memory cgroup out of memory: Killed process ",
    "Out of memory: Killed process ",
    "Out of Memory: Killed process ",
];
/// Letters of a sentence's front that show of which it is.
const LEAST: usize = 2;
/// Bytes of a line that are kept while the next one is read.
const TAIL_BYTES: usize = 64;

/// The end of the line before, as far as it is known.
#[derive(Default)]
pub(super) struct Before {
    line: u64,
    tail: String,
}

/// What a line is that has lost its front.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front<'a> {
    /// This message, and the host that wrote it.
    Message(String, Option<&'a str>),
    /// A message of which more than its first words is lost.
    Cut,
}

impl Before {
    pub(super) fn set(&mut self, text: &str, line: u64) {
        let is_boot = text.contains("-- Boot ") || text.contains("-- Reboot --");
        let text = if is_boot { "" } else { text.trim_end() };
        let start = text.len().saturating_sub(TAIL_BYTES);
        let start = (start..=text.len()).find(|at| text.is_char_boundary(*at));
        self.tail.clear();
        self.tail.push_str(&text[start.unwrap_or(text.len())..]);
        self.line = line;
    }

    /// Nothing but blanks stands there.
    pub(super) fn skip(&mut self, line: u64) {
        if self.line + 1 == line {
            self.line = line;
        }
    }

    /// What a line that is no message has lost of one. A line that another program wrote may be broken, too:
    /// then what is lost here stands at the end of the line before.
    pub(super) fn mend<'a>(&self, text: &'a str, line: u64) -> Option<Front<'a>> {
        let text = prefix::unquoted(text);
        if is_cut_in_address(text) {
            return Some(Front::Cut);
        }
        let is_known = self.line + 1 >= line;
        let is_first = is_known && self.tail.is_empty();
        let mut candidates = sentences(text);
        if let Some(rest) = after_time(text)
            && self.tail.rfind('[') <= self.tail.rfind(']')
        {
            candidates.push((String::new(), rest.to_owned()));
        }
        let mut host = None;
        if is_first && let Some((of, rest)) = after_tag(text) {
            host = of;
            candidates.push((String::new(), rest.to_owned()));
        }
        if candidates.iter().any(|(lost, _)| self.ends_with(lost)) {
            return None;
        }
        // Names of programs may end like the kernel's.
        let mut is_cut = is_first
            && ["el: ", "l: ", ": "]
                .iter()
                .any(|tag| text.starts_with(tag));
        for (_, whole) in candidates {
            match message::parse(prefix::unwrap(&whole).rest) {
                Parsed::Message(_, after) if after.trim().is_empty() && is_known => {
                    return Some(Front::Message(whole, host));
                }
                Parsed::Message(_, after) if !after.trim().is_empty() => {}
                Parsed::Message(..) | Parsed::Cut(_) => is_cut = true,
                _ => {}
            }
        }
        is_cut.then_some(Front::Cut)
    }

    /// Whether the last word of what is lost stands at the end of the line before, or all of that line is a part of
    /// it.
    fn ends_with(&self, lost: &str) -> bool {
        // Marks of lines that go on.
        let tail = self.tail.trim_end_matches(['=', '\\', '\u{2026}', ' ']);
        let (lost, tail) = (lost.trim(), tail.trim_start());
        let word = lost.rsplit(' ').next().unwrap_or(lost);
        !lost.is_empty() && !tail.is_empty() && (tail.ends_with(word) || lost.ends_with(tail))
    }
}

/// What may be lost of a sentence, and the sentence with it.
fn sentences(text: &str) -> Vec<(String, String)> {
    let shown = |whole: &'static str| {
        let from = (1..=whole.len() - LEAST).find(|from| text.starts_with(&whole[*from..]))?;
        let (lost, kept) = whole.split_at(from);
        Some((lost, kept, &text[kept.len()..]))
    };
    let of_peer = SENTENCES
        .into_iter()
        .filter_map(shown)
        .map(|(lost, kept, rest)| (lost.to_owned(), format!("{lost}{kept}{rest}")));
    let mut found: Vec<_> = of_peer.collect();
    let kills: Vec<_> = KILLS.into_iter().filter_map(shown).collect();
    for (lost, kept, rest) in &kills {
        // Where several end in the same way it is lost whose memory was short.
        let front = match kills.len() {
            1 => format!("{lost}{kept}"),
            _ => "Killed process ".to_owned(),
        };
        if kept.contains("led process ") {
            found.push(((*lost).to_owned(), format!("{front}{rest}")));
        }
    }
    found
}

/// `78901] TCP: …`
fn after_time(text: &str) -> Option<&str> {
    const LONGEST: usize = 20;
    let (time, rest) = text.split_once(']')?;
    let is_time = time.len() <= LONGEST
        && time
            .chars()
            .all(|c| c.is_ascii_digit() || c == '.' || c == ' ');
    let rest = rest.trim_start();
    (is_time && message::begins(rest)).then_some(rest)
}

/// `nel: TCP: …`, `:11:12 web1 kernel: TCP: …`: the host, and the line from the tag on.
fn after_tag(text: &str) -> Option<(Option<&str>, &str)> {
    const TAG: &str = "kernel: ";
    const LONGEST: usize = 64;
    let cut = ["nel: ", "rnel: ", "ernel: "].into_iter();
    if let Some(rest) = { cut }.find_map(|tag| text.strip_prefix(tag)) {
        return Some((None, rest));
    }
    let at = text.find(TAG).filter(|at| *at <= LONGEST)?;
    let mut words = text[..at].split_whitespace().rev();
    let host = words.next()?;
    let is_time = |word: &str| {
        word.chars()
            .all(|c| c.is_ascii_digit() || ":.,+-TZ".contains(c))
    };
    let is_name = |word: &str| {
        word.chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let is_date = |word: &str| is_time(word) || is_name(word);
    let is_prefix = is_name(host) && words.next().is_some_and(is_time) && words.all(is_date);
    is_prefix.then_some((Some(host), &text[at..]))
}

/// `98.51.100.1:50001/80 shrinks window …`: the address may have lost its first digits, or is lost.
fn is_cut_in_address(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_hexdigit() || ".:/".contains(c);
    let rest = text.trim_start_matches(is_part).trim_start();
    let goes_on = ["shrinks window ", "unexpectedly shrunk window ", ", seq="];
    goes_on.iter().any(|words| rest.starts_with(words))
}
