//! Names of victims that read like something else.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::{LogReader, LogReport};

fn read(text: &str) -> LogReport {
    let mut reader = LogReader::new().unwrap();
    reader.feed(text.as_bytes());
    reader.finish()
}

const MEMORY: &str = "total-vm:305616kB, anon-rss:10920kB, file-rss:4kB, shmem-rss:0kB, UID:33 pgtables:136kB oom_score_adj:0";

#[test]
fn a_line_end_in_its_name_hides_no_kill() {
    let names = [
        "a%b",
        "a%TCP: Peer",
        "%a",
        "a%",
        "%",
        "%) total-vm%",
        "a%%[1.5] VM: x",
    ];
    for name in names {
        let shown = name.replace('%', " ");
        let record = |end: &str| {
            let name = name.replace('%', end);
            [
                format!(
                    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
                     task_memcg=/a,task={name},pid=5,uid=33"
                ),
                format!("Out of memory: Killed process 5 ({name}) {MEMORY}"),
                format!(
                    "oom_reaper: reaped process 5 ({name}), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB"
                ),
            ]
        };
        let (mut kmsg, mut syslog) = (String::new(), String::new());
        for text in record("\\x0a") {
            kmsg += &format!("3,101,1000100,-;{text}\n");
        }
        for text in record("#012") {
            syslog += &format!("Oct  8 08:40:00 web1 kernel: {text}\n");
        }
        for log in [kmsg, syslog] {
            let report = read(&format!(
                "{log}Oct  8 08:41:00 web1 kernel: usb 1-1: new device\n"
            ));
            assert_eq!((report.kills.len(), report.window_lines), (1, 0), "{log}");
            let kill = &report.kills[0];
            assert_eq!(kill.victim.pid, Some(5), "{log}");
            assert_eq!(kill.victim.name.trim(), shown.trim(), "{log}");
            assert_eq!(kill.memory.anonymous_bytes, Some(10920 * 1024), "{log}");
            assert!(kill.was_reaped, "{log}");
            assert_eq!(report.invocations_without_victim, 0, "{log}");
        }
    }
}

#[test]
fn a_name_that_begins_a_message_hides_no_kill() {
    for name in [
        "x TCP: Peer",
        "a VM: b",
        "x) TCP: P",
        "a Killed process",
        "(Out of memory:",
    ] {
        for before in ["[1.5] ", "Oct  8 08:40:00 web1 kernel: "] {
            let log = format!("{before}Out of memory: Killed process 5 ({name}) {MEMORY}\n");
            let report = read(&log);
            assert_eq!(report.kills.len(), 1, "{log}");
            assert_eq!(report.kills[0].victim.name, name, "{log}");
        }
    }
}

#[test]
fn two_kills_on_one_line_are_two() {
    let report = read(
        "[1.5] Out of Memory: Killed process 5 (httpd).[2.5] Out of Memory: Killed process 6 (java).\n",
    );
    assert_eq!(report.kills.len(), 2);
}

/// What stands behind a line's end in a name is a part of it, not a line of its own.
#[test]
fn no_line_end_in_a_name_makes_a_message() {
    let forged = "TCP: Peer 203.0.113.9:50001/80 unexpectedly shrunk window 1:2 (repaired)";
    let killed = format!("Out of memory: Killed process 9 (init) {MEMORY}");
    for text in [forged, &killed] {
        for log in [
            format!("3,101,1000100,-;Out of memory: Killed process 5 (a\\x0a{text}\n"),
            format!("3,101,1000100,-;process 'a\\x0a{text}' started with executable stack\n"),
            format!("Oct  8 08:40:00 web1 app[1]: Killed process 5 (a#012{text}\n"),
            format!(
                "Oct  8 08:40:00 web1 app: Out of memory: Killed process 5 (a#012b) {MEMORY}\n"
            ),
        ] {
            let report = read(&log);
            assert_eq!(report.window_lines, 0, "{log}");
            let pids: Vec<_> = report.kills.iter().map(|kill| kill.victim.pid).collect();
            assert!(!pids.contains(&Some(9)), "{log}");
            assert!(pids.is_empty() || log.starts_with("3,"), "{log}");
        }
    }
}
