//! What `detector top` shows. Pure: commands and snapshots in, effects out; time is an argument.

mod action;
mod cursor;
mod facts;
mod history;
mod intake;
mod order;
mod past;
mod prompt;
mod settings;
mod walk;

pub(crate) use action::{ActionRequest, ActionResult, Confirmation};
pub(crate) use cursor::Cursor;
pub(crate) use facts::{Facts, Listing, Now, Snapshot};
pub(crate) use history::{ConnectionKey, HostHistory, Sample, Timelines};
pub(crate) use past::{Mark, Past, Recorded, RecordedPage};
pub(crate) use prompt::Prompt;
pub(crate) use settings::{Settings, Written};

use crate::columns::{Context, Grouping, Sort};
use crate::filter::Filter;
use crate::top::keys::{Command, Edit, Focus};
use detector_api::page::PeerPage;
use detector_api::row::PeerRow;
use detector_api::snapshot::Connection;
use detector_recorder::Step as PastStep;
use std::net::IpAddr;
use std::time::Duration;

/// Rows asked for at a time where the agent's own order is shown.
const ROWS_AT_A_TIME: usize = 128;
/// Lines of a screen that are no rows, about.
const FRAME_LINES: u16 = 8;

/// What is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Location {
    /// The table of peers or groups.
    #[default]
    Table,
    /// One peer.
    Peer(String),
    /// One connection of a peer.
    Connection(String, ConnectionKey),
}

impl Location {
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
    /// The question whether to do something.
    Confirmation(Box<Confirmation>),
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

/// What is to be done outside after a command.
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
    /// Send the agent the request for an action.
    pub(crate) acts: bool,
}

impl Effects {
    const FETCH: Self = Self {
        quits: false,
        suspends: false,
        fetches: true,
        saves: false,
        redraws: false,
        acts: false,
    };
}

/// What to ask the agent for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// That many of the most costly peers, 0 for all; `None` for none.
    pub(crate) peers: Option<usize>,
    /// This peer's page.
    pub(crate) page: Option<String>,
}

/// What to read of the recorder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecorderQuery {
    /// Number of the second that is shown; 0 if none is.
    pub(crate) from: i64,
    /// Where to go from there.
    pub(crate) step: PastStep,
    /// This peer's card.
    pub(crate) page: Option<String>,
}

/// The table of peers or groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerTable {
    /// Which peers are shown.
    pub(crate) filter: Filter<PeerRow>,
    /// The group whose peers are shown.
    pub(crate) within: Option<Within>,
    /// Peers as the agent sent them.
    peers: Vec<PeerRow>,
    /// How many peers there are in all.
    pub(crate) total: usize,
    /// Rows that are shown.
    pub(crate) rows: Vec<PeerRow>,
    /// The row under the cursor.
    pub(crate) cursor: Cursor<String>,
    /// Whether the cursor goes to the very last row as soon as it is there.
    wants_last: bool,
}

/// The peer that is open, and its connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenedPeer {
    /// What the agent says of it, once that has come.
    pub(crate) page: Option<PeerPage>,
    /// Whether the agent has forgotten it.
    pub(crate) is_gone: bool,
    /// Samples of its connections.
    pub(crate) timelines: Timelines,
    /// The row among its connections.
    pub(crate) cursor: Cursor<ConnectionKey>,
    /// Lines that the page of a connection is scrolled down.
    pub(crate) scroll: usize,
}

/// What may be done to peers, and what is about to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Actions {
    /// Whether anything may.
    pub(crate) are_allowed: bool,
    /// From where whoever looks is logged in.
    pub(crate) session: Vec<IpAddr>,
    /// What the agent is to be asked for next.
    pub(crate) request: Option<ActionRequest>,
}

/// How often the agent is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refresh {
    /// Seconds from one refresh to the next.
    pub(crate) interval_seconds: f64,
    /// Whether it is stopped.
    pub(crate) is_paused: bool,
}

/// See the module. A field for each thing that keys and answers change by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// How peers and connections are shown.
    pub(crate) settings: Settings,
    /// What is open.
    pub(crate) location: Location,
    /// What lies over it.
    pub(crate) overlay: Overlay,
    /// The table of peers.
    pub(crate) table: PeerTable,
    /// The peer that is open.
    pub(crate) opened: OpenedPeer,
    /// What is done to peers.
    pub(crate) actions: Actions,
    /// How often the agent is asked.
    pub(crate) refresh: Refresh,
    /// How the agent is.
    pub(crate) link: Link,
    /// Something the user should know, until the next key.
    pub(crate) note: Option<String>,
    /// Why no agent of the host is asked.
    pub(crate) own_agent: Option<String>,
    /// Whether peers of many hosts are shown, as a Prometheus knows them.
    pub(crate) is_of_fleet: bool,
    /// Facts of the host.
    pub(crate) facts: Facts,
    /// Histories of the host at present.
    pub(crate) history: HostHistory,
    /// The past, while it is shown.
    pub(crate) past: Past,
    /// When the last snapshot was taken.
    pub(crate) taken: Now,
    /// Columns and lines of the terminal.
    pub(crate) size: (u16, u16),
}

