//! Who holds the memory that the kernel counts for TCP.

use crate::labelled::labelled;
use crate::owner::Process;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

labelled! {
    /// Who holds a part of TCP's memory.
    MemoryHolder {
        /// Send queues of stalled connections: peers that do not take their data.
        StalledSend = "stalled_send",
        /// Send queues otherwise.
        Send = "send",
        /// Receive queues: data that a program on this host has not read yet.
        Receive = "receive",
        /// Sockets that no process holds any more.
        Orphans = "orphans",
        /// What the kernel counts beyond all sockets that it lists.
        Unlisted = "unlisted",
    }
}

/// From one part in so many on, a holder matters to the whole.
const PART_THAT_MATTERS: u64 = 10;

/// Bytes of TCP's memory by who holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the words of the holders say it")]
pub struct HeldBytes {
    pub stalled_send: u64,
    pub send: u64,
    pub receive: u64,
    pub orphans: u64,
    pub unlisted: u64,
}

impl HeldBytes {
    /// What one of them holds.
    #[must_use]
    pub const fn of(&self, holder: MemoryHolder) -> u64 {
        match holder {
            MemoryHolder::StalledSend => self.stalled_send,
            MemoryHolder::Send => self.send,
            MemoryHolder::Receive => self.receive,
            MemoryHolder::Orphans => self.orphans,
            MemoryHolder::Unlisted => self.unlisted,
        }
    }
}

/// All sockets of this host at one moment, and what they hold of TCP's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpMemoryHeld {
    /// When the kernel was asked for them.
    pub time: String,
    /// What it counted for TCP then (`/proc/net/sockstat`, `mem`).
    pub counted_bytes: u64,
    /// Who holds it. Together at least what was counted: a little more where sockets came and went
    /// meanwhile.
    pub held_bytes: HeldBytes,
    /// As much of what is unlisted, or missing, may be the kernel's own: each processor keeps up to
    /// so much of its count to itself.
    pub reserve_bytes: u64,
    /// Sockets that were listed.
    pub sockets: u64,
    /// Network namespaces whose sockets could not be listed: what they hold is unlisted.
    pub namespaces_missed: u64,
    /// Whose receive queues are longest, at most [`TcpMemoryHeld::UNREAD_MAX`].
    pub unread: Vec<Unread>,
}

/// Received data that a program has not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    /// The program; `null` while it is not found, and where it is out of sight.
    pub process: Option<Process>,
    /// Kernel memory that its receive queues hold.
    pub bytes: u64,
    /// How many queues that are.
    pub sockets: u64,
    /// How many of them it has not even accepted.
    pub not_accepted: u64,
}

impl TcpMemoryHeld {
    /// Most programs told of.
    pub const UNREAD_MAX: usize = 5;

    /// The holders without which there might be no pressure: each holds a tenth or more. Send
    /// queues that drain are what the memory is for.
    #[must_use]
    pub fn culprits(&self) -> Vec<MemoryHolder> {
        let matters = |holder: &MemoryHolder| {
            let bytes = self.held_bytes.of(*holder);
            let is_large =
                bytes > 0 && bytes.saturating_mul(PART_THAT_MATTERS) >= self.counted_bytes;
            match holder {
                MemoryHolder::Send => false,
                MemoryHolder::Unlisted => is_large && bytes > self.reserve_bytes,
                _ => is_large,
            }
        };
        MemoryHolder::ALL.into_iter().filter(matters).collect()
    }

    /// Whether this host itself holds what is short, and no peer.
    #[must_use]
    pub fn is_of_our_own(&self) -> bool {
        let is_ours = |each| matches!(each, MemoryHolder::Receive | MemoryHolder::Unlisted);
        let culprits = self.culprits();
        !culprits.is_empty() && culprits.into_iter().all(is_ours)
    }
}

#[cfg(test)]
mod tests {
    use super::{HeldBytes, MemoryHolder, TcpMemoryHeld};

    fn held(held_bytes: HeldBytes) -> TcpMemoryHeld {
        TcpMemoryHeld {
            counted_bytes: 1_000,
            reserve_bytes: 150,
            held_bytes,
            ..TcpMemoryHeld::default()
        }
    }

    fn culprits(held_bytes: HeldBytes) -> Vec<MemoryHolder> {
        held(held_bytes).culprits()
    }

    #[test]
    fn a_tenth_matters_and_queues_that_drain_never_do() {
        let none = HeldBytes::default();
        assert_eq!(culprits(none), []);
        assert_eq!(
            culprits(HeldBytes {
                send: 1_000,
                receive: 99,
                ..none
            }),
            []
        );
        let both = HeldBytes {
            receive: 100,
            stalled_send: 100,
            ..none
        };
        let expected = [MemoryHolder::StalledSend, MemoryHolder::Receive];
        assert_eq!(culprits(both), expected);
        assert!(!held(both).is_of_our_own());
        assert!(
            held(HeldBytes {
                receive: 500,
                send: 500,
                ..none
            })
            .is_of_our_own()
        );
        assert!(!held(none).is_of_our_own());
    }

    #[test]
    fn what_processors_may_keep_is_nobodys() {
        let none = HeldBytes::default();
        assert_eq!(
            culprits(HeldBytes {
                unlisted: 150,
                ..none
            }),
            []
        );
        let more = HeldBytes {
            unlisted: 151,
            ..none
        };
        assert_eq!(culprits(more), [MemoryHolder::Unlisted]);
        assert!(held(more).is_of_our_own());
    }
}
