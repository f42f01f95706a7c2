//! Sweeps network namespaces on a thread of its own, and keeps the status up to date.
//!
//! A round passes over the namespaces that the hooks have noted, which most often is none; over all of
//! them at first, where the hooks have seen more than they could look at, and once in a while, should
//! they have missed anything. The time between rounds is stretched so that sweeping stays within its
//! share of one core, a small one while nothing is held up, a larger one while something is. The
//! interval in force is in the status, for it bounds how late a stall outside the hooks' sight is found.
//! What networks cost that somebody may have laid out for himself stretches only the time to their own next turn.

mod namespaces;
mod notes;
mod pace;
mod pass;
mod programs;

pub(super) use notes::Notes;

use super::collect::{Connections, collect};
use super::counters::Counts;
use super::message::{Message, RECORDS};
use super::shared::{Shared, StopSignal};
use super::status::{MapStatus, SweepLosses};
use crate::clock;
use crate::priority::set_niceness;
use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use aya_log::EbpfLogger;
use detector_common::counter::Counter;
use detector_common::names;
use detector_common::orders::RoundOrders;
use detector_core::observe::decode::Decoder;
use namespaces::{ELSEWHERE_AT_ONCE, Namespaces};
use notes::Noted;
use pace::Credit;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// How to sweep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SweepOptions {
    /// From the begin of one round over all network namespaces to the next, if the share allows it.
    pub(crate) interval: Duration,
    /// Part of one core for rounds while nothing is held up.
    pub(crate) idle_share: f64,
    /// Part of one core for rounds while something is.
    pub(crate) busy_share: f64,
    /// Niceness of the thread that sweeps.
    pub(crate) nice: i32,
    /// Whether no other network namespace than the agent's own is swept.
    pub(crate) is_own_only: bool,
}

/// Everything the sweep thread owns. The programs stay attached while it lives.
pub(super) struct Sweeper {
    pub(super) ebpf: Ebpf,
    pub(super) notes: Notes,
    pub(super) counters: PerCpuArray<MapData, u64>,
    pub(super) connections: Connections,
    /// Present while kernel-side log lines are wanted.
    pub(super) logger: Option<EbpfLogger<&'static dyn log::Log>>,
    pub(super) connections_capacity: u32,
    pub(super) decoder: Decoder,
    pub(super) options: SweepOptions,
    pub(super) shared: Arc<Shared>,
    pub(super) stop: Arc<StopSignal>,
    pub(super) sink: Sender<Message>,
}

/// Between two looks at what the kernel counts, while no round finds anything to do.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// What the rounds carry from one to the next.
#[derive(Default)]
struct Progress {
    counts: Counts,
    collected: u64,
    losses: SweepLosses,
    rounds: u64,
    /// When the last round over all namespaces ended, and what it took.
    full: Option<(Instant, Duration)>,
    /// When the counters were read last.
    counted: Option<Instant>,
    /// When what is published had been read.
    published: Option<Instant>,
    /// Passes over one namespace.
    passes: u64,
    /// A scan for closed entries is due; it stays so until one has succeeded.
    collect_due: bool,
    namespaces: Namespaces,
    /// To be passed over again, for the last pass there was not whole.
    again: BTreeSet<u32>,
}

/// One round.
#[derive(Clone, Copy, Default)]
struct Round {
    /// Whether it went over all namespaces.
    is_full: bool,
    /// Whether hooks have noted anything.
    is_called_for: bool,
    /// Rows that show data held up now; others only carry totals.
    held_up: u64,
    /// Namespaces that were passed over.
    namespaces: u64,
    /// CPU time of this thread,
    cost: Duration,
    /// and what of it those took that are not on our way, if any of them was begun.
    elsewhere: Option<Duration>,
}

impl Round {
    fn cost_of_ours(&self) -> Duration {
        self.cost.saturating_sub(self.elsewhere.unwrap_or_default())
    }

