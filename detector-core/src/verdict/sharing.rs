//! Whether an address is shared by many: a balancer, a proxy, a CDN's edge, a carrier's NAT.
//!
//! In: what the kernel says of all its connections. Nobody is accused before it has been asked.

use crate::observe::census::Census;
use crate::rules::QUIET_NS;
use crate::time::{MonotonicTime, SECOND_NS};

/// A suspect is asked for again after so long: others may have come.
const RENEW_NS: u64 = 60 * SECOND_NS;

/// The same where there was no answer.
const RETRY_NS: u64 = 5 * SECOND_NS;

/// So many connections that behave beside those that are held, and the address has others. One may
/// be an attacker's own look at whether the server still answers.
const OTHERS: u64 = 2;

/// And so great a part of all: a reader of single bytes on a thousand connections has a few of them that
/// are still in their first burst, or in a rare one, at any moment.
const OTHERS_PART: u64 = 20;

/// At least so many connections ended well over the past hours where only the past speaks.
const PAST: u64 = 10;

/// What is known of the other connections of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sharing {
    /// When the kernel is to be asked again; `None` before it was asked.
    ask_at: Option<MonotonicTime>,
    counted: Option<(Census, MonotonicTime)>,
    others_seen_at: Option<MonotonicTime>,
}

impl Sharing {
    /// Takes an answer; `None` if there was none.
    pub(crate) fn observe(&mut self, census: Option<Census>, now: MonotonicTime) {
        let wait_ns = if census.is_some() { RENEW_NS } else { RETRY_NS };
        self.ask_at = Some(now.plus_ns(wait_ns));
        let Some(census) = census else {
            return;
        };
        self.counted = Some((census, now));
        // Whoever has just come is taking its first bytes, whatever it does then.
        let settled = census.well.saturating_sub(census.came);
        let others = settled.saturating_add(census.ended_well_meanwhile);
        if others >= OTHERS.max(census.connections / OTHERS_PART) {
            self.others_seen_at = Some(now);
        }
    }

    /// Whether the kernel is to be asked, if the peer is a suspect.
    pub(crate) fn is_due(&self, now: MonotonicTime) -> bool {
        self.ask_at.is_none_or(|at| at <= now)
    }

    /// The last answer that still counts.
    pub(crate) fn census(&self, now: MonotonicTime) -> Option<Census> {
        let fresh = self.counted.filter(|(_, at)| now.since_ns(*at) < QUIET_NS);
        fresh.map(|(census, _)| census)
    }

    /// Whether others behaved lately.
    pub(crate) fn has_others(&self, now: MonotonicTime) -> bool {
        self.others_seen_at
            .is_some_and(|at| now.since_ns(at) < QUIET_NS)
    }
}

/// Whether so many connections ended well over the past hours that `holding` may be others' pauses.
pub(super) fn is_shared_by_past(census: &Census, holding: u64) -> bool {
    census.ended_well >= PAST.max(holding / 2)
}
