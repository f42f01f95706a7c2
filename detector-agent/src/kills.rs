//! OOM kills, each once, whoever tells it first: the hook on `oom:mark_victim`, the kernel's log, or the
//! kernel's count of them.
//!
//! In: what each of them tells. Out: whether a kill is news, and all that is known of it by now. The
//! hook and the log are joined by the number of the victim; the count names nobody, so that of its kills
//! those are news that neither of the two has told. Never: a clock of its own, or I/O.

use crate::lock::lock;
use detector_api::recorded::OomKill;
use detector_recorder::ClockReading;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

/// What is told of one kill lies no further apart: the log's report is complete after three seconds, the
/// count is looked at each five.
const APART_MS: i64 = 10_000;
/// Kills remembered; the kernel gives its victims time to die.
const REMEMBERED: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Kills(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Those of late that hook or log told, the oldest first.
    told: VecDeque<ToldKill>,
    /// How many went from among these before the count had them,
    gone: u64,
    /// and when the last of them was told.
    gone_at: i64,
    /// The kernel's count when it was looked at last.
    count: Option<u64>,
    /// When kills were counted that nobody had told.
    untold: Vec<ClockReading>,
}

#[derive(Clone, Debug)]
struct ToldKill {
    at: ClockReading,
    kill: OomKill,
    /// Whether the kernel's count is known to have it.
    is_counted: bool,
}

/// A kill, with all that is known of it by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownKill {
    /// When it was told first.
    pub(crate) at: ClockReading,
    pub(crate) kill: OomKill,
    /// Whether nobody had told it before, and the count had not it either.
    pub(crate) is_new: bool,
    /// Whether the count had it and nobody had told who it was.
    pub(crate) was_nameless: bool,
}

impl Kills {
    /// The hook or the log tells of a kill.
    pub(crate) fn tell(&self, at: ClockReading, kill: OomKill) -> KnownKill {
        let mut inner = self.lock();
        inner.forget(at);
        let same = |told: &&mut ToldKill| kill.pid.is_some() && told.kill.pid == kill.pid;
        if let Some(told) = inner.told.iter_mut().find(same) {
            // The log knows best; of two reports by the same the later one is complete.
            let (first, second) = if kill.by_log || !told.kill.by_log {
                (kill, told.kill.clone())
            } else {
                (told.kill.clone(), kill)
            };
            told.kill = first.or(second);
            return KnownKill {
                at: told.at,
                kill: told.kill.clone(),
                is_new: false,
                was_nameless: false,
            };
        }
        let is_counted = inner.untold.pop().is_some();
        inner.told.push_back(ToldKill {
            at,
            kill: kill.clone(),
            is_counted,
        });
        KnownKill {
            at,
            kill,
            is_new: !is_counted,
            was_nameless: is_counted,
        }
    }

    /// Whether the hook's victim was killed: the kernel also gives one its last memory that was dying by
    /// itself, and does not count it. What cannot be counted is believed.
    pub(crate) fn is_kill(&self, pid: u64, at: ClockReading, count: Option<u64>) -> bool {
        let mut inner = self.lock();
        inner.forget(at);
        inner.has_counted(Some(pid), count).unwrap_or(true)
    }

    /// Whether this victim is told already, or the kernel has counted a kill that may be this one. What cannot be
    /// counted is not.
    pub(crate) fn is_counted(
        &self,
        pid: Option<u64>,
        at: ClockReading,
        count: Option<u64>,
    ) -> bool {
        let mut inner = self.lock();
        inner.forget(at);
        inner.has_counted(pid, count).unwrap_or(false)
    }

    /// Takes the kernel's count, which was read between these two moments; true if it has kills that nobody has
    /// told.
    pub(crate) fn count(&self, [since, now]: [ClockReading; 2], count: Option<u64>) -> bool {
        let mut inner = self.lock();
        inner.forget(now);
        let Some(count) = count else {
            return false;
        };
        let Some(before) = inner.count.replace(count) else {
            // Kills of before the agent; those that were told by now are among them.
            for told in &mut inner.told {
                told.is_counted = true;
            }
            inner.gone = 0;
            return false;
        };
        let more = inner.take_off(count.saturating_sub(before), since);
        let room = REMEMBERED.saturating_sub(inner.untold.len());
        let more_kept = usize::try_from(more).unwrap_or(room).min(room);
        inner.untold.extend(std::iter::repeat_n(now, more_kept));
        more > 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }
}

