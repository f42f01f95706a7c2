//! Routes a connection through its rules, and what they say has changed to accounts, groups, flags
//! and verdict.

use super::Engine;
use crate::rules::fingerprint::Fingerprint;
use crate::rules::hoard::Member;
use crate::rules::pace::PaceChange;
use crate::rules::shrink;
use crate::rules::stall::{self, Before, StallChange, StallClass, Stalled};
use crate::tables::connections::{Class, Connection};
use detector_api::snapshot::{FlagKind, StallCause};

impl Engine {
    /// Judges a connection after its state has changed.
    pub(super) fn judge(&mut self, slot: u32) {
        self.judge_time(slot);
        let connection = self.connections.get(slot);
        let peer_slot = connection.peer;
        let is_shrink_over = shrink::is_over(&connection.last);
        self.flag_state(slot);
        if is_shrink_over {
            self.set_flag(slot, FlagKind::WindowShrink, false);
        }
        // What others show counts too, and nobody reports when it changes.
        let peer = self.peers.get(peer_slot);
        if peer.flags.is_any() && peer.verdicts.is_outdated(self.path_signs()) {
            self.renew_verdict(peer_slot);
        }
    }

    /// Judges what time alone can change: the pace and the stall; says when to look again.
    pub(super) fn judge_time(&mut self, slot: u32) {
        let (now, settings) = (self.clock.now, self.settings.detect);
        let connection = self.connections.get_mut(slot);
        if connection.is_idle() {
            return;
        }
        let Connection {
            last,
            progress,
            pace,
            membership,
            is_on_our_way,
            ..
        } = connection;
        match pace.judge(last, progress, now, &settings) {
            Some(PaceChange::KeepsUp) => self.note_recovery(slot),
            Some(PaceChange::BelowFloor { from, bytes_acked }) => {
                membership.fingerprint = Fingerprint::of(last, *is_on_our_way, from, bytes_acked);
            }
            None => {}
        }
        let Connection {
            last,
            progress,
            pace,
            ..
        } = self.connections.get_mut(slot);
        let held_up_by = progress.judge(last);
        let stall_due = progress.deadline(&settings);
        let is_due = stall_due.is_some_and(|due| due <= now);
        let cause = stall::cause(last, held_up_by, pace, is_due);
        if cause.is_none() {
            self.note_relief(slot);
        }
        self.set_stall(slot, cause);
        let connection = self.connections.get(slot);
        let deadlines = [
            stall_due,
            connection.progress.never_read_from(&settings),
            connection.pace.deadline(&settings),
            connection.forgotten_at(),
        ];
        let later = deadlines.into_iter().flatten().filter(|at| *at > now);
        self.connections.set_deadline(slot, later.min());
    }

    /// A stall has ended, if there was one, and its connection lives on.
    pub(super) fn note_relief(&mut self, slot: u32) {
        let connection = self.connections.get(slot);
        if let Some(ended) = connection.stall.counted {
            let has_taken_all = connection.last.queued_bytes() == 0;
            let peer = self.peers.get_mut(connection.peer);
            peer.stalls
                .note_relief(ended, has_taken_all, self.clock.now);
        }
    }

    /// The peer has read on after a stall: it was a pause.
    pub(super) fn note_recovery(&mut self, slot: u32) {
        let now = self.clock.now;
        let connection = self.connections.get_mut(slot);
        if let Some(read_on) = connection.stall.recover(now) {
            let peer_slot = connection.peer;
            let peer = self.peers.get_mut(peer_slot);
            peer.stalls.note_recovery(read_on.before, now);
            let deadline = peer.deadline();
            self.peers.set_deadline(peer_slot, deadline);
        }
    }

    /// Clears everything that a connection is flagged and counted for.
    pub(super) fn clear_all(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        connection.progress.clear();
        connection.pace.clear();
        self.connections.set_deadline(slot, None);
        self.set_stall(slot, None);
        for kind in FlagKind::ALL {
            self.set_flag(slot, kind, false);
        }
    }

