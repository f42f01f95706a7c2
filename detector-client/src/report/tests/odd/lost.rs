//! What is told of records that were lost.

use crate::report::tests::story::{Host, at};
use crate::report::tests::{Wanted, made, wanted};
use detector_recorder::{Batch, HostSecond};

/// What could not be seen, of one or two runs and what their agents had lost by each second; the second begins at
/// 21:12.
fn unseen(runs: [&[(&str, i64)]; 2], began: &str, since: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let record = |host: &mut Host<'_>, counts: &[(&str, i64)]| {
        for (clock, count) in counts {
            let second = HostSecond {
                records_lost: Some(*count),
                ..HostSecond::default()
            };
            let batch = Batch {
                at: host.moment(at(clock)),
                host: Some(second),
                ..Batch::default()
            };
            host.recorder.record(&batch).unwrap();
        }
    };
    let booted = at("00:00:00");
    let mut host = Host::start(folder.path(), "web1", "boot", booted, at(began));
    record(&mut host, runs[0]);
    if !runs[1].is_empty() {
        host = host.again("boot", booted, at("21:12:00"));
        record(&mut host, runs[1]);
    }
    drop(host);
    let since = format!("2026-12-29T{since}Z");
    let wanted = Wanted {
        since: Some(&since),
        ..wanted()
    };
    let (report, _) = made(&wanted, &[folder.path().to_owned()]);
    report.unseen.join(" ")
}

#[test]
fn what_was_lost_is_counted_over_a_restart() {
    let counts = [("21:00:01", 0), ("21:10:00", 200), ("21:11:00", 230)];
    let told = unseen([&counts, &[("21:12:01", 100)]], "21:00:00", "20:59:00");
    assert!(told.contains("lost 330 records"), "{told}");
}

#[test]
fn what_was_lost_before_the_first_second_of_the_span_is_counted_if_it_is_of_the_span() {
    let counts = [("21:00:01", 40), ("21:10:00", 200), ("21:11:00", 230)];
    for (began, since, lost) in [
        // It began in it, and had lost some by its first second.
        ("21:00:00", "20:59:00", "lost 230 records;"),
        // It began before it: only what came since the last second before.
        ("21:00:00", "21:05:00", "lost 190 records;"),
        ("20:00:00", "21:10:30", "lost 30 records;"),
        // Nobody knows when before its first second.
        (
            "20:00:00",
            "20:59:00",
            "lost 190 to 230 records (some may have been lost before",
        ),
    ] {
        let told = unseen([&counts, &[]], began, since);
        assert!(told.contains(lost), "{since}: {told}");
    }
    let none = unseen([&[("21:00:01", 0)], &[]], "20:00:00", "20:59:00");
    assert!(!none.contains("lost"), "{none}");
}
