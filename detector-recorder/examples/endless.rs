//! Writes a batch after the other into the recorder of a folder, and prints the number of each event
//! once it is on the disk, until it is killed: `endless FOLDER`.

use detector_api::fixtures;
use detector_api::snapshot::FlagKind;
use detector_recorder::{Batch, HostSecond, Limits, Moment, Opened, Recorder, RecorderError};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

const LIMITS: Limits = Limits {
    bytes: 16 << 20,
    age_ms: 3_600_000,
};
const EVENTS_A_BATCH: u64 = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: endless FOLDER")?);
    let who = Opened {
        host: "example",
        boot_id: "boot",
        version: "0",
        at: now()?,
    };
    let (mut recorder, aside) = Recorder::open(&folder, LIMITS, &who)?;
    let mut number = recorder.numbering()?.last_event_id;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "opened {}", aside.is_some())?;
    loop {
        let batch = batch(number)?;
        match recorder.record(&batch) {
            Ok(_) => number += EVENTS_A_BATCH,
            Err(RecorderError::Full { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        writeln!(stdout, "written {number}")?;
        stdout.flush()?;
        recorder.tidy(batch.at.unix_ms)?;
    }
}

fn batch(after: u64) -> Result<Batch, Box<dyn std::error::Error>> {
    let flag = |id| fixtures::event(id, FlagKind::ZeroWindowStall, &[("stalled_seconds", 5.0)]);
    Ok(Batch {
        at: now()?,
        host: Some(HostSecond {
            load_one: Some(1.0),
            ..HostSecond::default()
        }),
        events: (after + 1..=after + EVENTS_A_BATCH).map(flag).collect(),
        ..Batch::default()
    })
}

fn now() -> Result<Moment, Box<dyn std::error::Error>> {
    let unix_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    Ok(Moment {
        unix_ms,
        boot_ms: unix_ms,
    })
}
