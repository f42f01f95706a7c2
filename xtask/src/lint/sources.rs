//! Arrows in source: what may not be named where. And how long a file may be.

use std::path::Path;

/// `what` may be named only in files that `is_allowed` accepts.
struct Rule {
    what: &'static [&'static str],
    concerns: fn(&str) -> bool,
    why: &'static str,
}

const RULES: [Rule; 3] = [
    Rule {
        what: &[
            "std::time::Instant",
            "std::time::SystemTime",
            "Instant::now",
            "SystemTime::now",
            "std::fs",
            "std::env",
            "std::process",
            "std::thread",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::net::UdpSocket",
            "std::os",
            "tokio",
        ],
        concerns: |path| {
            ["detector-core/src/", "detector-kmsg/src/"].iter().any(|pure| path.starts_with(pure))
                // The last words of a failing command go to stderr, with its exit code.
                || (path.starts_with("detector-api/src/") && path != "detector-api/src/failure.rs")
        },
        why: "core, contract and log reader have no clock and no I/O: time and bytes are arguments",
    },
    Rule {
        what: &[
            "std::fs",
            "std::io",
            "std::net::TcpStream",
            "std::time::Instant",
            "crossterm",
            "tokio",
        ],
        concerns: |path| {
            [
                "detector-client/src/top/state",
                "detector-client/src/top/keys",
                "detector-client/src/top/view",
            ]
            .iter()
            .any(|pure| path.starts_with(pure))
                // Expected frames are files, and so are recorders.
                && !path.ends_with("/tests.rs")
                && !path.contains("/tests/")
        },
        why: "state in, frame out: reading and drawing are done outside",
    },
    Rule {
        what: &[
            "std::os::linux",
            "rustix::thread",
            "rustix::io_uring",
            "set_parent_process_death_signal",
            "prctl",
        ],
        concerns: |path| {
            [
                "detector-client/src/",
                "detector-api/src/",
                "detector-recorder/src/",
                "detector-kmsg/src/",
            ]
            .iter()
            .any(|part| path.starts_with(part))
        },
        why: "the client also runs where there is no Linux",
    },
];

/// Lines of a file at most: what is longer has more than one subject.
const LINES: usize = 400;

pub(super) fn violations(file: &Path, text: &str) -> Vec<String> {
    let path = file.to_string_lossy();
    let lines = text.lines().count();
    if lines > LINES {
        return vec![format!(
            "{path}: {lines} lines, of at most {LINES}: cut it by subject"
        )];
    }
    // The rules themselves and their tests name what they forbid.
    if path.starts_with("xtask/src/lint/") {
        return Vec::new();
    }
    let rules: Vec<&Rule> = RULES.iter().filter(|rule| (rule.concerns)(&path)).collect();
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for rule in &rules {
            if let Some(what) = rule.what.iter().find(|what| names(code, what)) {
                found.push(format!("{path}:{number}: {what}: {}", rule.why));
            }
        }
    }
    found
}

/// Whether `code` names `path`, written out or as one name of a `use` group.
fn names(code: &str, path: &str) -> bool {
    let Some((module, last)) = path.rsplit_once("::") else {
        // A bare crate: as a path's beginning or as the word itself.
        return has_word(code, &format!("{path}::")) || has_word(code, &format!("use {path}"));
    };
    let group = format!("{module}::{{");
    let in_group = code.find(&group).is_some_and(|at| {
        code.get(at + group.len()..)
            .is_some_and(|rest| has_word(rest, last))
    });
    in_group || has_word(code, path)
}

/// `word` with no letter, digit or underscore right before or after it.
fn has_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let ends_open = word.ends_with(':');
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && (ends_open || !after.is_some_and(is_part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(file: &str, text: &str) -> usize {
        violations(Path::new(file), text).len()
    }

    #[test]
    fn a_file_has_one_subject() {
        let file = "detector-core/src/engine/mod.rs";
        assert_eq!(count(file, &"// a line\n".repeat(LINES)), 0);
        assert_eq!(count(file, &"// a line\n".repeat(LINES + 1)), 1);
    }

    #[test]
    fn the_core_has_no_clock_and_no_io() {
        for bad in [
            "use std::time::Instant;",
            "use std::time::{Duration, Instant};",
            "let now = SystemTime::now();",
            "use std::{collections::HashMap};  use std::fs::File;",
            "use std::net::{IpAddr, TcpStream};",
            "tokio::spawn(x);",
        ] {
            assert_eq!(count("detector-core/src/engine/mod.rs", bad), 1, "{bad}");
        }
        for good in [
            "use std::time::Duration;",
            "use std::net::{IpAddr, Ipv4Addr};",
            "struct Instant;",
        ] {
            assert_eq!(count("detector-core/src/engine/mod.rs", good), 0, "{good}");
        }
        assert_eq!(count("detector-api/src/time.rs", "use std::fs;"), 1);
        assert_eq!(
            count("detector-agent/src/clock.rs", "use std::time::Instant;"),
            0
        );
    }

    #[test]
    fn the_client_and_what_it_reads_with_need_no_linux() {
        for part in ["client", "api", "recorder", "kmsg"] {
            let file = format!("detector-{part}/src/lib.rs");
            assert!(
                count(&file, "use std::os::linux::fs::MetadataExt;") > 0,
                "{file}"
            );
            assert_eq!(count(&file, "rustix::thread::gettid();"), 1, "{file}");
        }
        assert_eq!(
            count("detector-agent/src/lib.rs", "rustix::thread::gettid();"),
            0
        );
    }

    #[test]
    fn the_table_view_is_pure() {
        assert_eq!(
            count("detector-client/src/top/view.rs", "use std::io::Write;"),
            1
        );
        assert_eq!(
            count("detector-client/src/top/terminal.rs", "use std::io::Write;"),
            0
        );
    }
}