impl Inner {
    /// Whether this victim is told already, or one more is counted than are told; `None` where nothing is
    /// counted.
    fn has_counted(&self, pid: Option<u64>, count: Option<u64>) -> Option<bool> {
        if pid.is_some() && self.told.iter().any(|told| told.kill.pid == pid) {
            return Some(true);
        }
        let (before, now) = self.count.zip(count)?;
        let waiting = self.told.iter().filter(|told| !told.is_counted).count() as u64;
        let waiting = waiting.saturating_add(self.gone);
        Some(!self.untold.is_empty() || now.saturating_sub(before) > waiting)
    }

    /// How many of so many more that are counted nobody has told. The kernel counts a kill before anybody tells of
    /// it, so that what was told before this moment is among them, or will never be.
    fn take_off(&mut self, mut more: u64, since: ClockReading) -> u64 {
        let of_gone = more.min(self.gone);
        more -= of_gone;
        self.gone -= of_gone;
        if self.gone_at < since.boot_ms {
            self.gone = 0;
        }
        for told in self.told.iter_mut().filter(|told| !told.is_counted) {
            told.is_counted = more > 0 || told.at.boot_ms < since.boot_ms;
            more = more.saturating_sub(1);
        }
        more
    }

    fn forget(&mut self, now: ClockReading) {
        let is_fresh = |at: ClockReading| now.boot_ms.saturating_sub(at.boot_ms) <= APART_MS;
        while let Some(oldest) = self.told.front()
            && (!is_fresh(oldest.at) || self.told.len() >= REMEMBERED)
        {
            if !oldest.is_counted {
                self.gone += 1;
                self.gone_at = oldest.at.boot_ms;
            }
            self.told.pop_front();
        }
        self.untold.retain(|at| is_fresh(*at));
    }
}

#[cfg(test)]
mod tests {
    use super::{APART_MS, Kills, REMEMBERED};
    use detector_api::recorded::OomKill;
    use detector_recorder::ClockReading;

    fn at(boot_ms: i64) -> ClockReading {
        ClockReading {
            unix_ms: 1_000_000 + boot_ms,
            boot_ms,
        }
    }

    fn by_hook(pid: u64) -> OomKill {
        OomKill {
            pid: Some(pid),
            unit: Some("httpd.service".to_owned()),
            anonymous_bytes: Some(1),
            by_hook: true,
            ..OomKill::default()
        }
    }

    fn by_log(pid: u64) -> OomKill {
        OomKill {
            pid: Some(pid),
            anonymous_bytes: Some(2),
            by_log: true,
            ..OomKill::default()
        }
    }

    #[test]
    fn hook_log_and_count_of_one_kill_are_one_whichever_came_first() {
        let both = OomKill {
            unit: Some("httpd.service".to_owned()),
            by_hook: true,
            ..by_log(870)
        };
        for (first, second) in [(by_hook(870), by_log(870)), (by_log(870), by_hook(870))] {
            let kills = Kills::default();
            assert!(!kills.count([at(0); 2], Some(4)));
            assert!(kills.tell(at(10), first).is_new);
            let known = kills.tell(at(20), second);
            assert_eq!((known.at, known.is_new), (at(10), false));
            assert_eq!(known.kill, both);
            assert!(!kills.count([at(5_000); 2], Some(5)));
            assert!(!kills.count([at(10_000); 2], Some(5)));
        }
        // The count before both.
        let kills = Kills::default();
        assert!(!kills.count([at(0); 2], Some(4)));
        assert!(kills.count([at(9); 2], Some(5)));
        assert!(kills.is_kill(870, at(10), Some(5)));
        assert!(!kills.tell(at(10), by_hook(870)).is_new);
        assert!(!kills.tell(at(20), by_log(870)).is_new);
        assert!(!kills.count([at(5_000); 2], Some(5)));
        // And the next one is news again.
        assert!(kills.tell(at(5_010), by_log(871)).is_new);
        assert!(!kills.count([at(6_000); 2], Some(6)));
    }

