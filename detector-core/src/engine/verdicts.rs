//! Gathers the evidence of a peer and keeps the verdict that stands.

use super::Engine;
use crate::ledger::seconds;
use crate::peers::Peer;
use crate::snapshot::{Assessment, FlagKind, StallCause};
use crate::verdict::{self, PeerEvidence, Standing};

impl Engine {
    /// Judges all flagged peers again, after the settings have changed.
    pub(super) fn renew_verdicts(&mut self) {
        let flagged = self.peers.iter().filter(|(_, peer)| peer.is_flagged());
        let flagged: Vec<u32> = flagged.map(|(slot, _)| slot).collect();
        for slot in flagged {
            self.renew_verdict(slot);
        }
    }

    /// Judges a peer after its flags or what it holds have changed.
    pub(super) fn renew_verdict(&mut self, peer_slot: u32) {
        let evidence = self.evidence(self.peers.get(peer_slot));
        let peer = self.peers.get_mut(peer_slot);
        // Without anything to judge by, the last verdict stays: it tells what the peer was.
        if let Some(finding) = verdict::judge(&evidence)
            && peer.finding.is_none_or(|(before, _)| before != finding)
        {
            let since = peer.finding.filter(|((before, _), _)| *before == finding.0);
            peer.finding = Some((finding, since.map_or(self.clock, |(_, since)| since)));
        }
    }

    /// The weighing of a peer in full.
    pub(super) fn assess(&self, peer: &Peer) -> Assessment {
        let quiet_ns = (!peer.is_flagged()).then(|| self.clock.since_ns(peer.quiet_since));
        let standing = Standing {
            finding: peer.finding,
            quiet_ns,
        };
        verdict::assess(&self.evidence(peer), standing, self.wall)
    }

    fn evidence(&self, peer: &Peer) -> PeerEvidence {
        let held = peer.account.held;
        let stalled_by_cause = peer.stalled_by_cause.map(u64::from);
        let unanswered = stalled_by_cause[StallCause::Unanswered as usize];
        let answering = held.stalled_connections.saturating_sub(unanswered);
        let floor = held.stalled_connections * self.detect.dribble_floor_bytes_per_second;
        let holds = peer.is_hoarding && peer.drain_bytes_per_second < floor;
        PeerEvidence {
            detect: self.detect,
            stalled_by_cause,
            pinned_bytes: held.pinned_bytes,
            drain_bytes_per_second: peer.drain_bytes_per_second,
            holding_connections: if holds { answering } else { 0 },
            holding_pinned_bytes: if holds { held.pinned_bytes } else { 0 },
            read_slowly_connections: stalled_by_cause[StallCause::Dribble as usize],
            is_hoarding: peer.is_hoarding,
            shrunk_connections: u64::from(peer.flags_now[FlagKind::WindowShrink as usize]),
            shrinks: peer.account.counts.shrinks,
            tiny_window_connections: u64::from(peer.flags_now[FlagKind::TinyWindow as usize]),
            silent_networks: self.silent.networks(),
            shrinking_networks: self.shrinking.networks(),
            interfaces: self.interface_errors.sum(),
            longest_stall_seconds: seconds(u128::from(peer.longest_stall_ns)),
            is_trusted: self.trusted.contain(peer.address.address()),
            ..PeerEvidence::default()
        }
    }
}
