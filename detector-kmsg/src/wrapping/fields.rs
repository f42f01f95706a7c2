//! Fields before a message: facility, level, program, host.

use super::date;
use super::prefix::{MARKS, Unwrapping};
use crate::message;
use std::net::IpAddr;

impl<'a> Unwrapping<'a> {
    /// `level=debug`, `msg="…"`, `MESSAGE=…`, and what a store writes in braces about all its lines.
    pub(super) fn pair(&mut self) -> bool {
        if let Some((inside, rest)) = self
            .text
            .strip_prefix('{')
            .and_then(|text| text.split_once('}'))
        {
            let is_labels = inside.contains("=\"") || inside.trim().is_empty();
            if is_labels {
                for (name, value) in labels(inside) {
                    self.told(name, value);
                }
                self.text = rest;
            }
            return is_labels;
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
        self.told(key, value);
        if let Some((stamp, "")) = date::date(value) {
            self.stamp(Some(stamp));
        }
        self.text = rest;
        true
    }

    /// Who wrote it, by a field of this name.
    fn told(&mut self, name: &str, value: &'a str) {
        let is_kernel = value.eq_ignore_ascii_case("kernel");
        match name {
            "program" | "ident" | "app" | "appname" | "SYSLOG_IDENTIFIER" | "syslog_identifier" => {
                self.is_foreign_facility |= !is_kernel;
            }
            "unit" | "systemd_unit" | "_SYSTEMD_UNIT" | "__journal__systemd_unit" => {
                let is_unit = [
                    ".service", ".scope", ".socket", ".timer", ".mount", ".slice",
                ]
                .iter()
                .any(|end| value.ends_with(end));
                self.is_foreign_record |= is_unit;
            }
            "_COMM" => self.is_foreign_record |= !value.is_empty(),
            "transport" | "_TRANSPORT" | "__journal__transport" => {
                self.is_foreign_record |= !is_kernel;
            }
            "host" | "hostname" | "_HOSTNAME" | "HOSTNAME" | "nodename" => self.host = Some(value),
            _ => {}
        }
    }

    /// `kern.info`, `kern  :info  :`, `kern debug`, `kern,debug`, `kern.debug<7>`.
    pub(super) fn facility(&mut self) -> bool {
        const FACILITIES: [&str; 7] = [
            "kernel", "kern", "user", "daemon", "syslog", "auth", "local",
        ];
        const LEVELS: [&str; 10] = [
            "emerg", "panic", "alert", "crit", "err", "warn", "notice", "info", "debug", "none",
        ];
        let starts = |text: &str, word: &str| {
            text.get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let Some(facility) = FACILITIES.iter().find(|name| starts(self.text, name)) else {
            return false;
        };
        let rest = self.text[facility.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
        // A program by this name may say a level, too.
        if *facility == "kernel" && !rest.starts_with('.') {
            return false;
        }
        let level = rest
            .trim_start()
            .trim_start_matches(['.', ':', ',', ';', '|', '"'])
            .trim_start();
        let Some(name) = LEVELS.iter().find(|name| starts(level, name)) else {
            return false;
        };
        let rest = level[name.len()..].trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let rest = without_number(rest);
        let after = rest.trim_start_matches([' ', '\t', ',', ';', '|', '"']);
        let Some(rest) = after
            .strip_prefix(':')
            .or_else(|| (after.len() < rest.len()).then_some(after))
        else {
            return false;
        };
        self.is_foreign_facility |= !facility.starts_with("kern");
        self.is_after_time = true;
        self.text = rest;
        true
    }

    /// `kernel:`, `kernel[0]:`, `kernel - - - `, `klogd:`, `init.scope/kernel:`; `[kernel] ` of metalog, behind a time.
    pub(super) fn tag(&mut self) -> bool {
        if let Some(rest) = self.text.strip_prefix("[kernel] ")
            && self.is_after_time
            && !self.is_tagged
        {
            self.is_tagged = true;
            self.text = rest;
            return true;
        }
        let start = self.text.strip_prefix("init.scope/").unwrap_or(self.text);
        let names = ["kernel", "klogd"];
        let Some(name) = names.into_iter().find(|name| {
            let word = start.get(..name.len());
            word.is_some_and(|word| word.eq_ignore_ascii_case(name))
        }) else {
            return false;
        };
        let mut rest = &start[name.len()..];
        if let Some(after) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            rest = after.1;
        }
        let after = rest
            .strip_prefix(':')
            .or_else(|| rest.strip_prefix([' ', '\t', '"', ',', ';', '|']));
        let Some(rest) = after else { return false };
        self.is_tagged = true;
        self.text = without_ids(rest);
        true
    }

    /// `[1234] module:tcp_retransmit_timer:543: `, as dynamic debug writes where a message comes from.
    pub(super) fn debug(&mut self) -> bool {
        const LONGEST: usize = 80;
        let Some((before, rest)) = self.text.split_once("tcp_retransmit_timer") else {
            return false;
        };
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_:[]<> ".contains(c);
        let rest = rest.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
        if before.len() > LONGEST || !before.chars().all(is_part) || !rest.starts_with(' ') {
            return false;
        }
        self.text = rest;
        true
    }

    /// A host name: a word after a time and before what only a kernel's line has.
    pub(super) fn host(&mut self) -> bool {
        if !self.is_after_time || self.is_tagged {
            return false;
        }
        if let Some(rest) = after_level(self.text) {
            self.text = rest;
            return true;
        }
        if self.host.is_some() && !self.is_relay {
            return false;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || ".-_:%/@()[]~+".contains(c);
        let end = self
            .text
            .find(|c: char| !is_part(c))
            .unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        let after = rest.trim_start_matches(MARKS);
        let gap = &rest[..rest.len() - after.len()];
        let after = after.strip_prefix(": ").unwrap_or(after);
        // Who writes an address and then in quotes quotes what that said.
        let is_quoted = gap.contains('"') && !gap.contains([',', ';', '\t', '|']);
        let is_passed_on = date::date(after).is_some();
        let starts = |word: &str| {
            after
                .get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let is_known = is_passed_on
            || message::begins(after)
            || after.starts_with("last message repeated ")
            || after.starts_with("last message buffered ")
            || after.starts_with("message repeated ")
            || after.starts_with('[')
            || is_level_and_kernel(after)
            || after_level(after).is_some()
            || [
                "kernel",
                "klogd:",
                "kern.",
                "kern ",
                "kern,",
                "kern\t",
                "init.scope/kernel",
            ]
            .into_iter()
            .any(starts);
        // A program with its process is no host.
        let is_program = word.ends_with(':') || word.contains('[') && !word.starts_with('[');
        // A time, a processor or a program in brackets is none either, an address is.
        let is_program = is_program || word.starts_with('[') && !is_address_in_brackets(word);
        if word.is_empty() || is_program || is_quoted || after.len() == rest.len() || !is_known {
            return false;
        }
        self.host = Some(word.trim_matches(['[', ']']));
        self.is_relay = is_passed_on;
        self.text = after;
        true
    }
}

/// Without the priority as a number, `<7>`, behind its words.
fn without_number(text: &str) -> &str {
    let number = text
        .strip_prefix('<')
        .and_then(|rest| rest.split_once("> "));
    let is_number = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit());
    match number {
        Some((number, _)) if is_number(number) => &text[number.len() + 2..],
        _ => text,
    }
}

/// What follows a level in capitals, as `rsyslog` writes it where it is told to, if that is the kernel's name.
fn after_level(text: &str) -> Option<&str> {
    const LEVELS: [&str; 12] = [
        "EMERG", "PANIC", "ALERT", "CRIT", "ERR", "ERROR", "WARNING", "WARN", "NOTICE", "INFO",
        "DEBUG", "NONE",
    ];
    let (level, rest) = text.split_once(' ')?;
    let is_kernels = rest.starts_with("kernel: ") || rest.starts_with("kernel[");
    (is_kernels && LEVELS.contains(&level)).then_some(rest)
}

/// `[192.0.2.1]`, `[fe80::1]`.
fn is_address_in_brackets(word: &str) -> bool {
    let inside = word
        .strip_prefix('[')
        .and_then(|word| word.strip_suffix(']'));
    inside.is_some_and(|address| address.parse::<IpAddr>().is_ok())
}

/// `host="web1", transport="kernel"`.
fn labels(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("\",").filter_map(|label| {
        let (name, value) = label.split_once("=\"")?;
        Some((name.trim(), value.trim_end_matches('"')))
    })
}

/// `user.warn kernel:`, as `BusyBox` writes what its own reader of the kernel's buffer gave it.
fn is_level_and_kernel(text: &str) -> bool {
    let mut found = Unwrapping::of(text);
    let is_level = ["user.", "local", "daemon."]
        .iter()
        .any(|name| text.starts_with(name));
    is_level && found.facility() && found.text.starts_with("kernel:")
}

/// Without the process, the kind of message and the structured data of RFC 5424, if there are none.
fn without_ids(text: &str) -> &str {
    let mut words = text.splitn(4, ' ');
    let is_number = |word: &str| word == "-" || word.bytes().all(|byte| byte.is_ascii_digit());
    match (words.next(), words.next(), words.next()) {
        (Some(process), Some(_), Some(data)) if !process.is_empty() && is_number(process) => {
            let at = text.len() - words.next().map_or(0, str::len);
            match data {
                "-" => &text[at..],
                _ if data.starts_with('[') => &text[at - data.len() - 1..],
                _ => text,
            }
        }
        _ => text,
    }
}
