//! The blocks that stand, and until when: the agent's own account of what is in the kernel.
//!
//! The kernel keeps the time, in ticks of its own, and begins later than this account does: what has
//! expired here stays known until it has surely expired there. The kernel's table is made with the
//! first block and removed with the last one.

use super::Asker;
use super::refusal::{Refusal, refusal};
use super::ruleset::{CAPACITY, Fence, Ruleset};
use crate::capability::{self, Capability};
use crate::clock;
use crate::netlink::addresses::own_addresses;
use detector_api::actions::{BlockAnswer, Blocked, UnblockAnswer};
use detector_api::time::rfc3339;
use ipnet::IpNet;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// Kernels before 6.12 take an element that is there still for the one that is to be made, and let it
/// expire when that one was to: so long is one taken out first.
const LINGERS: Duration = Duration::from_secs(1);

/// Why a block was not made or not lifted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockError {
    /// It is never blocked.
    #[error("cannot block {network}: {refusal}")]
    Refused {
        /// What was to be blocked.
        network: IpNet,
        /// Why it is not.
        refusal: Refusal,
    },
    /// A wider or a narrower network is blocked already.
    #[error("{other}, which overlaps it, is blocked until {until}")]
    Overlaps {
        /// Which.
        other: IpNet,
        /// Until when, RFC 3339.
        until: String,
    },
    /// The limit is reached.
    #[error("{CAPACITY} networks of this family are blocked, which is the limit")]
    Full,
    /// It is not blocked.
    #[error("{network} is not blocked")]
    NotBlocked {
        /// Whose block was to be lifted.
        network: IpNet,
    },
    /// The agent may not.
    #[error("the agent may not block: it lacks CAP_NET_ADMIN")]
    NoPrivilege,
    /// The kernel cannot.
    #[error(
        "this kernel has no tables of nftables that go with their owner (Linux 5.12 has, with \
         CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET), and blocks must not outlive the agent"
    )]
    NoSupport,
    /// Another process has the table.
    #[error("another process has the nftables table `inet detector` in this network namespace")]
    Taken,
    /// The kernel was asked and failed.
    #[error("{doing}: {source}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// What is to be blocked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockOrder {
    pub(crate) network: IpNet,
    /// For how long, from now on.
    pub(crate) span: Duration,
    /// What becomes of what it sends.
    pub(crate) fence: Fence,
    pub(crate) asker: Asker,
    /// Only says what the block would do.
    pub(crate) is_dry: bool,
}

/// One block.
#[derive(Clone, Copy, Debug)]
struct Block {
    since_unix_ns: i128,
    until: Instant,
    until_unix_ns: i128,
    fence: Fence,
    asker: Asker,
}

impl Block {
    fn stands(&self, now: Instant) -> bool {
        self.until > now
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    entries: BTreeMap<IpNet, Block>,
    ruleset: Option<Ruleset>,
    /// What the guard had made and a failure has lifted, until somebody asks.
    lost: Vec<IpNet>,
}

impl Blocks {
    /// How many there are now.
    pub(super) fn count(&self) -> usize {
        self.standing().count()
    }

    fn standing(&self) -> impl Iterator<Item = (&IpNet, &Block)> {
        let now = Instant::now();
        let all = self.entries.iter();
        all.filter(move |(_, block)| block.stands(now))
    }

    /// All there are now.
    pub(super) fn list(&mut self) -> Vec<Blocked> {
        self.forget_expired();
        let each = self.standing().map(|(network, block)| Blocked {
            network: network.to_string(),
            since: rfc3339(block.since_unix_ns),
            until: rfc3339(block.until_unix_ns),
            seconds_left: block
                .until
                .saturating_duration_since(Instant::now())
                .as_secs_f64(),
            uid: block.asker.uid(),
            guard: block.asker == Asker::Guard,
            limit: block.fence == Fence::Limit,
        });
        each.collect()
    }

