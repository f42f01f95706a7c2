//! What a cloud's console shows of a machine: up to a megabyte, in one string of JSON.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::{LogReader, LogReport};

fn read(text: &str, size: usize) -> LogReport {
    let mut reader = LogReader::new().unwrap();
    for piece in text.as_bytes().chunks(size) {
        reader.feed(piece);
    }
    reader.finish()
}

#[test]
fn a_long_console_is_read_to_its_end() {
    let noise = format!("[    1.000000] {}\\r\\n", "usb ".repeat(250)).repeat(1000);
    let line =
        "[   12.500000] TCP: Peer 198.51.100.7:50001/80 unexpectedly shrunk window 1:2 (repaired)";
    let contents = format!("{noise}{line}");
    assert!(contents.len() > 1_000_000);
    for text in [
        format!(
            "{{\n  \"contents\": \"{contents}\",\n  \"kind\": \"compute#serialPortOutput\"\n}}\n"
        ),
        format!("{{\"contents\": \"{contents}\", \"kind\": \"compute#serialPortOutput\"}}\n"),
    ] {
        for size in [1000, text.len()] {
            let report = read(&text, size);
            assert_eq!(report.window_lines, 1, "in pieces of {size}");
            let first = report.first.unwrap();
            assert_eq!(first.text, "12.500000");
        }
    }
}
