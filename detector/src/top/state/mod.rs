//! What `detector top` shows. Pure: actions and snapshots in, effects out; time is an argument.

mod cursor;
mod facts;
mod history;
mod prompt;
mod settings;

pub(crate) use cursor::Cursor;
pub(crate) use facts::{Facts, Listing, Now, Page, Snapshot};
pub(crate) use history::{ConnectionKey, HostHistory, Sample, Timelines};
pub(crate) use prompt::Prompt;
pub(crate) use settings::{Settings, Written};

use crate::columns::{Column, Context, Grouping, PeerRow, Row, Sort, group};
use crate::filter::Filter;
use crate::top::action::{Action, Edit, Focus, Step};
use detector_core::snapshot::Connection;
use std::time::Duration;

/// Rows asked for at a time where the agent's own order is shown.
const ROWS_AT_A_TIME: usize = 128;
/// Lines of a screen that are no rows, about.
const FRAME_LINES: u16 = 8;

/// What is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Place {
    /// The table of peers or groups.
    #[default]
    Table,
    /// One peer.
    Peer(String),
    /// One connection of a peer.
    Connection(String, ConnectionKey),
}

impl Place {
    /// The peer that is open.
    pub(crate) fn peer(&self) -> Option<&str> {
        match self {
            Self::Table => None,
            Self::Peer(peer) | Self::Connection(peer, _) => Some(peer),
        }
    }
}

/// What lies over the screen.
#[derive(Clone, Debug, Default)]
pub(crate) enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The line in which a filter is typed.
    Prompt(Prompt),
    /// The columns to sort by; the cursor is at this one.
    Menu(usize),
    /// The help, scrolled so far.
    Help(usize),
}

/// How the agent is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Link {
    /// Nothing was heard of it yet.
    #[default]
    Waiting,
    /// It answers.
    Live,
    /// It does not, since then.
    Lost {
        /// When the first request failed.
        since: Now,
        /// Why the last one did.
        why: String,
    },
}

/// A group whose peers are shown.
#[derive(Clone, Debug)]
pub(crate) struct Within {
    /// How it was put together.
    pub(crate) grouping: Grouping,
    /// Its name.
    pub(crate) name: String,
    cursor: Cursor<String>,
}

/// What is to be done outside after an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// End.
    pub(crate) quits: bool,
    /// Stop until called back.
    pub(crate) suspends: bool,
    /// Ask the agent at once.
    pub(crate) fetches: bool,
    /// Remember the settings.
    pub(crate) saves: bool,
    /// Draw every cell anew.
    pub(crate) redraws: bool,
}

impl Effects {
    const FETCH: Self = Self {
        quits: false,
        suspends: false,
        fetches: true,
        saves: false,
        redraws: false,
    };
}

/// What to ask the agent for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// That many of the dearest peers, 0 for all; `None` for none.
    pub(crate) peers: Option<usize>,
    /// This peer's page.
    pub(crate) page: Option<String>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// How peers and connections are shown.
    pub(crate) settings: Settings,
    /// Which peers are shown.
    pub(crate) filter: Filter<PeerRow>,
    /// The group whose peers are shown.
    pub(crate) within: Option<Within>,
    /// What is open.
    pub(crate) place: Place,
    /// What lies over it.
    pub(crate) overlay: Overlay,
    /// Whether refreshing is stopped.
    pub(crate) is_paused: bool,
    /// How the agent is.
    pub(crate) link: Link,
    /// Something the user should know, until the next key.
    pub(crate) note: Option<String>,
    /// Why no agent of the host is asked.
    pub(crate) own_agent: Option<String>,
    /// Seconds from one refresh to the next.
    pub(crate) interval_seconds: f64,
    /// Facts of the host.
    pub(crate) facts: Facts,
    /// Peers as the agent sent them.
    peers: Vec<PeerRow>,
    /// How many peers there are in all.
    pub(crate) total: usize,
    /// Rows that are shown.
    pub(crate) rows: Vec<PeerRow>,
    /// The page that is open, once it has come.
    pub(crate) page: Option<Page>,
    /// Whether the agent has forgotten the peer that is open.
    pub(crate) is_page_gone: bool,
    /// Histories of the host.
    pub(crate) history: HostHistory,
    /// Samples of the connections of the open peer.
    pub(crate) timelines: Timelines,
    /// The row of the table.
    pub(crate) cursor: Cursor<String>,
    /// The row among a peer's connections.
    pub(crate) connection_cursor: Cursor<ConnectionKey>,
    /// Lines that the page of a connection is scrolled down.
    pub(crate) scroll: usize,
    /// Whether the cursor goes to the very last row as soon as it is there.
    wants_last: bool,
    /// When the last snapshot was taken.
    pub(crate) taken: Now,
    /// Columns and lines of the terminal.
    pub(crate) size: (u16, u16),
}

