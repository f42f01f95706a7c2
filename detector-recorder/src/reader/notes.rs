//! What happened besides flags, episodes and incidents.

use super::bounded::NAMES;
use super::{Reader, Span, label, moment, optional_text, text};
use crate::error::RecorderError;
use crate::rows::Note;
use rusqlite::params;

impl Reader {
    /// What else happened, oldest first.
    pub fn notes(&self, span: Span) -> Result<Vec<Note>, RecorderError> {
        let json = self.column("notes", "json");
        let notes: Vec<(Note, Option<String>)> = self.newest(
            &format!(
                "SELECT time_ms, boot_ms, kind, peer, text, {json} FROM notes \
                 WHERE time_ms BETWEEN ?1 AND ?2 ORDER BY id DESC"
            ),
            NAMES,
            params![span.from_ms, span.until_ms],
            |row| {
                let note = Note {
                    at: moment(row, 0)?,
                    kind: label(row, 2)?,
                    peer: optional_text(row, 3)?,
                    text: text(row, 4)?,
                    kill: None,
                };
                Ok((note, row.get(5)?))
            },
        )?;
        let whole = |(note, json): (Note, Option<String>)| Note {
            kill: json.and_then(|json| self.understood(&json)),
            ..note
        };
        Ok(notes.into_iter().map(whole).collect())
    }
}
