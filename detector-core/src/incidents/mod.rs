//! Incidents: spans on this host in which peers of warning or above are flagged, or in which TCP's
//! memory runs short and traffic alone is not why.
//!
//! In: one [`Scan`] of what stands, at most once a second. Out: incidents, at most one of them
//! open. An incident opens at the first scan at which a condition stands, and closes when none has
//! stood for [`QUIET_NS`]; so an attack with short pauses is one incident. Judged by the
//! monotonic clock alone; the wall clock only names moments. Bounded: the oldest that is closed
//! makes room, and is counted; of those of groups that killed processes of their own only so many are kept.

mod incident;
mod kills;
mod kinds;
mod peak;
mod scan;

pub(crate) use scan::{Part, Scan, Stamp};

use crate::observe::observation::InterfaceCounts;
use crate::observe::peer_address::PeerAddress;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_api::recorded::{KillScope, OomKill};
use detector_api::snapshot::{
    self, IncidentCounts, IncidentEnd, IncidentKill, IncidentKind, OpenIncident, Process,
};
use detector_api::time::rfc3339;
use incident::Incident;
use kills::Kills;
use kinds::Kinds;
use std::collections::VecDeque;

/// An incident is over when nothing has stood for so long.
pub(crate) const QUIET_NS: u64 = 60 * SECOND_NS;
/// What is counted for an incident begins one to two of these before it.
const COUNTS_BEFORE_NS: u64 = 30 * SECOND_NS;
/// Incidents kept, the open one aside.
pub(crate) const CLOSED_MAX: usize = 64;
/// In so many of them, where there is no room for all, kills at the limits of control groups may be all there was: whoever
/// may make groups can have processes of his own killed as often as he likes.
const OF_GROUPS_ALONE_MAX: usize = CLOSED_MAX / 4;

/// The incidents of this host since the agent started.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    open: Option<Incident>,
    /// Of earlier agents, oldest first; none of them is open.
    earlier: VecDeque<snapshot::Incident>,
    /// Oldest first.
    closed: VecDeque<Incident>,
    /// How many were opened.
    opened: u32,
    /// The same by kind: an incident counts once for each kind that joined it.
    opened_by_kind: [u64; IncidentKind::COUNT],
    kinds: Kinds,
    forgotten: u64,
    last_id_ms: i128,
    /// What had been counted half a minute ago or longer, and since then at the latest; and when.
    before: [IncidentCounts; 2],
    before_at: MonotonicTime,
    /// What interfaces counted since the agent started.
    pub(crate) interfaces: InterfaceCounts,
    /// Connections that the kernel closed for want of memory or of room for orphans, likewise.
    pub(crate) aborted_on_memory: u64,
    /// Kills since the last scan, for the incident that is open by the next.
    fresh_kills: Kills,
    /// When to scan again.
    pub(crate) next_scan: Option<MonotonicTime>,
}

