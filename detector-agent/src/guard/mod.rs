//! The guard: acts by itself, if it is told to, while the host is under pressure.
//!
//! In: pressure, what the engine knows of peers, who is to be spared. Which step is due is decided by
//! [`detector_core::guard`]; `actions` carry it out. Out: of each step an event, a note of the
//! recorder, counts and a line of the log; of a dry run the same, and nothing is done. Never: anything
//! while it is off, or where it is not known whom to spare.

mod round;
mod scrapers;
mod spared;

pub(crate) use round::{lift, round};
pub(crate) use spared::REASONS as SPARED_REASONS;

use crate::config::{GuardConfig, GuardMode};
use crate::http::Client;
use detector_api::snapshot::{GuardAct, GuardStep};
use detector_core::guard::{Guard, Pressure};
use scrapers::Scrapers;
use spared::Spared;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct AutoGuard {
    config: Mutex<GuardConfig>,
    /// What was decided before.
    decisions: Mutex<Guard>,
    /// Whom to spare, and when that was looked up.
    spared: Mutex<Option<(Instant, Spared)>>,
    scrapers: Mutex<Scrapers>,
    /// Whether it was told that nobody knows who is logged in.
    are_hidden_told: AtomicBool,
    status: Mutex<GuardStatus>,
    /// Wakes whoever waits for the guard to be switched on or off.
    pub(crate) switched: Notify,
}

/// What the guard does, and has done since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GuardStatus {
    pub(crate) mode: GuardMode,
    /// What presses the host at present.
    pub(crate) pressure: Option<Pressure>,
    /// Steps by act and by what came of them.
    pub(crate) steps: BTreeMap<(GuardAct, StepResult), u64>,
    /// Connections that were reset.
    pub(crate) reset: u64,
    /// Kernel memory that this has freed.
    pub(crate) freed_bytes: u64,
    /// Peers that were spared, by reason, each time that there was a reason to act on them.
    pub(crate) spared: BTreeMap<&'static str, u64>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StepResult {
    Done,
    Would,
    Failed,
}

impl StepResult {
    pub(crate) const ALL: [Self; 3] = [Self::Done, Self::Would, Self::Failed];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Would => "would",
            Self::Failed => "failed",
        }
    }
}

impl AutoGuard {
    /// Takes new settings.
    pub(crate) fn configure(&self, config: GuardConfig) {
        let before = std::mem::replace(&mut *lock(&self.config), config);
        if before.mode != config.mode {
            // What would have been done was not.
            *lock(&self.decisions) = Guard::default();
            self.switched.notify_one();
        }
        lock(&self.status).mode = config.mode;
    }

    pub(crate) fn config(&self) -> GuardConfig {
        *lock(&self.config)
    }

    /// This client was given the metrics.
    pub(crate) fn note_scrape(&self, client: Client) {
        lock(&self.scrapers).note(client);
    }

    pub(crate) fn status(&self) -> GuardStatus {
        lock(&self.status).clone()
    }

    fn count(&self, step: &GuardStep) {
        let result = match (&step.failure, step.dry_run) {
            (Some(_), _) => StepResult::Failed,
            (None, true) => StepResult::Would,
            (None, false) => StepResult::Done,
        };
        let mut status = lock(&self.status);
        *status.steps.entry((step.act, result)).or_default() += 1;
        if !step.dry_run {
            status.reset += step.reset;
            status.freed_bytes += step.freed_bytes;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each holds plain values that are whole at any moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
