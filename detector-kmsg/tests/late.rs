//! What is found in a log of which most is passed over.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::{LogReader, LogReport};

fn read(text: &str) -> LogReport {
    let mut reader = LogReader::new().unwrap();
    reader.feed(text.as_bytes());
    reader.finish()
}

/// Lines of no interest between those of interest change nothing but their number.
#[test]
fn what_is_passed_over_is_counted() {
    let noise = "Mar  4 10:11:12 web1 sshd[123]: Accepted publickey for deploy\n".repeat(5000);
    let line = "TCP: Peer 198.51.100.7:50001/80 unexpectedly shrunk window 1:2 (repaired)\n";
    let text = format!("{noise}{line}{noise}{line}{noise}");
    let report = read(&text);
    assert_eq!(
        (report.lines, report.window_lines, report.stalls),
        (15_002, 2, 1)
    );
    assert_eq!(report.bytes, text.len() as u64);
}

/// What is passed over of pretty entries is not what is looked for, nor what a report of a kill goes on with.
#[test]
fn pretty_entries_are_found_behind_many_others() {
    let entry = |program: &str, text: &str| {
        format!(
            "{{\n\t\"__REALTIME_TIMESTAMP\" : \"1599541804928338\",\n\t\"_TRANSPORT\" : \"{program}\",\n\
             \t\"_HOSTNAME\" : \"web1\",\n\t\"CODE_LINE\" : \"12\",\n\t\"MESSAGE\" : \"{text}\"\n}}\n"
        )
    };
    let of_kernel = [
        "TCP: Peer 198.51.100.7:50001/80 unexpectedly shrunk window 1:2 (repaired)",
        "rclone invoked oom-killer: gfp_mask=0x101cca, order=0, oom_score_adj=999",
        "memory: usage 655776kB, limit 655360kB, failcnt 3046",
        "Memory cgroup stats for /a:",
        "anon 142606336",
        "sock 516947968",
        "Memory cgroup out of memory: Killed process 5 (rclone) total-vm:1kB, anon-rss:1kB, file-rss:1kB",
    ]
    .map(|text| entry("kernel", text))
    .concat();
    let other = entry("journal", "signal process started");
    let foreign = entry(
        "journal",
        "TCP: Peer 203.0.113.1:50001/80 unexpectedly shrunk window 1:2 (repaired)",
    );
    let noise = other.repeat(2000);
    let text = format!("{noise}{of_kernel}{noise}{foreign}{other}");
    let (found, alone) = (read(&text), read(&of_kernel));
    assert_eq!(found.kills[0].socket_bytes, Some(516_947_968));
    assert_eq!(found.left_out.other_programs, 1);
    assert_eq!((found.kills, found.peers), (alone.kills, alone.peers));
}

/// Nothing writes so much before a message, and each layer costs a look at the rest of the line.
#[test]
fn layers_without_end_are_not_taken_off() {
    let line = "TCP: Peer 198.51.100.7:50001/80 unexpectedly shrunk window 1:2 (repaired)\n";
    for layer in ["[i]", "<1>", "{}", "a=b ", "[code]"] {
        let few = read(&format!("{}{line}", layer.repeat(20)));
        assert_eq!(few.window_lines, 1, "{layer}");
        let many = read(&format!("{}{line}", layer.repeat(2000)));
        assert_eq!(
            (many.window_lines, many.left_out.other_programs),
            (0, 1),
            "{layer}"
        );
    }
}

/// A text of journald's that is a list of bytes has no word that is searched for: that it is one is.
#[test]
fn lists_of_bytes_are_found_however_they_are_spaced() {
    let noise = "Mar  4 10:11:12 web1 sshd[123]: Accepted publickey for deploy\n".repeat(5000);
    let bytes: Vec<_> = "TCP: out of memory"
        .bytes()
        .map(|byte| byte.to_string())
        .collect();
    for (colon, comma) in [(":", ","), (": ", ", "), (" : ", ", "), (" :", ",")] {
        let list = format!("[{}]", bytes.join(comma));
        let entry = format!("{{\"_TRANSPORT\"{colon}\"kernel\"{comma}\"MESSAGE\"{colon}{list}}}\n");
        let report = read(&format!("{noise}{entry}{noise}"));
        assert_eq!(report.tcp_memory.out_of_memory, 1, "{entry}");
    }
}
