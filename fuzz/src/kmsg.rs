//! Target `kmsg`: kernel logs from wherever people have them.

use detector_kmsg::{LogReader, LogReport};

/// Reads the bytes in one piece and in small ones, and checks what is promised of the report.
///
/// # Panics
///
/// If pieces give another report, if counts do not agree, or if a name could harm a terminal.
pub fn run(bytes: &[u8]) {
    let report = read(bytes.chunks(usize::MAX));
    assert_eq!(report, read(bytes.chunks(13)), "pieces give another report");
    let of_peers: u64 = report.peers.iter().map(|peer| peer.lines).sum();
    // Counts of logwatch can be as large as they like.
    assert!(of_peers.saturating_add(report.window_lines_not_listed) >= report.window_lines);
    let in_flight = report
        .peers
        .iter()
        .flat_map(|peer| &peer.stalls)
        .filter_map(|stall| stall.in_flight_bytes)
        .max();
    assert!(in_flight.is_none_or(|bytes| bytes <= 1 << 30));
    let names = report
        .kills
        .iter()
        .map(|kill| &kill.victim.name)
        .chain(report.hung_tasks.iter().map(|task| &task.name));
    for name in names {
        assert!(!name.contains(char::is_control), "{name:?}");
    }
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> LogReport {
    let mut reader = LogReader::new().expect("the words can be searched for");
    for piece in pieces {
        reader.feed(piece);
    }
    reader.finish()
}

/// Logs of all eras and wrappings.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [
        &include_bytes!("../../detector-kmsg/tests/logs/wrappings.txt")[..],
        include_bytes!("../../detector-kmsg/tests/logs/2.4.20-mail-flowed.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/6.7-probing-zero-window.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/backwards.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/look-alikes.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/oom-of-all-eras.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/pretty-json.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/journal-json-lines.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/docker-json-file-and-cri.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/kmsg-rfc5424-iso.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/mail-quoted-printable.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/html-escaped-twice.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/store-kibana-csv.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/store-loki-pretty.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/journal-export-bytes.txt"),
        include_bytes!("../../detector-kmsg/tests/logs/shrinks-window-2.4.txt"),
    ]
    .map(<[u8]>::to_vec)
    .into()
}
