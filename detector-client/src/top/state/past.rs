//! The past: which recorded second is shown instead of the present, and where to go from there.

use super::history::{HostHistory, Timelines};
use super::{ConnectionKey, Cursor, Effects, Facts, Link, Listing, Location, Now, State};
use crate::columns::Grouping;
use detector_api::page::PeerPage;
use detector_api::row::PeerRow;
use detector_api::snapshot::Peer;
use detector_recorder::{Gap, Step, WindowPoint};

/// The past, while it is shown or asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// The second that is shown; `None` for the present.
    pub(crate) shown: Option<Mark>,
    /// Where to go next.
    pub(crate) step: Option<Step>,
    /// Histories of the host up to that second.
    pub(crate) history: HostHistory,
    /// When the card of the peer that is open was written, RFC 3339.
    pub(crate) card_time: Option<String>,
}

/// A recorded second.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// Its number in the recorder.
    pub(crate) id: i64,
    /// When, Unix nanoseconds.
    pub(crate) unix_ns: i128,
    /// How many seconds it stands for.
    pub(crate) span_seconds: i64,
    /// What nobody saw right before it, and that the clock was set.
    pub(crate) gaps: Vec<Gap>,
}

/// What is read of a recorder for one frame.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The second.
    pub(crate) mark: Mark,
    /// The host then.
    pub(crate) facts: Facts,
    /// The host up to then.
    pub(crate) history: HostHistory,
    /// The peers that cost most then.
    pub(crate) peers: Vec<Peer>,
    /// The peer that is open; `None` within if it has no card.
    pub(crate) page: Option<Option<RecordedPage>>,
}

/// The card of a peer.
#[derive(Clone, Debug)]
pub(crate) struct RecordedPage {
    /// When it was written, RFC 3339: one card is kept of a peer, the newest.
    pub(crate) time: String,
    /// The card, and the events up to the second that is shown.
    pub(crate) page: PeerPage,
    /// How windows moved up to that second.
    pub(crate) windows: Vec<WindowPoint>,
}

impl State {
    /// Opens the past at its newest second, or goes from the second that is shown to another one.
    pub(super) fn travel(&mut self, step: Step) -> Effects {
        let step = match (&self.past.shown, self.past.step) {
            (None, _) => Step::Newest,
            (_, Some(Step::Seconds(before))) => match step {
                Step::Seconds(more) => Step::Seconds(before.saturating_add(more)),
                step => step,
            },
            (_, Some(Step::Milliseconds(before))) => match step {
                Step::Milliseconds(more) => Step::Milliseconds(before.saturating_add(more)),
                step => step,
            },
            _ => step,
        };
        self.past.step = Some(step);
        Effects::FETCH
    }

    /// From the present into the past, and back.
    pub(super) fn switch_past(&mut self) -> Effects {
        if self.is_of_fleet {
            self.note = Some("the past is with each host: `detector top` there, then p".to_owned());
            return Effects::default();
        }
        if self.past.shown.is_none() {
            return self.travel(Step::Newest);
        }
        self.past = Past::default();
        self.close_all();
        // Nothing of the past may look as if it were live.
        self.facts = Facts::default();
        self.link = Link::Waiting;
        self.taken = Now::default();
        self.take_listing(Listing::default());
        Effects::FETCH
    }

    /// Takes a second of the past, or why there is none.
    pub(crate) fn take_recorded(&mut self, now: Now, outcome: Result<Recorded, String>) {
        let recorded = match outcome {
            Ok(recorded) => recorded,
            Err(why) => {
                self.past.step = None;
                self.note = Some(why);
                return;
            }
        };
        if self.past.shown.is_none() {
            self.close_all();
            self.refresh.is_paused = false;
        }
        self.link = Link::Live;
        self.taken = Now {
            unix_ns: recorded.mark.unix_ns,
            ..now
        };
        self.past.shown = Some(recorded.mark);
        self.past.history = recorded.history;
        self.facts = recorded.facts;
        self.take_listing(Listing {
            total: recorded.peers.len(),
            peers: recorded.peers.into_iter().map(PeerRow::from).collect(),
        });
        match recorded.page {
            Some(Some(page)) => self.take_recorded_page(page),
            Some(None) => self.opened.is_gone = true,
            None => {}
        }
    }

    fn take_recorded_page(&mut self, recorded: RecordedPage) {
        let peer = recorded.page.detail.peer.peer.clone();
        if self.location.peer() != Some(peer.as_str()) {
            return;
        }
        let connections = &recorded.page.detail.connections;
        self.opened.timelines = Timelines::recorded(&peer, connections, &recorded.windows);
        self.past.card_time = Some(recorded.time);
        self.show_page(recorded.page);
    }

    /// The table again, whatever is open: the present and the past do not share it.
    fn close_all(&mut self) {
        self.location = Location::Table;
        self.opened.page = None;
        self.opened.timelines = Timelines::default();
        self.table.within = None;
        self.table.cursor = Cursor::<String>::default();
    }

    /// Whether peers can be put together so: neither the recorder, second by second, nor a Prometheus knows
    /// whose connections they are.
    pub(super) const fn can_group(&self, grouping: Grouping) -> bool {
        let is_owner_known = self.past.shown.is_none() && !self.is_of_fleet;
        is_owner_known || matches!(grouping, Grouping::Peer | Grouping::Net)
    }

    /// Histories of the host up to what is shown.
    pub(crate) const fn shown_history(&self) -> &HostHistory {
        match self.past.shown {
            Some(_) => &self.past.history,
            None => &self.history,
        }
    }
}

impl ConnectionKey {
    /// Whether the point is of this connection, as far as the recorder tells them apart.
    pub(super) fn is_at(&self, point: &WindowPoint) -> bool {
        self.local == point.local && self.remote == point.remote
    }
}
