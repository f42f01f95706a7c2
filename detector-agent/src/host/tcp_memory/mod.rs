//! Who holds the memory that the kernel counts for TCP.
//!
//! Listing all sockets costs a microsecond or two each, so it is done only while somebody wants to
//! know, and for a bounded part of the time. What cannot be listed is what the kernel counts beyond
//! the listed: sockets that their peer has reset and a program still holds, queues of MPTCP,
//! namespaces that may not be entered; and up to a megabyte for each processor, which keeps so much
//! of its count to itself.

mod listing;

use crate::clock::{self, thread_time};
use crate::host::pressure::tcp_memory_now;
use crate::priority::set_niceness;
use crate::privilege::outside;
use detector_api::snapshot::Process;
use detector_api::tcp_memory::{HeldBytes, TcpMemoryHeld, Unread};
use detector_api::time::rfc3339;
use listing::{Listing, Queue};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Between two looks, at least.
const EVERY: Duration = Duration::from_secs(5);
/// Looks may take one part in this many of a processor's time.
const COST_SHARE: u32 = 200;
/// For so long after somebody asked, looks are renewed.
const WANTED_FOR: Duration = Duration::from_secs(30);
/// One that asks gets a look of this age without waiting for the next; a second is recorded with it.
const RECENT: Duration = Duration::from_secs(10);
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

#[derive(Debug, Default)]
struct Inner {
    look: Option<Look>,
    asked: Option<Instant>,
    /// The next look may not be sooner.
    not_before: Option<Instant>,
    counts: LookCounts,
    /// Programs, by the inode of their socket.
    owners: HashMap<u32, Arc<[Process]>>,
}

/// The last look, and who asks for the next.
#[derive(Debug, Default)]
pub(crate) struct TcpMemoryGauge {
    inner: Mutex<Inner>,
    looked: Condvar,
    /// Wakes the task that looks.
    pub(crate) wanted: Notify,
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
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.read()
    }

    /// Who holds what, if somebody has looked within the last seconds.
    pub(crate) fn recent(&self) -> Option<HeldBytes> {
        let inner = self.lock();
        let look = inner.look.as_ref();
        let look = look.filter(|look| look.at.elapsed() <= RECENT)?;
        Some(look.held.held_bytes)
    }

    /// How long until a look is due; `None` while nobody wants one.
    pub(crate) fn due_in(&self, is_memory_short: bool) -> Option<Duration> {
        let inner = self.lock();
        let is_asked = inner
            .asked
            .is_some_and(|asked| asked.elapsed() < WANTED_FOR);
        let now = Instant::now();
        let not_before = inner.not_before.unwrap_or(now);
        (is_asked || is_memory_short).then(|| not_before.saturating_duration_since(now))
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
    pub(crate) fn set_owners(&self, owners: HashMap<u32, Arc<[Process]>>) {
        self.lock().owners = owners;
    }

    /// Lists all sockets, on a thread of its own; `stalled_send` tells which part of the send queues
    /// stalled connections hold.
    pub(crate) fn look(&self, nice: i32, stalled_send: impl Fn() -> u64) {
        let began = Instant::now();
        let (listed, cost) = list_apart(nice);
        // Counted now: the kernel's count moves as fast as sockets come and go.
        let counted = tcp_memory_now();
        let mut inner = self.lock();
        inner.not_before = Some(Instant::now() + EVERY.max(cost * COST_SHARE));
        inner.counts.used += cost;
        match listed.and_then(|listing| Ok((listing, counted?))) {
            Ok((listing, counted_bytes)) => {
                inner.counts.done += 1;
                inner.look = Some(Look {
                    at: began,
                    held: held(&listing, counted_bytes, stalled_send()),
                    queues: listing.queues,
                });
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
        // Plain values: a panic in the middle of a change leaves nothing broken.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The programs with the longest queues.
    fn unread(&self, queues: &[Queue]) -> Vec<Unread> {
        let mut of_program: BTreeMap<Option<u32>, Unread> = BTreeMap::new();
        for queue in queues {
            let process = self
                .owners
                .get(&queue.inode)
                .and_then(|owners| owners.first());
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
    let setting = std::fs::read_to_string("/proc/sys/net/core/mem_pcpu_rsv");
    let pages = setting.ok().and_then(|text| text.trim().parse().ok());
    // `0-63`, or a list of such.
    let possible = std::fs::read_to_string("/sys/devices/system/cpu/possible");
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
