//! Who holds the memory that the kernel counts for TCP.
//!
//! Listing all sockets costs a microsecond or two each, so it is done for a bounded part of the time: a small
//! one while nobody asks, for the record, and a larger one while somebody wants to know. What cannot be listed is what the kernel counts beyond
//! the listed: sockets that their peer has reset and a program still holds, queues of MPTCP,
//! namespaces that may not be entered; and up to a megabyte for each processor, which keeps so much
//! of its count to itself.

mod listing;

use crate::clock::{self, thread_time};
use crate::host::folder;
use crate::host::pressure::tcp_memory_now;
use crate::lock::{lock, whole};
use crate::priority::set_niceness;
use crate::privilege::outside;
use detector_api::tcp_memory::{HeldBytes, TcpMemoryHeld, Unread};
use detector_api::time::rfc3339;
use detector_core::engine::Owners;
use listing::{Listing, Queue};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Between two looks, at least.
const EVERY: Duration = Duration::from_secs(5);
/// Looks may take one part in this many of a processor's time.
const COST_SHARE: u32 = 200;
/// For so long after somebody asked, looks are renewed.
const WANTED_FOR: Duration = Duration::from_secs(30);
/// One that asks gets a look of this age without waiting for the next.
const RECENT: Duration = Duration::from_secs(10);
/// The same as the first two while nobody wants to know: for the record.
const RECORDED_EVERY: Duration = Duration::from_secs(30);
const RECORDED_COST_SHARE: u32 = 10_000;
/// What a socket costs, before any look has told.
const OF_SOCKET: Duration = Duration::from_micros(2);
/// Seconds are recorded with a look until the next is due, and so much longer, for it may come late.
const LATE: Duration = Duration::from_secs(5);
/// A look is told of for so long: many times the longest pause between two of a crowded host.
const FRESH: Duration = Duration::from_secs(180);

/// What looking has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LookCounts {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// Processor time.
    pub(crate) used: Duration,
}

/// A look at all sockets.
#[derive(Debug)]
struct Look {
    at: Instant,
    /// Without programs.
    held: TcpMemoryHeld,
    queues: Vec<Queue>,
}

/// Whom a look is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookFor {
    /// Somebody who asks, an incident, or the kernel because it is short.
    Asker,
    /// The record, while nobody else wants to know.
    Record,
}

/// What is recorded of a look, and until when.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    held: HeldBytes,
    until: Instant,
}

#[derive(Debug, Default)]
struct Inner {
    look: Option<Look>,
    /// The newest look of either kind.
    recorded: Option<Recorded>,
    asked: Option<Instant>,
    /// The next look may not be sooner,
    not_before: Option<Instant>,
    /// and one for the record alone not before this.
    record_not_before: Option<Instant>,
    counts: LookCounts,
    /// Programs, by the inode of their socket.
    owners: HashMap<u32, Owners>,
}

/// The last look, and who asks for the next.
#[derive(Debug, Default)]
pub(crate) struct TcpMemoryGauge {
    inner: Mutex<Inner>,
    looked: Condvar,
    /// Wakes the task that looks.
    pub(crate) wanted: Notify,
}

/// How long after the start the first look for the record may come on a host with so many sockets: as after
/// another look.
pub(crate) fn first_recorded_after(sockets: u64) -> Duration {
    let sockets = u32::try_from(sockets).unwrap_or(u32::MAX);
    let cost = OF_SOCKET.saturating_mul(sockets);
    RECORDED_EVERY.max(cost.saturating_mul(RECORDED_COST_SHARE))
}

impl TcpMemoryGauge {
    /// Who holds what, with the programs found so far; `None` where nobody has looked lately.
    pub(crate) fn read(&self) -> Option<TcpMemoryHeld> {
        let inner = self.lock();
        let look = inner
            .look
            .as_ref()
            .filter(|look| look.at.elapsed() < FRESH)?;
        Some(TcpMemoryHeld {
            unread: inner.unread(&look.queues),
            ..look.held.clone()
        })
    }

