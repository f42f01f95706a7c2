//! Gathers the evidence of a peer and has its verdict renewed.

use super::flags::OF_STATE;
use super::{Engine, VerdictChange, VerdictChanges};
use crate::ledger::seconds;
use crate::observe::peer_address::Network;
use crate::rules::hoard::{Group, Spared, are_company, is_hoarding};
use crate::rules::stall::StallClass;
use crate::tables::peers::Peer;
use crate::time::SECOND_NS;
use crate::verdict::{self, Aftermath, GroupEvidence, PathSigns, PeerEvidence, Standing};
use detector_api::snapshot::{Assessment, FlagKind};

impl Engine {
    /// Judges all flagged peers again, after the settings have changed.
    pub(super) fn renew_verdicts(&mut self) {
        let flagged = self.peers.iter().filter(|(_, peer)| peer.flags.is_any());
        let flagged: Vec<u32> = flagged.map(|(slot, _)| slot).collect();
        for slot in flagged {
            self.renew_verdict(slot);
        }
    }

    /// Judges a peer after its flags or its stalls have changed.
    pub(super) fn renew_verdict(&mut self, peer_slot: u32) {
        let (now, path_signs) = (self.clock.now, self.path_signs());
        let evidence = self.evidence(self.peers.get(peer_slot));
        let found = verdict::judge(&evidence);
        let peer = self.peers.get(peer_slot);
        let has_failed = peer.verdicts.sharing.has_failed()
            || evidence.holds_with_network() && self.are_neighbours_unknown(peer.address);
        if evidence.waits_for_count() && !evidence.recovers() && !has_failed {
            self.suspects.uncounted.insert(peer_slot);
        } else {
            self.suspects.uncounted.remove(&peer_slot);
        }
        let spared = if evidence.is_shared() || evidence.is_trusted {
            Spared::Everywhere
        } else if evidence.neighbours_behave() {
            Spared::AmongAlike
        } else {
            Spared::Nowhere
        };
        let peer = self.peers.get_mut(peer_slot);
        let aftermath = Aftermath {
            is_excused: spared != Spared::Nowhere
                || evidence.is_let_off_by_drain()
                || evidence.has_lost_company(),
            ..aftermath(peer)
        };
        let before = peer.verdicts.verdict();
        peer.verdicts.observe(found, &aftermath, path_signs, now);
        let verdict = peer.verdicts.verdict();
        if verdict != before {
            self.verdict_changes.note(VerdictChange {
                peer: peer.address,
                verdict,
                at: now,
            });
        }
        self.groups.spare(peer_slot, spared, &self.settings.detect);
        let peer = self.peers.get(peer_slot);
        let deadline = peer.deadline();
        self.peers.set_deadline(peer_slot, deadline);
    }

    /// The time of a peer has come: forgets old shrinks and stalls, lets the verdict go.
    pub(super) fn settle_verdict(&mut self, peer_slot: u32) {
        let now = self.clock.now;
        let peer = self.peers.get_mut(peer_slot);
        let all_shrinks = peer.account.counts.shrinks;
        peer.shrinks.forget_old(all_shrinks, now);
        peer.stalls.forget_old(now);
        let aftermath = aftermath(peer);
        if peer.verdicts.settle(&aftermath, now) {
            peer.shrinks.forget(all_shrinks);
            peer.stalls.forget();
        }
        self.renew_verdict(peer_slot);
        // Never now again: what does not change at its time must not be looked at for ever.
        let soonest = now.plus_ns(SECOND_NS);
        let deadline = self.peers.get(peer_slot).deadline();
        self.peers
            .set_deadline(peer_slot, deadline.map(|due| due.max(soonest)));
    }

    /// Verdicts that have changed since this was called last.
    pub fn take_verdict_changes(&mut self) -> VerdictChanges {
        std::mem::take(&mut self.verdict_changes)
    }

    /// What others show that a verdict may rest on.
    pub(super) fn path_signs(&self) -> PathSigns {
        PathSigns {
            silence: self.symptoms.silent.networks() >= verdict::CROWD_NETWORKS,
            shrinks: self.symptoms.shrinking.networks() >= verdict::CROWD_NETWORKS,
            interface_errors: self.symptoms.interface_errors.sum().errors()
                >= verdict::INTERFACE_ERRORS,
        }
    }

    /// The weighing of a peer in full.
    pub(super) fn assess(&self, peer: &Peer) -> Assessment {
        let quiet_since = peer.flags.quiet_since;
        let quiet_ns = (!peer.flags.is_any()).then(|| self.clock.now.since_ns(quiet_since));
        let standing = Standing {
            finding: peer.verdicts.standing,
            quiet_ns,
        };
        let mut evidence = self.evidence(peer);
        self.add_details(peer, &mut evidence);
        verdict::assess(&evidence, standing, self.clock.wall)
    }

