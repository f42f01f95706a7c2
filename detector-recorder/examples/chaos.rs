//! For tests that kill: `chaos write FOLDER` writes a batch after the other into the recorder of a folder
//! and says which event and which incident are on the disk, until it is killed; `chaos check FOLDER`
//! says what is there and whether the file is sound; `chaos times FOLDER` says when each second was, by both
//! clocks, and which gaps there are.

use detector_api::snapshot::FlagKind;
use detector_api::{fixtures, time};
use detector_recorder::{
    Batch, ClockReading, EventsWanted, HostSecond, Limits, Opened, Reader, Recorder, RecorderError,
    Span,
};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const LIMITS: Limits = Limits {
    bytes: 16 << 20,
    age_ms: 3_600_000,
};
const EVENTS_A_BATCH: u64 = 20;
/// Every so many batches bring an incident.
const INCIDENT_EVERY: u64 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: chaos write|check|times FOLDER";
    let verb = std::env::args().nth(1).ok_or(usage)?;
    let folder = PathBuf::from(std::env::args_os().nth(2).ok_or(usage)?);
    match verb.as_str() {
        "write" => write(&folder),
        "check" => check(&folder),
        "times" => times(&folder),
        _ => Err(usage.into()),
    }
}

fn write(folder: &Path) -> Result<(), Box<dyn Error>> {
    let who = Opened {
        host: "example",
        boot_id: "boot",
        version: "0",
        at: now()?,
    };
    let (mut recorder, aside) = Recorder::open(folder, LIMITS, &who)?;
    let mut number = recorder.numbering()?.last_event_id;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "opened, damaged before: {}", aside.is_some())?;
    for round in 1.. {
        let last = number + EVENTS_A_BATCH;
        let mut batch = batch(number, last)?;
        if round % INCIDENT_EVERY == 0 {
            let began = time::rfc3339(i128::from(batch.at.unix_ms) * 1_000_000);
            batch
                .incidents
                .push(fixtures::incident(&last.to_string(), &began));
        }
        match recorder.record(&batch) {
            Ok(_) => number = last,
            Err(RecorderError::Full { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        writeln!(stdout, "event {number}")?;
        if !batch.incidents.is_empty() {
            writeln!(stdout, "incident {number}")?;
        }
        stdout.flush()?;
        recorder.tidy(batch.at)?;
    }
    Ok(())
}

fn batch(after: u64, last: u64) -> Result<Batch, Box<dyn Error>> {
    let flag = |id| fixtures::event(id, FlagKind::ZeroWindowStall, &[("stalled_seconds", 5.0)]);
    Ok(Batch {
        at: now()?,
        host: Some(HostSecond {
            load_one: Some(1.0),
            ..HostSecond::default()
        }),
        events: (after + 1..=last).map(flag).collect(),
        ..Batch::default()
    })
}

fn check(folder: &Path) -> Result<(), Box<dyn Error>> {
    let reader = Reader::open(folder)?;
    let newest = reader.events(&EventsWanted {
        span: Span::ALL,
        peer: None,
        kind: None,
        limit: 1,
    })?;
    let mut stdout = std::io::stdout().lock();
    writeln!(
        stdout,
        "event {}",
        newest.last().map_or(0, |event| event.id)
    )?;
    for incident in reader.incidents(Span::ALL)? {
        writeln!(stdout, "incident {}", incident.id)?;
    }
    let database = rusqlite::Connection::open(reader.file())?;
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    writeln!(stdout, "integrity {sound}")?;
    // Old ones go, but nothing between two of one run.
    let holes: i64 = database.query_row(
        "SELECT ifnull(sum(missing), 0) FROM
         (SELECT max(id) - min(id) + 1 - count(*) AS missing FROM events GROUP BY run)",
        [],
        |row| row.get(0),
    )?;
    writeln!(stdout, "events missing in between {holes}")?;
    Ok(())
}

fn times(folder: &Path) -> Result<(), Box<dyn Error>> {
    let reader = Reader::open(folder)?;
    let mut stdout = std::io::stdout().lock();
    for (at, ..) in reader.seconds(Span::ALL, 100_000)? {
        writeln!(stdout, "second {} {}", at.unix_ms, at.boot_ms)?;
    }
    for gap in reader.gaps(Span::ALL)? {
        let reason = gap.reason.label();
        writeln!(stdout, "gap {} {} {reason}", gap.from_ms, gap.until_ms)?;
    }
    Ok(())
}

fn now() -> Result<ClockReading, Box<dyn Error>> {
    let unix_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    Ok(ClockReading {
        unix_ms,
        boot_ms: unix_ms,
    })
}
