//! Actions on peers, asked for by an operator or the guard: closing stalled sockets, blocking networks
//! or limiting their new connections for a time.
//!
//! In: requests that the control socket has authorized or the guard has decided, and what the engine
//! knows. Out: what was done, in full, and a line of the log for each. Never: acting by itself, on
//! what is not stalled now, or on anything that was not asked for.

mod asker;
mod blocks;
mod refusal;
mod reset;
mod ruleset;

pub(crate) use asker::Asker;
pub(crate) use blocks::{BlockError, BlockOrder};
pub(crate) use reset::{ResetError, ResetFilter, ResetPlan, why_none};
pub(crate) use ruleset::Fence;

use crate::lock::lock;
use crate::netlink::sock_diag::{Diagnosis, Namespaces};
use crate::privilege::outside;
use blocks::Blocks;
use detector_api::actions::{
    BlockAnswer, Blocked, ResetAnswer, ResetOutcome, ResetSocket, UnblockAnswer,
};
use detector_api::address::fold;
use ipnet::IpNet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::time::{Duration, Instant};

/// Of those who may not act, one line in so long.
const REFUSAL_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    /// One reset at a time.
    resetting: Mutex<()>,
    /// Whether an orphan has outlived being closed: this kernel only frees their memory.
    orphans_linger: Arc<AtomicBool>,
    blocks: Mutex<Blocks>,
    /// Networks that are never blocked because the configuration trusts them.
    trusted: Mutex<Vec<IpNet>>,
    /// Whether the configuration lets operators ask for nothing.
    operators_only_look: AtomicBool,
    /// When somebody who may not act was last told of in the log.
    refusal_told: Mutex<Option<Instant>>,
    /// Never held while the kernel is waited for.
    counts: Mutex<ActionCounts>,
}

/// What came of actions, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ActionCounts {
    /// Sockets that were reset.
    pub(crate) reset: u64,
    /// Sockets that could not be.
    pub(crate) reset_failed: u64,
    /// Kernel memory that resets have freed.
    pub(crate) freed_bytes: u64,
    /// Networks that were blocked.
    pub(crate) blocked: u64,
    /// Networks that could not be, or must not.
    pub(crate) block_failed: u64,
    /// Blocks that were lifted before their time.
    pub(crate) unblocked: u64,
    /// Networks that could not be.
    pub(crate) unblock_failed: u64,
    /// Networks that are blocked now.
    pub(crate) blocked_now: u64,
}

impl Actions {
    /// Carries out `plan`, or says what that would do. Blocks for as long as it takes, on a
    /// thread of its own that may change its network namespace. `namespaces` are found by the first of
    /// many resets, if they are not yet.
    pub(crate) fn reset(
        &self,
        plan: ResetPlan,
        asker: Asker,
        namespaces: &Arc<OnceLock<Namespaces>>,
    ) -> Result<ResetAnswer, ResetError> {
        let is_dry = plan.is_dry();
        let _one_at_a_time = lock(&self.resetting);
        let orphans_linger = Arc::clone(&self.orphans_linger);
        let namespaces = Arc::clone(namespaces);
        let carry_out = move || {
            if is_dry && asker.foresees_resets() {
                let namespaces = namespaces.get_or_init(Namespaces::find);
                Ok(plan.foresee(|netns| namespaces.may_enter(netns)))
            } else {
                plan.carry_out(&orphans_linger, &namespaces)
            }
        };
        let carried_out = outside::run("detector-reset", carry_out);
        let outcome = carried_out.unwrap_or_else(|source| {
            Err(ResetError::Failed {
                doing: "cannot reset",
                source,
            })
        });
        self.account_for(&outcome, is_dry, asker);
        outcome
    }

