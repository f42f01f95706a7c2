//! Logs of hosts that went down as they wrote them: where nothing was written there are zero bytes.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::LogReader;

fn stalls(text: &str, size: usize) -> u64 {
    let mut reader = LogReader::new().unwrap();
    for piece in text.as_bytes().chunks(size) {
        reader.feed(piece);
    }
    reader.finish().stalls
}

fn line(port: u16) -> String {
    format!(
        "Oct  8 08:39:00 web1 kernel: TCP: Peer 198.51.100.7:{port}/80 unexpectedly shrunk window 1:2 (repaired)\n"
    )
}

#[test]
fn no_hole_hides_the_line_behind_it() {
    for length in [1, 3000, 300_000, 6_000_000] {
        let hole = "\0".repeat(length);
        let text = format!("{}{hole}{}{}{hole}{}", line(1), line(2), line(3), line(4));
        for size in [1 << 16, text.len()] {
            assert_eq!(stalls(&text, size), 4, "{length} in pieces of {size}");
        }
    }
}

#[test]
fn zero_bytes_may_be_written_as_pagers_show_them() {
    let hole = "^@".repeat(200);
    let text = format!("{}{hole}{}{hole}\n{}", line(1), line(2), line(3));
    assert_eq!(stalls(&text, 1 << 16), 3);
}

/// How much of a log is looked at line by line does not depend on how it is read.
#[test]
fn a_hole_is_as_long_in_pieces() {
    let broken = line(3).replace("Peer", "Pe\ner");
    let text = format!("{}{}{}{broken}", line(1), "\0".repeat(200_000), line(2));
    for size in [1000, 1 << 16, text.len()] {
        assert_eq!(stalls(&text, size), 3, "in pieces of {size}");
    }
}
