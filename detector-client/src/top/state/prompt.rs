//! The line in which a filter is typed.

use crate::filter::{Filter, FilterError};
use crate::top::keys::Edit;
use detector_api::row::PeerRow;

/// Characters of a line; a longer filter is a mistake of the clipboard.
const MAX_CHARACTERS: usize = 1_024;

/// A filter being typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prompt {
    characters: Vec<char>,
    cursor: usize,
    /// What is wrong with it; shown once it is to be applied.
    pub(crate) error: Option<FilterError>,
}

impl Prompt {
    /// Begins with the filter that is in force.
    pub(super) fn new(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        Self {
            cursor: characters.len(),
            characters,
            error: None,
        }
    }

    /// The text before and after the cursor.
    pub(crate) fn halves(&self) -> (String, String) {
        let (before, after) = self.characters.split_at(self.cursor);
        (before.iter().collect(), after.iter().collect())
    }

    /// What was typed.
    pub(crate) fn text(&self) -> String {
        self.characters.iter().collect()
    }

    /// Reads the filter; keeps what is wrong with it if it is none.
    pub(super) fn accept(&mut self) -> Option<Filter<PeerRow>> {
        match Filter::parse(&self.text()) {
            Ok(filter) => Some(filter),
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    pub(super) fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Insert(character) => self.insert(character),
            Edit::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.characters.remove(self.cursor);
            }
            Edit::Delete if self.cursor < self.characters.len() => {
                self.characters.remove(self.cursor);
            }
            Edit::Backspace | Edit::Delete => {}
            Edit::DeleteWord => {
                let is_blank = |character: &char| character.is_whitespace();
                let before = &self.characters[..self.cursor];
                let word_end = before.iter().rposition(|c| !is_blank(c));
                let blank = before[..word_end.unwrap_or(0)].iter().rposition(is_blank);
                let start = blank.map_or(0, |blank| blank + 1);
                self.characters.drain(start..self.cursor);
                self.cursor = start;
            }
            Edit::Clear => *self = Self::default(),
            Edit::Left => self.cursor = self.cursor.saturating_sub(1),
            Edit::Right => self.cursor = (self.cursor + 1).min(self.characters.len()),
            Edit::Home => self.cursor = 0,
            Edit::End => self.cursor = self.characters.len(),
        }
        // What was wrong may have been mended.
        if self.error.is_some() {
            self.error = Filter::<PeerRow>::parse(&self.text()).err();
        }
    }

    fn insert(&mut self, character: char) {
        if self.characters.len() < MAX_CHARACTERS && !character.is_control() {
            self.characters.insert(self.cursor, character);
            self.cursor += 1;
        }
    }
}
