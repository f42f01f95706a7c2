//! Logs that have the same lines more than once.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::{LogReader, LogReport};

fn read(text: &str) -> LogReport {
    let mut reader = LogReader::new().unwrap();
    reader.feed(text.as_bytes());
    reader.finish()
}

const KILL: [&str; 6] = [
    "nginx invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0",
    "CPU: 1 PID: 77 Comm: nginx Not tainted 6.1.0-18-amd64 #1 Debian 6.1.76-1",
    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
     task_memcg=/system.slice/x.service,task=php-fpm,pid=4711,uid=33",
    "Out of memory: Killed process 4711 (php-fpm) total-vm:305616kB, anon-rss:10920kB, file-rss:4kB, \
     shmem-rss:0kB, UID:33 pgtables:136kB oom_score_adj:0",
    "oom_reaper: reaped process 4711 (php-fpm), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
    "TCP: Peer 198.51.100.7:50001/80 unexpectedly shrunk window 1:2 (repaired)",
];

/// Each line of the kill, at its own microsecond, with this before it.
fn lines(before: &str, between: &str) -> Vec<String> {
    let numbered = KILL.iter().enumerate();
    { numbered }
        .map(|(at, text)| format!("{before}[12345.6789{at:02}] {between}{text}\n"))
        .collect()
}

fn is_one(text: &str) {
    let report = read(text);
    assert_eq!((report.kills.len(), report.window_lines), (1, 1), "{text}");
    let kill = &report.kills[0];
    assert_eq!(kill.invoked_by.as_deref(), Some("nginx"), "{text}");
    assert!(kill.was_reaped, "{text}");
    assert_eq!(report.invocations_without_victim, 0, "{text}");
    assert!(report.chosen_without_kill.is_empty(), "{text}");
    assert_eq!(report.boot_marks, 0, "{text}");
    assert!(!report.runs_backwards, "{text}");
}

#[test]
fn a_line_that_two_files_have_counts_once() {
    let one = lines("Oct  8 08:40:00 web1 kernel: ", "").concat();
    is_one(&format!("{one}{one}"));
    let named = |file: &str| {
        lines(
            &format!("/var/log/{file}:Oct  8 08:40:00 web1 kernel: "),
            "",
        )
    };
    is_one(&format!(
        "{}{}",
        named("kern.log").concat(),
        named("syslog").concat()
    ));
    let dmesg = lines("", "").concat();
    let journal = lines("", "web1 kernel: ").concat();
    is_one(&format!("{dmesg}{journal}"));
    is_one(&format!("{journal}{dmesg}"));
}

#[test]
fn a_line_that_is_written_twice_at_once_counts_once() {
    let lines = lines("Oct  8 08:40:00 web1 kernel: ", "");
    let twice: Vec<_> = lines.iter().map(|line| line.repeat(2)).collect();
    is_one(&twice.concat());
}

/// The kernel may say the same twice in a second, in a tick, on two hosts.
#[test]
fn a_line_that_came_again_counts_again() {
    let window = KILL[5];
    for (first, second) in [
        (
            "Oct  8 08:40:00 web1 kernel: ",
            "Oct  8 08:40:00 web1 kernel: ",
        ),
        ("[12345.678901] ", "[12345.678902] "),
        ("[12345.678000] ", "[12345.678000] "),
        (
            "Oct  8 08:40:00 web1 kernel: [12345.678901] ",
            "Oct  8 08:40:00 web2 kernel: [12345.678901] ",
        ),
    ] {
        let report = read(&format!("{first}{window}\n{second}{window}\n"));
        assert_eq!(report.window_lines, 2, "{first} {second}");
    }
}