    #[test]
    fn the_count_alone_tells_too() {
        let kills = Kills::default();
        assert!(!kills.count([at(0); 2], None));
        assert!(!kills.count([at(0); 2], Some(4)));
        assert!(!kills.count([at(5_000); 2], Some(4)));
        assert!(kills.count([at(10_000); 2], Some(6)));
        assert!(!kills.count([at(15_000); 2], Some(6)));
        // Two were killed, and one is told.
        assert!(!kills.tell(at(15_001), by_log(870)).is_new);
        assert!(!kills.tell(at(15_002), by_log(871)).is_new);
        assert!(kills.tell(at(15_003), by_log(872)).is_new);
    }

    #[test]
    fn one_that_was_dying_by_itself_is_no_kill() {
        let kills = Kills::default();
        kills.count([at(0); 2], Some(4));
        assert!(!kills.is_kill(870, at(10), Some(4)));
        assert!(kills.is_kill(870, at(10), None));
        assert!(kills.is_kill(870, at(10), Some(5)));
        kills.tell(at(10), by_hook(870));
        // The fifth is that one.
        assert!(!kills.is_kill(871, at(11), Some(5)));
        assert!(kills.is_kill(871, at(11), Some(6)));
        assert!(kills.is_kill(870, at(12), Some(5)));
    }

    /// The host thrashes, and the file with the count is not read for a while.
    #[test]
    fn a_kill_that_is_counted_late_is_counted_once() {
        let kills = Kills::default();
        kills.count([at(0); 2], Some(4));
        assert!(kills.tell(at(10), by_hook(870)).is_new);
        // It dies by itself.
        assert!(!kills.is_kill(871, at(12_000), Some(5)));
        assert!(kills.is_kill(871, at(12_000), Some(6)));
        assert!(!kills.count([at(13_000); 2], Some(5)));
        assert!(kills.tell(at(14_000), by_log(872)).is_new);
        assert!(!kills.count([at(15_000); 2], Some(6)));
        // More than are remembered, and one that nobody told.
        for pid in 0..2 * REMEMBERED as u64 {
            assert!(kills.tell(at(20_000), by_hook(1_000 + pid)).is_new);
        }
        let counted = 6 + 2 * REMEMBERED as u64;
        assert!(!kills.is_kill(2, at(20_001), Some(counted)));
        assert!(kills.count([at(20_001); 2], Some(counted + 1)));
    }

    /// It was no kill after all: it must not stand for another one.
    #[test]
    fn what_the_count_has_not_though_it_was_told_before_is_waited_for_no_more() {
        for later in [0, 2 * APART_MS] {
            let kills = Kills::default();
            kills.count([at(0); 2], Some(4));
            kills.tell(at(10), by_hook(870));
            assert!(!kills.count([at(5_000 + later); 2], Some(4)));
            assert!(kills.is_kill(871, at(6_000 + later), Some(5)));
            assert!(kills.count([at(7_000 + later); 2], Some(5)));
        }
        // But what was told while the count was read may come.
        let kills = Kills::default();
        kills.count([at(0); 2], Some(4));
        kills.tell(at(5_001), by_hook(870));
        assert!(!kills.count([at(5_000), at(5_002)], Some(4)));
        assert!(!kills.count([at(10_000); 2], Some(5)));
    }

    #[test]
    fn a_number_that_is_given_again_is_another_kill() {
        let kills = Kills::default();
        assert!(kills.tell(at(0), by_log(870)).is_new);
        assert!(kills.tell(at(APART_MS + 1), by_log(870)).is_new);
        let nameless = OomKill::default();
        assert!(kills.tell(at(APART_MS + 2), nameless.clone()).is_new);
        assert!(kills.tell(at(APART_MS + 3), nameless).is_new);
    }
}
