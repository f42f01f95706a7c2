//! Clocks that are set, and which way a log runs then.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::{LogReader, LogReport};

fn read(text: &str) -> LogReport {
    let mut reader = LogReader::new().unwrap();
    reader.feed(text.as_bytes());
    reader.finish()
}

const KILL: [&str; 4] = [
    "nginx invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0",
    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
     task_memcg=/system.slice/x.service,task=php-fpm,pid=4711,uid=33",
    "Out of memory: Killed process 4711 (php-fpm) total-vm:305616kB, anon-rss:10920kB, file-rss:4kB, \
     shmem-rss:0kB, UID:33 pgtables:136kB oom_score_adj:0",
    "oom_reaper: reaped process 4711 (php-fpm), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
];

fn window(number: u32) -> String {
    format!("TCP: Peer 198.51.100.7:{number}/80 unexpectedly shrunk window 1:2 (repaired)")
}

fn is_told(lines: &[String], is_backwards: bool, first: &str) {
    let report = read(&format!("{}\n", lines.join("\n")));
    let log = lines.join("\n");
    assert_eq!(report.kills.len(), 1, "{log}");
    assert_eq!(
        report.kills[0].invoked_by.as_deref(),
        Some("nginx"),
        "{log}"
    );
    assert_eq!(report.invocations_without_victim, 0, "{log}");
    assert_eq!(report.runs_backwards, is_backwards, "{log}");
    assert_eq!(report.first.unwrap().text, first, "{log}");
}

/// Summer time ends, or a clock is found to be fast.
#[test]
fn a_clock_that_is_set_back_turns_no_log_round() {
    for kernel in ["", "[ 1000.100000] "] {
        let mut lines = vec![format!(
            "Oct 25 02:59:50 web1 kernel: {kernel}{}",
            window(1)
        )];
        for (at, text) in KILL.iter().enumerate() {
            let kernel = kernel.replace("1000.1000", &format!("1015.1{at}00"));
            lines.push(format!("Oct 25 02:00:05 web1 kernel: {kernel}{text}"));
        }
        is_told(&lines, false, "Oct 25 02:59:50");
        lines.reverse();
        is_told(&lines, true, "Oct 25 02:59:50");
    }
    // The time since boot says it where no kill does.
    let log = format!(
        "Oct 25 02:59:50 web1 kernel: [ 1000.100000] {}\nOct 25 02:00:05 web1 kernel: [ 1015.100000] {}\n",
        window(1),
        window(2)
    );
    assert!(!read(&log).runs_backwards);
}

#[test]
fn a_log_that_runs_backwards_does_so_over_a_boot() {
    let lines = |boot: u32, clock: &str| {
        let lines = (0..3).rev().map(|at| {
            format!(
                "Oct  8 {clock}:0{at} web1 kernel: [ {boot}.10000{at}] {}",
                window(at + 1)
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let report = read(&format!(
        "{}\n{}\n",
        lines(20, "08:40"),
        lines(90_000, "08:39")
    ));
    assert!(report.runs_backwards);
}
