//! What a refresh brings, taken in: facts, rows, the page that is open.

use super::{ConnectionKey, Link, Listing, Now, Page, Snapshot, State, Within};
use crate::columns::group;
use crate::top::action::Step;
use detector_api::row::PeerRow;

impl State {
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
    pub(super) fn arrange(&mut self) {
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
}
