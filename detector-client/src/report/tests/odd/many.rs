//! A recorder that somebody has prepared to be read without end.

use super::{html, night, report_of, text};
use crate::report::tests::story::at;
use crate::terminal::Capabilities;
use detector_recorder::{Batch, Gap, GapReason};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

#[test]
fn very_many_gaps_are_not_all_read_and_that_is_told() {
    const MANY: i64 = 200_000;
    let folder = night("web1", |host| {
        let reasons = [GapReason::ClockStep, GapReason::Frozen];
        let gap = |number: i64| Gap {
            from_ms: at("21:00:00") + number,
            until_ms: at("21:00:00") + number + 1,
            reason: reasons[usize::from(number % 2 == 0)],
        };
        let gaps = Batch {
            gaps: (0..MANY).map(gap).collect(),
            ..Batch::default()
        };
        host.record(at("21:00:01"), &[], gaps);
        for second in 2..600 {
            let at = at("21:00:00") + second * 1_000;
            host.record(at, &[], Batch::default());
        }
    });
    let began = thread_time();
    let (report, recordings) = report_of(&[folder]);
    let told = text::text(&report, Capabilities::PIPE);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    html::page(&report);
    let took = thread_time() - began;
    assert!(
        recordings[0].gaps.len() < 20_000,
        "{}",
        recordings[0].gaps.len()
    );
    let newest = recordings[0].gaps.last().map(|gap| gap.from_ms);
    assert_eq!(newest, Some(at("21:00:00") + MANY - 1));
    assert!(
        told.contains("of very many gaps, starts, notes"),
        "{:?}",
        report.unseen.last()
    );
    // Of a build that is not optimized: without bounds it is minutes.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
