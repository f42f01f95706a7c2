//! Applies the rules to one connection and keeps what it holds booked.

use super::{Engine, class};
use crate::ledger::Held;
use crate::observation::Observation;
use crate::rules::{dribble, hoard, shrink, stall, tiny_window};
use crate::snapshot::{FlagKind, StallCause};
use crate::state::State;
use crate::time::Moment;

impl Engine {
    /// Judges a connection after its state or the clock has changed.
    pub(super) fn judge(&mut self, slot: u32) {
        self.judge_pace(slot);
        self.judge_stall(slot);
        let last = self.connections.get(slot).last;
        self.set_flag(slot, FlagKind::TinyWindow, tiny_window::is_tiny(&last));
        if shrink::is_over(&last) {
            self.set_flag(slot, FlagKind::WindowShrink, false);
        }
    }

    /// Raises a flag on the first shrink and on each step up in severity.
    pub(super) fn judge_shrink(&mut self, slot: u32, observation: &Observation) {
        let connection = self.connections.get_mut(slot);
        let worst = shrink::worst(&observation.totals.shrinks);
        if worst > connection.shrink_flagged {
            connection.shrink_flagged = worst;
            self.raise(slot, FlagKind::WindowShrink);
        }
    }

    /// Decides whether the connection is stalled now, and when to look again.
    ///
    /// Held up is not yet stalled: an honest reader holds its window at zero for moments, so
    /// only after `stall_after` does the connection count, with its memory.
    pub(super) fn judge_stall(&mut self, slot: u32) {
        let clock = self.clock;
        let connection = self.connections.get_mut(slot);
        if connection.is_quiet {
            return;
        }
        let cause = stall::cause(&connection.last);
        connection.held_since = match (cause, connection.held_since) {
            (None, _) => None,
            (Some(_), Some(since)) => Some(since),
            (Some(cause), None) => Some(began(cause, &connection.last, connection.progress_at)),
        };
        let due = connection
            .held_since
            .map(|since| Moment::from_ns(since.as_ns().saturating_add(self.detect.stall_after_ns)));
        let held_up = cause.filter(|_| due.is_some_and(|due| due <= clock));
        let dribbling = connection.dribbling_since.map(|_| StallCause::Dribble);
        let deadline = due.filter(|&due| due > clock);
        self.connections.set_deadline(slot, deadline);
        self.set_stall(slot, held_up.or(dribbling));
    }

    /// Measures the pace over spans of `dribble_over` in which the peer is the limit.
    fn judge_pace(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        let last = &connection.last;
        if !dribble::is_limited_by_peer(last) {
            connection.dribble_from = None;
            connection.dribbling_since = None;
            return;
        }
        let (from, acked_then) = *connection
            .dribble_from
            .get_or_insert((last.at, last.bytes_acked));
        match dribble::pace(from, acked_then, last, &self.detect) {
            dribble::Pace::Unknown => return,
            dribble::Pace::Still | dribble::Pace::Steady => connection.dribbling_since = None,
            dribble::Pace::Dribbling => {
                connection.dribbling_since.get_or_insert(from);
            }
        }
        connection.dribble_from = Some((last.at, last.bytes_acked));
    }

    /// Clears everything a connection is flagged for and holds.
    pub(super) fn clear_all(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        connection.held_since = None;
        connection.dribble_from = None;
        connection.dribbling_since = None;
        self.connections.set_deadline(slot, None);
        self.set_stall(slot, None);
        for kind in FlagKind::ALL {
            self.set_flag(slot, kind, false);
        }
    }

    /// Sets why a connection is held up now, with everything that follows from it.
    fn set_stall(&mut self, slot: u32, stall: Option<StallCause>) {
        let connection = self.connections.get_mut(slot);
        let class = class(connection, stall);
        let pinned_bytes = stall.map_or(0, |_| connection.last.pinned_bytes());
        let has_changed = connection.stall != stall;
        if has_changed || connection.pinned_counted_bytes != pinned_bytes {
            self.book_stall(slot, stall, pinned_bytes);
        }
        self.connections.set_class(slot, class);
        if has_changed {
            self.flag_stall(slot);
        }
        let dribbles = self.connections.get(slot).dribbling_since.is_some();
        self.set_flag(slot, FlagKind::Dribble, dribbles);
        self.judge_hoard(slot);
    }

    /// Moves what the connection holds from its old stall to its new one, in all accounts.
    fn book_stall(&mut self, slot: u32, stall: Option<StallCause>, pinned_bytes: u64) {
        let clock = self.clock;
        let connection = self.connections.get_mut(slot);
        let peer = self.peers.change(connection.peer, self.scrape);
        let before = std::mem::replace(&mut connection.stall, stall);
        let bytes_before = std::mem::replace(&mut connection.pinned_counted_bytes, pinned_bytes);
        if let Some(cause) = before {
            peer.stalled_by_cause[cause as usize] -= 1;
            self.stalled_by_cause[cause as usize] -= 1;
            peer.longest_stall_ns = peer
                .longest_stall_ns
                .max(clock.since_ns(connection.stalled_since));
        } else {
            let since = match stall {
                Some(StallCause::Dribble) => connection.dribbling_since,
                _ => connection.held_since,
            };
            connection.stalled_since = since.unwrap_or(clock);
        }
        if let Some(cause) = stall {
            peer.stalled_by_cause[cause as usize] += 1;
            self.stalled_by_cause[cause as usize] += 1;
        }
        let before = held(before, bytes_before);
        let after = held(stall, pinned_bytes);
        peer.account.change_held(before, after, clock);
        self.host.change_held(before, after, clock);
        self.peers.lower_rank(connection.peer);
    }

    /// Raises and clears the flags of stalls; a dribble may go on beside a stall.
    fn flag_stall(&mut self, slot: u32) {
        let stall = self.connections.get(slot).stall;
        let others = StallCause::ALL
            .into_iter()
            .filter(|&cause| cause != StallCause::Dribble && Some(cause) != stall);
        for cause in others {
            self.set_flag(slot, stall::flag(cause), false);
        }
        if let Some(cause) = stall.filter(|&cause| cause != StallCause::Dribble) {
            self.set_flag(slot, stall::flag(cause), true);
        }
    }

    /// Judges the peer of a connection by what it holds.
    fn judge_hoard(&mut self, slot: u32) {
        let peer_slot = self.connections.get(slot).peer;
        let peer = self.peers.get_mut(peer_slot);
        let Held {
            stalled_connections,
            pinned_bytes,
        } = peer.account.held;
        let was_hoarding = peer.is_hoarding;
        let is_hoarding = hoard::is_hoarding(
            stalled_connections,
            pinned_bytes,
            was_hoarding,
            &self.detect,
        );
        peer.is_hoarding = is_hoarding;
        if was_hoarding != is_hoarding {
            self.flag_hoard(peer_slot, is_hoarding);
        }
    }
}

/// Since when data is held up, seen for the first time: the kernel's own start of the harmful
/// span if it tells one, else now; never before the peer last took data.
fn began(cause: StallCause, last: &State, progress_at: Moment) -> Moment {
    match (cause, last.harmful_since) {
        (StallCause::ZeroWindow | StallCause::Unanswered, Some(since)) => since.max(progress_at),
        _ => last.at,
    }
}

fn held(stall: Option<StallCause>, pinned_bytes: u64) -> Held {
    Held {
        stalled_connections: u64::from(stall.is_some()),
        pinned_bytes,
    }
}