impl State {
    /// Nothing is known yet; refreshed each `interval`, only peers that `filter` wants are shown.
    pub(crate) fn new(interval: Duration, filter: Filter<PeerRow>) -> Self {
        Self {
            filter,
            interval_seconds: interval.as_secs_f64(),
            ..Self::default()
        }
    }

    /// What the keys go to.
    pub(crate) fn focus(&self) -> Focus {
        match self.overlay {
            Overlay::None => Focus::Screen,
            Overlay::Prompt(_) => Focus::Prompt,
            Overlay::Menu(_) => Focus::Menu,
            Overlay::Help(_) => Focus::Help,
        }
    }

    /// What peers are put together by at this moment.
    pub(crate) fn grouping(&self) -> Grouping {
        match self.within {
            Some(_) => Grouping::Peer,
            None => self.settings.grouping,
        }
    }

    /// What rows cannot know by themselves.
    pub(crate) fn context(&self) -> Context {
        Context {
            now_unix_ns: self.taken.unix_ns,
            tcp_memory_limit_bytes: self.facts.tcp_memory_bytes.map(|(_, limit)| limit),
        }
    }

    /// What to ask the agent for.
    pub(crate) fn query(&self) -> Query {
        let needs_all = self.wants_last
            || self.settings.sort != Sort::default()
            || !self.filter.is_empty()
            || self.within.is_some()
            || self.grouping() != Grouping::Peer;
        let below = self.cursor.index + 2 * usize::from(self.size.1);
        let limit = below.next_multiple_of(ROWS_AT_A_TIME);
        Query {
            peers: (self.place == Place::Table).then_some(if needs_all { 0 } else { limit }),
            page: self.place.peer().map(str::to_owned),
        }
    }

