//! Names of files, tasks and control groups that read like messages of the kernel, which prints them.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::{LogReader, LogReport};
use std::sync::LazyLock;

fn read(text: &str) -> LogReport {
    static FIRST: LazyLock<LogReader> = LazyLock::new(|| LogReader::new().unwrap());
    let mut reader = FIRST.another();
    reader.feed(text.as_bytes());
    reader.finish()
}

/// That nothing is told of what the name reads like.
fn is_quiet(text: &str) {
    let report = read(text);
    let floods = (report.syn_floods.len(), report.open_requests_dropped.lines);
    let found = (report.window_lines, report.kills.len(), floods);
    assert_eq!(found, (0, 0, (0, 0)), "{text}");
    assert_eq!(report.tcp_memory, Default::default(), "{text}");
    assert_eq!(report.invocations_without_victim, 0, "{text}");
    assert!(report.allocation_failures.is_empty(), "{text}");
    assert!(report.links.is_empty(), "{text}");
}

/// What the kernel says around a name.
const SAYS: [(&str, &str); 9] = [
    (
        "app[1]: segfault at 0 ip 0000000000401136 sp 00007ffd1 error 4 in ",
        "[401000+1000]",
    ),
    (
        "app[1]: segfault at 0 ip 0000000000401136 sp 00007ffd1 error 4 in ",
        "[1136,401000+1000] likely on CPU 3 (core 1, socket 0)",
    ),
    (
        "traps: app[1] general protection fault ip:401136 sp:7ffd1 error:0 in ",
        "[401000+1000]",
    ),
    (
        "traps: app[1] trap invalid opcode ip:401136 sp:7ffd1 error:0 in ",
        "[401000+1000]",
    ),
    ("process '/tmp/", "' started with executable stack"),
    (
        "app[1]: unhandled level 2 translation fault (11) at 0x0, esr 0x9, in ",
        "[401000+1000]",
    ),
    (
        "audit: type=1326 audit(1.5:7): auid=1000 comm=\"a\" exe=\"/tmp/",
        "\" sig=0",
    ),
    ("overlayfs: failed to resolve '", "': -2"),
    (
        "cgroup: fork rejected by pids controller in /user.slice/",
        "",
    ),
];
/// What a name may say.
const NAMES: [&str; 8] = [
    "a: page allocation failure: order:5, mode:0x40dc0",
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=nginx,pid=870,uid=0",
    "Killed process 870 (nginx) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:0kB",
    "TCP: Peer 198.51.100.7:40000&#47;80 unexpectedly shrunk window 100:200 (repaired)",
    "TCP: Peer 198.51.100.7:40000/80 unexpectedly shrunk window 100:200 (repaired)",
    "TCP: too many orphaned sockets",
    "igb 0000:01:00.0 eth0: Link is Down",
    "nginx invoked oom-killer: gfp_mask=0x1, order=0",
];
/// How it may pretend that a line begins.
const ENDS: [&str; 13] = [
    "<br>",
    "<BR/>[12.600000] ",
    "</p><p>",
    "&#10;",
    "&#x0a;[12.600000] ",
    "&lt;br&gt;",
    "#012",
    "#012[12.600000] ",
    "\\x0a",
    "x[12.600000] ",
    ". ",
    " Mar  4 10:11:13 web1 kernel: ",
    "<td>&#60;7&#62;[12.600000] ",
];

/// One record of the kernel's in all that is put around one.
fn wrapped(record: &str) -> Vec<String> {
    let of_json = record
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    vec![
        record.to_owned(),
        format!("[   12.500000] {record}"),
        format!("<6>[   12.500000] {record}"),
        format!("Mar  4 10:11:12 web1 kernel: {record}"),
        format!("Mar  4 10:11:12 web1 kernel: [   12.500000] {record}"),
        format!("> [   12.500000] {record}"),
        format!("6,1234,12500000,-;{record}"),
        format!("{{\"_TRANSPORT\":\"kernel\",\"MESSAGE\":\"{of_json}\"}}"),
        format!("{{\"@timestamp\":\"2026-10-08T08:40:00Z\",\"message\":\"{of_json}\"}}"),
    ]
}

#[test]
fn no_name_makes_a_message_of_itself() {
    for (before, after) in SAYS {
        for name in NAMES {
            let mut log = String::new();
            for end in ENDS {
                for closed in ["", "[401000+1000]", "'"] {
                    let record = format!("{before}x{closed}{end}{name}{end}{after}");
                    for line in wrapped(&record) {
                        log += &format!("{line}\n[   13.500000] eth0: renamed from veth1\n");
                    }
                }
            }
            is_quiet(&log);
        }
    }
}

