//! Logs of all eras and wrappings against what they say, in pieces of any size, and garbled.
//!
//! `tests/logs/NAME.txt` is the log and `NAME.expected` what comes of it. `DETECTOR_BLESS=1` writes
//! the latter; read the diff.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

use detector_kmsg::{Kill, LogReader, LogReport, LogTime};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

fn logs() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/logs");
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .collect();
    files.sort();
    files
}

fn read(pieces: &[&[u8]]) -> LogReport {
    static FIRST: LazyLock<LogReader> = LazyLock::new(|| LogReader::new().unwrap());
    let mut reader = FIRST.another();
    for piece in pieces {
        reader.feed(piece);
    }
    reader.finish()
}

/// What a report says, a line each.
fn summary(report: &LogReport) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").unwrap();
    line(format!(
        "{} lines, {} to {}",
        report.lines,
        at(&report.first),
        at(&report.last)
    ));
    line(format!(
        "backwards {}, boot marks {}, suppressed {}, repeats {}, lower bounds {}",
        report.runs_backwards,
        report.boot_marks,
        report.suppressed,
        report.repeats,
        report.counts_are_lower_bounds
    ));
    line(format!(
        "{} window lines, {} stalls, {} peers",
        report.window_lines,
        report.stalls,
        report.peers.len()
    ));
    for peer in &report.peers {
        line(format!(
            "peer {} ({}): {} lines",
            peer.peer, peer.network, peer.lines
        ));
        for stall in &peer.stalls {
            line(format!(
                "  {}/{} {:?} {} B x{} at {} to {}, lasted {:?} silent {:?}{}{}",
                stall.remote_port,
                stall.local_port,
                stall.direction,
                stall
                    .in_flight_bytes
                    .map_or("?".to_owned(), |bytes| bytes.to_string()),
                stall.lines,
                at(&stall.first),
                at(&stall.last),
                stall.lasted_seconds,
                stall.silent_seconds,
                stall
                    .window_bytes
                    .map_or(String::new(), |window| format!(", window {window}")),
                on(&stall.host),
            ));
        }
    }
    for kill in &report.kills {
        line(kill_line(kill));
    }
    line(format!(
        "calls without victim: {}, chosen {:?}",
        report.invocations_without_victim, report.chosen_without_kill
    ));
    line(format!("{:?}", report.tcp_memory));
    for flood in &report.syn_floods {
        line(format!("{flood:?}"));
    }
    line(format!(
        "dropped requests: {:?}",
        report.open_requests_dropped
    ));
    line(format!(
        "allocations {:?}, hung {:?}",
        report.allocation_failures, report.hung_tasks
    ));
    for link in &report.links {
        line(format!("{link:?}"));
    }
    line(format!("{:?}", report.left_out));
    text
}

fn kill_line(kill: &Kill) -> String {
    format!(
        "killed {:?} uid {:?} {:?} at {}: by {:?}{}, chosen {:?}, {:?}, adj {:?}, cgroup {:?}, limited {:?}, \
         usage {:?} of {:?}, sock {:?} share {:?}, anon {:?} file {:?}, reaped {}{}",
        kill.victim,
        kill.uid,
        kill.scope,
        at(&kill.time),
        kill.invoked_by,
        kill.invoked_by_pid
            .map_or(String::new(), |pid| format!("[{pid}]")),
        kill.chosen,
        kill.memory,
        kill.score_adjustment,
        kill.cgroup,
        kill.limited_cgroup,
        kill.usage_bytes,
        kill.limit_bytes,
        kill.socket_bytes,
        kill.socket_share,
        kill.cgroup_anonymous_bytes,
        kill.cgroup_file_bytes,
        kill.was_reaped,
        on(&kill.host)
    )
}

fn on(host: &Option<String>) -> String {
    host.as_ref()
        .map_or(String::new(), |host| format!(", on {host}"))
}

fn at(time: &Option<LogTime>) -> String {
    time.as_ref().map_or("no time".to_owned(), |time| {
        format!("{} {:?}", time.text, time.clock)
    })
}

#[test]
fn logs_say_what_is_expected() {
    let is_blessing = std::env::var_os("DETECTOR_BLESS").is_some();
    for log in logs() {
        let expected = log.with_extension("expected");
        let found = summary(&read(&[&fs::read(&log).unwrap()]));
        if is_blessing {
            fs::write(expected, found).unwrap();
        } else {
            assert_eq!(
                found,
                fs::read_to_string(expected).unwrap(),
                "{}",
                log.display()
            );
        }
    }
}

/// Where a piece ends says nothing.
#[test]
fn pieces_of_any_size_give_the_same() {
    for log in logs() {
        let bytes = fs::read(&log).unwrap();
        let whole = read(&[&bytes]);
        for size in [1, 2, 7, 64, 1000] {
            let pieces: Vec<_> = bytes.chunks(size).collect();
            assert_eq!(
                read(&pieces),
                whole,
                "{} in pieces of {size}",
                log.display()
            );
        }
    }
}

#[test]
fn a_line_without_end_and_a_table_that_is_full_are_bounded() {
    let mut reader = LogReader::new().unwrap();
    for _ in 0..64 {
        reader.feed(&[b'x'; 1 << 16]);
    }
    for number in 0..70_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        let port = 1024 + u16::from(a);
        reader.feed(
            format!(
                "\nTCP: Peer 10.0.{b}.{c}:5000{a}/{port} unexpectedly shrunk window 1:2 (repaired)"
            )
            .as_bytes(),
        );
    }
    for number in 0..5000 {
        reader.feed(format!("\nOut of memory: Killed process {number} (x)").as_bytes());
    }
    let report = reader.finish();
    assert_eq!((report.window_lines, report.stalls), (70_000, 65_536));
    assert_eq!(report.window_lines_not_listed, 70_000 - 65_536);
    assert_eq!((report.kills.len(), report.kills_not_listed), (4096, 904));
}