    /// What comes whether or not it is called for keeps to a share of its own.
    fn charged(&self) -> Duration {
        if self.is_called_for {
            self.cost_of_ours()
        } else {
            Duration::ZERO
        }
    }
}

impl Progress {
    /// The next round, and the namespaces that call for it.
    fn begin(&mut self, noted: Noted) -> (Round, BTreeSet<u32>) {
        let mut due = std::mem::take(&mut self.again);
        let mut round = Round {
            is_full: self.is_full_due(),
            ..Round::default()
        };
        match noted {
            Noted::All => (round.is_full, round.is_called_for) = (true, true),
            Noted::These(noted) => due.extend(noted),
        }
        round.is_called_for |= !due.is_empty();
        (round, due)
    }

    /// Whether it is time for a round over all namespaces, whatever is noted.
    fn is_full_due(&self) -> bool {
        self.full
            .is_none_or(|(ended, cost)| ended.elapsed() >= pace::between_full(cost))
    }

    /// How many connections the kernel side's table held when they were counted last.
    fn entries(&self) -> u64 {
        let forgotten = self.counts.get(Counter::ConnectionsForgotten);
        let made = self.counts.get(Counter::ConnectionsMade);
        made.saturating_sub(forgotten + self.collected)
    }
}

impl Sweeper {
    /// Sweeps until the stop signal or until the agent is gone.
    pub(super) fn run(mut self) {
        if let Err(error) = set_niceness(self.options.nice) {
            tracing::debug!("the sweep keeps the niceness of the judge: {error}");
        }
        let mut progress = Progress::default();
        let [mut credit, mut elsewhere] = [Credit::new(Instant::now()); 2];
        loop {
            // From start to start: on a crowded host a round takes far longer than its cost.
            let began = Instant::now();
            let Some(round) = self.round(&mut progress) else {
                return;
            };
            let share = pace::share(&self.options, round, self.shared.sweeps_seldom());
            let interval = credit.interval(self.options.interval, share, round.charged(), began);
            if let Some(cost) = round.elsewhere {
                let rest = elsewhere.interval(Duration::ZERO, share, cost, began);
                progress.namespaces.rest_elsewhere(began + rest);
            }
            self.publish(&mut progress, round, interval, began.elapsed());
            if !self.wait_until(began + interval) {
                return;
            }
        }
    }

    /// `None` when there is no one left to sweep for.
    fn round(&mut self, progress: &mut Progress) -> Option<Round> {
        let began = clock::thread_time();
        let (mut round, due) = progress.begin(self.notes.take());
        let capacity = u64::from(self.connections_capacity);
        let is_scarce = RoundOrders::is_room_scarce(progress.entries(), capacity);
        self.notes.order(round.is_full, is_scarce);
        let namespaces = &mut progress.namespaces;
        progress.again = namespaces.renew(round.is_full, &due, self.options.is_own_only);
        let mut left = namespaces.among(round.is_full, &due, ELSEWHERE_AT_ONCE);
        while let Some(namespace) = progress
            .namespaces
            .enter_next(&mut left, &mut progress.again)
        {
            if self.stop.is_set() {
                return None;
            }
            round.namespaces += 1;
            progress.passes += 1;
            round.held_up += self.sweep(namespace.inode, progress)?;
        }
        round.elsewhere = progress.namespaces.put_off(left);
        if round.namespaces > 0 {
            progress.namespaces.leave();
        }
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        let is_count_due = progress
            .counted
            .is_none_or(|counted| counted.elapsed() >= COUNT_EVERY);
        if round.namespaces > 0 || !progress.namespaces.gone.is_empty() || is_count_due {
            self.read_counters(progress)?;
            progress.counted = Some(Instant::now());
        }
        progress.rounds += 1;
        round.cost = clock::thread_time().saturating_sub(began);
        if round.is_full {
            progress.full = Some((Instant::now(), round.cost_of_ours()));
        }
        Some(round)
    }

