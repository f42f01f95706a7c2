//! A recorder of a host whose clock was set forwards by an hour, and back by two and a half later.

use super::story::at;
use detector_recorder::{
    Batch, ClockReading, Gap, GapReason, HostSecond, Limits, Opened, Recorder,
};
use tempfile::TempDir;

const HOUR_MS: i64 = 3_600_000;

/// Half an hour at each clock, from 21:00.
pub(super) fn stepped() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let began = at("21:00:00");
    let moment = |second: i64| {
        let by_ms = match second {
            ..1_800 => 0,
            1_800..3_600 => HOUR_MS,
            _ => -HOUR_MS - HOUR_MS / 2,
        };
        ClockReading {
            unix_ms: began + by_ms + second * 1_000,
            boot_ms: 500_000 + second * 1_000,
        }
    };
    let who = Opened {
        host: "web1",
        boot_id: "boot",
        version: "0",
        at: moment(0),
    };
    let limits = Limits {
        bytes: 256 << 20,
        age_ms: 30 * 24 * HOUR_MS,
    };
    let (mut recorder, _) = Recorder::open(folder.path(), limits, &who).unwrap();
    for second in (0..5_400).step_by(10) {
        let mut batch = Batch {
            at: moment(second),
            host: Some(HostSecond {
                stalled_connections: Some(second),
                ..HostSecond::default()
            }),
            ..Batch::default()
        };
        if second == 1_800 || second == 3_600 {
            // As the agent tells it.
            let (before, now) = (moment(second - 10).unix_ms, batch.at.unix_ms);
            batch.gaps.push(Gap {
                from_ms: before.min(now),
                until_ms: before.max(now),
                reason: GapReason::ClockStep,
            });
        }
        recorder.record(&batch).unwrap();
    }
    folder
}
