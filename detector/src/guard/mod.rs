//! What an operator may have done to peers: stalled sockets closed.
//!
//! In: requests that the control socket has let through, and what the engine knows. Out: what was
//! done, in full, and a line of the log for each. Never: acting by itself, on what is not stalled
//! now, or on anything that was not asked for.

mod diag;
mod netlink;
mod reset;
mod shape;

pub(crate) use reset::{Plan, ResetError};
pub(crate) use shape::{ResetAnswer, ResetOutcome, ResetRequest, ResetSocket, SocketName};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// One reset at a time.
    resetting: Mutex<()>,
    counts: Counts,
}

/// What came of actions, since the start.
#[derive(Debug, Default)]
struct Counts {
    reset: AtomicU64,
    reset_failed: AtomicU64,
    freed_bytes: AtomicU64,
}

/// What came of actions, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Sockets that were reset.
    pub(crate) reset: u64,
    /// Sockets that could not be.
    pub(crate) reset_failed: u64,
    /// Kernel memory that resets have freed.
    pub(crate) freed_bytes: u64,
}

impl Guard {
    /// Resets what `plan` names, or tells what it would do. Blocks for as long as it takes, on a
    /// thread of its own that may change its network namespace.
    pub(crate) fn reset(&self, plan: Plan, uid: u32) -> Result<ResetAnswer, ResetError> {
        // Whoever panicked while it was held has left nothing half done that matters to the next.
        let _one_at_a_time = self
            .resetting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let carried_out = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("detector-reset".to_owned());
            let running = thread.spawn_scoped(scope, || plan.carry_out());
            let ended = running.map(|thread| thread.join());
            ended.unwrap_or_else(|error| {
                Ok(Err(ResetError::Failed {
                    doing: "cannot start a thread",
                    source: error,
                }))
            })
        });
        let outcome = carried_out.unwrap_or_else(|_| {
            Err(ResetError::Failed {
                doing: "cannot reset",
                source: std::io::Error::other("the thread that does it has panicked"),
            })
        });
        self.book(&outcome, uid);
        outcome
    }

    /// Counts and logs.
    fn book(&self, outcome: &Result<ResetAnswer, ResetError>, uid: u32) {
        let add = |counter: &AtomicU64, number| counter.fetch_add(number, Ordering::Relaxed);
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                add(&self.counts.reset_failed, 1);
                tracing::warn!("reset asked by uid {uid} failed: {error}");
                return;
            }
        };
        if answer.dry_run {
            return;
        }
        let peer = &answer.peer;
        for socket in &answer.sockets {
            let ResetSocket {
                local,
                remote,
                netns,
                ..
            } = socket;
            let outcome = socket.outcome.label();
            let reason = socket.reason.as_deref();
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            tracing::info!(
                "reset asked by uid {uid}: {remote} to {local} in network namespace {netns}: \
                 {outcome}{reason}"
            );
        }
        let failed = answer.sockets.iter();
        let failed = failed.filter(|socket| socket.outcome == ResetOutcome::Failed);
        add(&self.counts.reset_failed, failed.count() as u64);
        add(&self.counts.reset, answer.reset);
        add(&self.counts.freed_bytes, answer.freed_bytes);
        tracing::info!(
            "reset asked by uid {uid}: closed {} stalled sockets of {peer}, freed {} bytes",
            answer.reset,
            answer.freed_bytes
        );
    }

    /// Counts of this moment.
    pub(crate) fn report(&self) -> Report {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Report {
            reset: read(&self.counts.reset),
            reset_failed: read(&self.counts.reset_failed),
            freed_bytes: read(&self.counts.freed_bytes),
        }
    }
}
