//! What may be done in a minute.

use crate::time::{MonotonicTime, SECOND_NS};
use std::collections::VecDeque;

const MINUTE_NS: u64 = 60 * SECOND_NS;

/// What was done in the last minute.
#[derive(Debug, Default)]
pub(super) struct Budget(VecDeque<(MonotonicTime, u64)>);

impl Budget {
    /// What may still be done.
    pub(super) fn left(&mut self, per_minute: u64, now: MonotonicTime) -> u64 {
        while let Some((at, _)) = self.0.front()
            && now.since_ns(*at) >= MINUTE_NS
        {
            self.0.pop_front();
        }
        let spent: u64 = self.0.iter().map(|(_, count)| count).sum();
        per_minute.saturating_sub(spent)
    }

    /// Takes so much of it; `false`, and nothing taken, if that is too much.
    pub(super) fn spend(&mut self, count: u64, per_minute: u64, now: MonotonicTime) -> bool {
        if count > self.left(per_minute, now) {
            return false;
        }
        match self.0.back_mut() {
            Some((at, spent)) if *at == now => *spent += count,
            _ => self.0.push_back((now, count)),
        }
        true
    }
}
