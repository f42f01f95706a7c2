//! One incident, as it is put together scan by scan.

use super::kills::Kills;
use super::peak::{Peak, cost, most};
use super::scan::{Part, Scan, Stamp};
use crate::observe::observation::{InterfaceCounts, join_retransmits, join_shrinks};
use crate::observe::peer_address::PeerAddress;
use crate::rules::flags::FlagSet;
use crate::rules::stall::Usage;
use crate::time::MonotonicTime;
use detector_api::snapshot::{
    self, FlagKind, IncidentCounts, IncidentEnd, IncidentFlag, IncidentKind, IncidentPeer,
    OpenIncident, Process, Severity, Verdict,
};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Processes named for one incident.
const OWNERS_MAX: usize = 8;
const PEERS_MAX: usize = snapshot::Incident::PEERS_MAX;

#[derive(Debug)]
struct Kept {
    verdict: Option<Verdict>,
    severity: Severity,
    flags: FlagSet,
    peak: Usage,
    peak_workers: Option<u64>,
    since: Stamp,
    until: Stamp,
}

impl Kept {
    const fn cost(&self) -> (u64, u64) {
        cost(self.peak)
    }
}

#[derive(Debug)]
struct Worst {
    /// Severity, pinned bytes, stalled connections.
    rank: (Severity, (u64, u64)),
    address: PeerAddress,
    flag: (FlagKind, Stamp),
}

/// An incident.
#[derive(Debug)]
pub(super) struct Incident {
    pub(super) id: String,
    began: Stamp,
    /// When nothing stood any more, and why.
    ceased: Option<(Stamp, IncidentEnd)>,
    /// The last scan at which something stood.
    stood: MonotonicTime,
    /// Who stood then, as many as are kept.
    standing: Vec<PeerAddress>,
    kinds: Vec<IncidentKind>,
    severity: Severity,
    peak: Peak,
    peers_total: u64,
    peers: BTreeMap<PeerAddress, Kept>,
    owners: Vec<Process>,
    first: Option<IncidentFlag>,
    worst: Option<Worst>,
    pub(super) kills: Kills,
    /// What had been counted before it, and by the last scan at which something stood.
    counts: [IncidentCounts; 2],
}

impl Incident {
    pub(super) const fn new(id: String, began: Stamp, counts: IncidentCounts) -> Self {
        Self {
            id,
            began,
            ceased: None,
            stood: began.moment,
            standing: Vec::new(),
            kinds: Vec::new(),
            severity: Severity::Warning,
            peak: Peak::at(began),
            peers_total: 0,
            peers: BTreeMap::new(),
            owners: Vec::new(),
            first: None,
            worst: None,
            kills: Kills::new(),
            counts: [counts, counts],
        }
    }

    pub(super) fn standing(&self) -> Option<(&[PeerAddress], MonotonicTime)> {
        let stands = self.ceased.is_none();
        stands.then_some((&self.standing, self.stood))
    }

    pub(super) fn kinds(&self) -> &[IncidentKind] {
        &self.kinds
    }

    pub(super) fn kept_peers(&self) -> impl Iterator<Item = &PeerAddress> {
        self.peers.keys()
    }

    /// Takes what stands now; gives the kinds that are new in it.
    pub(super) fn go_on(&mut self, scan: &Scan) -> Vec<IncidentKind> {
        self.ceased = None;
        self.counts[1] = scan.counts;
        self.stood = scan.at.moment;
        self.standing.clear();
        let addresses = scan.parts.iter().map(|part| part.address);
        self.standing.extend(addresses.take(PEERS_MAX));
        if self.first.is_none() {
            let first = scan.parts.iter().min_by_key(|part| {
                let (_, since) = part.flag;
                (since.moment, part.address)
            });
            self.first = first.map(|part| flag_of(part.address, part.flag, part.severity));
        }
        self.peak.raise(scan);
        if scan.is_oom_kill_fresh {
            self.severity = Severity::Critical;
        }
        for part in &scan.parts {
            self.peers_total += u64::from(part.is_new);
            self.severity = self.severity.max(part.severity);
            self.keep(part, scan.at);
            let rank = (part.severity, cost(part.usage));
            if self.worst.as_ref().is_none_or(|worst| rank > worst.rank) {
                self.worst = Some(Worst {
                    rank,
                    address: part.address,
                    flag: part.flag,
                });
            }
        }
        self.join_kinds(scan)
    }

    fn join_kinds(&mut self, scan: &Scan) -> Vec<IncidentKind> {
        let is_new = |kind: &IncidentKind| !self.kinds.contains(kind) && scan.has(*kind);
        let new: Vec<_> = IncidentKind::ALL.into_iter().filter(is_new).collect();
        self.kinds.extend(&new);
        new
    }

