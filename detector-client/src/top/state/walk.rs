//! From one place to the next: into a peer and out again, between groupings, along rows.

use super::{ConnectionKey, Cursor, Effects, FRAME_LINES, Overlay, Place, State, Within};
use crate::columns::Grouping;
use crate::filter::Filter;
use crate::top::action::Step;

impl State {
    pub(super) fn back(&mut self) -> Effects {
        if !matches!(self.overlay, Overlay::None) {
            self.overlay = Overlay::None;
            return Effects::default();
        }
        match std::mem::take(&mut self.place) {
            Place::Connection(peer, _) => {
                self.place = Place::Peer(peer);
                Effects::default()
            }
            Place::Peer(_) => {
                self.page = None;
                Effects::FETCH
            }
            Place::Table => {
                if let Some(within) = self.within.take() {
                    self.cursor = within.cursor;
                    self.arrange();
                    return Effects::FETCH;
                }
                self.filter = Filter::default();
                self.shown_anew()
            }
        }
    }

    pub(super) fn open(&mut self) -> Effects {
        match &self.place {
            Place::Table => {
                let Some(row) = self.rows.get(self.cursor.index) else {
                    return Effects::default();
                };
                let name = row.peer.peer.clone();
                if self.grouping() == Grouping::Peer {
                    self.place = Place::Peer(name);
                    self.page = None;
                    self.is_page_gone = false;
                    self.connection_cursor = Cursor::default();
                    return Effects::FETCH;
                }
                self.within = Some(Within {
                    grouping: self.settings.grouping,
                    name,
                    cursor: std::mem::take(&mut self.cursor),
                });
                self.arrange();
                Effects::FETCH
            }
            Place::Peer(peer) => {
                if let Some(connection) = self.connection() {
                    let key = ConnectionKey::of(connection);
                    self.place = Place::Connection(peer.clone(), key);
                    self.scroll = 0;
                }
                Effects::default()
            }
            Place::Connection(..) => Effects::default(),
        }
    }

    pub(super) fn regroup(&mut self, steps: usize) -> Effects {
        if self.place != Place::Table {
            return Effects::default();
        }
        self.within = None;
        for _ in 0..steps {
            self.settings.grouping = self.settings.grouping.next();
        }
        Effects {
            saves: true,
            ..self.shown_anew()
        }
    }

    pub(super) fn step(&mut self, step: Step) -> Effects {
        let page = usize::from(self.size.1.saturating_sub(FRAME_LINES)).max(1);
        let choices = self.sort_choices();
        match (&mut self.overlay, &self.place) {
            (Overlay::Menu(index), _) => move_within(index, step, choices, page),
            (Overlay::Help(scroll), _) => move_within(scroll, step, usize::MAX, page),
            (Overlay::Prompt(_) | Overlay::Confirmation(_), _) => {}
            (Overlay::None, Place::Table) => {
                let was = self.query();
                let rows = &self.rows;
                self.cursor.step(step, rows.len(), page);
                let name = |index: usize| rows.get(index).map(|row| row.peer.peer.clone());
                self.cursor.hold(name);
                self.wants_last = step == Step::Last && rows.len() < self.total;
                let fetches = self.query() != was;
                return Effects {
                    fetches,
                    ..Effects::default()
                };
            }
            (Overlay::None, Place::Peer(_)) => {
                let connections = self.page.as_ref().map(|page| page.connections.as_slice());
                let connections = connections.unwrap_or_default();
                self.connection_cursor.step(step, connections.len(), page);
                let key = |index: usize| connections.get(index).map(ConnectionKey::of);
                self.connection_cursor.hold(key);
            }
            (Overlay::None, Place::Connection(..)) => {
                move_within(&mut self.scroll, step, usize::MAX, page);
            }
        }
        Effects::default()
    }

    /// Keeps what is scrolled within what there is.
    pub(crate) fn limit_scrolling(&mut self, lines: usize) {
        match &mut self.overlay {
            Overlay::Help(scroll) => *scroll = lines.min(*scroll),
            _ => self.scroll = lines.min(self.scroll),
        }
    }
}

fn move_within(place: &mut usize, step: Step, length: usize, page: usize) {
    let mut cursor = Cursor::<()>::at(*place);
    // There is no last line of what is only scrolled.
    if step != Step::Last || length != usize::MAX {
        cursor.step(step, length, page);
    }
    *place = cursor.index;
}
