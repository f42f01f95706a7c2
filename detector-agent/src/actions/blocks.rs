//! The blocks that stand, and until when: the agent's own account of what is in the kernel.
//!
//! The kernel keeps the time; what has expired here has expired there. The kernel's table is made
//! with the first block and removed with the last one.

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

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    entries: BTreeMap<IpNet, Block>,
    ruleset: Option<Ruleset>,
}

impl Blocks {
    /// How many there are now.
    pub(super) fn count(&self) -> usize {
        let now = Instant::now();
        let standing = self.entries.values().filter(|block| block.until > now);
        standing.count()
    }

    /// All there are now.
    pub(super) fn list(&mut self) -> Vec<Blocked> {
        self.forget_expired();
        let each = self.entries.iter().map(|(network, block)| Blocked {
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
        let is_operators = |block: &Block| asker == Asker::Guard && block.asker != asker;
        let is_in_the_way = |other: &IpNet, block: &Block| *other != network || is_operators(block);
        let mut others = self
            .entries
            .iter()
            .filter(|(other, block)| is_in_the_way(other, block));
        if let Some((other, block)) = others.find(|(other, _)| overlaps(other)) {
            return Err(BlockError::Overlaps {
                other: *other,
                until: rfc3339(block.until_unix_ns),
            });
        }
        let is_of_family = |other: &&IpNet| other.addr().is_ipv4() == network.addr().is_ipv4();
        let of_family = self.entries.keys().filter(is_of_family).count();
        if before.is_none() && of_family >= CAPACITY as usize {
            return Err(BlockError::Full);
        }
        if !capability::has(Capability::NetAdmin) {
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
        if is_dry {
            self.try_kernel()?;
        } else {
            self.apply(order, before.map(|before| before.fence))?;
            self.entries.insert(network, block);
        }
        Ok(BlockAnswer {
            network: network.to_string(),
            dry_run: is_dry,
            for_seconds: span.as_secs(),
            until: rfc3339(block.until_unix_ns),
            was_blocked_until: before.map(|before| rfc3339(before.until_unix_ns)),
        })
    }

    /// Whether the kernel lets the table be made. It goes again at once.
    pub(super) fn try_kernel(&self) -> Result<(), BlockError> {
        match self.ruleset {
            Some(_) => Ok(()),
            None => Ruleset::make().map(drop).map_err(making_failed),
        }
    }

    fn apply(&mut self, order: BlockOrder, before: Option<Fence>) -> Result<(), BlockError> {
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
        let Some(block) = self.entries.get(&network).copied() else {
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

    /// Lifts what the guard has made; returns what that was.
    pub(super) fn lift_guard(&mut self) -> Vec<IpNet> {
        let all = self.entries.iter();
        let of_guard = all.filter(|(_, block)| block.asker == Asker::Guard);
        let mut networks: Vec<IpNet> = of_guard.map(|(network, _)| *network).collect();
        networks.retain(|network| self.unblock(*network, false).is_ok());
        networks
    }

    /// Forgets what has expired in the kernel.
    pub(super) fn forget_expired(&mut self) {
        let now = Instant::now();
        self.entries.retain(|_, block| block.until > now);
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
mod tests {
    use super::{Asker, BlockError, BlockOrder, Blocks, Fence};
    use std::time::Duration;

    const SPAN: Duration = Duration::from_secs(600);

    #[test]
    fn a_dry_run_changes_nothing_and_says_until_when() {
        let mut blocks = Blocks::default();
        let network = "203.0.113.0/24".parse().unwrap();
        let order = BlockOrder {
            network,
            span: SPAN,
            fence: Fence::Drop,
            asker: Asker::User(0),
            is_dry: true,
        };
        match blocks.block(order, &[]) {
            Ok(answer) => {
                assert!(answer.dry_run && answer.was_blocked_until.is_none());
                assert_eq!(answer.for_seconds, 600);
            }
            // What a dry run says where the real one would fail.
            Err(error) => assert!(
                matches!(
                    error,
                    BlockError::NoPrivilege | BlockError::NoSupport | BlockError::Taken
                ),
                "{error}"
            ),
        }
        assert_eq!(blocks.count(), 0);
        assert!(blocks.ruleset.is_none());
        let unblocked = blocks.unblock(network, false);
        assert!(matches!(unblocked, Err(BlockError::NotBlocked { .. })));
    }

    #[test]
    fn loopback_is_among_the_hosts_own_addresses() {
        let own = super::own_addresses().unwrap();
        assert!(
            own.is_empty() || own.iter().any(|address| address.is_loopback()),
            "{own:?}"
        );
    }
}