#[test]
fn names_from_outside_are_made_harmless() {
    let log = "Killed process 7 (\u{1b}]0;x\u{7}\u{202e}) total-vm:1kB, anon-rss:1kB, file-rss:1kB\n\
               [1.5] a\u{9b}b invoked oom-killer: gfp_mask=0x1\n\
               oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/\u{1b}[2J,task_memcg=/b\u{85},task=x,pid=8,uid=0\n\
               Killed process 8 (x)\nINFO: task \u{1b}c:5 blocked for more than 120 seconds.\n";
    let text = serde_json::to_string(&read(&[log.as_bytes()])).unwrap();
    let harmful = |c: char| c.is_control() || c == '\u{202e}';
    assert!(!text.contains(harmful) && !text.contains("\\u00"), "{text}");
}

fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "TCP: ",
        "Treason uncloaked! Peer ",
        "Peer ",
        "Probing zero-window on ",
        "192.0.2.1",
        "::1",
        ":80",
        "/80",
        " shrinks window ",
        " unexpectedly shrunk window ",
        "1:2",
        ". Repaired.",
        " (repaired)",
        "\n",
        "\r\n",
        "[1.5] ",
        "<7>",
        "Mar  4 10:11:12 web1 kernel: ",
        "2026-10-08T08:40:00Z ",
        "{",
        "}",
        "{\n",
        "\"MESSAGE\" : ",
        "[1,2]",
        "\"x\",\n",
        " stdout P ",
        " stdout F ",
        "{\"log\":\"",
        "\\n\",\"stream\":\"stdout\"}",
        "&lt;",
        "&#x1b;",
        "<br>",
        "\u{1b}[1m",
        "oom-kill:constraint=x",
        ",task=x,pid=1,uid=0",
        "Killed process ",
        "1 (x)",
        " total-vm:1kB",
        "7,1,2,-;",
        "\\x0a",
        "last message repeated 3 times",
        "Kill process ",
        "x invoked oom-killer: ",
        "memory: usage 1kB, limit 2kB",
        "Memory cgroup stats for /a:",
        "sock 5",
        "@timestamp,host,message\n",
        "\"x\",\"y\",\"",
        "<td>",
        "<span class=\"a\">",
        "=3D",
        "=\n",
        "&amp;lt;",
        "^[[1m",
        "[0m",
        "#012",
        "\r",
        "12: ",
        "kern.info ",
        "TCP: peer ",
        "1:2:3. Bad",
        "MESSAGE\n",
        "\u{a0}",
        "tcp_retransmit_timer:1: ",
        "oom_reaper: reaped process 1 (x)",
        "Tasks in /a are going to be killed due to memory.oom.group set",
        "\"171456480012345678\",\n",
        "-- Boot ",
        "uncloaked! Peer ",
        "r 192.0.2.1:5000/80 shrinks window ",
        "illed process ",
        "78901] ",
        "nel: ",
        "...",
        "[…]",
        ">\n",
        "#011",
        "\"MESSAGE\" : [\n",
        "[\n",
        "],\n",
        "84,\n",
        "[a@1 x=\"",
        "\\]\"] ",
        "user.warn kernel: ",
        "=",
        "é",
        "\0",
        "999999999999999999999",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        read(&[&bytes]);
    }

    /// Parts of messages in any order: no panic, the same in any pieces, counts that agree.
    #[test]
    fn parts_of_messages_in_any_order_are_safe(text in words(), size in 1_usize..50) {
        let whole = read(&[text.as_bytes()]);
        let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
        prop_assert_eq!(&read(&pieces), &whole);
        let of_peers: u64 = whole.peers.iter().map(|peer| peer.lines).sum();
        prop_assert_eq!(of_peers + whole.window_lines_not_listed, whole.window_lines);
    }

    /// Every line that the kernel can write is read back, IPv4, IPv6 and mapped, in each sentence.
    #[test]
    fn what_the_kernel_writes_is_read_back(
        address in prop_oneof![
            (0x0100_0000_u32..0xe000_0000).prop_map(|v4| std::net::IpAddr::from(v4.to_be_bytes())),
            (1_u128..0xff00 << 112).prop_map(|v6| std::net::IpAddr::from(v6.to_be_bytes())),
        ],
        remote in 1_u16.., local in 1_u16.., una: u32, in_flight in 1_u32..(1 << 30), sentence in 0..3,
    ) {
        let nxt = una.wrapping_add(in_flight);
        let place = match address {
            std::net::IpAddr::V4(v4) => v4.to_string(),
            std::net::IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:04x}")).join(":"),
        };
        let line = match sentence {
            0 => format!("TCP: Treason uncloaked! Peer {place}:{remote}/{local} shrinks window {una}:{nxt}. Repaired."),
            1 => format!("TCP: Peer {place}:{remote}/{local} unexpectedly shrunk window {una}:{nxt} (repaired)"),
            _ => format!("TCP: Probing zero-window on {place}:{remote}/{local}, seq={una}:{nxt}, recv 5ms ago, lasting 70ms"),
        };
        let report = read(&[line.as_bytes()]);
        prop_assert_eq!(report.stalls, 1, "{}", line);
        let peer = &report.peers[0];
        prop_assert_eq!(&peer.peer, &address.to_canonical().to_string());
        let stall = &peer.stalls[0];
        prop_assert_eq!((stall.remote_port, stall.local_port), (remote, local));
        prop_assert_eq!((stall.snd_una, stall.snd_nxt, stall.in_flight_bytes), (Some(una), Some(nxt), Some(in_flight)));
    }
}