    /// The same, for somebody who asks: waits so long for a new look if the last one is old and the
    /// next is allowed. Not for the event loop.
    pub(crate) fn ask(&self, patience: Duration) -> Option<TcpMemoryHeld> {
        let mut inner = self.lock();
        let asked = Instant::now();
        inner.asked = Some(asked);
        self.wanted.notify_one();
        let is_due = |inner: &mut Inner| {
            let last = inner.look.as_ref().map(|look| look.at);
            let is_old = last.is_none_or(|at| asked.saturating_duration_since(at) > RECENT);
            is_old && inner.not_before.is_none_or(|moment| moment <= asked)
        };
        let waited = self.looked.wait_timeout_while(inner, patience, is_due);
        drop(whole(waited));
        self.read()
    }

    /// Who holds what, for the record: of the last look, until the next is due.
    pub(crate) fn recorded(&self) -> Option<HeldBytes> {
        let inner = self.lock();
        let recorded = inner.recorded;
        let recorded = recorded.filter(|recorded| Instant::now() < recorded.until)?;
        Some(recorded.held)
    }

    /// For whom a look is due, and how soon; `None` while nobody wants one.
    pub(crate) fn due_in(
        &self,
        is_memory_short: bool,
        is_recorded: bool,
    ) -> Option<(LookFor, Duration)> {
        let inner = self.lock();
        let is_asked = inner
            .asked
            .is_some_and(|asked| asked.elapsed() < WANTED_FOR);
        let (look_for, not_before) = if is_asked || is_memory_short {
            (LookFor::Asker, inner.not_before)
        } else if is_recorded {
            (LookFor::Record, inner.record_not_before)
        } else {
            return None;
        };
        let now = Instant::now();
        let not_before = not_before.unwrap_or(now);
        Some((look_for, not_before.saturating_duration_since(now)))
    }

    /// What looking has cost so far.
    pub(crate) fn counts(&self) -> LookCounts {
        self.lock().counts
    }

    /// Sockets whose programs are wanted, as network namespace, local port and inode.
    pub(crate) fn owners_wanted(&self) -> Vec<(u32, u16, u32)> {
        let inner = self.lock();
        let fresh = inner.look.iter().filter(|look| look.at.elapsed() < FRESH);
        let queues = fresh.flat_map(|look| &look.queues);
        let of_inode: BTreeMap<u32, (u32, u16)> = queues
            .filter(|queue| queue.inode != 0)
            .map(|queue| (queue.inode, (queue.netns, queue.port)))
            .collect();
        of_inode
            .into_iter()
            .map(|(inode, (netns, port))| (netns, port, inode))
            .collect()
    }

    /// Takes what is known of those programs.
    pub(crate) fn set_owners(&self, owners: HashMap<u32, Owners>) {
        self.lock().owners = owners;
    }

