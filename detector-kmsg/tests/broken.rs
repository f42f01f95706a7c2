//! Messages that are broken, or cut, at every place.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

use detector_kmsg::{LogReader, LogReport};
use std::sync::LazyLock;

fn read(text: &str) -> LogReport {
    static FIRST: LazyLock<LogReader> = LazyLock::new(|| LogReader::new().unwrap());
    let mut reader = FIRST.another();
    reader.feed(text.as_bytes());
    reader.finish()
}

/// One of each kind.
const MESSAGES: [&str; 10] = [
    "TCP: Treason uncloaked! Peer 198.51.100.7:50001/80 shrinks window 1000000:1002448. Repaired.",
    "TCP: peer 198.51.100.7:50001/80 shrinks window 1000000:512:1002448. Bad, what else can I say?",
    "TCP: Peer 198.51.100.7:50001/80 unexpectedly shrunk window 1000000:1002448 (repaired)",
    "TCP: Probing zero-window on 198.51.100.7:50001/80, seq=1000000:1002448, recv 209ms ago, lasting 1209ms",
    "Out of memory: Killed process 4711 (php-fpm) total-vm:912340kB, anon-rss:701220kB, file-rss:1024kB, \
         shmem-rss:2048kB, UID:33 pgtables:1684kB oom_score_adj:0",
    "Memory cgroup out of memory: Kill process 4711 (php-fpm) score 1182 or sacrifice child",
    "TCP: out of memory -- consider tuning tcp_mem",
    "net_ratelimit: 273 callbacks suppressed",
    "TCP: drop open request from 198.51.100.7/33287",
    "INFO: task nginx:1234 blocked for more than 120 seconds.",
];

/// Where a mail program broke a message, and how it quoted it, says nothing.
#[test]
fn messages_broken_at_any_blank_are_the_same() {
    for message in MESSAGES {
        let end = "[12345.700000] eth0: renamed from veth1";
        let line = format!("> [12345.678901] {message}\n> {end}\n");
        let mut whole = read(&line);
        for (at, _) in message.match_indices(' ') {
            for glue in ["\n> ", " \n> ", "\n>    ", "=20\n", "\r\n> "] {
                let (before, after) = message.split_at(at);
                let line = format!("> [12345.678901] {before}{glue}{}\n> {end}\n", &after[1..]);
                let broken = read(&line);
                (whole.lines, whole.bytes) = (broken.lines, broken.bytes);
                assert_eq!(broken, whole, "{line}");
            }
        }
    }
}

/// Where a terminal broke a message says nothing, within its words, too.
#[test]
fn messages_broken_at_any_byte_are_the_same() {
    let prefixes = ["[12345.678901] ", "Mar  4 10:11:12 web1 kernel: ", ""];
    for (prefix, message) in prefixes
        .into_iter()
        .flat_map(|it| MESSAGES.map(|of| (it, of)))
    {
        let end = format!("{prefix}eth0: renamed from veth1\n");
        let mut whole = read(&format!("{prefix}{message}\n{end}"));
        for at in 1..message.len() {
            for glue in ["\n", "\r\n"] {
                let (before, after) = message.split_at(at);
                let text = format!("{prefix}{before}{glue}{after}\n{end}");
                let broken = read(&text);
                (whole.lines, whole.bytes) = (broken.lines, broken.bytes);
                assert_eq!(broken, whole, "{text}");
            }
        }
    }
}

/// Whether the log names the peer of `MESSAGES` and no other.
fn names_the_peer(report: &LogReport, text: &str) -> bool {
    for peer in &report.peers {
        let stall = &peer.stalls[0];
        assert_eq!(peer.peer, "198.51.100.7", "{text}");
        assert_eq!((stall.remote_port, stall.local_port), (50001, 80), "{text}");
        let range = stall.in_flight_bytes.unwrap_or(2448);
        assert_eq!(range, 2448, "{text}");
    }
    for kill in &report.kills {
        assert_eq!(kill.victim.name, "php-fpm", "{text}");
    }
    let left_out = &report.left_out;
    let falsely = (
        left_out.other_programs,
        left_out.impossible,
        left_out.without_local_port,
    );
    assert_eq!(falsely, (0, 0, 0), "{text}");
    report.peers.len() + report.kills.len() == 1
}

