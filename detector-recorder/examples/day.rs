//! What recording costs: `day FOLDER [EVENTS] [SECONDS]` plays a day of a busy host, or so many seconds of it,
//! second by second and as fast as it goes: 20 of 10,000 peers each second, so many events a second (1 if
//! it is not said), fifty incidents of two minutes with their cards and windows. Without any event it is a
//! host on which nothing happens.

use detector_api::snapshot::{FlagKind, PeerDetail};
use detector_api::{fixtures, time};
use detector_recorder::{
    Batch, Card, ClockReading, HostSecond, Limits, Opened, PeerSecond, Recorder, WindowPoint,
    file_in,
};
use rusqlite::Connection;
use rustix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SECONDS: i64 = 86_400;
const PEERS: i64 = 10_000;
const PEERS_A_SECOND: i64 = 20;
const CARDS_A_SECOND: i64 = 2;
const POINTS_A_SECOND: i64 = 16;
const INCIDENT_EVERY: i64 = 1_728;
const INCIDENT_SECONDS: i64 = 120;
const TIDY_EVERY: i64 = 10;
/// 29 December 2026.
const BEGAN_MS: i64 = 1_798_502_400_000;
/// The defaults of an agent.
const LIMITS: Limits = Limits {
    bytes: 256 << 20,
    age_ms: 30 * 86_400_000,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .ok_or("usage: day FOLDER [EVENTS] [SECONDS]")?,
    );
    if std::env::args().nth(2).is_some_and(|word| word == "older") {
        return open_older(&folder);
    }
    let events_a_second: u64 = std::env::args().nth(2).map_or(Ok(1), |text| text.parse())?;
    let last = std::env::args().nth(3);
    let last = last.map_or(Ok(SECONDS), |text| text.parse())?;
    let who = Opened {
        host: "busy",
        boot_id: "boot",
        version: "0",
        at: at(0),
    };
    let (mut recorder, _) = Recorder::open(&folder, LIMITS, &who)?;
    let mut commits = Vec::new();
    let mut number = 0;
    let used_before = used()?;
    for second in 0..last {
        let batch = if events_a_second > 0 {
            batch(second, &mut number, events_a_second)?
        } else {
            Batch {
                at: at(second),
                host: Some(host(second)),
                ..Batch::default()
            }
        };
        let began = Instant::now();
        recorder.record(&batch)?;
        commits.push(began.elapsed());
        // As an agent does: not when a bucket of the thinning begins.
        if second % TIDY_EVERY == 3 {
            recorder.tidy(at(second))?;
        }
    }
    let used = used()?.saturating_sub(used_before);
    let bytes = std::fs::metadata(recorder.file())?.len();
    recorder.end(at(last), number)?;
    commits.sort_unstable();
    let p99 = commits[commits.len() * 99 / 100];
    let seconds = f64::from(u32::try_from(last)?);
    let mut stdout = std::io::stdout().lock();
    writeln!(
        stdout,
        "{last} s with {PEERS} peers and {events_a_second} events a second: {:.2} % of a core (making the rows \
         included), commit p99 {:.2} ms, file {} MiB of {} MiB",
        used.as_secs_f64() / seconds * 100.0,
        p99.as_secs_f64() * 1e3,
        bytes >> 20,
        LIMITS.bytes >> 20
    )?;
    Ok(())
}

/// How long it takes to bring the file to the present schema.
fn open_older(folder: &Path) -> Result<(), Box<dyn Error>> {
    let database = Connection::open(file_in(folder))?;
    let first = Connection::open_in_memory()?;
    first.execute_batch(include_str!("../src/schema/1.sql"))?;
    let mut tables = first.prepare("SELECT sql, name FROM sqlite_schema WHERE type = 'table'")?;
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let tables: Vec<(String, String)> = tables.collect::<Result<_, _>>()?;
    database.pragma_update(None, "writable_schema", true)?;
    for table in &tables {
        database.execute(
            "UPDATE sqlite_schema SET sql = ?1 WHERE name = ?2",
            [&table.0, &table.1],
        )?;
    }
    database.pragma_update(None, "user_version", 1)?;
    drop(database);
    let bytes = std::fs::metadata(file_in(folder))?.len();
    let who = Opened {
        host: "busy",
        boot_id: "boot",
        version: "0",
        at: at(SECONDS + 1),
    };
    let began = Instant::now();
    let (_, aside) = Recorder::open(folder, LIMITS, &who)?;
    let passed = began.elapsed();
    if let Some(aside) = aside {
        return Err(format!("it was set aside as {}", aside.display()).into());
    }
    writeln!(
        std::io::stdout().lock(),
        "a file of {} MiB is opened in {:.1} ms from schema 1",
        bytes >> 20,
        passed.as_secs_f64() * 1e3
    )?;
    Ok(())
}