    /// Lists all sockets, on a thread of its own; `stalled_send` tells which part of the send queues
    /// stalled connections hold.
    pub(crate) fn look(&self, look_for: LookFor, nice: i32, stalled_send: impl Fn() -> u64) {
        let began = Instant::now();
        let (listed, cost) = list_apart(nice);
        // Counted now: the kernel's count moves as fast as sockets come and go.
        let counted = tcp_memory_now();
        let mut inner = self.lock();
        let pause = inner.pause_after(look_for, cost);
        inner.counts.used += cost;
        match listed.and_then(|listing| Ok((listing, counted?))) {
            Ok((listing, counted_bytes)) => {
                inner.counts.done += 1;
                let held = held(&listing, counted_bytes, stalled_send());
                inner.recorded = Some(Recorded {
                    held: held.held_bytes,
                    until: began + (pause + LATE).min(FRESH),
                });
                // One that is asked for decides, and is not to be as old as one for the record may be.
                if look_for == LookFor::Asker {
                    inner.look = Some(Look {
                        at: began,
                        held,
                        queues: listing.queues,
                    });
                }
            }
            Err(error) => {
                if inner.counts.failed == 0 {
                    tracing::warn!("cannot list the sockets of this host: {error}");
                }
                inner.counts.failed += 1;
            }
        }
        self.looked.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    /// Until when no other look is made after one of this cost. One for the record puts off no other.
    fn pause_after(&mut self, look_for: LookFor, cost: Duration) -> Duration {
        let now = Instant::now();
        let record = RECORDED_EVERY.max(cost.saturating_mul(RECORDED_COST_SHARE));
        self.record_not_before = Some(now + record);
        match look_for {
            LookFor::Record => record,
            LookFor::Asker => {
                let pause = EVERY.max(cost * COST_SHARE);
                self.not_before = Some(now + pause);
                // Where it is the last that is asked for, the record goes on with it.
                record.max(pause)
            }
        }
    }

    /// The programs with the longest queues.
    fn unread(&self, queues: &[Queue]) -> Vec<Unread> {
        let mut of_program: BTreeMap<Option<u32>, Unread> = BTreeMap::new();
        for queue in queues {
            let process = self
                .owners
                .get(&queue.inode)
                .and_then(|owners| owners.first())
                .map(|owner| &owner.process);
            let unread = of_program
                .entry(process.map(|process| process.pid))
                .or_insert_with(|| Unread {
                    process: process.cloned(),
                    bytes: 0,
                    sockets: 0,
                    not_accepted: 0,
                });
            unread.bytes += queue.bytes;
            unread.sockets += 1;
            unread.not_accepted += u64::from(!queue.is_accepted);
        }
        let mut unread: Vec<_> = of_program.into_values().collect();
        unread.sort_by_key(|each| Reverse(each.bytes));
        unread.truncate(TcpMemoryHeld::UNREAD_MAX);
        unread
    }
}

/// A listing, and the processor time that it took.
fn list_apart(nice: i32) -> (io::Result<Listing>, Duration) {
    let list = move || {
        if let Err(error) = set_niceness(nice) {
            tracing::debug!("listing sockets at the usual niceness: {error}");
        }
        let listing = Listing::take();
        (listing, thread_time())
    };
    outside::run("tcp-memory", list).unwrap_or_else(|error| (Err(error), Duration::ZERO))
}

/// Who holds what; `stalled_send` is from the last sweep, so it may be more than there is now.
fn held(listing: &Listing, counted_bytes: u64, stalled_send: u64) -> TcpMemoryHeld {
    let stalled_send = stalled_send.min(listing.send_bytes);
    let listed = listing.send_bytes + listing.receive_bytes + listing.orphan_bytes;
    TcpMemoryHeld {
        time: rfc3339(clock::unix_ns()),
        counted_bytes,
        held_bytes: HeldBytes {
            stalled_send,
            send: listing.send_bytes - stalled_send,
            receive: listing.receive_bytes,
            orphans: listing.orphan_bytes,
            unlisted: counted_bytes.saturating_sub(listed),
        },
        reserve_bytes: reserve_bytes(),
        sockets: listing.sockets,
        namespaces_missed: listing.namespaces_missed,
        unread: Vec::new(),
    }
}

/// What all processors together may keep of the kernel's count to themselves, from Linux 6.0 on
/// (`net.core.mem_pcpu_rsv`, before 6.7 fixed at 256 pages).
fn reserve_bytes() -> u64 {
    const PAGES: u64 = 256;
    let setting = folder::text("/proc/sys/net/core/mem_pcpu_rsv");
    let pages = setting.and_then(|text| text.trim().parse().ok());
    // `0-63`, or a list of such.
    let possible = folder::text("/sys/devices/system/cpu/possible");
    let possible = possible.unwrap_or_default();
    let numbers = possible.split(|digit: char| !digit.is_ascii_digit());
    let last = numbers
        .filter_map(|number| number.parse::<u64>().ok())
        .max();
    let page_bytes = rustix::param::page_size() as u64;
    last.unwrap_or(0)
        .saturating_add(1)
        .saturating_mul(pages.unwrap_or(PAGES))
        .saturating_mul(page_bytes)
}

#[cfg(test)]
mod tests;
