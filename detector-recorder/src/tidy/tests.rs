use super::{HOUR_MS, Limits, tidy};
use crate::rows::ClockReading;
use crate::schema::{self, Found};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::ops::Range;

/// 29 December 2026, 21:00:00 UTC.
const BEGAN_MS: i64 = 1_798_578_000_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const LIMITS: Limits = Limits {
    bytes: 256 << 20,
    age_ms: 30 * DAY_MS,
};

/// A recorder without seconds, in a first run.
fn recorder() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    let transaction = connection.transaction().unwrap();
    schema::migrate(&transaction, Found::Empty).unwrap();
    transaction.commit().unwrap();
    begin_run(&connection, "boot", at(0));
    connection
}

/// So long after the first run began, by both clocks.
const fn at(ms: i64) -> ClockReading {
    ClockReading {
        unix_ms: BEGAN_MS + ms,
        boot_ms: 503_217 + ms,
    }
}

fn begin_run(connection: &Connection, boot_id: &str, began: ClockReading) {
    let insert = "INSERT INTO runs (host, boot_id, version, began_ms, began_boot_ms, last_ms, \
                  last_boot_ms) VALUES ('web1', ?1, '0', ?2, ?3, ?2, ?3)";
    let values = params![boot_id, began.unix_ms, began.boot_ms];
    connection.execute(insert, values).unwrap();
}

fn tidy_at(connection: &mut Connection, now: ClockReading) -> usize {
    let transaction = connection.transaction().unwrap();
    let deleted = tidy(&transaction, now, LIMITS).unwrap();
    transaction.commit().unwrap();
    deleted
}

fn write_second(connection: &Connection, at: ClockReading, pinned_bytes: i64) {
    let insert = "INSERT INTO host_seconds (span, run, time_ms, boot_ms, pinned_bytes) \
                  VALUES (1, (SELECT max(id) FROM runs), ?1, ?2, ?3)";
    let mut insert = connection.prepare_cached(insert).unwrap();
    insert
        .execute(params![at.unix_ms, at.boot_ms, pinned_bytes])
        .unwrap();
}

