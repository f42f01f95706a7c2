//! Keeps how connections of addresses have ended, whoever else comes and over a restart, of the agent or of
//! the host: each hour it is chosen whose past stays ([`History::choose`]), and all of it written to a file in
//! the state directory, as when the agent stops.
//!
//! At night a balancer may carry nothing but paused readers: an agent that was started an hour ago would
//! take it for one of them.

mod file;
mod times;

use crate::clock;
use crate::kernel::History;
use crate::lock::lock;
use crate::state::AgentState;
use detector_common::history::{AddressHistory, ENTRIES_MAX, PROVEN_MAX};
use file::{FILE, Kept, KeptAddress, KeptSpan, read, set_aside, write};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use times::{Before, Now};
use tokio::time::{Instant as TokioInstant, interval_at, sleep, timeout};

const EACH: Duration = Duration::from_secs(3_600);
/// Between two looks whether a clock that was behind has been set.
const EACH_WHILE_WAITING: Duration = Duration::from_secs(60);
/// A clock that is not set by then was right.
const WAITS_MOST: Duration = Duration::from_secs(24 * 3_600);
/// For a disk that does not answer when the agent stops.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// Takes over what is kept, then keeps what there is, until the agent stops.
pub(super) async fn keep(state: Arc<AgentState>, folder: PathBuf, ipv6_prefix: u8) {
    let Some(history) = state.history() else {
        return;
    };
    let mut stop = state.watch_stop();
    let keeper = Arc::new(Keeper {
        history,
        folder,
        ipv6_prefix,
        waiting: Mutex::default(),
        before: Mutex::default(),
        began: Instant::now(),
    });
    run(&keeper, Keeper::read).await;
    let mut hourly = interval_at(TokioInstant::now() + EACH, EACH);
    loop {
        tokio::select! {
            _ = hourly.tick() => run(&keeper, Keeper::renew).await,
            () = sleep(EACH_WHILE_WAITING), if keeper.waits() => run(&keeper, Keeper::take_up).await,
            () = async { drop(stop.wait_for(|stops| *stops).await) } => break,
        }
    }
    let written = run(&keeper, Keeper::write);
    if timeout(STOP_PATIENCE, written).await.is_err() {
        tracing::warn!("the disk does not answer: {FILE} may be an hour old");
    }
}

/// Where reading and writing may wait.
async fn run(keeper: &Arc<Keeper>, act: fn(&Keeper)) {
    let keeper = Arc::clone(keeper);
    if let Err(error) = tokio::task::spawn_blocking(move || act(&keeper)).await {
        tracing::warn!("keeping how connections ended failed: {error}");
    }
}

struct Keeper {
    history: Arc<History>,
    folder: PathBuf,
    ipv6_prefix: u8,
    waiting: Mutex<Waiting>,
    before: Mutex<Before>,
    began: Instant,
}

/// What is of the future by the clock of the wall, as it is where a host boots before its clock is set.
type Waiting = BTreeMap<IpAddr, Vec<KeptSpan>>;

