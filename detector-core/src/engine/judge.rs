//! Applies the rules to one connection and keeps what it holds booked.

use super::{Engine, class};
use crate::ledger::Held;
use crate::observe::observation::Observation;
use crate::observe::state::State;
use crate::rules::direction::{self, Port};
use crate::rules::dribble;
use crate::rules::{shrink, stall, tiny_window};
use crate::tables::connections::{Connection, StallClass};
use crate::time::{MonotonicTime, SECOND_NS};
use detector_api::snapshot::{FlagKind, StallCause};

/// Longer than any interval between two sweeps.
const UNSWEPT_GRACE_NS: u64 = 300 * SECOND_NS;

impl Engine {
    /// Judges a connection after its state has changed.
    pub(super) fn judge(&mut self, slot: u32) {
        self.judge_time(slot);
        let last = self.connections.get(slot).last;
        self.set_flag(slot, FlagKind::TinyWindow, tiny_window::is_tiny(&last));
        if shrink::is_over(&last) {
            self.set_flag(slot, FlagKind::WindowShrink, false);
        }
        // What others show counts too, and nobody tells when it changes.
        let peer_slot = self.connections.get(slot).peer;
        let peer = self.peers.get(peer_slot);
        if peer.is_flagged() && peer.path_signs != self.path_signs() {
            self.renew_verdict(peer_slot);
        }
    }

