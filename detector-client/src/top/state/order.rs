//! What rows are sorted by: from the menu or column by column.

use super::{Cursor, Effects, Location, State};
use crate::columns::{Column, Row, Sort};
use detector_api::row::PeerRow;
use detector_api::snapshot::Connection;

impl State {
    /// Whether it is a peer's connections that are sorted, not peers.
    pub(crate) fn sorts_connections(&self) -> bool {
        self.location != Location::Table
    }

    /// Orders to choose from: by cost, then by each column.
    pub(super) fn sort_choices(&self) -> usize {
        1 + if self.sorts_connections() {
            Connection::COLUMNS.len()
        } else {
            PeerRow::COLUMNS.len()
        }
    }

    /// The present order among the choices.
    pub(super) fn sort_index(&self) -> usize {
        if self.sorts_connections() {
            index_of(self.settings.connection_sort.column)
        } else {
            index_of(self.settings.sort.column)
        }
    }

    pub(super) fn sort_by(&mut self, index: usize) -> Effects {
        if self.sorts_connections() {
            self.settings.connection_sort = sort_at(index, self.settings.connection_sort);
        } else {
            self.settings.sort = sort_at(index, self.settings.sort);
        }
        self.sorted_anew()
    }

    /// The next column shown by default, to the right or to the left; `cost` before the first.
    pub(super) fn sort_beside(&mut self, is_right: bool) -> Effects {
        let is_default = |index: usize| {
            index == 0
                || if self.sorts_connections() {
                    Connection::COLUMNS[index - 1].is_default
                } else {
                    PeerRow::COLUMNS[index - 1].is_default
                }
        };
        let here = self.sort_index();
        let next = if is_right {
            (here + 1..self.sort_choices()).find(|index| is_default(*index))
        } else {
            (0..here).rev().find(|index| is_default(*index))
        };
        next.map_or(Effects::default(), |index| self.sort_by(index))
    }

    pub(super) fn reverse(&mut self) -> Effects {
        let is_reversed = if self.sorts_connections() {
            &mut self.settings.connection_sort.is_reversed
        } else {
            &mut self.settings.sort.is_reversed
        };
        *is_reversed = !*is_reversed;
        self.sorted_anew()
    }

    fn sorted_anew(&mut self) -> Effects {
        if self.sorts_connections() {
            let context = self.context();
            if let Some(page) = &mut self.opened.page {
                let sort = self.settings.connection_sort;
                sort.apply(&mut page.detail.connections, &context);
            }
            self.opened.cursor = Cursor::default();
            return Effects {
                saves: true,
                ..Effects::default()
            };
        }
        Effects {
            saves: true,
            ..self.shown_anew()
        }
    }

    /// After a change of what the table shows: from its beginning, and with all the rows for it.
    pub(super) fn shown_anew(&mut self) -> Effects {
        self.table.cursor = Cursor::default();
        self.table.wants_last = false;
        self.arrange();
        Effects::FETCH
    }
}

fn index_of<R>(column: Option<&'static Column<R>>) -> usize
where
    R: Row,
{
    let index = column.and_then(|sorted| {
        let mut columns = R::COLUMNS.iter();
        columns.position(|column| column.key == sorted.key)
    });
    index.map_or(0, |index| index + 1)
}

/// The order at this index of the choices; the other way round if it is there already.
fn sort_at<R: Row>(index: usize, present: Sort<R>) -> Sort<R> {
    let column = index.checked_sub(1).and_then(|index| R::COLUMNS.get(index));
    let is_same = column.map(|column| column.key) == present.column.map(|column| column.key);
    Sort {
        column,
        is_reversed: is_same && present.is_reversed,
    }
}