    /// Sets why a connection is stalled now, with everything that follows from it.
    fn set_stall(&mut self, slot: u32, cause: Option<StallCause>) {
        let after = cause.map(|cause| self.counted_as(slot, cause));
        let connection = self.connections.get_mut(slot);
        let class = match cause {
            None if !connection.is_held_up() => Class::Healthy,
            _ if !connection.is_on_our_way => Class::Elsewhere,
            None => Class::HeldUp,
            Some(_) => Class::Stalled,
        };
        let Connection {
            stall,
            progress,
            pace,
            ..
        } = connection;
        let change = stall.count_as(after, progress, pace, self.clock.now);
        let dribbles = pace.dribbling_since.is_some();
        if let Some(change) = &change {
            self.book_stall(slot, change);
        }
        self.connections.set_class(slot, class);
        if change.is_some_and(|change| change.is_of_cause()) {
            self.flag_stall(slot, cause);
        }
        self.set_flag(slot, FlagKind::Dribble, dribbles);
        self.judge_hoard(slot, change.is_some());
    }

    /// As what a connection with this stall is to be counted.
    fn counted_as(&self, slot: u32, cause: StallCause) -> Stalled {
        let connection = self.connections.get(slot);
        let from = connection.progress.never_read_from(&self.settings.detect);
        let has_had_time = from.is_some_and(|from| from <= self.clock.now);
        let peer = self.peers.get(connection.peer);
        let stalls = &peer.stalls;
        let is_alone = || {
            let stalled_connections = peer.account.stalls.all().stalled_connections;
            let sharing = &peer.verdicts.sharing;
            sharing.stands_alone(stalled_connections, self.clock.now)
        };
        let before = if stalls.renews(&self.settings.detect) && is_alone() {
            Before::Abandoned
        } else if has_had_time && stalls.recoveries.count() == 0 {
            Before::Unread
        } else {
            Before::MayBeRead
        };
        let class = if connection.is_within_host == Some(true) {
            StallClass::WithinHost
        } else {
            StallClass::of(
                cause,
                &connection.last,
                &connection.pace,
                connection.direction,
                before,
            )
        };
        Stalled {
            cause,
            class,
            pinned_bytes: connection.last.pinned_bytes(),
        }
    }

    /// Books how a connection is counted now, in all accounts and groups.
    fn book_stall(&mut self, slot: u32, change: &StallChange) {
        let now = self.clock.now;
        let connection = self.connections.get_mut(slot);
        let (peer_slot, is_on_our_way) = (connection.peer, connection.is_on_our_way);
        let fingerprint = connection.membership.count(change, &connection.pace);
        let peer = self.peers.change(peer_slot, self.labels.scrape);
        peer.stalls.observe(change);
        peer.account.change_stall(change, now);
        if is_on_our_way {
            peer.change_on_our_way(change);
        }
        self.host.change_stall(change, now);
        let member = Member {
            peer_slot,
            peer: peer.address,
            is_on_our_way,
        };
        self.groups
            .change(member, fingerprint, change, &self.settings.detect);
        self.peers.lower_rank(peer_slot);
    }

    /// Raises and clears the flags of stalls; a dribble may go on beside a stall.
    fn flag_stall(&mut self, slot: u32, cause: Option<StallCause>) {
        let is_flagged_so = |cause: &StallCause| *cause != StallCause::Dribble;
        let others = StallCause::ALL.into_iter().filter(is_flagged_so);
        for other in others.filter(|other| Some(*other) != cause) {
            self.set_flag(slot, FlagKind::of_stall(other), false);
        }
        if let Some(cause) = cause.filter(is_flagged_so) {
            self.set_flag(slot, FlagKind::of_stall(cause), true);
        }
    }

    /// Judges the peer of a connection by what its stalls cost, alone and with others.
    fn judge_hoard(&mut self, slot: u32, is_counted: bool) {
        let connection = self.connections.get_mut(slot);
        let class = connection.stall.class();
        let counted = (class, connection.is_on_our_way);
        let Some(joined) = connection
            .membership
            .observe(counted, &self.groups, is_counted)
        else {
            return;
        };
        let peer_slot = connection.peer;
        let peer = self.peers.get_mut(peer_slot);
        let is_on_our_way = peer.hoard.is_on_our_way_after(&joined);
        let network = self.groups.network_above(is_on_our_way, peer.address);
        let detect = &self.settings.detect;
        let hoards = peer
            .hoard
            .observe(joined, &peer.account.stalls, network, detect);
        // Of those with whom it holds some may accuse nobody any more.
        let is_renewed = is_counted || peer.hoard.is_with_others();
        if let Some(hoards) = hoards {
            self.flag_hoard(peer_slot, hoards);
        } else if is_renewed {
            self.renew_verdict(peer_slot);
        }
    }
}