    /// Keeps what a peer cost at its worst; where there is no room, in place of the cheapest.
    fn keep(&mut self, part: &Part, at: Stamp) {
        if let Some(kept) = self.peers.get_mut(&part.address) {
            kept.verdict = part.verdict.or(kept.verdict);
            kept.severity = kept.severity.max(part.severity);
            kept.flags.join(part.flags);
            kept.peak = most(kept.peak, part.usage);
            kept.peak_workers = kept.peak_workers.max(part.held_workers);
            kept.until = at;
            return;
        }
        if self.peers.len() >= PEERS_MAX {
            let cheapest = self
                .peers
                .iter()
                .map(|(address, kept)| (kept.cost(), *address))
                .min();
            match cheapest {
                Some((least, address)) if cost(part.usage) > least => {
                    self.peers.remove(&address);
                }
                _ => return,
            }
        }
        let kept = Kept {
            verdict: part.verdict,
            severity: part.severity,
            flags: part.flags,
            peak: part.usage,
            peak_workers: part.held_workers,
            since: at,
            until: at,
        };
        self.peers.insert(part.address, kept);
    }

    /// Nothing stands any more; since when.
    pub(super) fn cease(&mut self, at: Stamp, end: IncidentEnd) -> MonotonicTime {
        let (since, _) = *self.ceased.get_or_insert((at, end));
        since.moment
    }

    pub(super) fn add_owners(&mut self, processes: Vec<Process>) {
        for process in processes {
            let is_known = self.owners.iter().any(|known| known.pid == process.pid);
            if !is_known && self.owners.len() < OWNERS_MAX {
                self.owners.push(process);
            }
        }
    }

    pub(super) fn short(&self) -> OpenIncident {
        OpenIncident {
            id: self.id.clone(),
            began: self.began.text(),
            kinds: self.kinds.clone(),
        }
    }

    /// As it is published; `now` if it goes on.
    pub(super) fn view(&self, now: Option<MonotonicTime>) -> snapshot::Incident {
        let ended = self.ceased.map(|(at, _)| at);
        let until = ended.map_or(now.unwrap_or(self.stood), |ended| ended.moment);
        let mut peers: Vec<_> = self.peers.iter().collect();
        peers.sort_by_key(|(address, kept)| (Reverse(kept.cost()), **address));
        let worst = self.worst.as_ref();
        snapshot::Incident {
            id: self.id.clone(),
            open: now.is_some(),
            began: self.began.text(),
            ended: ended.map(Stamp::text),
            duration_seconds: until.since_seconds(self.began.moment),
            kinds: self.kinds.clone(),
            severity: self.severity,
            peak_stalled_connections: self.peak.usage.stalled_connections,
            peak_pinned_bytes: self.peak.usage.pinned_bytes,
            peak_time: self.peak.at.text(),
            host: self.peak.host,
            counts: Some(between(self.counts)),
            tcp_memory_held: self.peak.tcp_memory_held.clone(),
            orphans: self.peak.orphans,
            kills: self.kills.all().to_vec(),
            peers_total: self.peers_total,
            peers: peers
                .into_iter()
                .map(|(address, kept)| view_peer(*address, kept))
                .collect(),
            owners: self.owners.clone(),
            first_flag: self.first.clone(),
            worst_flag: worst.map(|worst| flag_of(worst.address, worst.flag, worst.rank.0)),
            end: self.ceased.map(|(_, end)| end),
        }
    }
}

fn between([before, after]: [IncidentCounts; 2]) -> IncidentCounts {
    let less = u64::saturating_sub;
    let interfaces =
        |of: fn(&InterfaceCounts) -> u64| less(of(&after.interfaces), of(&before.interfaces));
    IncidentCounts {
        window_shrinks: join_shrinks(&after.window_shrinks, &before.window_shrinks, less),
        retransmits: join_retransmits(&after.retransmits, &before.retransmits, less),
        retransmits_needless: less(after.retransmits_needless, before.retransmits_needless),
        interfaces: InterfaceCounts {
            rx_errors: interfaces(|it| it.rx_errors),
            tx_errors: interfaces(|it| it.tx_errors),
            rx_dropped: interfaces(|it| it.rx_dropped),
            tx_dropped: interfaces(|it| it.tx_dropped),
        },
        aborted_on_memory: less(after.aborted_on_memory, before.aborted_on_memory),
    }
}

fn view_peer(address: PeerAddress, kept: &Kept) -> IncidentPeer {
    let flags = FlagKind::ALL.into_iter();
    IncidentPeer {
        peer: address.to_string(),
        verdict: kept.verdict,
        severity: kept.severity,
        flags: flags.filter(|flag| kept.flags.contains(*flag)).collect(),
        peak_stalled_connections: kept.peak.stalled_connections,
        peak_pinned_bytes: kept.peak.pinned_bytes,
        peak_held_workers: kept.peak_workers,
        since: kept.since.text(),
        until: kept.until.text(),
    }
}

fn flag_of(address: PeerAddress, flag: (FlagKind, Stamp), severity: Severity) -> IncidentFlag {
    let (kind, since) = flag;
    IncidentFlag {
        time: since.text(),
        kind,
        peer: address.to_string(),
        severity,
    }
}
