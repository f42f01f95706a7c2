//! Who holds a hoard: a peer alone, with its network, or with others alike.

use super::Engine;
use super::judge::held;
use crate::ledger::Held;
use crate::observe::peer_address::Network;
use crate::rules::fingerprint::Fingerprint;
use crate::rules::hoard;
use crate::tables::connections::StallClass;
use crate::tables::peers::Peer;
use crate::verdict::GroupEvidence;

impl Engine {
    /// Changes as what a connection is counted for its peer, the peer's network and those alike.
    /// To be called before its stall is booked: that tells what was counted so far.
    pub(super) fn book_grip(&mut self, slot: u32, stall_class: StallClass, pinned_bytes: u64) {
        let connection = self.connections.get_mut(slot);
        let before = std::mem::replace(&mut connection.stall_class, stall_class);
        let bytes_before = connection.pinned_counted_bytes;
        let (peer_slot, fingerprint) = (connection.peer, connection.fingerprint);
        if !stall_class.is_held_by_peer() && !connection.grip.is_below_floor {
            connection.fingerprint = None;
        }
        let of = |is_held: bool, bytes: u64| held(is_held, if is_held { bytes } else { 0 });
        let was_held = of(before.is_held_by_peer(), bytes_before);
        let is_held = of(stall_class.is_held_by_peer(), pinned_bytes);
        let peer = self.peers.get_mut(peer_slot);
        if before != StallClass::None {
            peer.stall_class[before as usize] -= 1;
        }
        if stall_class != StallClass::None {
            peer.stall_class[stall_class as usize] += 1;
        }
        peer.grip = (peer.grip - was_held) + is_held;
        let lasts = |stall_class| stall_class == StallClass::LongDrain;
        peer.lasting =
            (peer.lasting - of(lasts(before), bytes_before)) + of(lasts(stall_class), pinned_bytes);
        peer.burden = (peer.burden - of(before.is_beyond_pause(), bytes_before))
            + of(stall_class.is_beyond_pause(), pinned_bytes);
        if was_held == is_held {
            return;
        }
        if let Some(network) = network_of(peer) {
            self.networks
                .change(network, peer_slot, was_held, is_held, &self.detect);
        }
        for span in fingerprint
            .iter()
            .flat_map(|fingerprint| fingerprint.spans())
        {
            self.alike
                .change(span, peer_slot, was_held, is_held, &self.detect);
        }
    }

    /// Judges the peer of a connection by what it holds, alone and with others.
    ///
    /// Groups are looked at from their members, each time one of those is judged: so a change of
    /// a large group costs nothing at once, and reaches each member with its next observation.
    /// A hoard that becomes a burden is flagged once more.
    pub(super) fn judge_hoard(&mut self, slot: u32, is_booked: bool) {
        let changes = self.networks.changes() + self.alike.changes();
        let connection = self.connections.get_mut(slot);
        if std::mem::replace(&mut connection.groups_seen, changes) == changes && !is_booked {
            return;
        }
        let peer_slot = connection.peer;
        let is_gripped = connection.stall_class.is_held_by_peer();
        let fingerprint = connection.fingerprint.filter(|_| is_gripped);
        let spans = fingerprint
            .iter()
            .flat_map(|fingerprint| fingerprint.spans());
        let hoarding = spans.filter_map(|span| {
            let group = self.alike.get(span).filter(|group| group.hoards)?;
            Some((group.held.stalled_connections, span))
        });
        let with = hoarding.max_by_key(|(connections, _)| *connections);
        let has_same_fingerprint = with.is_some();
        let was_alike =
            std::mem::replace(&mut connection.has_same_fingerprint, has_same_fingerprint);
        let peer = self.peers.get_mut(peer_slot);
        let (was_hoarder, was_burden) = (peer.is_hoarder(), peer.is_burden);
        peer.alike_connections -= u32::from(was_alike);
        peer.alike_connections += u32::from(has_same_fingerprint);
        if let Some((_, span)) = with {
            peer.fingerprint = Some(span);
        }
        let takes_part = peer.grip.stalled_connections > 0;
        let network = network_of(peer).filter(|_| takes_part);
        let in_network = network.and_then(|network| self.networks.get(network));
        let is = |held: Held, was: bool| {
            hoard::is_hoarding(
                held.stalled_connections,
                held.pinned_bytes,
                was,
                &self.detect,
            )
        };
        peer.is_hoarding = is(peer.account.held, peer.is_hoarding);
        peer.is_gripping = is(peer.grip, peer.is_gripping);
        peer.is_burden = is(peer.burden, peer.is_burden);
        peer.is_in_network = in_network.is_some_and(|group| group.hoards);
        let is_hoarder = peer.is_hoarder();
        if was_hoarder != is_hoarder || (peer.is_burden && !was_burden) {
            self.flag_hoard(peer_slot, is_hoarder);
        } else if is_booked {
            self.renew_verdict(peer_slot);
        }
    }

    /// What the peer's network holds, if it hoards and the peer takes part.
    pub(super) fn network_evidence(&self, peer: &Peer) -> Option<GroupEvidence> {
        let network = network_of(peer).filter(|_| peer.is_in_network)?;
        self.networks.get(network).map(GroupEvidence::of)
    }

    /// What those alike hold, if they hoard and the peer takes part.
    pub(super) fn alike_evidence(&self, peer: &Peer) -> Option<GroupEvidence> {
        let fingerprint: Fingerprint = peer.fingerprint.filter(|_| peer.alike_connections > 0)?;
        self.alike.get(fingerprint).map(GroupEvidence::of)
    }
}

/// The network a peer is grouped by; `None` if the peer is a network as large itself.
fn network_of(peer: &Peer) -> Option<Network> {
    Network::above(peer.address)
}
