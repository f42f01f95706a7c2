//! What is remembered of connections that left the table, so that a record that comes late, or a
//! connection that comes back, is not counted twice.

use crate::ledger::Baseline;
use crate::observe::state::PackedId;
use crate::tables::bounded_map::BoundedMap;
use crate::time::MonotonicTime;

/// Closed connections remembered. Copies of their records are late by one sweep at most.
const CLOSED_REMEMBERED: usize = 32_768;

#[derive(Debug)]
struct Closed {
    at: MonotonicTime,
    generation: Option<MonotonicTime>,
    baseline: Option<Baseline>,
}

/// Generations remembered that a newer one of the same connection has followed. Copies of their
/// records are late by one sweep at most, too.
const SUPERSEDED_REMEMBERED: usize = 8_192;

/// The memories: neither many closings nor many generations must push out connections that live on.
#[derive(Debug)]
pub(crate) struct RecentlyClosed {
    closed: BoundedMap<PackedId, Closed>,
    /// Generations whose connection lives on and is not in the table.
    left: BoundedMap<(PackedId, MonotonicTime), Baseline>,
    /// Generations that a newer one has followed.
    superseded: BoundedMap<(PackedId, MonotonicTime), Baseline>,
}

impl RecentlyClosed {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            closed: BoundedMap::new(CLOSED_REMEMBERED),
            left: BoundedMap::new(capacity),
            superseded: BoundedMap::new(SUPERSEDED_REMEMBERED),
        }
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.left.set_capacity(capacity);
    }

    /// Whether an observation made at `at` is from before the connection was closed.
    ///
    /// A later one under the same identity is a new connection, even in the same generation: the
    /// kernel side goes on with the totals of a closed entry that was not collected in time.
    pub(crate) fn is_late(&mut self, id: &PackedId, at: MonotonicTime) -> bool {
        self.closed
            .get_mut(id)
            .is_some_and(|closed| at <= closed.at)
    }

    /// Takes out what was booked of a generation; nothing is remembered of it then.
    pub(crate) fn remove(&mut self, id: &PackedId, generation: MonotonicTime) -> Baseline {
        let closed = self.closed.get_mut(id);
        let of_closed = closed
            .filter(|closed| closed.generation == Some(generation))
            .and_then(|closed| closed.baseline.take());
        of_closed
            .or_else(|| self.left.remove(&(*id, generation)))
            .or_else(|| self.superseded.remove(&(*id, generation)))
            .unwrap_or_default()
    }

    /// Remembers what was booked of a generation that is not the newest of its connection.
    pub(crate) fn insert_superseded(
        &mut self,
        id: &PackedId,
        generation: MonotonicTime,
        baseline: Baseline,
    ) {
        if let Some(baseline) = self.insert_closed(id, generation, baseline) {
            self.superseded.insert(&(*id, generation), baseline);
        }
    }

    /// Remembers what was booked of the newest generation of a connection that leaves the table.
    pub(crate) fn insert_left(
        &mut self,
        id: &PackedId,
        generation: MonotonicTime,
        baseline: Baseline,
    ) {
        if let Some(baseline) = self.insert_closed(id, generation, baseline) {
            self.left.insert(&(*id, generation), baseline);
        }
    }

    /// Gives the baseline back unless it is that of the last generation of a closed connection.
    fn insert_closed(
        &mut self,
        id: &PackedId,
        generation: MonotonicTime,
        baseline: Baseline,
    ) -> Option<Baseline> {
        let closed = self.closed.get_mut(id);
        match closed.filter(|closed| closed.generation == Some(generation)) {
            Some(closed) => {
                closed.baseline = Some(baseline);
                None
            }
            None => Some(baseline),
        }
    }

    /// Remembers that a connection was closed, with what was booked of its last generation.
    pub(crate) fn close(
        &mut self,
        id: &PackedId,
        at: MonotonicTime,
        last: Option<(MonotonicTime, Baseline)>,
    ) {
        let closed = Closed {
            at,
            generation: last.map(|(generation, _)| generation),
            baseline: last.map(|(_, baseline)| baseline),
        };
        let before = self.closed.insert(id, closed);
        if let Some(before) = before
            && let (Some(generation), Some(baseline)) = (before.generation, before.baseline)
        {
            self.superseded.insert(&(*id, generation), baseline);
        }
    }
}
