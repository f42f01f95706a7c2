//! Scans what stands on this host, for its incidents.
//!
//! Only after something has changed, at the full seconds of the monotonic clock: so that the same
//! observations give the same incidents however often the clock is advanced.

use super::{Engine, owners};
use crate::incidents::{Part, Scan, Stamp};
use crate::rules::flags::FlagSet;
use crate::rules::stall::StallClass;
use crate::tables::peers::Peer;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_api::recorded::OomKill;
use detector_api::snapshot::{
    FlagKind, HostPressure, Incident, IncidentCounts, IncidentEnd, IncidentKill, IncidentKind,
    OpenIncident, OrphansAtLimit, Process, Severity,
};
use detector_api::tcp_memory::TcpMemoryHeld;

/// Stalled connections add to memory pressure from this part of TCP's memory on.
const PRESSURE_PART: u64 = 10;
/// A kill by the OOM killer happens at a moment; as part of an incident it stands for so long.
const OOM_KILL_STANDS_NS: u64 = 5 * SECOND_NS;
/// Likewise when the kernel closes something for want of room for orphans.
const ORPHAN_LIMIT_STANDS_NS: u64 = 5 * SECOND_NS;
/// Of an orphan that has waited for long the kernel thinks as if there were four times as many
/// (`tcp_out_of_resources`): what it closes for want of memory is put down to orphans from this part of their
/// limit on.
const ORPHAN_PENALTY: u64 = 4;
/// Connections of a peer that are looked at for owners.
const OWNER_CONNECTIONS: usize = 64;
/// Owners are looked for at each of so many scans: they are found some time after the stall.
const OWNER_EVERY_SECONDS: u64 = 5;

impl Engine {
    /// Takes how loaded the host is, to publish it with incidents; the kernel's saving of memory
    /// for TCP makes one where a tenth of that memory is no traffic.
    pub fn set_host_pressure(&mut self, pressure: HostPressure) {
        self.surroundings.pressure = Some(pressure);
        let counts = self.incident_counts();
        self.incidents.take_counts(counts, self.clock.now);
        self.schedule_scan();
    }

    /// The kernel has killed a process for want of memory: that is an incident, or part of one. What the host
    /// holds at this moment is kept with it.
    pub fn witness_oom_kill(&mut self, kill: &OomKill) {
        self.surroundings.oom_kill = Some(self.clock.now);
        self.add_kill(kill);
        self.schedule_scan();
    }

    /// A kill that the kernel had counted turns out to be this one.
    pub fn name_oom_kill(&mut self, kill: &OomKill) {
        // Of several that were counted in one look but one was witnessed.
        if !self.incidents.name_kill(kill) && self.is_oom_kill_fresh() {
            self.add_kill(kill);
        }
    }

    /// More is known of a kill whose victim was known. One that is not kept stays so.
    pub fn learn_of_oom_kill(&mut self, kill: &OomKill) {
        self.incidents.learn_of_kill(kill);
    }

    fn add_kill(&mut self, kill: &OomKill) {
        let usage = self.host.usage();
        self.incidents.add_kill(IncidentKill {
            time: self.stamp(self.clock.now).text(),
            pid: kill.pid,
            scope: kill.scope,
            host: self.surroundings.pressure,
            stalled_connections: usage.stalled_connections,
            pinned_bytes: usage.pinned_bytes,
            socket_bytes: kill.socket_bytes,
            limit_bytes: kill.limit_bytes,
        });
    }

    /// The kernel has no room for more orphans, or has closed one for that: that is an incident, or part
    /// of one.
    pub fn witness_orphan_limit(&mut self) {
        self.surroundings.orphan_limit_hit = Some(self.clock.now);
        self.schedule_scan();
    }

    /// Takes how many more connections the kernel has closed for want of memory or of room for orphans.
    pub fn add_aborted_on_memory(&mut self, connections: u64) {
        self.incidents.aborted_on_memory += connections;
        if connections > 0 && self.has_orphans(ORPHAN_PENALTY) {
            self.witness_orphan_limit();
        }
    }

    /// Whether there are as many orphans as the kernel allows, counted so many times.
    fn has_orphans(&self, times: u64) -> bool {
        let counted =
            |of: fn(&HostPressure) -> Option<u64>| self.surroundings.pressure.as_ref().and_then(of);
        let orphans = counted(|pressure| pressure.orphans);
        let limit = counted(|pressure| pressure.orphan_limit);
        orphans
            .zip(limit)
            .is_some_and(|(orphans, limit)| limit > 0 && orphans.saturating_mul(times) >= limit)
    }

    /// Whether there is no room for more orphans, or was none so lately that it still counts.
    fn is_at_orphan_limit(&self) -> bool {
        let since = |hit| self.clock.now.since_ns(hit);
        let is_fresh = |hit| since(hit) < ORPHAN_LIMIT_STANDS_NS;
        self.surroundings.orphan_limit_hit.is_some_and(is_fresh) || self.has_orphans(1)
    }

