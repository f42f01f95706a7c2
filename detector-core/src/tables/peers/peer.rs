//! One peer: what it costs, what is flagged, what is remembered of it.

use super::{Rank, Recoveries};
use crate::ledger::{Account, Counts, Held};
use crate::observe::observation::ShrinkCounts;
use crate::observe::peer_address::PeerAddress;
use crate::rules::fingerprint::Fingerprint;
use crate::tables::connections::StallClass;
use crate::tables::intrusive_list::IntrusiveList;
use crate::time::{MonotonicTime, SECOND_NS};
use crate::verdict::Finding;
use detector_api::snapshot::{FlagKind, StallCause, Verdict};

/// Most local ports remembered of one peer.
const SERVICES: usize = 8;

/// Events that the connections of one peer may cause in a burst.
const CONNECTION_EVENTS: u32 = 64;

/// Events that one peer may cause as a whole in a burst.
const HOARD_EVENTS: u32 = 8;

/// Events a peer may cause: a burst, then one a second, so that no peer fills the ring alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    left: u32,
    burst: u32,
    from: MonotonicTime,
}

impl Allowance {
    const fn new(burst: u32, now: MonotonicTime) -> Self {
        Self {
            left: burst,
            burst,
            from: now,
        }
    }

    /// Whether one more event may be caused now.
    pub(crate) fn spend(&mut self, now: MonotonicTime) -> bool {
        let refill = now.since_ns(self.from) / SECOND_NS;
        if refill > 0 {
            let refill = u32::try_from(refill).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(refill).min(self.burst);
            self.from = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// A scrape of the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scrape {
    pub(crate) number: u64,
    pub(crate) at: MonotonicTime,
}

/// What other peers and the host's interfaces show, as far as it can change a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathSigns {
    /// Many unrelated networks fell silent.
    pub(crate) silence: bool,
    /// Windows of many unrelated networks went back.
    pub(crate) shrinks: bool,
    /// Interface errors rise.
    pub(crate) interface_errors: bool,
}

/// What is remembered of a peer for its verdict, until it has been quiet for long enough.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Remembered {
    /// Shrinks that are forgotten by now.
    pub(crate) shrinks_forgotten: ShrinkCounts,
    /// When the last one was seen that is not.
    pub(crate) shrunk_at: Option<MonotonicTime>,
    /// Shrinks to zero, among those, that opened again within a second.
    pub(crate) quick_reopens: u64,
    /// Stalls that ended because the peer read on.
    pub(crate) recoveries: Recoveries,
    /// Silences that ended with an answer.
    pub(crate) silences_ended: u64,
    /// When a stall last ended while its connection lived on.
    pub(crate) relieved_at: Option<MonotonicTime>,
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: PeerAddress,
    pub(crate) account: Account,
    /// What of the counts `other` has shown. Of a peer with its own label: what stays there. Of
    /// any other: what the scrape of this number showed, if the counts changed after it.
    in_other: Option<Box<Counts>>,
    in_other_as_of: Option<u64>,
    pub(crate) is_exported: bool,
    pub(crate) last_in_top: Option<MonotonicTime>,
    pub(crate) first_seen: MonotonicTime,
    pub(crate) last_seen: MonotonicTime,
    pub(crate) connections: IntrusiveList,
    pub(crate) stalled_by_cause: [u32; StallCause::COUNT],
    pub(crate) flags_now: [u32; FlagKind::COUNT],
    /// Connections whose window was taken back to zero less than a second ago, and is zero still.
    pub(crate) fresh_treasons: u32,
    /// Whether it alone reaches the hoard thresholds.
    pub(crate) is_hoarding: bool,
    /// Whether what it holds firmly does.
    pub(crate) is_gripping: bool,
    /// Whether its network does, and it takes part.
    pub(crate) is_in_network: bool,
    /// Connections counted with others alike that do.
    pub(crate) alike_connections: u32,
    /// What those have in common.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Connections by the way they are held.
    pub(crate) stall_class: [u32; StallClass::WAYS],
    /// What the peer holds firmly, connections that we opened aside.
    pub(crate) grip: Held,
    /// What of its holdings is no pause: held firmly, whoever opened it, or silent.
    pub(crate) burden: Held,
    /// What it reads steadily, but too slowly to be done soon.
    pub(crate) lasting: Held,
    /// Whether that reaches the hoard thresholds.
    pub(crate) is_burden: bool,
    /// What others showed when it was judged last.
    pub(crate) path_signs: PathSigns,
    pub(crate) remembered: Remembered,
    pub(super) deadline: Option<MonotonicTime>,
    pub(crate) drain_bytes_per_second: u64,
    pub(crate) longest_stall_ns: u64,
    /// The verdict that stands, and since when.
    pub(crate) finding: Option<(Finding, MonotonicTime)>,
    /// Since when each kind of flag has stood; meaningful while it does.
    pub(crate) flagged_since: [MonotonicTime; FlagKind::COUNT],
    /// Since when nothing has been flagged; meaningful while nothing is.
    pub(crate) quiet_since: MonotonicTime,
    /// For events of its connections.
    pub(crate) allowance: Allowance,
    /// For events of the peer as a whole, so that those of its connections do not hide them.
    pub(crate) hoard_allowance: Allowance,
    /// Of the last incident that it took part in.
    pub(crate) incident_mark: u32,
    services: [u16; SERVICES],
    services_known: u8,
    pub(super) rank: Rank,
}

