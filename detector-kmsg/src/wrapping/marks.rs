//! What people and their tools put before a line: numbers, names of files and hosts, quotes, counts.

use super::date;
use super::prefix::Unwrapping;
use super::prompt::has_kernel_time;
use crate::message;

impl Unwrapping<'_> {
    /// What people and their tools put before whole lines, once.
    pub(super) fn people(&mut self) {
        // Zero bytes, as pagers show them.
        self.text = self.text.trim_start_matches("^@");
        if self.prompt() || self.event() || self.talos() {
            return;
        }
        self.quoter();
        self.number();
        if !message::begins(self.text.trim_start()) {
            self.file_name();
            self.place();
        }
    }

    /// `jd> `, `- `: somebody quotes, or makes a list.
    fn quoter(&mut self) {
        let text = self.text.trim_start_matches([' ', '\t']);
        if let Some(rest) = text.strip_prefix("- ").or_else(|| text.strip_prefix("# ")) {
            self.text = rest;
            return;
        }
        let name = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
        if (1..=12).contains(&name)
            && let Some(rest) = text[name..].strip_prefix("> ")
        {
            self.text = rest;
        }
    }

    /// `12:`, `12.`, `12)`, `#12`, `12`: of a line, or of the bytes that follow; or `      3 `: how often
    /// `uniq -c` saw the line.
    fn number(&mut self) {
        let trimmed = self.text.trim_start();
        let blanks = self.text.len() - trimmed.len();
        let number = trimmed.strip_prefix(['#', 'L']).unwrap_or(trimmed);
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=7).contains(&digits) || date::date(trimmed).is_some() {
            return;
        }
        let (digits, after) = number.split_at(digits);
        let rest = after.trim_start_matches([':', '.', ')', '|', '-', ' ', '\t']);
        if rest.len() == after.len() || digits.starts_with('0') && digits.len() < 3 {
            return;
        }
        let is_dated = rest.starts_with(['[', '<']) || date::date(rest).is_some();
        let is_tagged = rest.starts_with("kernel") || message::begins(rest);
        if is_tagged && blanks + digits.len() == 7 && after.strip_prefix(' ') == Some(rest) {
            self.count = digits.parse().ok();
        }
        if is_dated || is_tagged {
            self.number = digits.parse().ok().filter(|_| self.count.is_none());
            self.text = rest;
        }
    }

    /// `web1: [12.5] …` of pdsh and its like, `web-7d4f9 app [12.5] …` of stern, `web1\tOct  8 …` of a
    /// table: a place before a time.
    fn place(&mut self) {
        const MOST_WORDS: usize = 2;
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-._#/".contains(c);
        let mut rest = self.text.trim_start();
        let mut first = "";
        for words in 1..=MOST_WORDS {
            let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let is_word = word.bytes().any(|byte| byte.is_ascii_alphabetic()) || word.contains('.');
            if !is_word || date::date(rest).is_some() || word.starts_with("kern") {
                return;
            }
            rest = after.trim_start_matches([':', ' ', '\t', '|', ',', ';']);
            let is_named = after.starts_with([':', '\t', ',', ';']);
            let is_dated = date::date(rest).is_some();
            if words == 1
                && (is_named && has_kernel_time(rest) || is_dated || !is_named && is_tag(rest))
            {
                self.host = Some(word);
            } else if !has_kernel_time(rest)
                || !is_label(if words == 1 { word } else { first })
                // A host and its program.
                || words > 1 && after.starts_with(':')
            {
                if rest.len() == after.len() || is_named {
                    return;
                }
                first = word;
                continue;
            }
            self.is_relay = true;
            self.text = rest;
            return;
        }
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
                || date::date(after).is_some()
                || message::begins(after);
            if is_wrapped
                && at > 5
                && !self.text.starts_with("kernel")
                && date::date(self.text).is_none()
            {
                self.text = after;
                return;
            }
        }
    }

    /// `3 Time(s): …` of logwatch, `message repeated 3 times: [ … ]` of rsyslog.
    pub(super) fn repeats(&mut self) -> bool {
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
}

/// Whether the kernel's own name stands here.
fn is_tag(text: &str) -> bool {
    text.starts_with("kernel: ") || text.starts_with("kernel[")
}

/// Whether a word is a name that was made up, and not one of a sentence.
fn is_label(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit() || c == '-')
}