    /// What a verdict rests on: constant time.
    pub(super) fn evidence(&self, peer: &Peer) -> PeerEvidence {
        let stalls = &peer.account.stalls;
        let never_read = peer.hoard.never_read(stalls);
        let holding = stalls.sum(StallClass::is_blocked_by_peer) + never_read;
        let connections = |class: StallClass| stalls.of(class).stalled_connections;
        let network = peer.hoard.network(peer.address, &self.groups);
        let alike = peer.hoard.same_fingerprint(&self.groups);
        let accusing = |group: &Group| group.accusable.hoarding().map(GroupEvidence::of);
        let costing = |group: &Group| group.all.hoarding().map(GroupEvidence::of);
        PeerEvidence {
            detect: self.settings.detect,
            stalled_by_cause: stalls.by_cause(),
            pinned_bytes: stalls.all().pinned_bytes,
            drain_bytes_per_second: peer.drain_bytes_per_second,
            holding_connections: holding.stalled_connections,
            holding_pinned_bytes: holding.pinned_bytes,
            never_read_connections: never_read.stalled_connections,
            never_read_pinned_bytes: never_read.pinned_bytes,
            renewed_connections: connections(StallClass::Renewed),
            renewed_pinned_bytes: stalls.of(StallClass::Renewed).pinned_bytes,
            abandoned_connections: peer.stalls.abandoned.count(),
            renews: peer.stalls.renews(&self.settings.detect),
            silent_connections: stalls.sum(StallClass::is_silent).stalled_connections,
            read_slowly_connections: connections(StallClass::SlowRead),
            outgoing_connections: stalls.sum(StallClass::is_outbound).stalled_connections,
            outgoing_holding_connections: connections(StallClass::OutboundBlocked),
            keeps_ours_waiting: is_hoarding(
                stalls.of(StallClass::OutboundNoProgress),
                false,
                &self.settings.detect,
            ),
            is_hoarding: peer.hoard.is_alone,
            is_blocked_hoard: peer.hoard.is_blocked_hoard,
            network: network.and_then(accusing),
            network_cost: network.and_then(costing),
            held_in_network: self.held_in_company(peer),
            alike: alike.and_then(accusing),
            alike_cost: alike.and_then(costing),
            shrunk_connections: u64::from(peer.flags.count(FlagKind::WindowShrink)),
            shrinks: peer.shrinks.recent(&peer.account.counts.shrinks),
            quick_reopens: peer.shrinks.quick_reopens,
            fresh_treasons: u64::from(peer.shrinks.fresh),
            state_flags: state_flags(peer),
            tiny_window_connections: u64::from(peer.flags.count(FlagKind::TinyWindow)),
            recovered_stalls: peer.stalls.recoveries.count(),
            silences_ended: peer.stalls.silences_ended,
            silent_networks: self.symptoms.silent.networks(),
            shrinking_networks: self.symptoms.shrinking.networks(),
            interfaces: self.symptoms.interface_errors.sum(),
            within_host_connections: connections(StallClass::WithinHost),
            tracked_connections: u64::from(peer.connections.len()),
            census: peer.verdicts.sharing.census(self.clock.now),
            census_told: peer.verdicts.sharing.told(self.clock.now),
            is_census_fresh: peer.verdicts.is_accused()
                || peer.verdicts.sharing.is_fresh(self.clock.now),
            has_others: peer.verdicts.sharing.has_others(self.clock.now),
            neighbours: self.neighbours_of(peer.address),
            are_neighbours_fresh: peer.verdicts.is_accused()
                || self.are_neighbours_fresh(peer.address),
            is_trusted: self.settings.trusted.touch(&peer.address),
            ..PeerEvidence::default()
        }
    }

    /// What those hold in the network above a peer who are accused where they hoard, if they are company.
    fn held_in_company(&self, peer: &Peer) -> Option<u64> {
        let network = Network::above(peer.address)?;
        let is_on_our_way = peer.hoard.is_on_our_way();
        let above = self.groups.network_above(is_on_our_way, peer.address);
        let tally = &above?.accusable;
        let are_company = are_company(network, tally.peers);
        are_company.then_some(tally.usage.stalled_connections)
    }

    /// What only the full weighing shows, from each connection.
    fn add_details(&self, peer: &Peer, evidence: &mut PeerEvidence) {
        let mut longest_ns = peer.stalls.longest_ns;
        for connection in self.connections.of_peer(peer.connections) {
            let last = &connection.last;
            evidence.granularity_retreats += connection.booked.totals().granularity_retreats;
            evidence.orphan_connections += u64::from(last.is_orphan);
            let lasted_ns = connection.stall.lasted_ns(self.clock.now);
            longest_ns = longest_ns.max(lasted_ns.unwrap_or(0));
            if connection.pace.dribbling_since.is_some() {
                let seconds = connection.pace.drain_seconds(last);
                evidence.drain_seconds = evidence.drain_seconds.max(seconds);
            }
        }
        evidence.longest_stall_seconds = seconds(u128::from(longest_ns));
    }
}

/// How many flags stand that a state alone raised.
fn state_flags(peer: &Peer) -> u64 {
    let counts = OF_STATE.iter().map(|(kind, _)| peer.flags.count(*kind));
    counts.map(u64::from).sum()
}

fn aftermath(peer: &Peer) -> Aftermath {
    Aftermath {
        is_flagged: peer.flags.is_any(),
        has_shrunk: !peer.shrinks.is_empty(),
        quiet_since: peer.flags.quiet_since,
        relieved_at: peer.stalls.relieved_at,
        read_on_at: peer.stalls.read_on_at,
        is_excused: false,
    }
}