    /// Judges what time alone can change: the pace and the stall; says when to look again.
    pub(super) fn judge_time(&mut self, slot: u32) {
        if self.connections.get(slot).is_quiet {
            return;
        }
        self.judge_pace(slot);
        self.judge_stall(slot);
        let connection = self.connections.get(slot);
        let due = stall_due(connection, self.detect.stall_after_ns);
        let span_ends = connection.span.map(|span| span.ends(&self.detect));
        let forgotten = forgotten_at(connection);
        let later = |moment: &MonotonicTime| *moment > self.clock;
        let deadlines = [due, span_ends, forgotten].into_iter().flatten();
        let deadline = deadlines.filter(later).min();
        self.connections.set_deadline(slot, deadline);
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

    /// Decides whether the connection is stalled now.
    ///
    /// Held up is not yet stalled: an honest reader holds its window at zero for moments, so
    /// only after `stall_after` does the connection count, with its memory.
    fn judge_stall(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        let cause = stall::cause(&connection.last);
        connection.held_since = match (cause, connection.held_since) {
            (None, _) => None,
            (Some(_), Some(since)) => Some(since),
            (Some(cause), None) => Some(began(cause, &connection.last, connection.progress_at)),
        };
        let due = stall_due(connection, self.detect.stall_after_ns);
        let held_up = cause.filter(|_| due.is_some_and(|due| due <= self.clock));
        let has_data = connection.last.queued_bytes() > 0;
        let dribbling = connection.dribbling_since.filter(|_| has_data);
        let dribbling = dribbling.map(|_| StallCause::Dribble);
        let crawling = connection.crawling_since.filter(|_| has_data);
        let crawling = crawling.map(|_| StallCause::Unanswered);
        let stall = held_up.or(dribbling).or(crawling);
        if stall.is_none()
            && let Some(before) = connection.stall
        {
            self.note_relief(slot, before);
        }
        self.set_stall(slot, stall);
    }

    /// A stall has ended and its connection lives on.
    pub(super) fn note_relief(&mut self, slot: u32, cause: StallCause) {
        let connection = self.connections.get(slot);
        let stall_class = connection.stall_class;
        let peer = self.peers.get_mut(connection.peer);
        peer.remembered.relieved_at = Some(self.clock);
        // What it was counted as until now.
        if cause == StallCause::Unanswered && stall_class == StallClass::Unresponsive {
            let ended = &mut peer.remembered.silences_ended;
            *ended = ended.saturating_add(1);
        }
    }

    /// Clears everything a connection is flagged for and holds.
    pub(super) fn clear_all(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        connection.held_since = None;
        connection.dribbling_since = None;
        connection.crawling_since = None;
        self.connections.set_deadline(slot, None);
        self.set_stall(slot, None);
        for kind in FlagKind::ALL {
            self.set_flag(slot, kind, false);
        }
    }

    /// Sets why a connection is held up now, with everything that follows from it.
    pub(super) fn set_stall(&mut self, slot: u32, stall: Option<StallCause>) {
        let stall_class = self.stall_class(slot, stall);
        let connection = self.connections.get_mut(slot);
        let class = class(connection, stall);
        let pinned_bytes = stall.map_or(0, |_| connection.last.pinned_bytes());
        let has_changed = connection.stall != stall;
        let holds_more_or_less = connection.pinned_counted_bytes != pinned_bytes;
        let is_booked = has_changed || holds_more_or_less || connection.stall_class != stall_class;
        if is_booked {
            self.book_grip(slot, stall_class, pinned_bytes);
            self.book_stall(slot, stall, pinned_bytes);
        }
        self.connections.set_class(slot, class);
        if has_changed {
            self.flag_stall(slot);
        }
        let dribbles = self.connections.get(slot).dribbling_since.is_some();
        self.set_flag(slot, FlagKind::Dribble, dribbles);
        self.judge_hoard(slot, is_booked);
    }

    /// As what the connection is to be counted with this stall.
    fn stall_class(&self, slot: u32, stall: Option<StallCause>) -> StallClass {
        let connection = self.connections.get(slot);
        match stall {
            None => return StallClass::None,
            Some(StallCause::Unanswered) if stall::is_silent(&connection.last) => {
                return StallClass::Unresponsive;
            }
            Some(StallCause::Unanswered) => return StallClass::NoProgress,
            Some(_) => {}
        }
        let (id, grip) = (&connection.last.id, connection.grip);
        let local = Port {
            number: id.local_port(),
            sharing: self.connections.sharing_local(id.local_port()),
        };
        let remote = Port {
            number: id.remote_port(),
            sharing: self.connections.sharing_remote(slot),
        };
        let is_outgoing = direction::is_outgoing(local, remote, self.local_ports);
        match (is_outgoing, grip.is_below_floor) {
            (true, false) => StallClass::Outbound,
            (true, true) => StallClass::OutboundBlocked,
            (false, false)
                if dribble::is_lasting(
                    connection.last.queued_bytes(),
                    connection.steady_bytes_per_second,
                ) =>
            {
                StallClass::LongDrain
            }
            (false, false) => StallClass::None,
            (false, true) if grip.is_read => StallClass::SlowRead,
            (false, true) => StallClass::Blocked,
        }
    }

    /// Moves what the connection holds from its old stall to its new one, in all accounts.
    fn book_stall(&mut self, slot: u32, stall: Option<StallCause>, pinned_bytes: u64) {
        let clock = self.clock;
        let connection = self.connections.get_mut(slot);
        let peer = self.peers.change(connection.peer, self.scrape);
        let before = std::mem::replace(&mut connection.stall, stall);
        let bytes_before = std::mem::replace(&mut connection.pinned_counted_bytes, pinned_bytes);
        connection.grip.has_stalled |= stall.is_some();
        if let Some(cause) = before {
            peer.stalled_by_cause[cause as usize] -= 1;
            self.stalled_by_cause[cause as usize] -= 1;
            peer.longest_stall_ns = peer
                .longest_stall_ns
                .max(clock.since_ns(connection.stalled_since));
        } else {
            let since = match stall {
                Some(StallCause::Dribble) => connection.dribbling_since,
                _ => connection.held_since.or(connection.crawling_since),
            };
            connection.stalled_since = since.unwrap_or(clock);
        }
        if let Some(cause) = stall {
            peer.stalled_by_cause[cause as usize] += 1;
            self.stalled_by_cause[cause as usize] += 1;
        }
        let before = held(before.is_some(), bytes_before);
        let after = held(stall.is_some(), pinned_bytes);
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
}

/// When a connection of which only sweeps tell is forgotten unless they tell of it again: its network
/// namespace is swept no more, and its end is announced by nobody.
pub(super) fn forgotten_at(connection: &Connection) -> Option<MonotonicTime> {
    let last_ns = connection.last.at.as_ns();
    let is_told_by_sweeps = connection.generation.is_none();
    is_told_by_sweeps.then(|| MonotonicTime::from_ns(last_ns.saturating_add(UNSWEPT_GRACE_NS)))
}

/// When a connection that is held up counts as stalled.
fn stall_due(connection: &Connection, stall_after_ns: u64) -> Option<MonotonicTime> {
    let since = connection.held_since?;
    Some(MonotonicTime::from_ns(
        since.as_ns().saturating_add(stall_after_ns),
    ))
}

/// Since when data is held up, seen for the first time: the kernel's own start of the harmful
/// span if it tells one, else now; never before the peer last took data.
fn began(cause: StallCause, last: &State, progress_at: MonotonicTime) -> MonotonicTime {
    match (cause, last.harmful_since) {
        (StallCause::ZeroWindow | StallCause::Unanswered, Some(since)) => since.max(progress_at),
        _ => last.at,
    }
}

pub(super) const fn held(is_held: bool, pinned_bytes: u64) -> Held {
    Held {
        stalled_connections: is_held as u64,
        pinned_bytes,
    }
}
