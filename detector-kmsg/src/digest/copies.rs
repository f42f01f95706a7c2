//! Lines that a log has more than once, as where two files of one host are read as one.

use super::Origin;
use crate::message::Message;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// Lines by which copies are known.
const MOST: usize = 1 << 16;
/// Clocks that count ticks give the same time to lines that are none of one another's.
const TICK_US: u64 = 1000;

/// What came with a time since boot. Only this tells a copy from a message that came again: within a second, or a
/// tick, the kernel may say the same twice.
#[derive(Default)]
pub(super) struct Copies {
    seen: HashSet<u64>,
    order: VecDeque<u64>,
    state: RandomState,
    is_fine: bool,
}

impl Copies {
    /// Whether this line of a kill or of a stall was taken before, from the same host, where it is told.
    pub(super) fn has(&mut self, message: &Message, origin: &Origin) -> bool {
        let Some(boot_us) = origin.stamps.boot_us else {
            return false;
        };
        self.is_fine |= boot_us % TICK_US != 0;
        if !self.is_fine || !matches!(message, Message::Window(_) | Message::Oom(_)) {
            return false;
        }
        let of = |host: Option<Option<&str>>| self.state.hash_one((message, boot_us, host));
        let (any, own, unnamed) = (of(None), of(Some(origin.host.as_deref())), of(Some(None)));
        let alike = if own == unnamed {
            [any, own]
        } else {
            [own, unnamed]
        };
        let is_copy = alike.iter().any(|it| self.seen.contains(it));
        for it in [any, own] {
            if self.seen.insert(it) {
                self.order.push_back(it);
            }
        }
        while self.order.len() > 2 * MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
        is_copy
    }
}