impl Keeper {
    fn read(&self) {
        let file = self.folder.join(FILE);
        let kept = match read(&file) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let moved = match set_aside(&self.folder) {
                    Ok(aside) => format!("it is {} now", aside.display()),
                    Err(error) => format!("it cannot be set aside either: {error}"),
                };
                tracing::warn!(
                    "cannot read {}: {error}; how connections ended before is forgotten, and {moved}",
                    file.display()
                );
                return;
            }
        };
        let is_cut_alike = kept.ipv6_prefix == self.ipv6_prefix;
        let addresses = kept.addresses.into_iter();
        let known = addresses.filter(|kept| is_cut_alike || kept.address.is_ipv4());
        *self.waiting() = known.map(|kept| (kept.address, kept.spans)).collect();
        self.take_up();
    }

    /// Takes over what is not of the future any more.
    fn take_up(&self) {
        let now = Now::read();
        let mut waiting = self.waiting();
        let (known, future) = taken_up(std::mem::take(&mut *waiting), now, &mut lock(&self.before));
        if self.began.elapsed() < WAITS_MOST {
            *waiting = future;
        }
        drop(waiting);
        if known.is_empty() {
            return;
        }
        if let Err(error) = self.history.restore(known, clock::now()) {
            tracing::warn!("how connections ended before cannot be taken over: {error}");
        }
    }

    fn renew(&self) {
        self.take_up();
        if let Err(error) = self.history.choose(clock::now()) {
            tracing::warn!("whose past stays cannot be chosen: {error}");
        }
        self.write();
    }

    fn write(&self) {
        let now = Now::read();
        let of_the_future = self.waiting().clone();
        let kept = to_keep(self.history.all(), of_the_future, now, &lock(&self.before));
        let kept = Kept::of(self.ipv6_prefix, kept);
        if let Err(error) = write(&self.folder, &kept) {
            let file = self.folder.join(FILE);
            tracing::warn!(
                "cannot write {}: {error}; a restart forgets how connections ended",
                file.display()
            );
        }
    }

    fn waits(&self) -> bool {
        !self.waiting().is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }
}

/// What is known by now, and what still is of the future: no more than there is room for.
fn taken_up(
    kept: Waiting,
    now: Now,
    before: &mut Before,
) -> (BTreeMap<IpAddr, AddressHistory>, Waiting) {
    let (mut known, mut future) = (BTreeMap::new(), Waiting::new());
    for (address, spans) in kept {
        let (history, of_the_future) = now.taken_up(spans, before);
        if history != AddressHistory::default() {
            known.insert(address, history);
        }
        if !of_the_future.is_empty() && future.len() < ENTRIES_MAX + PROVEN_MAX {
            future.insert(address, of_the_future);
        }
    }
    (known, future)
}

fn to_keep(
    known: BTreeMap<IpAddr, AddressHistory>,
    of_the_future: Waiting,
    now: Now,
    before: &Before,
) -> Vec<KeptAddress> {
    let mut kept = of_the_future;
    for (address, history) in known {
        kept.entry(address)
            .or_default()
            .extend(now.to_kept(&history, before));
    }
    let kept = kept.into_iter().filter(|(_, spans)| !spans.is_empty());
    kept.map(|(address, spans)| KeptAddress { address, spans })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Before, KeptSpan, Now, Waiting, taken_up, to_keep};
    use detector_common::history::SPAN_NS;

    const HOUR_NS: u64 = SPAN_NS / 3;

    /// A host whose clock says 1970 until it is set, and an agent that is restarted meanwhile.
    #[test]
    fn what_a_host_knew_is_there_again_once_its_clock_is_set() {
        let kept = Waiting::from([(
            "198.51.100.7".parse().unwrap(),
            vec![KeptSpan {
                began: 1_700_000_000,
                ended_well: 7,
                ended_early: 1,
                seen_well: 3,
            }],
        )]);
        let at = |unix_seconds: i128, hours_up: u64| {
            let monotonic_ns = hours_up * HOUR_NS;
            Now::at(monotonic_ns, unix_seconds * 1_000_000_000)
        };
        let (known, future) = taken_up(kept.clone(), at(3_600, 1), &mut Before::new());
        assert!(known.is_empty());
        assert_eq!(future, kept);
        let written = to_keep(known, future, at(7_200, 2), &Before::new());
        let read = written.into_iter().map(|kept| (kept.address, kept.spans));
        let (known, future) = taken_up(read.collect(), at(1_700_003_600, 3), &mut Before::new());
        let ended = known.values().map(|of| of.ended(3 * HOUR_NS));
        let seen_well = known.values().map(|of| of.seen_well(3 * HOUR_NS));
        let known: Vec<_> = ended.zip(seen_well).collect();
        assert_eq!((known, future), (vec![((7, 1), 3)], Waiting::new()));
    }
}
