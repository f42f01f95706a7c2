//! From one place to the next: into a peer and out again, between groupings, along rows.

use super::{ConnectionKey, Cursor, Effects, FRAME_LINES, Location, Overlay, State, Within};
use crate::columns::Grouping;
use crate::filter::Filter;
use crate::top::keys::Step;

impl State {
    pub(super) fn back(&mut self) -> Effects {
        if !matches!(self.overlay, Overlay::None) {
            self.overlay = Overlay::None;
            return Effects::default();
        }
        match std::mem::take(&mut self.location) {
            Location::Connection(peer, _) => {
                self.location = Location::Peer(peer);
                Effects::default()
            }
            Location::Peer(_) => {
                self.opened.page = None;
                Effects::FETCH
            }
            Location::Table => {
                if let Some(within) = self.table.within.take() {
                    self.table.cursor = within.cursor;
                    self.arrange();
                    return Effects::FETCH;
                }
                self.table.filter = Filter::default();
                self.shown_anew()
            }
        }
    }

    pub(super) fn open(&mut self) -> Effects {
        match &self.location {
            Location::Table => {
                let Some(row) = self.table.rows.get(self.table.cursor.index) else {
                    return Effects::default();
                };
                let name = row.peer.peer.clone();
                if self.grouping() == Grouping::Peer && self.is_of_fleet {
                    self.note = Some(format!("`detector explain {name}` on a host knows more"));
                    return Effects::default();
                }
                if self.grouping() == Grouping::Peer {
                    self.location = Location::Peer(name);
                    self.opened.page = None;
                    self.opened.is_gone = false;
                    self.opened.cursor = Cursor::default();
                    return Effects::FETCH;
                }
                self.table.within = Some(Within {
                    grouping: self.settings.grouping,
                    name,
                    cursor: std::mem::take(&mut self.table.cursor),
                });
                self.arrange();
                Effects::FETCH
            }
            Location::Peer(peer) => {
                if let Some(connection) = self.connection() {
                    let key = ConnectionKey::of(connection);
                    self.location = Location::Connection(peer.clone(), key);
                    self.opened.scroll = 0;
                }
                Effects::default()
            }
            Location::Connection(..) => Effects::default(),
        }
    }

    pub(super) fn regroup(&mut self, steps: usize) -> Effects {
        if self.location != Location::Table {
            return Effects::default();
        }
        self.table.within = None;
        loop {
            for _ in 0..steps {
                self.settings.grouping = self.settings.grouping.next();
            }
            if self.can_group(self.settings.grouping) {
                break;
            }
        }

        Effects {
            saves: true,
            ..self.shown_anew()
        }
    }

    pub(super) fn step(&mut self, step: Step) -> Effects {
        let page = usize::from(self.size.1.saturating_sub(FRAME_LINES)).max(1);
        let choices = self.sort_choices();
        match (&mut self.overlay, &self.location) {
            (Overlay::Menu(index), _) => move_within(index, step, choices, page),
            (Overlay::Help(scroll), _) => move_within(scroll, step, usize::MAX, page),
            (Overlay::Prompt(_) | Overlay::Confirmation(_), _) => {}
            (Overlay::None, Location::Table) => {
                let was = self.query();
                let rows = &self.table.rows;
                self.table.cursor.step(step, rows.len(), page);
                let name = |index: usize| rows.get(index).map(|row| row.peer.peer.clone());
                self.table.cursor.hold(name);
                self.table.wants_last = step == Step::Last && rows.len() < self.table.total;
                let fetches = self.query() != was;
                return Effects {
                    fetches,
                    ..Effects::default()
                };
            }
            (Overlay::None, Location::Peer(_)) => {
                let connections = self
                    .opened
                    .page
                    .as_ref()
                    .map(|page| page.detail.connections.as_slice());
                let connections = connections.unwrap_or_default();
                self.opened.cursor.step(step, connections.len(), page);
                let key = |index: usize| connections.get(index).map(ConnectionKey::of);
                self.opened.cursor.hold(key);
            }
            (Overlay::None, Location::Connection(..)) => {
                move_within(&mut self.opened.scroll, step, usize::MAX, page);
            }
        }
        Effects::default()
    }

    /// Keeps what is scrolled within what there is.
    pub(crate) fn limit_scrolling(&mut self, lines: usize) {
        match &mut self.overlay {
            Overlay::Help(scroll) => *scroll = lines.min(*scroll),
            _ => self.opened.scroll = lines.min(self.opened.scroll),
        }
    }
}

fn move_within(index: &mut usize, step: Step, length: usize, page: usize) {
    let mut cursor = Cursor::<()>::at(*index);
    // There is no last line of what is only scrolled.
    if step != Step::Last || length != usize::MAX {
        cursor.step(step, length, page);
    }
    *index = cursor.index;
}