    /// Orphans now, those that peers hold up among them.
    fn orphans(&self) -> OrphansAtLimit {
        let is_of_peer = |class: StallClass| class != StallClass::WithinHost;
        let stalled = self.connections.iter().filter(|connection| {
            connection.last.is_orphan && connection.stall.class().is_some_and(is_of_peer)
        });
        let host = self.surroundings.pressure.as_ref();
        OrphansAtLimit {
            orphans: host.and_then(|host| host.orphans),
            limit: host.and_then(|host| host.orphan_limit),
            stalled: stalled.count() as u64,
        }
    }

    /// Whether the kernel killed so lately that it still counts.
    fn is_oom_kill_fresh(&self) -> bool {
        let since = |kill| self.clock.now.since_ns(kill);
        self.surroundings
            .oom_kill
            .is_some_and(|kill| since(kill) < OOM_KILL_STANDS_NS)
    }

    /// Takes who holds TCP's memory; `None` once nobody has looked for long.
    pub fn set_tcp_memory_held(&mut self, held: Option<TcpMemoryHeld>) {
        if self.surroundings.tcp_memory_held != held {
            self.surroundings.tcp_memory_held = held;
            self.schedule_scan();
        }
    }

    /// What stalled connections that a process holds pin now: the part of all send queues that
    /// peers hold up, and no program on this host.
    #[must_use]
    pub fn stalled_send_bytes(&self) -> u64 {
        let is_of_peer = |class: StallClass| class != StallClass::WithinHost;
        let stalled = self.connections.iter().filter(|connection| {
            connection.stall.class().is_some_and(is_of_peer) && !connection.last.is_orphan
        });
        stalled
            .map(|connection| connection.last.pinned_bytes())
            .sum()
    }

    /// Whether the kernel saves memory for TCP.
    #[must_use]
    pub fn is_tcp_memory_short(&self) -> bool {
        let bytes =
            |of: fn(&HostPressure) -> Option<u64>| self.surroundings.pressure.as_ref().and_then(of);
        let used = bytes(|pressure| pressure.tcp_memory_bytes);
        let bound = bytes(|pressure| pressure.tcp_memory_pressure_bytes);
        used.zip(bound)
            .is_some_and(|(used, bound)| bound > 0 && used >= bound)
    }

    /// Incidents that are kept, oldest first.
    #[must_use]
    pub fn incidents(&self) -> Vec<Incident> {
        self.incidents.view(self.clock.now).collect()
    }

    /// How many incidents are kept.
    #[must_use]
    pub fn incidents_kept(&self) -> usize {
        self.incidents.len()
    }

    /// Ids of the newest incidents, at most `limit` unless that is 0; oldest first.
    #[must_use]
    pub fn last_incidents(&self, limit: usize) -> Vec<String> {
        let most = if limit == 0 { usize::MAX } else { limit };
        let unwanted = self.incidents.len().saturating_sub(most);
        self.incidents.ids().skip(unwanted).collect()
    }

    /// Those of `ids` that are kept, in that order.
    #[must_use]
    pub fn view_incidents(&self, ids: &[String]) -> Vec<Incident> {
        ids.iter().filter_map(|id| self.incident(id)).collect()
    }

    /// The incident of this id.
    #[must_use]
    pub fn incident(&self, id: &str) -> Option<Incident> {
        self.incidents.find(id, self.clock.now)
    }

    /// The incident that goes on.
    #[must_use]
    pub fn open_incident(&self) -> Option<OpenIncident> {
        self.incidents.open_one()
    }

    /// Something may stand now that did not: there will be a scan.
    pub(super) fn schedule_scan(&mut self) {
        let matters = !self.suspects.flagged.is_empty()
            || self.incidents.is_open()
            || self.is_oom_kill_fresh()
            || self.is_at_orphan_limit()
            || self.is_pressed();
        if !matters {
            return;
        }
        let second = self.clock.now.as_ns() / SECOND_NS;
        let next = MonotonicTime::from_ns(second.saturating_add(1).saturating_mul(SECOND_NS));
        if self.incidents.next_scan.is_none_or(|scan| next < scan) {
            self.incidents.next_scan = Some(next);
        }
    }

    /// Whether the memory is short, and a part of it that matters is held by somebody: traffic alone
    /// is what it is for.
    fn is_pressed(&self) -> bool {
        let used = self
            .surroundings
            .pressure
            .and_then(|pressure| pressure.tcp_memory_bytes);
        let pinned = self.host.usage().pinned_bytes;
        let is_pinned = used.is_some_and(|used| pinned.saturating_mul(PRESSURE_PART) >= used);
        let is_held = || {
            let held = self.surroundings.tcp_memory_held.as_ref();
            held.is_some_and(|held| !held.culprits().is_empty())
        };
        self.is_tcp_memory_short() && (is_pinned || is_held())
    }

