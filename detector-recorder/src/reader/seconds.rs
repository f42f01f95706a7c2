//! The host second by second: a span of it, or from one second to another.

use super::bounded::{MOMENTS, NAMES, PEERS, Room, SPANS};
use super::{Reader, Span, moment, optional_text, peak, text};
use crate::error::RecorderError;
use crate::rows::{ClockReading, HostSecond, PeerPeak, PeerSecond, RecordsLost};
use rusqlite::{Params, params};

/// The host in one recorded second, and the peers that cost most then.
#[derive(Clone, Debug, PartialEq)]
pub struct Second {
    /// Its number: grows in the order of writing, also where the clock was set back.
    pub id: i64,
    /// The run of the agent that wrote it.
    pub run: i64,
    /// How many seconds it stands for: older ones are thinned.
    pub span_seconds: i64,
    /// When.
    pub at: ClockReading,
    /// The host.
    pub host: HostSecond,
    /// The peers, the most costly first.
    pub peers: Vec<PeerSecond>,
}

/// Where to go from one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the newest.
    Newest,
    /// So many recorded seconds on, or back if negative; 0 for the second itself.
    Seconds(i64),
    /// Past so many milliseconds of the clock, or back if negative.
    Milliseconds(i64),
    /// To the begin of the next incident, or back to the one before if false.
    Incident(bool),
}

impl Reader {
    /// The second to which the step leads from the second of this number; the outermost where there
    /// is nothing beyond it, `None` where there is none at all.
    pub fn second(&self, from: i64, step: Step) -> Result<Option<Second>, RecorderError> {
        let id = match step {
            Step::Newest => self.id("SELECT max(id) FROM host_seconds", [])?,
            Step::Seconds(count @ 1..) => self.id(
                "SELECT max(id) FROM (SELECT id FROM host_seconds WHERE id > ?1 \
                 ORDER BY id LIMIT ?2)",
                [from, count],
            )?,
            Step::Seconds(count @ ..0) => self.id(
                "SELECT min(id) FROM (SELECT id FROM host_seconds WHERE id < ?1 \
                 ORDER BY id DESC LIMIT ?2)",
                [from, count.saturating_neg()],
            )?,
            // Of a second that was thinned away, the one before it.
            Step::Seconds(0) => {
                self.id("SELECT max(id) FROM host_seconds WHERE id <= ?1", [from])?
            }
            Step::Milliseconds(by) => {
                let now_ms = self.id("SELECT time_ms FROM host_seconds WHERE id = ?1", [from])?;
                self.near(now_ms.unwrap_or(0).saturating_add(by), by > 0)?
            }
            Step::Incident(is_next) => {
                let began_ms = if is_next {
                    self.id(
                        "SELECT min(began_ms) FROM incidents WHERE began_ms > \
                         (SELECT time_ms FROM host_seconds WHERE id = ?1)",
                        [from],
                    )?
                } else {
                    // Not the one at whose begin we are already.
                    self.id(
                        "SELECT max(began_ms) FROM incidents WHERE began_ms <= (SELECT time_ms \
                         FROM host_seconds WHERE id < ?1 ORDER BY id DESC LIMIT 1)",
                        [from],
                    )?
                };
                match began_ms {
                    Some(began_ms) => self.near(began_ms, true)?,
                    None => None,
                }
            }
        };
        let stay = "WHERE id = coalesce(?1, (SELECT max(id) FROM host_seconds WHERE id <= ?2), \
                    (SELECT min(id) FROM host_seconds))";
        Ok(self.whole_seconds(stay, params![id, from])?.pop())
    }

    /// The host in the seconds up to this one, at most so many, the oldest first.
    pub fn hosts_until(&self, id: i64, count: usize) -> Result<Vec<HostSecond>, RecorderError> {
        let columns = HostSecond::columns_of(self.version);
        let mut hosts = self.rows(
            &format!("SELECT {columns} FROM host_seconds WHERE id <= ?1 ORDER BY id DESC LIMIT ?2"),
            params![id, i64::try_from(count).unwrap_or(i64::MAX)],
            |row| HostSecond::of(row, 0),
        )?;
        hosts.reverse();
        Ok(hosts)
    }

    /// The host, second by second or as far as it is thinned, with the peers that cost most then.
    pub fn seconds(
        &self,
        span: Span,
        limit: usize,
    ) -> Result<Vec<(ClockReading, HostSecond, Vec<PeerSecond>)>, RecorderError> {
        let seconds = self.numbered_seconds(span, limit)?.into_iter();
        Ok(seconds
            .map(|second| (second.at, second.host, second.peers))
            .collect())
    }

    /// The same with their numbers: in the order of writing, whatever the wall clock did, and one in so
    /// many where there would be more than `limit`.
    pub fn numbered_seconds(&self, span: Span, limit: usize) -> Result<Vec<Second>, RecorderError> {
        let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        // Of each group the hardest, as where the writer thins.
        let hardest = "WHERE id IN (WITH wanted AS (SELECT id, \
             row_number() OVER (ORDER BY id) - 1 AS number, \
             count(*) OVER () AS total, pinned_bytes, tcp_memory_bytes FROM host_seconds \
             WHERE time_ms BETWEEN ?1 AND ?2), \
             ranked AS (SELECT id, row_number() OVER (PARTITION BY number * ?3 / max(total, ?3) \
             ORDER BY pinned_bytes DESC, tcp_memory_bytes DESC, id) AS rank FROM wanted) \
             SELECT id FROM ranked WHERE rank = 1) ORDER BY id";
        self.whole_seconds(hardest, params![span.from_ms, span.until_ms, limit])
    }