    /// Counts and logs what came of a reset.
    fn account_for(&self, outcome: &Result<ResetAnswer, ResetError>, is_dry: bool, asker: Asker) {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                self.count(asker, |counts| counts.reset_failed += u64::from(!is_dry));
                tracing::warn!("reset {asker} failed: {error}");
                return;
            }
        };
        if is_dry {
            return;
        }
        // First of all, for a queue of lines may not hold all that follow.
        let peer = &answer.peer;
        tracing::warn!(
            "reset {asker}: closed {} stalled sockets of {peer}, freed {} bytes",
            answer.reset,
            answer.freed_bytes
        );
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
                "reset {asker}: {remote} to {local} in network namespace {netns}: \
                 {outcome}{reason}"
            );
        }
        let failed = answer.sockets.iter();
        let failed = failed.filter(|socket| socket.outcome == ResetOutcome::Failed);
        self.count(asker, |counts| {
            counts.reset_failed += failed.count() as u64;
            counts.reset += answer.reset;
            counts.freed_bytes += answer.freed_bytes;
        });
    }

    /// Blocks a network, or says what that would do. Waits for the kernel.
    pub(crate) fn block(&self, order: BlockOrder) -> Result<BlockAnswer, BlockError> {
        let BlockOrder {
            network,
            fence,
            asker,
            is_dry,
            ..
        } = order;
        let trusted = self.trusted().clone();
        let outcome = self.blocks().block(order, &trusted);
        match &outcome {
            Ok(answer) if !is_dry => {
                self.count(asker, |counts| counts.blocked += 1);
                let until = &answer.until;
                let done = fence.done();
                tracing::warn!("block {asker}: {network} is {done} until {until}");
            }
            Ok(_) => {}
            Err(error) => {
                self.count(asker, |counts| counts.block_failed += u64::from(!is_dry));
                if !matches!(&error, BlockError::Refused { refusal, .. } if refusal.is_wrong_usage())
                {
                    tracing::warn!("block of {network} {asker} failed: {error}");
                }
            }
        }
        outcome
    }

    /// Lifts the block of `network`, or says what that would do. Waits for the kernel.
    pub(crate) fn unblock(
        &self,
        network: IpNet,
        is_dry: bool,
        asker: Asker,
    ) -> Result<UnblockAnswer, BlockError> {
        let outcome = self.blocks().unblock(network, is_dry);
        match &outcome {
            Ok(_) if !is_dry => {
                self.count(asker, |counts| counts.unblocked += 1);
                tracing::warn!("unblock {asker}: {network} is no longer blocked");
            }
            Ok(_) => {}
            Err(error) => {
                self.count(asker, |counts| counts.unblock_failed += u64::from(!is_dry));
                tracing::warn!("unblock of {network} {asker} failed: {error}");
            }
        }
        outcome
    }

    /// Whether anything stands that the guard has blocked or limited.
    pub(crate) fn has_guarded(&self) -> bool {
        self.blocks().has_guarded()
    }

    /// Lifts what the guard has blocked or limited of the networks that `is_wanted` wants, and of those
    /// that are trusted; returns what that was. Waits for the kernel.
    pub(crate) fn lift_guard(&self, is_wanted: impl Fn(IpNet) -> bool) -> Vec<IpNet> {
        let trusted = self.trusted().clone();
        let lifts = |network: &IpNet| touch(&trusted, *network) || is_wanted(*network);
        let lifted = self.blocks().lift_guard(lifts);
        for network in &lifted {
            tracing::warn!("unblock {}: {network} is no longer blocked", Asker::Guard);
        }
        lifted
    }

    /// What the guard had made and a failure has lifted since this was asked last.
    pub(crate) fn take_lost(&self) -> Vec<IpNet> {
        self.blocks().take_lost()
    }

    /// Removes the kernel's table if all in it has expired. Waits for the kernel.
    pub(crate) fn tidy(&self) {
        self.blocks().forget_expired();
    }

    /// What is blocked now. Waits while somebody else waits for the kernel.
    pub(crate) fn blocked(&self) -> Vec<Blocked> {
        self.blocks().list()
    }

    /// Why this kernel closes no sockets for the agent.
    pub(crate) fn why_no_reset() -> Option<String> {
        match Diagnosis::open().and_then(|mut diagnosis| diagnosis.can_destroy()) {
            Ok(true) => None,
            Ok(false) => Some(ResetError::NoSupport.to_string()),
            Err(error) => Some(format!("the kernel cannot be asked: {error}")),
        }
    }

    /// Why it has no table for blocks; one that another agent has made will do.
    pub(crate) fn why_no_block() -> Option<String> {
        match Blocks::default().try_kernel() {
            Ok(()) | Err(BlockError::Taken) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    /// Never blocks these networks from now on. What operators have blocked remains; what the guard has
    /// made goes with its next look.
    pub(crate) fn trust(&self, networks: Vec<IpNet>) {
        *self.trusted() = networks.into_iter().map(fold).collect();
    }

    /// Whether the configuration trusts this network, or one of its addresses.
    pub(crate) fn trusts(&self, network: IpNet) -> bool {
        touch(&self.trusted(), network)
    }

    /// Whether the configuration trusts any network.
    pub(crate) fn trusts_anybody(&self) -> bool {
        !self.trusted().is_empty()
    }

    /// Whether operators may ask for anything from now on.
    pub(crate) fn obey_operators(&self, obeys: bool) {
        self.operators_only_look.store(!obeys, Ordering::Relaxed);
    }

    /// The same, asked.
    pub(crate) fn obeys_operators(&self) -> bool {
        !self.operators_only_look.load(Ordering::Relaxed)
    }

    /// Whether a refusal may have its line in the log: whoever may not act shall not fill it either.
    pub(crate) fn may_tell_refusal(&self) -> bool {
        let mut told = lock(&self.refusal_told);
        let may = told.is_none_or(|at| at.elapsed() >= REFUSAL_EVERY);
        if may {
            *told = Some(Instant::now());
        }
        may
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        // Each step leaves an account that holds: the kernel comes first.
        lock(&self.blocks)
    }

    fn trusted(&self) -> MutexGuard<'_, Vec<IpNet>> {
        lock(&self.trusted)
    }

    /// Counts of this moment. Never waits for the kernel: while somebody else does, the number of
    /// blocks is that of the last time.
    pub(crate) fn counts(&self) -> ActionCounts {
        let blocked_now = match self.blocks.try_lock() {
            Ok(blocks) => Some(blocks.count()),
            Err(TryLockError::Poisoned(blocks)) => Some(blocks.into_inner().count()),
            Err(TryLockError::WouldBlock) => None,
        };
        let mut counts = self.lock_counts();
        if let Some(count) = blocked_now {
            counts.blocked_now = count as u64;
        }
        *counts
    }

    /// Counts what operators asked for; the guard counts its own steps.
    fn count(&self, asker: Asker, change: impl FnOnce(&mut ActionCounts)) {
        if let Asker::User(_) = asker {
            change(&mut self.lock_counts());
        }
    }

    fn lock_counts(&self) -> MutexGuard<'_, ActionCounts> {
        lock(&self.counts)
    }
}

/// Whether one of `networks` has an address of this one.
fn touch(networks: &[IpNet], network: IpNet) -> bool {
    let mut networks = networks.iter();
    networks.any(|other| other.contains(&network) || network.contains(other))
}