impl Incidents {
    /// The mark by which peers know that they were counted in the incident that is open, or in
    /// the one that opens next; never 0.
    pub(crate) fn mark(&self) -> u32 {
        self.opened + u32::from(self.open.is_none())
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether this kind has joined the open incident.
    pub(crate) fn open_has(&self, kind: IncidentKind) -> bool {
        let mut open = self.open.iter();
        open.any(|open| open.kinds().contains(&kind))
    }

    /// Peers that stood at the last scan, and when that was; `None` if nothing did.
    pub(crate) fn standing(&self) -> Option<(&[PeerAddress], MonotonicTime)> {
        self.open.as_ref().and_then(Incident::standing)
    }

    /// Takes what has been counted so far: what led to an incident comes before its begin.
    pub(crate) fn take_counts(&mut self, counts: IncidentCounts, now: MonotonicTime) {
        if now.since_ns(self.before_at) >= COUNTS_BEFORE_NS {
            self.before = [self.before[1], counts];
            self.before_at = now;
        }
    }

    /// Ingests a scan. `end` is why the incident ended, if this is the first scan at which nothing stands.
    pub(crate) fn ingest(&mut self, scan: &Scan, end: IncidentEnd) {
        self.next_scan = None;
        self.kinds.take(scan);
        if scan.stands() {
            if self.open.is_none() {
                self.opened = self.opened.saturating_add(1);
                let id = self.new_id(scan.at);
                self.open = Some(Incident::new(id, scan.at, self.before[0]));
            }
            if let Some(open) = &mut self.open {
                open.kills.append(&mut self.fresh_kills);
                for kind in open.go_on(scan) {
                    self.opened_by_kind[kind as usize] += 1;
                }
            }
            return;
        }
        let Some(open) = &mut self.open else {
            return;
        };
        let ceased = open.cease(scan.at, end);
        let over = MonotonicTime::from_ns(ceased.as_ns().saturating_add(QUIET_NS));
        if scan.at.moment < over {
            self.next_scan = Some(over);
        } else if let Some(closed) = self.open.take() {
            self.closed.push_back(closed);
            self.forget_excess();
        }
    }

    /// Takes a kill with the numbers of its moment, for the incident that it is part of or opens.
    pub(crate) fn add_kill(&mut self, kill: IncidentKill) {
        self.fresh_kills.add(kill);
    }

    /// Takes what more is known of the kill of this victim, if that is kept.
    pub(crate) fn learn_of_kill(&mut self, told: &OomKill) {
        let _is_kept = self.kills().any(|kills| kills.learn(told, told.pid));
    }

    /// Takes who it was of whose kill the count alone had told; false if there is none.
    pub(crate) fn name_kill(&mut self, told: &OomKill) -> bool {
        self.kills().any(|kills| kills.learn(told, None))
    }

    fn kills(&mut self) -> impl Iterator<Item = &mut Kills> {
        let open = self.open.as_mut().map(|open| &mut open.kills);
        std::iter::once(&mut self.fresh_kills).chain(open)
    }

    /// Names owners of stalled connections in the incident that is open.
    pub(crate) fn add_owners(&mut self, processes: Vec<Process>) {
        if let Some(open) = &mut self.open {
            open.add_owners(processes);
        }
    }

    /// Those of its peers that are kept, for a look at their owners.
    pub(crate) fn kept_peers(&self) -> impl Iterator<Item = &PeerAddress> {
        self.open.iter().flat_map(Incident::kept_peers)
    }

    /// Ids go on after this moment, Unix milliseconds.
    pub(crate) fn go_on_after(&mut self, unix_ms: i128) {
        self.last_id_ms = self.last_id_ms.max(unix_ms);
    }

    /// Shows incidents of earlier agents, oldest first, until newer ones need their room.
    pub(crate) fn remember(&mut self, mut incidents: Vec<snapshot::Incident>) {
        incidents.retain(|incident| !incident.open);
        self.earlier = incidents.into();
        self.forget_excess();
    }

    fn forget_excess(&mut self) {
        while self.earlier.len() + self.closed.len() > CLOSED_MAX {
            let first = self.first_to_forget();
            if let Some(closed) = first.checked_sub(self.earlier.len()) {
                self.closed.remove(closed);
                self.forgotten += 1;
            } else {
                self.earlier.remove(first);
            }
        }
    }

    /// Which one makes room, of those of earlier agents and then of those that are closed.
    fn first_to_forget(&self) -> usize {
        let earlier = self.earlier.iter();
        let earlier = earlier.map(|each| is_of_groups_alone(&each.kinds, &each.kills));
        let closed = self.closed.iter();
        let closed = closed.map(|each| is_of_groups_alone(each.kinds(), each.kills.all()));
        let of_groups = earlier.chain(closed).enumerate();
        let of_groups = of_groups.filter_map(|(at, is_one)| is_one.then_some(at));
        let of_groups: Vec<_> = of_groups.collect();
        match of_groups.first() {
            Some(first) if of_groups.len() > OF_GROUPS_ALONE_MAX => *first,
            _ => 0,
        }
    }

    /// `20261229T210405.123Z`. Later ones are always higher, also after a step of the clock.
    fn new_id(&mut self, at: Stamp) -> String {
        let ms = at.unix_ns.div_euclid(1_000_000).max(self.last_id_ms + 1);
        self.last_id_ms = ms;
        rfc3339(ms.saturating_mul(1_000_000)).replace(['-', ':'], "")
    }

    /// All that are kept, oldest first.
    pub(crate) fn view(&self, now: MonotonicTime) -> impl Iterator<Item = snapshot::Incident> {
        let earlier = self.earlier.iter().cloned();
        let closed = self.closed.iter().map(move |each| each.view(None));
        let open = self.open.iter().map(move |each| each.view(Some(now)));
        earlier.chain(closed).chain(open)
    }

    pub(crate) fn len(&self) -> usize {
        self.earlier.len() + self.closed.len() + usize::from(self.is_open())
    }

    /// Ids of all that are kept, oldest first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> {
        let earlier = self.earlier.iter().map(|each| each.id.clone());
        let all = self.closed.iter().chain(&self.open);
        earlier.chain(all.map(|each| each.id.clone()))
    }

    /// The one of this id.
    pub(crate) fn find(&self, id: &str, now: MonotonicTime) -> Option<snapshot::Incident> {
        let open = self.open.as_ref().filter(|open| open.id == id);
        let open = open.map(|open| open.view(Some(now)));
        open.or_else(|| {
            let mut closed = self.closed.iter();
            let found = closed.find(|closed| closed.id == id);
            let earlier = || self.earlier.iter().find(|earlier| earlier.id == id);
            found
                .map(|found| found.view(None))
                .or_else(|| earlier().cloned())
        })
    }

    pub(crate) fn open_one(&self) -> Option<OpenIncident> {
        self.open.as_ref().map(Incident::short)
    }

    /// Incidents that each kind has joined.
    pub(crate) const fn counts(&self) -> [u64; IncidentKind::COUNT] {
        self.opened_by_kind
    }

    /// For each kind 1 while the open incident has it.
    pub(crate) fn open_counts(&self) -> [u64; IncidentKind::COUNT] {
        let mut counts = [0; IncidentKind::COUNT];
        for kind in self.open.iter().flat_map(Incident::kinds) {
            counts[*kind as usize] = 1;
        }
        counts
    }

    /// For each kind 1 while it stands, and for half a minute after.
    pub(crate) fn standing_counts(&self, now: MonotonicTime) -> [u64; IncidentKind::COUNT] {
        self.kinds.standing(now)
    }

    /// Incidents forgotten for lack of room.
    pub(crate) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

fn is_of_groups_alone(kinds: &[IncidentKind], kills: &[IncidentKill]) -> bool {
    let is_of_group = |kill: &IncidentKill| kill.scope == KillScope::ControlGroup;
    kinds == [IncidentKind::OomKill] && kills.iter().all(is_of_group)
}