    /// Peers that had more stalled connections at once than this, with what each held at its worst, in
    /// all that is recorded.
    pub fn peers_beyond(&self, stalled_connections: u64) -> Result<Vec<PeerPeak>, RecorderError> {
        let workers = self.column("peer_seconds", "held_workers");
        let mut peers = self.first(
            &format!(
                "SELECT peer, max(stalled_connections), max(pinned_bytes), max({workers}) \
                 FROM peer_seconds WHERE stalled_connections > ?1 GROUP BY peer \
                 ORDER BY max(stalled_connections) DESC, peer"
            ),
            NAMES,
            [i64::try_from(stalled_connections).unwrap_or(i64::MAX)],
            peak,
        )?;
        peers.sort_by(|one, other| one.peer.cmp(&other.peer));
        Ok(peers)
    }

    /// What the agents of the span had lost before it, at its begin and at its end, run by run.
    pub fn records_lost(&self, span: Span) -> Result<Vec<RecordsLost>, RecorderError> {
        self.newest(
            "SELECT run, (SELECT CASE WHEN b.run = s.run THEN b.records_lost END FROM host_seconds b \
             WHERE b.id < s.from_id ORDER BY b.id DESC LIMIT 1), least, most \
             FROM (SELECT run, min(id) AS from_id, min(records_lost) AS least, max(records_lost) AS most \
             FROM host_seconds WHERE time_ms BETWEEN ?1 AND ?2 GROUP BY run) s ORDER BY run DESC",
            SPANS,
            params![span.from_ms, span.until_ms],
            |row| {
                Ok(RecordsLost {
                    run: row.get(0)?,
                    before: row.get(1)?,
                    first: row.get(2)?,
                    last: row.get(3)?,
                })
            },
        )
    }

    /// When no connection was stalled, in Unix milliseconds, in all that is recorded.
    pub fn calm_ms(&self) -> Result<Vec<i64>, RecorderError> {
        self.newest(
            "SELECT time_ms FROM host_seconds WHERE stalled_connections = 0 ORDER BY id DESC",
            MOMENTS,
            [],
            |row| row.get(0),
        )
    }

    pub(super) fn whole_seconds(
        &self,
        which: &str,
        values: impl Params,
    ) -> Result<Vec<Second>, RecorderError> {
        self.whole_seconds_within(&mut Room::default(), which, values)
    }

    pub(super) fn whole_seconds_within(
        &self,
        room: &mut Room,
        which: &str,
        values: impl Params,
    ) -> Result<Vec<Second>, RecorderError> {
        let columns = HostSecond::columns_of(self.version);
        let mut seconds = self.rows_within(
            room,
            &format!("SELECT id, run, span, time_ms, boot_ms, {columns} FROM host_seconds {which}"),
            values,
            |row| {
                Ok(Second {
                    id: row.get(0)?,
                    run: row.get(1)?,
                    span_seconds: row.get(2)?,
                    at: moment(row, 3)?,
                    host: HostSecond::of(row, 5)?,
                    peers: Vec::new(),
                })
            },
        )?;
        let peers = format!(
            "SELECT peer, verdict, severity, stalled_connections, pinned_bytes, \
             zero_window_episodes, window_shrinks_polite, window_shrinks_below_flight, \
             window_shrinks_treason, bytes_acked_per_second, {} \
             FROM peer_seconds WHERE second = ?1 ORDER BY place LIMIT {}",
            self.column("peer_seconds", "held_workers"),
            PEERS + 1
        );
        for second in &mut seconds {
            second.peers = self.rows_within(room, &peers, [second.id], |row| {
                Ok(PeerSecond {
                    peer: text(row, 0)?,
                    verdict: optional_text(row, 1)?,
                    severity: optional_text(row, 2)?,
                    stalled_connections: row.get(3)?,
                    pinned_bytes: row.get(4)?,
                    zero_window_episodes: row.get(5)?,
                    window_shrinks_polite: row.get(6)?,
                    window_shrinks_below_flight: row.get(7)?,
                    window_shrinks_treason: row.get(8)?,
                    bytes_acked_per_second: row.get(9)?,
                    held_workers: row.get(10)?,
                })
            })?;
            self.cut(&mut second.peers, PEERS);
        }
        Ok(seconds)
    }

    /// The first second from this time on, or the last one up to it.
    fn near(&self, time_ms: i64, is_after: bool) -> Result<Option<i64>, RecorderError> {
        let query = if is_after {
            "SELECT coalesce((SELECT id FROM host_seconds WHERE time_ms >= ?1 \
             ORDER BY time_ms, id LIMIT 1), max(id)) FROM host_seconds"
        } else {
            "SELECT coalesce((SELECT id FROM host_seconds WHERE time_ms <= ?1 \
             ORDER BY time_ms DESC, id DESC LIMIT 1), min(id)) FROM host_seconds"
        };
        self.id(query, [time_ms])
    }

    fn id(&self, query: &str, values: impl Params) -> Result<Option<i64>, RecorderError> {
        let found: Vec<Option<i64>> = self.rows(query, values, |row| row.get(0))?;
        Ok(found.into_iter().next().flatten())
    }
}