    fn read_counters(&mut self, progress: &mut Progress) -> Option<()> {
        let earlier = progress.counts;
        let counts = Counts::read(&self.counters, &earlier);
        progress.counts = counts;
        if counts.untracked() != earlier.untracked() {
            self.send(Message::Untracked(counts.untracked()))?;
        }
        let dropped = Counter::RecordsDroppedRingFull;
        progress.collect_due |= counts.get(dropped) != earlier.get(dropped);
        if progress.collect_due || !progress.namespaces.gone.is_empty() {
            self.collect(progress)?;
        }
        Some(())
    }

    fn collect(&mut self, progress: &mut Progress) -> Option<()> {
        let gone = &mut progress.namespaces.gone;
        let collected = collect(&mut self.connections, self.decoder, gone);
        progress.collect_due = collected.failure.is_some();
        if let Some(error) = &collected.failure {
            progress.losses.failures += 1;
            tracing::warn!("scanning the connections of the kernel side failed: {error}");
        }
        progress.collected += collected.removed;
        self.shared
            .add_received((collected.observations.len() + collected.refused.len()) as u64);
        for error in &collected.refused {
            tracing::debug!("a connection's record was refused: {error}");
        }
        if !collected.refused.is_empty() {
            self.send(Message::Refused(collected.refused.len() as u64))?;
        }
        let mut observations = collected.observations.into_iter();
        loop {
            let batch: Vec<_> = observations.by_ref().take(RECORDS).collect();
            if batch.is_empty() {
                return Some(());
            }
            self.send(Message::Records(batch))?;
        }
    }

    fn send(&self, message: Message) -> Option<()> {
        self.sink.blocking_send(message).ok()
    }

    /// `took` is how long the round took by the clock.
    fn publish(&self, progress: &mut Progress, round: Round, interval: Duration, took: Duration) {
        self.shared.update(|status| {
            status.sweep_interval_seconds = interval.max(took).as_secs_f64();
            status.sweeps_total = progress.rounds;
            if round.namespaces > 0 {
                status.sweep_seconds = took.as_secs_f64();
            }
        });
        // Nothing has been counted since else.
        if progress.counted != progress.published {
            progress.published = progress.counted;
            self.publish_counts(progress, round);
        }
    }

    fn publish_counts(&self, progress: &mut Progress, round: Round) {
        // What cannot be read at one time is no reason to count less.
        let misses = &mut progress.losses.recursion_misses;
        *misses = programs::recursion_misses(&self.ebpf).max(*misses);
        let counts = &progress.counts;
        let entries = progress.entries();
        let costs = programs::statuses(&self.ebpf);
        self.shared.update(|status| {
            let swept = counts.get(Counter::SocketsSwept);
            status.set_losses(counts, progress.losses);
            status.subflow_retreats = counts.get(Counter::SubflowRetreats);
            if round.is_full {
                status.sweep_sockets = swept.saturating_sub(status.sweep_sockets_total);
                status.namespaces = progress.namespaces.count();
                let interval = pace::between_full(round.cost_of_ours());
                status.sweep_full_interval_seconds = interval.as_secs_f64();
            }
            status.sweep_sockets_total = swept;
            status.sweep_passes_total = progress.passes;
            status.namespaces_missed = progress.namespaces.missed;
            status.namespaces_put_off = progress.namespaces.times_put_off;
            status.programs = costs;
            status.maps = vec![MapStatus {
                name: names::CONNECTIONS_MAP.to_owned(),
                entries,
                capacity: u64::from(self.connections_capacity),
            }];
        });
    }

    /// Waits; false when it is time to stop.
    fn wait_until(&self, deadline: Instant) -> bool {
        while !self.stop.is_set() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let mut waits = [PollFd::new(&*self.stop, PollFlags::IN)];
            let timeout = Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            });
            // Woken early or not, the loop looks at the signal and the clock.
            if let Err(error) = rustix::event::poll(&mut waits, Some(&timeout)) {
                tracing::debug!("waiting between sweeps: {error}");
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
