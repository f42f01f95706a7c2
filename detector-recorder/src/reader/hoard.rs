//! Seconds in which a hoard was held, all of them: what is told of how long it was held must not depend on which points
//! a timeline shows.

use super::bounded::{MOMENTS, Room};
use super::{Reader, Second, Span};
use crate::error::RecorderError;
use detector_api::snapshot::HoardThresholds;
use rusqlite::params;

/// A second lasts no longer than what it stands for, but an agent that comes later than it should tells of no gap until
/// it is later than this.
const LATE_MS: i64 = 5_000;

/// Whose hoards are looked for, when, and from what on it is one.
#[derive(Clone, Copy, Debug)]
pub struct HoardWanted<'a> {
    /// When.
    pub span: Span,
    /// From so many stalled connections, or so much memory, on.
    pub least: HoardThresholds,
    /// What this peer held; what was held in all if `None`.
    pub peer: Option<&'a str>,
}

/// Seconds in which a hoard was held, in the order of writing.
#[derive(Clone, Debug, PartialEq)]
pub struct HoardSeconds {
    /// The seconds.
    pub seconds: Vec<HoardSecond>,
    /// Of so many neighbours one was read, and stands for the others; 1 if all were.
    pub one_of: usize,
}

/// A second in which a hoard was held.
#[derive(Clone, Debug, PartialEq)]
pub struct HoardSecond {
    /// The second.
    pub second: Second,
    /// For how long it was so, with all for which it stands.
    pub lasted_ms: i64,
    /// When the next second of the span is, in which it may be otherwise; `None` if this is the last.
    pub next_ms: Option<i64>,
}

/// A second before its peers are read.
struct Found {
    id: i64,
    lasted_ms: i64,
    next_ms: Option<i64>,
}

impl Reader {
    /// Seconds in which a hoard was held, and for how long. Of more than `limit` one of so many neighbours is read.
    pub fn hoard_seconds(
        &self,
        wanted: HoardWanted<'_>,
        limit: usize,
    ) -> Result<HoardSeconds, RecorderError> {
        let found = self.found(wanted)?;
        let one_of = found.len().div_ceil(limit.max(1)).max(1);
        let mut room = Room::default();
        let mut seconds = Vec::with_capacity(found.len() / one_of + 1);
        for neighbours in found.chunks(one_of) {
            let (Some(middle), Some(last)) =
                (neighbours.get(neighbours.len() / 2), neighbours.last())
            else {
                continue;
            };
            let lasted = neighbours.iter().map(|each| each.lasted_ms);
            let lasted_ms = lasted.fold(0, i64::saturating_add);
            let second = self
                .whole_seconds_within(&mut room, "WHERE id = ?1", [middle.id])?
                .pop();
            seconds.extend(second.map(|second| HoardSecond {
                second,
                lasted_ms,
                next_ms: last.next_ms,
            }));
        }
        Ok(HoardSeconds { seconds, one_of })
    }

    fn found(&self, wanted: HoardWanted<'_>) -> Result<Vec<Found>, RecorderError> {
        let is_hoard = "(stalled_connections >= ?3 OR pinned_bytes >= ?4)";
        let condition = match wanted.peer {
            Some(_) => {
                &*format!("id IN (SELECT second FROM peer_seconds WHERE peer = ?5 AND {is_hoard})")
            }
            None => &*format!("{is_hoard} AND ?5 IS NULL"),
        };
        self.newest(
            &format!(
                "WITH wanted AS (SELECT id, run, span, time_ms, stalled_connections, pinned_bytes, \
                 lead(time_ms) OVER later AS next_ms, lead(run) OVER later AS next_run \
                 FROM host_seconds WHERE time_ms BETWEEN ?1 AND ?2 WINDOW later AS (ORDER BY id)) \
                 SELECT id, span, time_ms, next_ms, CASE WHEN next_run = run THEN next_ms \
                 ELSE coalesce((SELECT last_ms FROM runs WHERE runs.id = run), time_ms) END \
                 FROM wanted WHERE {condition} ORDER BY id DESC"
            ),
            MOMENTS,
            params![
                wanted.span.from_ms,
                wanted.span.until_ms,
                number(wanted.least.hoard_connections),
                number(wanted.least.hoard_bytes),
                wanted.peer
            ],
            |row| {
                let (span_seconds, time_ms): (i64, i64) = (row.get(1)?, row.get(2)?);
                // Nothing lasts where the clock was set back, and while no agent ran nobody saw it.
                let seen_ms = row.get::<_, i64>(4)?.saturating_sub(time_ms);
                let most_ms = span_seconds.saturating_mul(1_000).max(LATE_MS);
                Ok(Found {
                    id: row.get(0)?,
                    lasted_ms: seen_ms.min(most_ms).max(0),
                    next_ms: row.get(3)?,
                })
            },
        )
    }

    /// The second of the span in which most was held: of all, or of the peer. The first of several, if it is known how
    /// many workers waited at one of them at such a one.
    pub fn worst_second(
        &self,
        span: Span,
        peer: Option<&str>,
    ) -> Result<Option<Second>, RecorderError> {
        let worst = match peer {
            Some(_) => {
                "WHERE id = (SELECT host.id FROM (SELECT second, stalled_connections, pinned_bytes \
                 FROM peer_seconds WHERE peer = ?3 AND stalled_connections > 0) held \
                 JOIN host_seconds host ON host.id = held.second WHERE host.time_ms BETWEEN ?1 AND ?2 \
                 ORDER BY held.pinned_bytes DESC, held.stalled_connections DESC, \
                 host.held_workers IS NULL, host.id LIMIT 1)"
            }
            None => {
                "WHERE id = (SELECT id FROM host_seconds WHERE time_ms BETWEEN ?1 AND ?2 \
                 AND stalled_connections > 0 AND ?3 IS NULL ORDER BY pinned_bytes DESC, \
                 stalled_connections DESC, held_workers IS NULL, id LIMIT 1)"
            }
        };
        let values = params![span.from_ms, span.until_ms, peer];
        Ok(self.whole_seconds(worst, values)?.pop())
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