impl Peer {
    pub(super) fn new(address: PeerAddress, now: MonotonicTime, scrape: Scrape) -> Self {
        Self {
            address,
            account: Account::default(),
            in_other: None,
            in_other_as_of: Some(scrape.number),
            is_exported: false,
            last_in_top: None,
            first_seen: now,
            last_seen: now,
            connections: IntrusiveList::default(),
            stalled_by_cause: [0; StallCause::COUNT],
            flags_now: [0; FlagKind::COUNT],
            fresh_treasons: 0,
            is_hoarding: false,
            is_gripping: false,
            is_in_network: false,
            alike_connections: 0,
            fingerprint: None,
            stall_class: [0; StallClass::WAYS],
            grip: Held::default(),
            burden: Held::default(),
            lasting: Held::default(),
            is_burden: false,
            path_signs: PathSigns::default(),
            remembered: Remembered::default(),
            deadline: None,
            drain_bytes_per_second: 0,
            longest_stall_ns: 0,
            finding: None,
            flagged_since: [now; FlagKind::COUNT],
            quiet_since: now,
            incident_mark: 0,
            services: [0; SERVICES],
            services_known: 0,
            allowance: Allowance::new(CONNECTION_EVENTS, now),
            hoard_allowance: Allowance::new(HOARD_EVENTS, now),
            rank: (0, 0, now, 0),
        }
    }

    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.finding.map(|((verdict, _), _)| verdict)
    }

    /// One more flag of this kind stands on the peer or on a connection of it.
    pub(crate) fn add_flag(&mut self, kind: FlagKind, now: MonotonicTime) {
        let count = &mut self.flags_now[kind as usize];
        if *count == 0 {
            self.flagged_since[kind as usize] = now;
        }
        *count += 1;
    }

    /// One less.
    pub(crate) fn remove_flag(&mut self, kind: FlagKind, now: MonotonicTime) {
        self.flags_now[kind as usize] -= 1;
        if !self.is_flagged() {
            self.quiet_since = now;
        }
    }

    /// Shrinks that are not forgotten yet.
    pub(crate) fn recent_shrinks(&self) -> ShrinkCounts {
        let (all, forgotten) = (
            self.account.counts.shrinks,
            self.remembered.shrinks_forgotten,
        );
        ShrinkCounts {
            polite: all.polite.saturating_sub(forgotten.polite),
            below_flight: all.below_flight.saturating_sub(forgotten.below_flight),
            treason: all.treason.saturating_sub(forgotten.treason),
        }
    }

    /// Whether the peer holds a hoard, alone or with others.
    pub(crate) const fn is_hoarder(&self) -> bool {
        self.is_hoarding || self.is_one_of_many()
    }

    /// Whether it holds a hoard together with others.
    pub(crate) const fn is_one_of_many(&self) -> bool {
        self.is_in_network || self.alike_connections > 0
    }

    pub(crate) fn is_flagged(&self) -> bool {
        self.flags_now.iter().any(|&count| count > 0)
    }

    pub(crate) fn services(&self) -> &[u16] {
        &self.services[..usize::from(self.services_known)]
    }

    /// Remembers a local port, in ascending order; the first few that were seen stay.
    pub(crate) fn add_service(&mut self, port: u16) {
        let known = usize::from(self.services_known);
        if let Err(place) = self.services[..known].binary_search(&port)
            && known < SERVICES
        {
            self.services.copy_within(place..known, place + 1);
            self.services[place] = port;
            self.services_known += 1;
        }
    }

    /// Keeps what the last scrape showed, before the counts change for the first time after it.
    pub(super) fn keep_shown(&mut self, scrape: Scrape) {
        if !self.is_exported && self.in_other_as_of != Some(scrape.number) {
            self.account.settle(scrape.at);
            let counts = self.account.counts;
            // In place where there is a box already: a scrape may do this for every peer.
            match &mut self.in_other {
                Some(kept) => **kept = counts,
                None => self.in_other = Some(Box::new(counts)),
            }
            self.in_other_as_of = Some(scrape.number);
        }
    }

    /// Gives the peer its own label: what `last`, the scrape before, showed of it under `other`
    /// stays there.
    pub(crate) fn begin_export(&mut self, last: Scrape) {
        self.keep_shown(last);
        self.is_exported = true;
    }

    /// Takes the label away: from now on `other` shows everything.
    pub(crate) fn end_export(&mut self) {
        self.is_exported = false;
        self.in_other = None;
        self.in_other_as_of = None;
    }

    /// What its own label shows.
    pub(crate) fn exported_counts(&self) -> Counts {
        let in_other = self.in_other.as_deref().copied().unwrap_or_default();
        self.account.counts - in_other
    }

    pub(super) fn rank(&self, slot: u32) -> Rank {
        let zero_window_ms = u64::try_from(self.account.counts.zero_window_ns / 1_000_000);
        let zero_window_ms = zero_window_ms.unwrap_or(u64::MAX);
        let Held {
            stalled_connections,
            pinned_bytes,
        } = self.account.held;
        let (class, cost) = if stalled_connections > 0 {
            (2, pinned_bytes)
        } else if self.connections.len() > 0 {
            (1, zero_window_ms)
        } else {
            (0, zero_window_ms)
        };
        (class, cost, self.last_seen, slot)
    }
}