/// The kernel writes a line's end as it is, and so do those who write its log down: they put blanks or a time before
/// what follows.
#[test]
fn no_name_of_several_lines_makes_a_message_of_itself() {
    let (before, after) = SAYS[0];
    for (head, next) in [
        ("[   12.500000] ", "               "),
        ("[   12.500000] ", "[   12.500000] "),
        ("[   12.500000] ", ""),
        (
            "Mar  4 10:11:12 web1 kernel: ",
            "                             ",
        ),
        (
            "Mar  4 10:11:12 web1 kernel: [   12.500000] ",
            "Mar  4 10:11:12 web1 kernel: [   12.500000] ",
        ),
        (
            "Mar  4 10:11:12 web1 kernel: ",
            "Mar  4 10:11:12 web1 kernel: ",
        ),
        ("", ""),
    ] {
        for name in NAMES {
            let text = format!("{head}{before}x\n{next}{name}\n{next}{after}\n");
            is_quiet(&text);
        }
    }
    // In a log of which most is passed over, too.
    let noise = "Mar  4 10:11:12 web1 sshd[123]: Accepted publickey for deploy\n".repeat(2500);
    is_quiet(&format!(
        "{noise}[   12.500000] {before}x\n               {}\n",
        NAMES[2]
    ));
    let pretty = "x\n{\n\"MESSAGE\" : \"TCP: too many orphaned sockets\"\n}\n";
    is_quiet(&format!("[   12.500000] {before}{pretty}{after}\n"));
}

/// Users call control groups of theirs what they like.
#[test]
fn no_name_of_a_group_makes_a_message_of_itself() {
    let window = "TCP: Peer 198.51.100.7:40000/80 unexpectedly shrunk window 100:200 (repaired)";
    let kill = "Out of memory: Killed process 870 (nginx) total-vm:1kB, anon-rss:1kB, file-rss:1kB";
    let mine = "/user.slice/user-1000.slice/x";
    for (name, end) in [window, kill]
        .into_iter()
        .flat_map(|name| [" ", "[12.600000] ", ". "].map(|end| (name, end)))
    {
        for record in [
            format!("Memory cgroup stats for {mine}{end}{name}: cache:0KB rss:4KB"),
            format!("Memory cgroup stats for {mine}{end}{name}:"),
            format!("Task in {mine}{end}{name} killed as a result of limit of {mine}{end}{name}"),
            format!(
                "Tasks in {mine}{end}{name} are going to be killed due to memory.oom.group set"
            ),
            format!(
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg={mine},\
                     task_memcg={mine},uid=0{end}{name},task=a,pid=7,uid=1000"
            ),
        ] {
            let next = "[   13.500000] eth0: renamed from veth1";
            let lines = wrapped(&record);
            let log: String = lines
                .iter()
                .map(|line| format!("{line}\n{next}\n"))
                .collect();
            let report = read(&log);
            assert_eq!((report.window_lines, report.kills.len()), (0, 0), "{log}");
        }
    }
}

/// What follows such a line is read as ever, also on a page.
#[test]
fn messages_after_a_name_are_messages() {
    let window = "TCP: Peer 198.51.100.7:40000/80 unexpectedly shrunk window 100:200 (repaired)";
    let (before, after) = SAYS[0];
    for text in [
        format!("[   12.500000] {before}x{after}\n[   12.600000] {window}\n"),
        format!("[   12.500000] {before}x\n[   12.600000] {window}\n"),
        format!("{before}x{after}\n{window}\n"),
        format!(
            "Mar  4 10:11:12 web1 kernel: {before}x{after}\nMar  4 10:11:12 web1 kernel: {window}\n"
        ),
        format!("[   12.500000] {before}x{after}\n\nand there is\n\n{window}\n"),
        format!(
            "<pre>[   12.500000] {before}x{after}<br>\n[   12.600000] {window}<br>[   12.6000001] up</pre>\n"
        ),
        format!(
            "&lt;6&gt;[   12.500000] usb 1-1: new device<br>&lt;7&gt;[   12.600000] {window}<br>\n"
        ),
        format!(
            "&lt;7&gt;[   12.500000] {window}<br>&lt;6&gt;[   12.600000] {before}x{after}<br>\n"
        ),
        format!("[   12.500000] {window}#012[   12.600000] up\n"),
    ] {
        assert_eq!(read(&text).window_lines, 1, "{text}");
    }
}