/// A line that is cut, with each mark that tools leave there, says what it still says, or is counted as cut.
#[test]
fn messages_cut_at_any_byte_say_what_is_left() {
    let next = "[12345.700000] eth0: renamed from veth1";
    for message in MESSAGES {
        let port = message.find("/80").map(|at| at + "/80 shr".len());
        for at in 1..message.len() {
            for mark in ["", "…", "...", "[...]", ">", " [...]"] {
                let text = format!("[12345.678901] {}{mark}\n{next}\n", &message[..at]);
                let report = read(&text);
                let is_named = names_the_peer(&report, &text);
                assert!(is_named || port.is_none_or(|port| at < port), "{text}");
                assert!(report.left_out.cut <= u64::from(!is_named), "{text}");
            }
        }
    }
}

/// A log that begins within a message says of it what no cut can have changed.
#[test]
fn logs_that_begin_at_any_byte_of_a_message_say_what_is_left() {
    let prefixes = ["[12345.678901] ", "Mar  4 10:11:12 web1 kernel: ", ""];
    for (prefix, message) in { prefixes.into_iter() }.flat_map(|it| MESSAGES.map(|of| (it, of))) {
        let whole = format!("{prefix}{message}");
        let peer = whole.find("Peer ").or_else(|| whole.find("peer "));
        let peer = peer.or_else(|| whole.find("window on ").map(|at| at + "window".len()));
        for at in 0..whole.len() {
            let text = format!(
                "{}\n[12345.700000] eth0: renamed from veth1\n",
                &whole[at..]
            );
            let is_named = names_the_peer(&read(&text), &text);
            let is_plain = at == 0 || at >= prefix.len() || prefix.starts_with('[') && at > 1;
            let is_told = is_plain && peer.is_some_and(|peer| at <= peer);
            assert!(is_named || !is_told, "{text}");
        }
    }
}

/// What another program wrote is not the kernel's wherever it was broken, but where a whole message stands on a line
/// of its own.
#[test]
fn lines_of_other_programs_broken_at_any_byte_are_no_evidence() {
    let lines = [
        "Mar  4 10:11:12 web1 sshd[123]: Invalid user TCP: Treason uncloaked! Peer 203.0.113.9:39660/80 shrinks window 1:2. Repaired.",
        "Mar  4 10:11:12 web1 app[1]: TCP: Peer 203.0.113.9:39660/80 unexpectedly shrunk window 1:2 (repaired)",
        "Mar  4 10:11:12 web1 root: [12345.678901] TCP: Probing zero-window on 203.0.113.9:39660/80, seq=1:2, recv 2ms ago, lasting 9ms",
        "198.51.100.5 - - [04/Mar/2026:10:11:12 +0000] \"TCP: Treason uncloaked! Peer 203.0.113.9:39660/80 shrinks window 1:2. Repaired.\" 400 5",
        "we saw [12345.678901] TCP: Peer 203.0.113.9:39660/80 unexpectedly shrunk window 1:2 (repaired)",
        "Mar  4 10:11:12 web1 app[1]: Out of memory: Killed process 9 (x) total-vm:1kB, anon-rss:1kB, file-rss:1kB",
    ];
    let begins = [
        "[", "TCP: ", "Treason ", "Peer ", "Probing ", "Out of ", "Killed ",
    ];
    for line in lines {
        // Behind who wrote it.
        let says = ["]: ", "root: ", "\"", "saw "];
        let starts = says
            .iter()
            .filter_map(|end| Some(line.find(end)? + end.len()));
        for at in starts.min().unwrap()..line.len() {
            let (before, after) = line.split_at(at);
            if begins
                .iter()
                .any(|words| after.trim_start().starts_with(words))
            {
                continue;
            }
            for (glue, mark) in [
                ("\n", ""),
                ("\n> ", "> "),
                ("\r\n", ""),
                ("…\n", ""),
                ("=\n", ""),
            ] {
                let text = format!("{mark}first\n{mark}{before}{glue}{after}\n{mark}last\n");
                let report = read(&text);
                assert_eq!((report.stalls, report.kills.len()), (0, 0), "{text}");
            }
        }
    }
}
