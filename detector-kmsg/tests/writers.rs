//! How those who write logs down say that a line is the kernel's, and how often it came.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::{LogReader, LogReport};

fn read(text: &str) -> LogReport {
    let mut reader = LogReader::new().unwrap();
    reader.feed(text.as_bytes());
    reader.finish()
}

fn peers(report: &LogReport) -> Vec<&str> {
    let peers = report.peers.iter().map(|peer| peer.peer.as_str());
    peers.collect()
}

const WINDOW: &str = "TCP: Peer 198.51.100.7:50001/80 unexpectedly shrunk window 1:2 (repaired)";
const FORGED: &str = "TCP: Peer 203.0.113.9:50001/80 unexpectedly shrunk window 1:2 (repaired)";
const CALL: &str = "httpd invoked oom-killer: gfp_mask=0x201d2, order=0, oomkilladj=0";
const KILL: &str = "Out of memory: Killed process 3120 (httpd).";

#[test]
fn metalog_names_programs_in_brackets() {
    let repeats = "                - Last output repeated";
    for host in ["", "www1 "] {
        let log = format!(
            "Dec 29 21:12:01 {host}[kernel] {WINDOW}\n{repeats} 3 times -\n\
             Dec 29 21:12:02 {host}[kernel] {WINDOW}\n{repeats} twice -\n\
             Dec 29 21:12:09 {host}[sshd] {FORGED}\n\
             Dec 29 21:13:00 {host}[kernel] {CALL}\n\
             Dec 29 21:13:00 {host}[kernel] {KILL}\n"
        );
        let noise = "Dec 29 21:11:01 [sshd] Accepted publickey for deploy\n".repeat(4000);
        for text in [log.clone(), format!("{noise}{log}")] {
            let report = read(&text);
            assert_eq!(peers(&report), ["198.51.100.7"]);
            assert_eq!((report.window_lines, report.repeats), (6, 4));
            assert_eq!(report.kills[0].invoked_by.as_deref(), Some("httpd"));
            assert_eq!(report.hosts.concat(), host.trim());
        }
    }
}

#[test]
fn a_word_in_brackets_is_a_host_only_if_it_is_an_address() {
    let of = |word: &str| read(&format!("Oct  8 08:40:00 {word} {WINDOW}\n")).hosts;
    assert_eq!(of("[192.0.2.1]"), ["192.0.2.1"]);
    assert_eq!(of("[fe80::1]"), ["fe80::1"]);
    for word in ["[app]", "[web1]", "[nginx-1.2.3]"] {
        let report = read(&format!("Oct  8 08:40:00 {word} {WINDOW}\n"));
        assert_eq!((report.window_lines, report.hosts.len()), (0, 0), "{word}");
    }
}

#[test]
fn a_level_before_the_kernels_name_is_no_host() {
    let at = "2021-04-24T18:03:50.804300Z";
    let report = read(&format!(
        "{at} DEBUG kernel: [  510.876901] {WINDOW}\n{at} WARNING kernel: [  516.876901] {CALL}\n\
         {at} ERR kernel: [  516.876910] {KILL}\n"
    ));
    assert_eq!((report.window_lines, report.hosts.len()), (1, 0));
    assert_eq!(report.kills[0].invoked_by.as_deref(), Some("httpd"));
    let report = read(&format!(
        "2026 May 14 05:41:28.000183 gold210 DEBUG kernel: [12345.678901] {WINDOW}\n\
         May 14 05:41:29.000183 gold210 ERR kernel: [12347.678901] {KILL}\n\
         May 14 05:41:30.000183 gold210 INFO app: {FORGED}\n\
         May 14 05:41:31.000183 gold210 INFO app: kernel: {FORGED}\n"
    ));
    assert_eq!(peers(&report), ["198.51.100.7"]);
    assert_eq!(report.hosts, ["gold210"]);
    assert_eq!(report.kills.len(), 1);
}

#[test]
fn a_priority_may_stand_in_words_and_as_a_number() {
    let report = read(&format!(
        "2026-10-08T08:40:00.123456+00:00 web1 kern.debug<7> kernel: [12345.678901] {WINDOW}\n\
         Oct  8 08:40:01 web1 kern.warning<4> kernel: {WINDOW}\n\
         Oct  8 08:40:02 web1 auth.info<38> sshd[9]: {FORGED}\n\
         Oct  8 08:40:02 web1 user.info<14> {FORGED}\n"
    ));
    assert_eq!(peers(&report), ["198.51.100.7"]);
    assert_eq!(
        (report.window_lines, report.hosts),
        (2, vec!["web1".to_owned()])
    );
}