/// As an agent does: each ten seconds, at moments with which no bucket begins.
#[test]
fn a_bucket_keeps_one_second_however_often_it_is_tidied_while_it_comes_of_age() {
    const WRITTEN: i64 = 2 * 3_600;
    let at = |second: i64| at(second * 1_003);
    // Each second of a bucket is its hardest now and then.
    let pinned = |second: i64| second * 7_919 % 10_007;
    let mut connection = recorder();
    let mut play = |seconds: Range<i64>| {
        for second in seconds {
            // After the two hours that are looked at, what shows that the clock goes right is enough.
            if second < WRITTEN || second % 1_200 == 0 {
                write_second(&connection, at(second), pinned(second));
            }
            if second % 10 == 3 {
                tidy_at(&mut connection, at(second));
            }
        }
        let query = "SELECT boot_ms / (1000 * span), pinned_bytes FROM host_seconds \
                     WHERE boot_ms < ?1 ORDER BY id";
        let mut statement = connection.prepare(query).unwrap();
        let rows = statement.query_map([at(WRITTEN).boot_ms], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap()
            .collect::<Result<Vec<(i64, i64)>, _>>()
            .unwrap()
    };
    let hardest_of = |span: i64| {
        let mut hardest = BTreeMap::new();
        for second in 0..WRITTEN {
            let kept = hardest
                .entry(at(second).boot_ms / (1_000 * span))
                .or_insert(0);
            *kept = pinned(second).max(*kept);
        }
        hardest.into_iter().collect::<Vec<(i64, i64)>>()
    };
    assert_eq!(play(0..WRITTEN + 3_620), hardest_of(10));
    assert_eq!(play(23 * 3_600..27 * 3_600), hardest_of(60));
}

fn write_incident(connection: &Connection, id: &str, began_ms: i64, ended_ms: Option<i64>) {
    let insert = "INSERT INTO incidents (id, run, began_ms, ended_ms, json) \
                  VALUES (?1, (SELECT max(id) FROM runs), ?2, ?3, '{}')";
    let values = params![id, began_ms, ended_ms];
    connection.execute(insert, values).unwrap();
}

#[test]
fn nothing_is_thinned_around_an_incident_within_which_the_clock_was_set_back() {
    let mut connection = recorder();
    // Two minutes, an hour back, two minutes more.
    for second in 0..240 {
        let mut at = at(second * 1_000);
        at.unix_ms -= if second < 120 { 0 } else { HOUR_MS };
        write_second(&connection, at, second);
    }
    let ended_ms = BEGAN_MS + 180_000 - HOUR_MS;
    write_incident(&connection, "a", BEGAN_MS + 60_000, Some(ended_ms));
    write_second(&connection, at(2 * DAY_MS - HOUR_MS), 0);
    assert_eq!(tidy_at(&mut connection, at(2 * DAY_MS)), 0);
}

/// An incident with a row of each kind around its begin.
fn write_findings(connection: &Connection, id: &str, at: ClockReading) {
    write_incident(connection, id, at.unix_ms, Some(at.unix_ms));
    let run = "(SELECT max(id) FROM runs)";
    for insert in [
        format!(
            "events (run, time_ms, kind, severity, peer, json) VALUES ({run}, ?1, '', '', ?2, ?3)"
        ),
        format!("notes (run, time_ms, boot_ms, kind, text) VALUES ({run}, ?1, ?3, '', ?2)"),
        "cards (peer, time_ms, boot_ms, json) VALUES (?2, ?1, ?3, '')".to_owned(),
        "windows (time_ms, boot_ms, peer, local, remote, snd_una, snd_nxt, edge, edge_max, \
         window_bytes, queued_bytes) VALUES (?1, ?3, ?2, '', '', 0, 0, 0, 0, 0, 0)"
            .to_owned(),
    ] {
        let values = params![at.unix_ms, id, at.boot_ms];
        connection
            .execute(&format!("INSERT INTO {insert}"), values)
            .unwrap();
    }
}

/// Rows of each kind: incidents, events, notes, cards, windows, seconds.
fn counts(connection: &Connection) -> [i64; 6] {
    [
        "incidents",
        "events",
        "notes",
        "cards",
        "windows",
        "host_seconds",
    ]
    .map(|table| {
        let count = format!("SELECT count(*) FROM {table}");
        connection.query_row(&count, [], |row| row.get(0)).unwrap()
    })
}

/// Ten seconds of it, or for good: first nothing goes, then what is too old by the clock that stands.
#[test]
fn a_clock_that_jumps_ahead_costs_nothing_until_it_has_stood_for_an_hour() {
    const AHEAD_MS: i64 = 40 * DAY_MS;
    let mut connection = recorder();
    for second in 0..100 {
        write_second(&connection, at(second * 1_000), second);
    }
    write_findings(&connection, "before", at(50_000));
    // The host starts again, two hours later.
    let again = |ms: i64, ahead_ms: i64| ClockReading {
        unix_ms: BEGAN_MS + 2 * HOUR_MS + ms + ahead_ms,
        boot_ms: ms,
    };
    begin_run(&connection, "another boot", again(0, 0));
    for minute in 0..70 {
        write_second(&connection, again(minute * 60_000, 0), minute);
    }
    write_findings(&connection, "since", again(60_000, 0));
    assert_eq!(tidy_at(&mut connection, again(70 * 60_000, 0)), 0);
    let whole = [2, 2, 2, 2, 2, 170];
    assert_eq!(counts(&connection), whole);
    for minute in 70..131 {
        let now = again(minute * 60_000, AHEAD_MS);
        write_second(&connection, now, minute);
        assert_eq!(tidy_at(&mut connection, now) > 0, minute == 130, "{minute}");
    }
    assert_eq!(counts(&connection), [1, 1, 1, 1, 1, 131]);
}

/// The clock of the board is dead: the host starts in 1970, until somebody tells it the time.
#[test]
fn what_a_host_wrote_before_it_knew_the_time_is_as_old_as_it_is() {
    let mut connection = recorder();
    write_findings(&connection, "20261229T210000.000Z", at(0));
    let dead = |ms: i64| ClockReading {
        unix_ms: ms,
        boot_ms: ms,
    };
    let right = |ms: i64| ClockReading {
        unix_ms: BEGAN_MS + HOUR_MS + ms,
        boot_ms: ms,
    };
    begin_run(&connection, "another boot", dead(60_000));
    for second in 60..420 {
        write_second(&connection, dead(second * 1_000), second);
    }
    write_findings(&connection, "20261229T210000.001Z", dead(300_000));
    for minute in 10..90 {
        let now = right(minute * 60_000);
        write_second(&connection, now, minute);
        assert_eq!(tidy_at(&mut connection, now), 0, "{minute}");
    }
    assert_eq!(counts(&connection), [2, 2, 2, 2, 2, 440]);
    for minute in 0..90 {
        write_second(&connection, right(30 * DAY_MS + minute * 60_000), minute);
    }
    while tidy_at(&mut connection, right(30 * DAY_MS + 90 * 60_000)) > 0 {}
    assert_eq!(counts(&connection), [0, 0, 0, 0, 0, 90]);
}

/// The host has run for longer than anything is kept; yesterday its clock was wrong for a while.
#[test]
fn what_was_found_while_the_clock_was_wrong_is_as_old_as_it_is() {
    let mut connection = recorder();
    let up = |ms: i64| at(40 * DAY_MS + ms);
    for (id, boot_ms) in [
        ("20261229T210000.000Z", at(DAY_MS).boot_ms),
        ("20261229T210000.001Z", up(-DAY_MS).boot_ms),
    ] {
        let event = "INSERT INTO events (run, time_ms, boot_ms, kind, severity, peer, json) \
                     VALUES (1, 0, ?1, '', '', '', '')";
        connection.execute(event, [boot_ms]).unwrap();
        let incident = "INSERT INTO incidents (id, run, began_ms, began_boot_ms, ended_ms, json) \
                        VALUES (?1, 1, 0, ?2, 0, '{}')";
        connection.execute(incident, params![id, boot_ms]).unwrap();
    }
    for minute in 0..90 {
        write_second(&connection, up(minute * 60_000), minute);
    }
    while tidy_at(&mut connection, up(90 * 60_000)) > 0 {}
    assert_eq!(counts(&connection), [1, 1, 0, 0, 0, 90]);
}
