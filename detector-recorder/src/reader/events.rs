//! Events of a recorder: some at once, or all one after the other.

use super::{Reader, Span};
use crate::error::RecorderError;
use detector_api::snapshot::Event;
use rusqlite::params;

/// Rows read at a time where all are wanted, as far as there is room.
const PAGE: i64 = 500;

/// Which events are read.
#[derive(Clone, Copy, Debug)]
pub struct EventsWanted<'a> {
    /// When they happened.
    pub span: Span,
    /// Only of this peer, written as the agent writes it.
    pub peer: Option<&'a str>,
    /// Only of this kind, its label.
    pub kind: Option<&'a str>,
    /// At most so many, the newest.
    pub limit: usize,
}

impl Reader {
    /// Events, oldest first.
    pub fn events(&self, wanted: &EventsWanted<'_>) -> Result<Vec<Event>, RecorderError> {
        let rows: Vec<String> = self.rows(
            "SELECT json FROM events WHERE time_ms BETWEEN ?1 AND ?2 \
             AND (?3 IS NULL OR peer = ?3) AND (?4 IS NULL OR kind = ?4) \
             ORDER BY id DESC LIMIT ?5",
            params![
                wanted.span.from_ms,
                wanted.span.until_ms,
                wanted.peer,
                wanted.kind,
                i64::try_from(wanted.limit).unwrap_or(i64::MAX)
            ],
            |row| row.get(0),
        )?;
        let oldest_first = rows.iter().rev();
        Ok(oldest_first
            .filter_map(|json| self.understood(json))
            .collect())
    }

    /// Hands each wanted event to `take`, the oldest first, until it fails; `limit` counts for
    /// nothing. Between some and the next ones the file is let go: whoever takes them may take long,
    /// and while a reader stays the writer cannot empty its log.
    pub fn each_event<E: From<RecorderError>>(
        &self,
        wanted: &EventsWanted<'_>,
        mut take: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let bounds: Vec<(Option<i64>, Option<i64>)> = self.rows(
            "SELECT min(id), max(id) FROM events WHERE time_ms BETWEEN ?1 AND ?2",
            params![wanted.span.from_ms, wanted.span.until_ms],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let Some((Some(mut from), Some(until))) = bounds.first().copied() else {
            return Ok(());
        };
        loop {
            // The plus signs keep indices of little use away: the rows come in their own order.
            let lacks_rows = self.lacks_rows.get();
            let page: Vec<(i64, String)> = self.rows(
                "SELECT id, json FROM events WHERE id BETWEEN ?5 AND ?6 \
                 AND +time_ms BETWEEN ?1 AND ?2 \
                 AND (?3 IS NULL OR peer = ?3) AND (?4 IS NULL OR +kind = ?4) \
                 ORDER BY id LIMIT ?7",
                params![
                    wanted.span.from_ms,
                    wanted.span.until_ms,
                    wanted.peer,
                    wanted.kind,
                    from,
                    until,
                    PAGE
                ],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            // Those for which there was no room are the next page's.
            self.lacks_rows.set(lacks_rows);
            // Else pages of a prepared file come again and again.
            let is_new = page.first().is_none_or(|(id, _)| *id >= from);
            if !is_new || !page.is_sorted_by(|(before, _), (id, _)| before < id) {
                return Err(E::from(RecorderError::Damaged {
                    path: self.file.clone(),
                    reason: "its rows are not in their order".to_owned(),
                }));
            }
            for (_, json) in &page {
                if let Some(event) = self.understood(json) {
                    take(event)?;
                }
            }
            match page.last() {
                Some((last, _)) if *last < until => from = last + 1,
                _ => return Ok(()),
            }
        }
    }
}