    pub(super) fn scan_incidents(&mut self) {
        let peers = &self.peers;
        self.suspects
            .flagged
            .retain(|slot| peers.get(*slot).flags.is_any());
        let mark = self.incidents.mark();
        let mut parts = std::mem::take(&mut self.suspects.parts);
        parts.clear();
        for &slot in &self.suspects.flagged {
            if let Some(part) = self.part(self.peers.get(slot), mark) {
                parts.push(part);
                self.peers.get_mut(slot).flags.incident_mark = mark;
            }
        }
        let scan = Scan {
            at: self.stamp(self.clock.now),
            usage: self.host.usage(),
            parts,
            is_memory_pressed: self.is_pressed(),
            is_oom_kill_fresh: self.is_oom_kill_fresh(),
            orphans: self.is_at_orphan_limit().then(|| self.orphans()),
            host: self.surroundings.pressure,
            tcp_memory_held: self.surroundings.tcp_memory_held.clone(),
            counts: self.incident_counts(),
        };
        let end = self.how_it_ended();
        self.incidents.ingest(&scan, end);
        if scan.is_oom_kill_fresh || scan.orphans.is_some() {
            // Nothing but time ends it.
            self.schedule_scan();
        }
        if scan.stands() && (self.clock.now.as_ns() / SECOND_NS).is_multiple_of(OWNER_EVERY_SECONDS)
        {
            let owners = self.owners_of_incident();
            self.incidents.add_owners(owners);
        }
        self.suspects.parts = scan.parts;
    }

    fn incident_counts(&self) -> IncidentCounts {
        let counts = &self.host.counts;
        IncidentCounts {
            window_shrinks: counts.shrinks,
            retransmits: counts.retransmits,
            retransmits_needless: counts.retransmits_needless,
            interfaces: self.incidents.interfaces,
            aborted_on_memory: self.incidents.aborted_on_memory,
        }
    }

    /// What a peer adds, if it matters enough.
    fn part(&self, peer: &Peer, mark: u32) -> Option<Part> {
        let severity = self.severity(peer);
        if severity < Severity::Warning {
            return None;
        }
        let mut flags = FlagSet::default();
        let mut telling: Option<(FlagKind, MonotonicTime)> = None;
        for (kind, since) in peer.flags.standing() {
            flags.insert(kind);
            // A hoard says most; else the flag that has stood longest.
            let tells_more = match telling {
                None => true,
                Some((_, before)) => kind == FlagKind::StallHoard || since < before,
            };
            if tells_more {
                telling = Some((kind, since));
            }
        }
        let (kind, since) = telling?;
        Some(Part {
            address: peer.address,
            verdict: peer.verdicts.verdict(),
            severity,
            flags,
            flag: (kind, self.stamp(since)),
            usage: peer.account.usage(),
            held_workers: self.held_workers_of(peer),
            is_new: peer.flags.incident_mark != mark,
        })
    }

    /// Why what stood at the last scan stands no more.
    fn how_it_ended(&self) -> IncidentEnd {
        let Some((standing, at)) = self.incidents.standing() else {
            return IncidentEnd::Closed;
        };
        if standing.is_empty() {
            return if self.incidents.open_has(IncidentKind::MemoryPressure) {
                IncidentEnd::PressureOver
            } else if self.incidents.open_has(IncidentKind::OrphanLimit) {
                IncidentEnd::OrphansBelow
            } else {
                IncidentEnd::NoMoreKills
            };
        }
        let mut end = IncidentEnd::Closed;
        for address in standing {
            let Some(slot) = self.peers.find(address) else {
                continue;
            };
            let peer = self.peers.get(slot);
            let stalls = &peer.stalls;
            if stalls.read_on_at.max(stalls.resumed_at) >= Some(at) {
                return IncidentEnd::ReadOn;
            }
            // One byte ends a stall, and may be all that is taken.
            let is_held_up_less = stalls.relieved_at >= Some(at);
            if is_held_up_less || peer.account.usage().stalled_connections > 0 {
                end = IncidentEnd::BelowWarning;
            }
        }
        end
    }

    fn owners_of_incident(&self) -> Vec<Process> {
        let kept = self.incidents.kept_peers();
        let peers = kept.filter_map(|address| Some(self.peers.get(self.peers.find(address)?)));
        peers
            .flat_map(|peer| {
                let connections = self.connections.of_peer(peer.connections);
                owners::of_stalled(connections.take(OWNER_CONNECTIONS))
            })
            .collect()
    }

    const fn stamp(&self, moment: MonotonicTime) -> Stamp {
        Stamp {
            moment,
            unix_ns: self.clock.wall.unix_ns(moment),
        }
    }
}
