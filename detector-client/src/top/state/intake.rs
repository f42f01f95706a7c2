//! What a refresh brings, taken in: facts, rows, the page that is open.

use super::{ConnectionKey, Link, Listing, Now, Snapshot, State, Within};
use crate::columns::group;
use crate::top::keys::Step;
use detector_api::page::PeerPage;
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
        if !self.refresh.is_paused || self.taken == Now::default() {
            self.taken = now;
            self.history.take(&snapshot.facts);
            self.facts = snapshot.facts;
            if let Some(listing) = snapshot.listing {
                self.take_listing(listing);
            }
        }
        if let Some(page) = snapshot.page {
            self.take_page(page, now);
        }
    }

    pub(super) fn take_listing(&mut self, listing: Listing) {
        self.table.total = listing.total;
        self.table.peers = listing.peers;
        self.arrange();
        let rows = &self.table.rows;
        let is_at = |index: usize, key: &String| rows[index].peer.peer == *key;
        self.table.cursor.follow(rows.len(), is_at);
        if std::mem::take(&mut self.table.wants_last) {
            self.step(Step::Last);
            // Stays with the last rows: they are beyond what is asked for otherwise.
        }
    }

    fn take_page(&mut self, page: Option<PeerPage>, now: Now) {
        // The answer to a question that was asked before another peer was opened.
        let is_open =
            |page: &PeerPage| Some(page.detail.peer.peer.as_str()) == self.location.peer();
        let Some(page) = page else {
            self.opened.is_gone = self.location.peer().is_some();
            return;
        };
        if !is_open(&page) {
            return;
        }
        self.opened
            .timelines
            .take(&page.detail.peer.peer, &page.detail.connections, now);
        self.show_page(page);
    }

    /// Shows the page of the peer that is open.
    pub(super) fn show_page(&mut self, mut page: PeerPage) {
        self.opened.is_gone = false;
        let context = self.context();
        let sort = self.settings.connection_sort;
        sort.apply(&mut page.detail.connections, &context);
        let connections = &page.detail.connections;
        let is_at = |index: usize, key: &ConnectionKey| key.is_of(&connections[index]);
        self.opened.cursor.follow(connections.len(), is_at);
        self.opened.page = Some(page);
    }

    /// Makes the rows that are shown from the peers that came.
    pub(super) fn arrange(&mut self) {
        let context = self.context();
        let is_wanted = |row: &&PeerRow| {
            let is_within = |within: &Within| within.grouping.name_of(&row.peer) == within.name;
            self.table.filter.wants(row, &context)
                && self.table.within.as_ref().is_none_or(is_within)
        };
        let rows = self.table.peers.iter().filter(is_wanted).cloned().collect();
        let mut rows = group(rows, self.grouping());
        self.settings.sort.apply(&mut rows, &context);
        self.table.rows = rows;
    }
}