    /// The connection under the cursor, or the one that is open.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        let connections = &self.page.as_ref()?.connections;
        match &self.place {
            Place::Connection(_, key) => connections.iter().find(|each| key.is_of(each)),
            _ => connections.get(self.connection_cursor.index),
        }
    }

    /// Takes what a refresh brought, or why it failed.
    pub(crate) fn take(&mut self, now: Now, outcome: Result<Snapshot, String>) {
        let snapshot = match outcome {
            Ok(snapshot) => snapshot,
            Err(why) => {
                let since = match self.link {
                    Link::Lost { since, .. } => since,
                    _ => now,
                };
                self.link = Link::Lost { since, why };
                return;
            }
        };
        self.link = Link::Live;
        if !self.is_paused || self.taken == Now::default() {
            self.taken = now;
            self.history.take(&snapshot);
            self.facts = snapshot.facts;
            if let Some(listing) = snapshot.listing {
                self.take_listing(listing);
            }
        }
        if let Some(page) = snapshot.page {
            self.take_page(page, now);
        }
    }

    fn take_listing(&mut self, listing: Listing) {
        self.total = listing.total;
        self.peers = listing.peers.into_iter().map(PeerRow::from).collect();
        self.arrange();
        let rows = &self.rows;
        let is_at = |index: usize, key: &String| rows[index].peer.peer == *key;
        self.cursor.follow(rows.len(), is_at);
        if std::mem::take(&mut self.wants_last) {
            self.step(Step::Last);
            // Stays with the last rows: they are beyond what is asked for otherwise.
        }
    }

    fn take_page(&mut self, page: Option<Page>, now: Now) {
        // The answer to a question that was asked before another peer was opened.
        let is_open = |page: &Page| Some(page.peer.peer.as_str()) == self.place.peer();
        let Some(mut page) = page else {
            self.is_page_gone = self.place.peer().is_some();
            return;
        };
        if !is_open(&page) {
            return;
        }
        self.is_page_gone = false;
        let context = self.context();
        self.timelines.take(&page.peer.peer, &page.connections, now);
        let sort = self.settings.connection_sort;
        sort.apply(&mut page.connections, &context);
        let connections = &page.connections;
        let is_at = |index: usize, key: &ConnectionKey| key.is_of(&connections[index]);
        self.connection_cursor.follow(connections.len(), is_at);
        self.page = Some(page);
    }

    /// Makes the rows that are shown from the peers that came.
    fn arrange(&mut self) {
        let context = self.context();
        let is_wanted = |row: &&PeerRow| {
            let is_within = |within: &Within| within.grouping.name_of(&row.peer) == within.name;
            self.filter.wants(row, &context) && self.within.as_ref().is_none_or(is_within)
        };
        let rows = self.peers.iter().filter(is_wanted).cloned().collect();
        let mut rows = group(rows, self.grouping());
        self.settings.sort.apply(&mut rows, &context);
        self.rows = rows;
    }

    /// Does what a key asks for.
    pub(crate) fn apply(&mut self, action: Action) -> Effects {
        self.note = None;
        let mut effects = Effects::default();
        match action {
            Action::Quit => effects.quits = true,
            Action::Suspend => effects.suspends = true,
            Action::Redraw => effects.redraws = true,
            Action::Help => self.overlay = Overlay::Help(0),
            Action::Back => return self.back(),
            Action::Open => return self.open(),
            Action::NextGrouping => return self.regroup(1),
            Action::PreviousGrouping => return self.regroup(Grouping::ALL.len() - 1),
            Action::Move(step) => return self.step(step),
            Action::ChooseSort => self.overlay = Overlay::Menu(self.sort_place()),
            Action::SortLeft => return self.sort_beside(false),
            Action::SortRight => return self.sort_beside(true),
            Action::Reverse => return self.reverse(),
            Action::Pause => {
                self.is_paused = !self.is_paused;
                effects.fetches = !self.is_paused;
            }
            Action::TypeFilter if self.place == Place::Table => {
                self.overlay = Overlay::Prompt(Prompt::new(&self.filter.to_string()));
            }
            Action::TypeFilter => {}
            Action::Edit(edit) => self.edit(edit),
            Action::Accept => return self.accept(),
        }
        effects
    }

    fn edit(&mut self, edit: Edit) {
        if let Overlay::Prompt(prompt) = &mut self.overlay {
            prompt.edit(edit);
        }
    }

    fn accept(&mut self) -> Effects {
        match &mut self.overlay {
            Overlay::Prompt(prompt) => match prompt.accept() {
                Some(filter) => {
                    self.filter = filter;
                    self.overlay = Overlay::None;
                    self.shown_anew()
                }
                None => Effects::default(),
            },
            Overlay::Menu(index) => {
                let index = *index;
                self.overlay = Overlay::None;
                self.sort_by(index)
            }
            _ => Effects::default(),
        }
    }

    fn back(&mut self) -> Effects {
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

    fn open(&mut self) -> Effects {
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

    fn regroup(&mut self, steps: usize) -> Effects {
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

    fn step(&mut self, step: Step) -> Effects {
        let page = usize::from(self.size.1.saturating_sub(FRAME_LINES)).max(1);
        let choices = self.sort_choices();
        match (&mut self.overlay, &self.place) {
            (Overlay::Menu(index), _) => move_within(index, step, choices, page),
            (Overlay::Help(scroll), _) => move_within(scroll, step, usize::MAX, page),
            (Overlay::Prompt(_), _) => {}
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

    /// Whether it is a peer's connections that are sorted, not peers.
    pub(crate) fn sorts_connections(&self) -> bool {
        self.place != Place::Table
    }

    /// Orders to choose from: by cost, then by each column.
    fn sort_choices(&self) -> usize {
        1 + if self.sorts_connections() {
            Connection::COLUMNS.len()
        } else {
            PeerRow::COLUMNS.len()
        }
    }

    /// The present order's place among the choices.
    fn sort_place(&self) -> usize {
        if self.sorts_connections() {
            place_of(self.settings.connection_sort.column)
        } else {
            place_of(self.settings.sort.column)
        }
    }

    fn sort_by(&mut self, place: usize) -> Effects {
        if self.sorts_connections() {
            self.settings.connection_sort = sort_at(place, self.settings.connection_sort);
        } else {
            self.settings.sort = sort_at(place, self.settings.sort);
        }
        self.sorted_anew()
    }

    /// The next column shown by default, to the right or to the left; `cost` before the first.
    fn sort_beside(&mut self, is_right: bool) -> Effects {
        let is_default = |place: usize| {
            place == 0
                || if self.sorts_connections() {
                    Connection::COLUMNS[place - 1].is_default
                } else {
                    PeerRow::COLUMNS[place - 1].is_default
                }
        };
        let here = self.sort_place();
        let next = if is_right {
            (here + 1..self.sort_choices()).find(|place| is_default(*place))
        } else {
            (0..here).rev().find(|place| is_default(*place))
        };
        next.map_or(Effects::default(), |place| self.sort_by(place))
    }

    fn reverse(&mut self) -> Effects {
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
            if let Some(page) = &mut self.page {
                let sort = self.settings.connection_sort;
                sort.apply(&mut page.connections, &context);
            }
            self.connection_cursor = Cursor::default();
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
    fn shown_anew(&mut self) -> Effects {
        self.cursor = Cursor::default();
        self.wants_last = false;
        self.arrange();
        Effects::FETCH
    }
}

fn place_of<R>(column: Option<&'static Column<R>>) -> usize
where
    R: Row,
{
    let place = column.and_then(|sorted| {
        let mut columns = R::COLUMNS.iter();
        columns.position(|column| column.key == sorted.key)
    });
    place.map_or(0, |place| place + 1)
}

/// The order at this place among the choices; the other way round if it is there already.
fn sort_at<R: Row>(place: usize, present: Sort<R>) -> Sort<R> {
    let column = place.checked_sub(1).and_then(|place| R::COLUMNS.get(place));
    let is_same = column.map(|column| column.key) == present.column.map(|column| column.key);
    Sort {
        column,
        is_reversed: is_same && present.is_reversed,
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

#[cfg(test)]
pub(crate) mod tests;
