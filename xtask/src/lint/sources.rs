//! Arrows in source: what may not be named where.

use std::path::Path;

/// `what` may be named only in files that `is_allowed` accepts.
struct Rule {
    what: &'static [&'static str],
    concerns: fn(&str) -> bool,
    why: &'static str,
}

const RULES: [Rule; 4] = [
    Rule {
        what: &["aya"],
        concerns: |path| {
            !path.starts_with("detector-agent/src/kernel/")
                && !path.starts_with("detector-ebpf/")
                // Loads the empty program for a benchmark; no part of the agent.
                && path != "detector-agent/examples/attach_empty.rs"
        },
        why: "only detector-agent/src/kernel imports aya",
    },
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
        concerns: |path| path.starts_with("detector-core/src/"),
        why: "the core has no clock and no I/O: time and bytes are arguments",
    },
    Rule {
        what: &["unsafe"],
        concerns: |path| path.starts_with("detector-ebpf/src/hooks/"),
        why: "hooks hold no unsafe: it lives in the named kernel-side files",
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
                "detector-client/src/top/action",
                "detector-client/src/top/view",
            ]
            .iter()
            .any(|pure| path.starts_with(pure))
                // Expected frames are files.
                && !path.ends_with("/tests.rs")
        },
        why: "state in, frame out: reading and drawing are done outside",
    },
];

pub(super) fn violations(file: &Path, text: &str) -> Vec<String> {
    let path = file.to_string_lossy();
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
        // A bare crate or keyword: as a path's beginning or as the word itself.
        return match path {
            "unsafe" => {
                has_word(code, path) && !code.contains("forbid(") && !code.contains("unsafe(")
            }
            _ => has_word(code, &format!("{path}::")) || has_word(code, &format!("use {path}")),
        };
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
    fn aya_is_imported_in_one_place() {
        assert_eq!(
            count("detector-agent/src/kernel/load.rs", "use aya::Ebpf;"),
            0
        );
        assert_eq!(
            count("detector-agent/src/agent/mod.rs", "use aya::Ebpf;"),
            1
        );
        assert_eq!(
            count(
                "detector-agent/src/agent/mod.rs",
                "let x = aya::Ebpf::load(b);"
            ),
            1
        );
        assert_eq!(
            count(
                "detector-agent/src/agent/mod.rs",
                "// aya::Ebpf stays in kernel/"
            ),
            0
        );
        assert_eq!(
            count("detector-agent/src/agent/mod.rs", "use papaya::Tree;"),
            0
        );
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
        assert_eq!(
            count("detector-agent/src/clock.rs", "use std::time::Instant;"),
            0
        );
    }

    #[test]
    fn hooks_hold_no_unsafe() {
        let hook = "detector-ebpf/src/hooks/tcp_probe.rs";
        assert_eq!(count(hook, "    unsafe { *pointer }"), 1);
        assert_eq!(count(hook, "unsafe fn peek() {}"), 1);
        assert_eq!(count(hook, "#![forbid(unsafe_code)]"), 0);
        assert_eq!(
            count("detector-ebpf/src/helpers.rs", "unsafe { call() }"),
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
