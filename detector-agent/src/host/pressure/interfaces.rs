//! Errors and drops of network interfaces: totals, and what was added lately.

use detector_api::host::InterfaceReport;
use detector_api::snapshot::InterfaceCounts;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A host with more has its interfaces for containers.
const MAX_INTERFACES: usize = 4_096;
/// What counts as lately.
const SPAN: Duration = Duration::from_secs(60);
/// Looks kept; at most about one a second adds something.
const MAX_LOOKS: usize = 64;

/// What was seen at earlier looks.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    before: HashMap<String, InterfaceCounts>,
    /// What each look added, the oldest first.
    added: VecDeque<(Instant, InterfaceCounts)>,
    /// What was added since [`take`](Self::take).
    not_taken: InterfaceCounts,
}

impl Interfaces {
    /// Takes a new `/proc/net/dev`.
    pub(super) fn update(&mut self, text: &str, now: Instant) -> InterfaceReport {
        let seen: HashMap<String, InterfaceCounts> = text
            .lines()
            .filter_map(interface)
            .filter(|(name, _)| *name != "lo")
            .take(MAX_INTERFACES)
            .map(|(name, counts)| (name.to_owned(), counts))
            .collect();
        let mut added = InterfaceCounts::default();
        let mut total = InterfaceCounts::default();
        for (name, counts) in &seen {
            total = total.plus(counts);
            // One that is new brings counts from before we looked.
            if let Some(before) = self.before.get(name) {
                added = added.plus(&counts.since(before));
            }
        }
        let count = seen.len() as u64;
        self.before = seen;
        self.not_taken = self.not_taken.plus(&added);
        if added != InterfaceCounts::default() {
            self.added.push_back((now, added));
        }
        let is_old = |(at, _): &(Instant, _)| now.saturating_duration_since(*at) > SPAN;
        while self.added.len() > MAX_LOOKS || self.added.front().is_some_and(is_old) {
            self.added.pop_front();
        }
        let mut last_minute = InterfaceCounts::default();
        for (_, added) in &self.added {
            last_minute = last_minute.plus(added);
        }
        InterfaceReport {
            count,
            total,
            last_minute,
        }
    }

    /// What was added since this was called last.
    pub(super) fn take(&mut self) -> InterfaceCounts {
        std::mem::take(&mut self.not_taken)
    }
}

/// `eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop …`
fn interface(line: &str) -> Option<(&str, InterfaceCounts)> {
    // The name may hold a colon, the numbers may not.
    let (name, numbers) = line.rsplit_once(':')?;
    let numbers = super::parse::numbers::<12>(numbers)?;
    let [
        _,
        _,
        rx_errors,
        rx_dropped,
        _,
        _,
        _,
        _,
        _,
        _,
        tx_errors,
        tx_dropped,
    ] = numbers;
    let counts = InterfaceCounts {
        rx_errors,
        tx_errors,
        rx_dropped,
        tx_dropped,
    };
    Some((name.trim(), counts))
}