#[test]
fn talos_names_its_node_and_the_facility() {
    let at = "[2022-07-28T11:49:42.504764063Z]";
    let report = read(&format!(
        "10.5.0.3: kern:   debug: {at}: {WINDOW}\n10.5.0.3: kern: warning: {at}: {CALL}\n\
         10.5.0.3: kern:     err: {at}: {KILL}\n10.5.0.3: user: warning: {at}: {FORGED}\n\
         node1: daemon:    info: {at}: {FORGED}\n"
    ));
    assert_eq!(peers(&report), ["198.51.100.7"]);
    assert_eq!(report.kills[0].invoked_by.as_deref(), Some("httpd"));
    assert_eq!(report.hosts, ["10.5.0.3"]);
    assert_eq!(report.first.unwrap().text, "2022-07-28T11:49:42.504Z");
}

#[test]
fn a_virtual_machines_log_has_the_kernels_lines_with_their_time() {
    let report = read(&format!(
        "2023-12-04T10:49:30.127Z In(05) vcpu-5 - Guest: <4>[39291577.009260] {CALL}\n\
         2023-12-04T10:49:30.127Z In(05) vcpu-5 - Guest: <3>[39291577.009643] {KILL}\n\
         2016-01-01T00:00:00.000Z| vcpu-0| I125: Guest: <7>[39291578.009643] {WINDOW}\n\
         2023-12-04T10:49:30.127Z In(05) vcpu-5 - Guest: {FORGED}\n\
         2023-12-04T10:49:30.127Z In(05) vcpu-5 - Guest: app: <7>[39291578.1] {FORGED}\n\
         2023-12-04T10:49:30.127Z In(05) vmx - Guest said Guest: <7>[39291578.1] {FORGED}\n"
    ));
    assert_eq!(peers(&report), ["198.51.100.7"]);
    assert_eq!(report.kills[0].invoked_by.as_deref(), Some("httpd"));
    assert!(report.hosts.is_empty());
}

#[test]
fn kills_of_virtuozzo_and_openvz_are_read() {
    let report = read(
        "[ 5310.123456] mysqld invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0\n\
         [ 5310.123470] Killed process 24539 (mysqld) in VE \"100\" total-vm:2048000kB, anon-rss:1024000kB, file-rss:0kB, shmem-rss:0kB\n\
         [ 5311.123470] Killed process 24540 (a) in VE \"1) in VE \"9f1e\" total-vm:2048000kB, anon-rss:1024000kB, file-rss:0kB, shmem-rss:0kB\n\
         [12345.678901] 1436 (php) invoked oom-killer in ub 101 generation 0 gfp 0x2000d2\n\
         [12345.678920] Out of memory in UB 101: OOM killed process 1437 (httpd) score 0 vm:305616kB, rss:10920kB, swap:0kB\n",
    );
    let kills = report.kills.iter().map(|kill| {
        let by = kill.invoked_by.as_deref();
        (kill.victim.name.as_str(), by, kill.memory.total_vm_bytes)
    });
    let total = Some(2_048_000 * 1024);
    let kills: Vec<_> = kills.collect();
    assert_eq!(
        kills,
        [
            ("mysqld", Some("mysqld"), total),
            ("a) in VE \"1", None, total),
            ("httpd", Some("php"), Some(305_616 * 1024)),
        ]
    );
    assert_eq!(report.invocations_without_victim, 0);
}

#[test]
fn what_sysklogd_buffered_came_so_often_more() {
    let report = read(&format!(
        "Sep 20 22:22:37 web1 kernel: {WINDOW}\nSep 20 22:22:37 web1 last message buffered 4 times\n\
         Sep 20 22:22:38 web1 sshd[9]: {FORGED}\nSep 20 22:22:38 web1 last message buffered 9 times\n"
    ));
    assert_eq!((report.window_lines, report.repeats), (5, 13));
    assert!(report.counts_are_lower_bounds);
}

#[test]
fn what_the_journals_reader_dropped_is_not_counted() {
    let line = format!("Jun 28 10:32:15 web1 kernel: {WINDOW}\n");
    let noise = "Jun 28 10:32:14 web1 sshd[123]: Accepted publickey for deploy\n".repeat(4000);
    for (said, is_lower) in [
        (
            "rsyslogd: imjournal: 84667 messages lost due to rate-limiting (20000 allowed within 600 seconds)",
            true,
        ),
        (
            "rsyslogd-2177: imjournal: begin to drop messages due to rate-limiting",
            true,
        ),
        (
            "rsyslogd: imuxsock[pid: 57, name: /usr/bin/app]: 48814808 messages lost due to rate-limiting",
            false,
        ),
    ] {
        for noise in ["", &noise] {
            let report = read(&format!("{noise}{line}Jun 28 10:32:17 web1 {said}\n"));
            assert_eq!(report.window_lines, 1);
            assert_eq!(report.counts_are_lower_bounds, is_lower, "{said}");
        }
    }
}
