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

/// And so great a part of all: of a thousand connections that stop reading some do so late.
const OTHERS_PART: u64 = 100;

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
    /// Takes an answer; `None` if there was none. Whether it was taken: connections that are well
    /// once may be in their first burst, which fills the buffers of whoever never reads, so that a
    /// second pair of looks is to show the same ones well.
    pub(crate) fn observe(&mut self, census: Option<Census>, now: MonotonicTime) -> bool {
        let has_others = |well: u64, census: &Census| {
            let others = well.saturating_add(census.ended_well_meanwhile);
            others >= OTHERS.max(census.connections / OTHERS_PART)
        };
        let Some(census) = census else {
            self.ask_at = Some(now.plus_ns(RETRY_NS));
            return true;
        };
        let is_shared = has_others(census.well_before.unwrap_or(0), &census);
        if !is_shared && census.well_before.is_none() && has_others(census.well, &census) {
            return false;
        }
        self.ask_at = Some(now.plus_ns(RENEW_NS));
        self.counted = Some((census, now));
        if is_shared {
            self.others_seen_at = Some(now);
        }
        true
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