impl State {
    /// Nothing is known yet; refreshed each `interval`, only peers that `filter` wants are shown.
    pub(crate) fn new(interval: Duration, filter: Filter<PeerRow>) -> Self {
        Self {
            table: PeerTable {
                filter,
                ..PeerTable::default()
            },
            refresh: Refresh {
                interval_seconds: interval.as_secs_f64(),
                is_paused: false,
            },
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
            Overlay::Confirmation(_) => Focus::Confirmation,
        }
    }

    /// Group the peers by this at this moment.
    pub(crate) fn grouping(&self) -> Grouping {
        match self.table.within {
            None if self.can_group(self.settings.grouping) => self.settings.grouping,
            _ => Grouping::Peer,
        }
    }

    /// What rows cannot know by themselves.
    pub(crate) fn context(&self) -> Context {
        Context {
            now_unix_ns: self.taken.unix_ns,
            tcp_memory_limit_bytes: self.facts.tcp_memory_bytes.map(|(_, limit)| limit),
        }
    }

    /// What to read of the recorder; `None` for the present, of which the agent is asked.
    pub(crate) fn recorder_query(&self) -> Option<RecorderQuery> {
        let shown = self.past.shown.as_ref();
        let step = match (self.past.step, shown) {
            (Some(step), _) => step,
            (None, Some(_)) => PastStep::Seconds(0),
            (None, None) => return None,
        };
        Some(RecorderQuery {
            from: shown.map_or(0, |mark| mark.id),
            step,
            page: self.location.peer().map(str::to_owned),
        })
    }

    /// What to ask the agent for.
    pub(crate) fn query(&self) -> Query {
        let needs_all = self.table.wants_last
            || self.settings.sort != Sort::default()
            || !self.table.filter.is_empty()
            || self.table.within.is_some()
            || self.grouping() != Grouping::Peer;
        let below = self.table.cursor.index + 2 * usize::from(self.size.1);
        let limit = below.next_multiple_of(ROWS_AT_A_TIME);
        Query {
            peers: (self.location == Location::Table).then_some(if needs_all { 0 } else { limit }),
            page: self.location.peer().map(str::to_owned),
        }
    }

    /// The connection under the cursor, or the one that is open.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        let connections = &self.opened.page.as_ref()?.detail.connections;
        match &self.location {
            Location::Connection(_, key) => connections.iter().find(|each| key.is_of(each)),
            _ => connections.get(self.opened.cursor.index),
        }
    }

    /// Does what a key asks for.
    pub(crate) fn apply(&mut self, command: Command) -> Effects {
        self.note = None;
        let mut effects = Effects::default();
        match command {
            Command::Quit => effects.quits = true,
            Command::Suspend => effects.suspends = true,
            Command::Redraw => effects.redraws = true,
            Command::Help => self.overlay = Overlay::Help(0),
            Command::Back => return self.back(),
            Command::Open => return self.open(),
            Command::NextGrouping => return self.regroup(1),
            Command::PreviousGrouping => return self.regroup(Grouping::ALL.len() - 1),
            Command::Move(step) => return self.step(step),
            Command::ChooseSort => self.overlay = Overlay::Menu(self.sort_index()),
            Command::SortLeft => return self.sort_beside(false),
            Command::SortRight => return self.sort_beside(true),
            Command::Reverse => return self.reverse(),
            Command::Past => return self.switch_past(),
            Command::Travel(step) => return self.travel(step),
            // The past stands still.
            Command::Pause if self.past.shown.is_some() => {}
            Command::Pause => {
                self.refresh.is_paused = !self.refresh.is_paused;
                effects.fetches = !self.refresh.is_paused;
            }
            Command::TypeFilter if self.location == Location::Table => {
                self.overlay = Overlay::Prompt(Prompt::new(&self.table.filter.to_string()));
            }
            Command::TypeFilter => {}
            Command::Edit(edit) => self.edit(edit),
            Command::Accept => return self.accept(),
            Command::Act(action) => return self.rehearse(action),
        }
        effects
    }

    fn edit(&mut self, edit: Edit) {
        match &mut self.overlay {
            Overlay::Prompt(prompt) => prompt.edit(edit),
            Overlay::Confirmation(confirmation) => confirmation.edit(edit),
            _ => {}
        }
    }

    fn accept(&mut self) -> Effects {
        match &mut self.overlay {
            Overlay::Prompt(prompt) => match prompt.accept() {
                Some(filter) => {
                    self.table.filter = filter;
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
            Overlay::Confirmation(_) => self.confirm(),
            _ => Effects::default(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
