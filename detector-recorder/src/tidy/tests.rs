use super::{HOUR_MS, Limits, tidy};
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

/// A recorder without seconds.
fn recorder() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    let transaction = connection.transaction().unwrap();
    schema::migrate(&transaction, Found::Empty).unwrap();
    transaction.commit().unwrap();
    connection
}

fn tidy_at(connection: &mut Connection, now_ms: i64) -> usize {
    let transaction = connection.transaction().unwrap();
    let deleted = tidy(&transaction, now_ms, LIMITS).unwrap();
    transaction.commit().unwrap();
    deleted
}

fn write_second(connection: &Connection, time_ms: i64, boot_ms: i64, pinned_bytes: i64) {
    let insert = "INSERT INTO host_seconds (span, run, time_ms, boot_ms, pinned_bytes) \
                  VALUES (1, 1, ?1, ?2, ?3)";
    let mut insert = connection.prepare_cached(insert).unwrap();
    insert
        .execute(params![time_ms, boot_ms, pinned_bytes])
        .unwrap();
}

/// As an agent does: each ten seconds, at moments with which no bucket begins.
#[test]
fn a_bucket_keeps_one_second_however_often_it_is_tidied_while_it_comes_of_age() {
    const BOOT_MS: i64 = 503_217;
    const WRITTEN: i64 = 2 * 3_600;
    let boot_ms = |second: i64| BOOT_MS + second * 1_003;
    // Each second of a bucket is its hardest now and then.
    let pinned = |second: i64| second * 7_919 % 10_007;
    let mut connection = recorder();
    let mut play = |seconds: Range<i64>| {
        for second in seconds {
            let now_ms = BEGAN_MS + second * 1_003;
            if second < WRITTEN {
                write_second(&connection, now_ms, boot_ms(second), pinned(second));
            }
            if second % 10 == 3 {
                tidy_at(&mut connection, now_ms);
            }
        }
        let query = "SELECT boot_ms / (1000 * span), pinned_bytes FROM host_seconds ORDER BY id";
        let mut statement = connection.prepare(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap()
            .collect::<Result<Vec<(i64, i64)>, _>>()
            .unwrap()
    };
    let hardest_of = |span: i64| {
        let mut hardest = BTreeMap::new();
        for second in 0..WRITTEN {
            let kept = hardest.entry(boot_ms(second) / (1_000 * span)).or_insert(0);
            *kept = pinned(second).max(*kept);
        }
        hardest.into_iter().collect::<Vec<(i64, i64)>>()
    };
    assert_eq!(play(0..WRITTEN + 3_620), hardest_of(10));
    assert_eq!(play(23 * 3_600..27 * 3_600), hardest_of(60));
}

fn write_incident(connection: &Connection, id: &str, began_ms: i64, ended_ms: Option<i64>) {
    let insert = "INSERT INTO incidents (id, run, began_ms, ended_ms, json) \
                  VALUES (?1, 1, ?2, ?3, '{}')";
    let values = params![id, began_ms, ended_ms];
    connection.execute(insert, values).unwrap();
}

#[test]
fn nothing_is_thinned_around_an_incident_within_which_the_clock_was_set_back() {
    let mut connection = recorder();
    // Two minutes, an hour back, two minutes more.
    for second in 0..240 {
        let step_ms = if second < 120 { 0 } else { -HOUR_MS };
        let time_ms = BEGAN_MS + second * 1_000 + step_ms;
        write_second(&connection, time_ms, second * 1_000, second);
    }
    let ended_ms = BEGAN_MS + 180_000 - HOUR_MS;
    write_incident(&connection, "a", BEGAN_MS + 60_000, Some(ended_ms));
    assert_eq!(tidy_at(&mut connection, BEGAN_MS + 2 * DAY_MS), 0);
}