fn batch(second: i64, number: &mut u64, events: u64) -> Result<Batch, Box<dyn Error>> {
    let at = at(second);
    let text = time::rfc3339(i128::from(at.unix_ms) * 1_000_000);
    let ranks = 0..PEERS_A_SECOND;
    let peers = ranks.map(|rank| PeerSecond {
        peer: name(second + rank),
        verdict: Some("slow-client".to_owned()),
        stalled_connections: 20 - rank,
        pinned_bytes: (20 - rank) << 20,
        zero_window_episodes: second,
        window_shrinks_polite: rank,
        severity: Some("warning".to_owned()),
        bytes_acked_per_second: 100,
        ..PeerSecond::default()
    });
    let flags = (0..events).map(|offset| {
        *number += 1;
        let mut event = fixtures::event(*number, FlagKind::ZeroWindowStall, &[]);
        event.time.clone_from(&text);
        event.peer = name(second + i64::try_from(offset).unwrap_or(0));
        event
    });
    let cards = (0..CARDS_A_SECOND).map(|rank| {
        let value = serde_json::json!({
            "peer": fixtures::peer(&name(second + rank), 4 << 20),
            "assessment": fixtures::assessment(),
            "connections_total": 20,
            "connections": vec![fixtures::connection("198.51.100.7:40000", 1 << 20); 20],
        });
        let detail: PeerDetail = serde_json::from_value(value)?;
        Ok(Card {
            at,
            detail,
            thresholds: Some(fixtures::thresholds()),
        })
    });
    let points = (0..POINTS_A_SECOND).map(|_| WindowPoint {
        at,
        peer: name(second),
        local: "192.0.2.1:80".to_owned(),
        remote: format!("{}:40000", name(second)),
        snd_una: 3_584_164_780,
        snd_nxt: 3_584_164_970,
        edge: 3_584_164_780,
        edge_max: 3_584_230_316,
        window_bytes: 0,
        queued_bytes: 4_000_000,
    });
    let mut batch = Batch {
        at,
        host: Some(host(second)),
        peers: peers.collect(),
        events: flags.collect(),
        cards: cards.collect::<Result<_, serde_json::Error>>()?,
        windows: points.collect(),
        ..Batch::default()
    };
    let of_incident = second % INCIDENT_EVERY;
    if of_incident == 0 || of_incident == INCIDENT_SECONDS {
        let began = second - of_incident;
        let began_text = time::rfc3339(i128::from(self::at(began).unix_ms) * 1_000_000);
        let mut incident = fixtures::incident(&format!("{began:05}"), &began_text);
        if of_incident > 0 {
            incident.open = false;
            incident.ended = Some(text);
        }
        batch.incidents.push(incident);
    }
    Ok(batch)
}

fn name(number: i64) -> String {
    let number = number % PEERS;
    format!("198.51.{}.{}", number / 250, number % 250)
}

fn host(second: i64) -> HostSecond {
    let number = Some(second * 1_000_003);
    HostSecond {
        load_one: Some(1.78),
        cpu_some_percent: Some(3.11),
        memory_some_percent: Some(0.5),
        memory_total_bytes: Some(24 << 30),
        memory_available_bytes: number,
        tcp_memory_bytes: number,
        tcp_sockets: number,
        orphans: Some(second % 100),
        listen_drops: number,
        interface_errors: Some(0),
        stalled_connections: Some(second % 50),
        pinned_bytes: number,
        held_workers: Some(second % 10),
        peers: Some(PEERS),
        zero_window_episodes: number,
        window_shrinks_polite: number,
        retransmits_loss: number,
        records_lost: Some(0),
        agent_cpu_share: Some(0.01),
        agent_resident_bytes: Some(40 << 20),
        ..HostSecond::default()
    }
}

fn at(second: i64) -> ClockReading {
    ClockReading {
        unix_ms: BEGAN_MS + second * 1_000,
        boot_ms: second * 1_000,
    }
}

fn used() -> Result<Duration, Box<dyn Error>> {
    Ok(Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?)
}
