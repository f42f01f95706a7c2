//! Processes that hold one socket, and which of them is most plausibly its owner.

use super::process::{Identity, Stat};
use detector_core::engine::Owners;
use std::cmp::Reverse;
use std::sync::Arc;

/// Processes remembered for one socket: children inherit, and there may be hundreds.
const HOLDERS_MAX: usize = 8;

/// A process that holds a socket.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) started_ticks: u64,
    pub(super) identity: Arc<Identity>,
    parent: u32,
    /// Number of the search that saw it last.
    seen_in: u64,
}

impl Holder {
    pub(super) fn new(pid: u32, stat: &Stat, identity: Arc<Identity>, search: u64) -> Self {
        Self {
            pid,
            started_ticks: stat.started_ticks,
            identity,
            parent: stat.parent,
            seen_in: search,
        }
    }

    /// Whether both run the same program.
    fn runs_as(&self, other: &Self) -> bool {
        let [own, other] = [self, other].map(|each| &each.identity.owner.process.executable);
        own == other
    }
}

/// A task: process and thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) pid: u32,
    pub(super) thread: u32,
}

/// All known holders of one socket, the most plausible first.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    list: Vec<Holder>,
    /// The one task known to sleep in a write to the socket.
    writer: Option<Task>,
}

impl Holders {
    pub(super) fn first(&self) -> Option<&Holder> {
        self.list.first()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Holder> {
        self.list.iter()
    }

    /// Adds a holder, or renews what is known of it.
    pub(super) fn add(&mut self, holder: Holder) {
        let is_same =
            |known: &Holder| known.pid == holder.pid && known.started_ticks == holder.started_ticks;
        if let Some(known) = self.list.iter_mut().find(|known| is_same(known)) {
            *known = holder;
        } else if self.list.len() < HOLDERS_MAX {
            self.list.push(holder);
        }
        self.rank();
    }

    /// After a search through all processes: those it did not see hold the socket no more. When
    /// it saw none, the last ones stay: they were the owners. Tells whether any are dropped.
    pub(super) fn end_search(&mut self, search: u64) -> bool {
        let seen = |holder: &Holder| holder.seen_in == search;
        let has_news = self.list.iter().any(seen) && !self.list.iter().all(seen);
        if has_news {
            self.list.retain(seen);
            self.rank();
        }
        has_news
    }

    /// Sets the one task that sleeps in a write; true if that is news.
    pub(super) fn set_writer(&mut self, writer: Option<Task>) -> bool {
        let is_new = self.writer != writer;
        self.writer = writer;
        if is_new {
            self.rank();
        }
        is_new
    }

    /// As published: whom they are called by is shared by all sockets that they hold.
    pub(super) fn owners(&self) -> Owners {
        let owner = |holder: &Holder| Arc::clone(&holder.identity.owner);
        self.list.iter().map(owner).collect()
    }

    /// The thread of the first that sleeps in a write.
    pub(super) fn writer(&self) -> Option<u32> {
        let first = self.list.first()?;
        let writer = self.writer.filter(|writer| writer.pid == first.pid);
        writer.map(|writer| writer.thread)
    }

    /// Whoever sleeps in a write to it owns it. A child that runs the same program as its parent
    /// was made to serve; one that runs another program got the socket by mistake.
    fn rank(&mut self) {
        if self.list.len() < 2 {
            return;
        }
        let rank = |holder: &Holder| {
            let parent = self.list.iter().find(|other| other.pid == holder.parent);
            let by_descent = parent.map_or(0, |parent| if parent.runs_as(holder) { 1 } else { -1 });
            let writes = self.writer.is_some_and(|writer| writer.pid == holder.pid);
            (Reverse(writes), Reverse(by_descent), holder.pid)
        };
        let mut ranked: Vec<_> = self
            .list
            .iter()
            .map(|holder| (rank(holder), holder.clone()))
            .collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        self.list = ranked.into_iter().map(|(_, holder)| holder).collect();
    }
}