    /// Blocks a network, or says what that would do. Blocks this thread for as long as the kernel
    /// takes.
    pub(super) fn block(
        &mut self,
        order: BlockOrder,
        trusted: &[IpNet],
    ) -> Result<BlockAnswer, BlockError> {
        let BlockOrder {
            network,
            span,
            fence,
            asker,
            is_dry,
        } = order;
        let own = own_addresses().map_err(|source| BlockError::Failed {
            doing: "cannot read the host's own addresses",
            source,
        })?;
        if let Some(refusal) = refusal(network, span, trusted, &own) {
            return Err(BlockError::Refused { network, refusal });
        }
        self.forget_expired();
        let before = self.entries.get(&network).copied();
        let overlaps = |other: &IpNet| other.contains(&network) || network.contains(other);
        // What the guard has made gives way to an operator's, never the other way round.
        let gives_way = |other: &IpNet, block: &Block| match asker {
            Asker::User(_) => *other == network || block.asker == Asker::Guard,
            Asker::Guard => *other == network && block.asker == Asker::Guard,
        };
        let in_the_way = self
            .standing()
            .find(|(other, block)| overlaps(other) && !gives_way(other, block));
        if let Some((other, block)) = in_the_way {
            return Err(BlockError::Overlaps {
                other: *other,
                until: rfc3339(block.until_unix_ns),
            });
        }
        let stood = before.filter(|before| before.stands(Instant::now()));
        let is_of_family =
            |(other, _): &(&IpNet, _)| other.addr().is_ipv4() == network.addr().is_ipv4();
        let stays = |(other, _): &(&IpNet, _)| !overlaps(other);
        let of_family = self.standing().filter(is_of_family).filter(stays).count();
        if of_family >= CAPACITY as usize {
            return Err(BlockError::Full);
        }
        let is_foreseen = is_dry && asker.foresees_blocks();
        if !is_foreseen && !capability::has(Capability::NetAdmin) {
            return Err(BlockError::NoPrivilege);
        }
        let now_unix_ns = clock::unix_ns();
        let nanoseconds = i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
        let block = Block {
            since_unix_ns: now_unix_ns,
            until: Instant::now() + span,
            until_unix_ns: now_unix_ns.saturating_add(nanoseconds),
            fence,
            asker,
        };
        if is_dry && !is_foreseen {
            self.try_kernel()?;
        } else if !is_dry {
            // Whatever overlaps gives way, or expires in the kernel at this moment.
            let replaced = self.entries.iter().filter(|(other, _)| overlaps(other));
            let replaced = replaced.map(|(other, block)| (*other, block.fence));
            self.apply(order, &replaced.collect::<Vec<_>>())?;
            self.entries.retain(|other, _| !overlaps(other));
            self.entries.insert(network, block);
        }
        Ok(BlockAnswer {
            network: network.to_string(),
            dry_run: is_dry,
            for_seconds: span.as_secs(),
            until: rfc3339(block.until_unix_ns),
            was_blocked_until: stood.map(|stood| rfc3339(stood.until_unix_ns)),
        })
    }

    /// Whether the kernel lets the table be made. It goes again at once.
    pub(super) fn try_kernel(&self) -> Result<(), BlockError> {
        match self.ruleset {
            Some(_) => Ok(()),
            None => Ruleset::make().map(drop).map_err(making_failed),
        }
    }

    fn apply(&mut self, order: BlockOrder, before: &[(IpNet, Fence)]) -> Result<(), BlockError> {
        let ruleset = match &mut self.ruleset {
            Some(ruleset) => ruleset,
            none => none.insert(Ruleset::make().map_err(making_failed)?),
        };
        let blocked = ruleset.fence_off(order.network, order.span, order.fence, before);
        blocked.map_err(|source| self.failed("cannot block", source))
    }

    /// Lifts the block of `network`, or says what that would do.
    pub(super) fn unblock(
        &mut self,
        network: IpNet,
        is_dry: bool,
    ) -> Result<UnblockAnswer, BlockError> {
        self.forget_expired();
        let block = self.entries.get(&network).copied();
        let Some(block) = block.filter(|block| block.stands(Instant::now())) else {
            return Err(BlockError::NotBlocked { network });
        };
        if !is_dry {
            if let Some(ruleset) = &mut self.ruleset {
                let unblocked = ruleset.unblock(network, block.fence);
                unblocked.map_err(|source| self.failed("cannot unblock", source))?;
            }
            self.entries.remove(&network);
            self.forget_expired();
        }
        Ok(UnblockAnswer {
            network: network.to_string(),
            dry_run: is_dry,
            was_blocked_until: rfc3339(block.until_unix_ns),
        })
    }

    /// Whether anything stands that the guard has made.
    pub(super) fn has_guarded(&self) -> bool {
        !self.guarded().is_empty()
    }

    fn guarded(&self) -> Vec<IpNet> {
        let of_guard = self
            .standing()
            .filter(|(_, block)| block.asker == Asker::Guard);
        of_guard.map(|(network, _)| *network).collect()
    }

    /// What the guard had made and a failure has lifted since this was asked last.
    pub(super) fn take_lost(&mut self) -> Vec<IpNet> {
        std::mem::take(&mut self.lost)
    }

    /// Lifts what the guard has made of these networks; returns what that was.
    pub(super) fn lift_guard(&mut self, lifts: impl Fn(&IpNet) -> bool) -> Vec<IpNet> {
        let mut networks = self.guarded();
        networks.retain(lifts);
        networks.retain(|network| self.unblock(*network, false).is_ok());
        networks
    }

    /// Forgets what has expired in the kernel.
    pub(super) fn forget_expired(&mut self) {
        let now = Instant::now();
        self.entries
            .retain(|_, block| block.stands(now) || now - block.until < LINGERS);
        if self.entries.is_empty() {
            // Closing its socket removes the table.
            self.ruleset = None;
        }
    }

    /// After a failure nobody knows what is in the kernel. Where the kernel says that nothing was
    /// changed, all blocks stay; else all are lifted.
    fn failed(&mut self, doing: &'static str, source: io::Error) -> BlockError {
        if source.raw_os_error().is_none() {
            tracing::error!("{doing}: {source}; all blocks are lifted");
            let guarded = self.guarded();
            self.lost.extend(guarded);
            self.entries.clear();
        }
        self.forget_expired();
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NFILE) => BlockError::Full,
            _ => BlockError::Failed { doing, source },
        }
    }
}

fn making_failed(source: io::Error) -> BlockError {
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        // The capability is there: it is the table that belongs to somebody else.
        Some(Errno::EXIST | Errno::PERM) => BlockError::Taken,
        Some(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOENT | Errno::PROTONOSUPPORT) => {
            BlockError::NoSupport
        }
        _ => BlockError::Failed {
            doing: "cannot make the nftables table",
            source,
        },
    }
}

#[cfg(test)]
mod tests;
