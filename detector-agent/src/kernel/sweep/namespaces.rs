//! The network namespaces that are known, and those that went away.
//!
//! Anybody can lay out thousands of his own, each of which costs a pass over the sockets of the whole kernel. So
//! those to which this host's way in leads come first, and the others have so much time in a round, in turn. A round
//! has none for them until they have made good what they took before.

use super::pace;
use crate::clock;
use crate::kernel::check;
use crate::namespace::{self, Namespace};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::{Duration, Instant};

/// Processor time for those that are not on our way, in one round; one of them is passed over whatever it takes.
pub(super) const ELSEWHERE_AT_ONCE: Duration = Duration::from_millis(100);

/// What is known of them.
#[derive(Default)]
pub(super) struct Namespaces {
    known: Vec<Namespace>,
    /// Those to which this host's way in does not lead: somebody may have laid them out for himself.
    elsewhere: BTreeSet<u32>,
    /// The one of these that was passed over last.
    last_elsewhere: Option<u32>,
    /// Those of them that are left for a later round. They call for none: rounds over ours would become rarer.
    put_off: BTreeSet<u32>,
    /// When the next of them may be passed over.
    elsewhere_at: Option<Instant>,
    /// Times one of these was left for a later round.
    pub(super) times_put_off: u64,
    /// Those that were known once, are not found any more, and may still have sockets.
    pub(super) gone: BTreeSet<u32>,
    /// Those that were asked for at the last search and not found.
    unfound: BTreeSet<u32>,
    /// Times one was known and could not be entered.
    pub(super) missed: u64,
    searched: Option<Instant>,
    search: Duration,
}

impl Namespaces {
    /// Searches if that is due: for a round over all, or because one of `asked` is not known. Returns
    /// those that are to be asked for again, as there was no search since they were noted.
    pub(super) fn renew(
        &mut self,
        for_all: bool,
        asked: &BTreeSet<u32>,
        is_own_only: bool,
    ) -> BTreeSet<u32> {
        let is_known = |netns: &u32| self.known.iter().any(|known| known.inode == *netns);
        let strangers: BTreeSet<u32> = asked
            .iter()
            .copied()
            .filter(|each| !is_known(each))
            .collect();
        let is_old = |age| self.searched.is_none_or(|at| at.elapsed() >= age);
        let has_news = for_all || !strangers.is_subset(&self.unfound);
        let is_due = if self.searched.is_none() {
            true
        } else if has_news {
            is_old(pace::between_searches(self.search))
        } else {
            // Where even a search did not find one, it can hardly be passed over.
            !strangers.is_empty() && is_old(pace::LONGEST_INTERVAL)
        };
        if !is_due {
            return strangers.difference(&self.unfound).copied().collect();
        }
        self.find(is_own_only);
        let is_known = |netns: &u32| self.known.iter().any(|known| known.inode == *netns);
        self.unfound = strangers
            .into_iter()
            .filter(|each| !is_known(each))
            .collect();
        BTreeSet::new()
    }

    /// Searching costs a system call a process.
    fn find(&mut self, is_own_only: bool) {
        let began = clock::thread_time();
        let before = std::mem::take(&mut self.known);
        self.known = if !is_own_only && check::can_enter_namespaces() {
            namespace::find_all()
        } else {
            namespace::current().into_iter().collect()
        };
        self.gone
            .extend(before.iter().map(|namespace| namespace.inode));
        for namespace in &self.known {
            self.gone.remove(&namespace.inode);
        }
        let home = namespace::home().map(|home| home.inode);
        self.elsewhere = elsewhere(&self.known, home, namespace::is_on_our_way);
        self.search = clock::thread_time().saturating_sub(began);
        self.searched = Some(Instant::now());
    }

    /// All that are known, or those of `asked` and what was put off: those on our way, then the others, from the one on
    /// whose turn it is, for so much processor time if that has come.
    pub(super) fn among(&self, all: bool, asked: &BTreeSet<u32>, elsewhere: Duration) -> Queue {
        let is_asked = |netns: &u32| asked.contains(netns) || self.put_off.contains(netns);
        let due = self.known.iter();
        let due = due.filter(|known| all || is_asked(&known.inode));
        let (others, ours): (VecDeque<_>, VecDeque<_>) = due
            .cloned()
            .partition(|due| self.elsewhere.contains(&due.inode));
        let last = self.last_elsewhere;
        let (mut others, later): (VecDeque<_>, VecDeque<_>) = others
            .into_iter()
            .partition(|other| Some(other.inode) > last);
        others.extend(later);
        let has_come = self.elsewhere_at.is_none_or(|at| at <= Instant::now());
        Queue {
            ours,
            others,
            at_most: has_come.then_some(elsewhere),
            began: None,
            last,
        }
    }

    /// Moves this thread into the first of `left` that can be entered; those before it are missed, and
    /// noted in `again`.
    pub(super) fn enter_next(
        &mut self,
        left: &mut Queue,
        again: &mut BTreeSet<u32>,
    ) -> Option<Namespace> {
        left.find(|namespace| {
            let Err(error) = namespace::enter(namespace) else {
                return true;
            };
            // Most often it, or the process that led to it, went away between the search and now.
            tracing::debug!("network namespace {} not swept: {error}", namespace.inode);
            self.missed += 1;
            // Anybody may have his own vanish as often as he likes: those call for no search.
            if !self.elsewhere.contains(&namespace.inode) {
                again.insert(namespace.inode);
                self.searched = None;
            }
            false
        })
    }

    /// After a round: what it had no time for is for later ones. Returns the processor time that the others took, if
    /// any of them was begun.
    pub(super) fn put_off(&mut self, left: Queue) -> Option<Duration> {
        self.last_elsewhere = left.last;
        self.times_put_off += left.others.len() as u64;
        self.put_off = left.others.iter().map(|other| other.inode).collect();
        let began = left.began?;
        Some(clock::thread_time().saturating_sub(began))
    }

    /// Until then no round has time for the others.
    pub(super) fn rest_elsewhere(&mut self, until: Instant) {
        self.elsewhere_at = Some(until);
    }

    /// How many are known.
    pub(super) fn count(&self) -> u64 {
        self.known.len() as u64
    }

    /// As if there had been none.
    #[cfg(test)]
    pub(super) fn forget_search(&mut self) {
        self.searched = None;
    }

    /// Moves this thread back: it keeps the namespace alive in which it is.
    pub(super) fn leave(&self) {
        if let Some(Err(error)) = namespace::home().map(|home| namespace::enter(&home)) {
            tracing::debug!("the sweep cannot go home: {error}");
        }
    }
}

/// Those of `known` to which this host's way in is not known to lead. Who has processes move between namespaces of
/// his own while they are looked at gains no certainty by it.
pub(super) fn elsewhere(
    known: &[Namespace],
    home: Option<u32>,
    is_on_our_way: impl Fn(&Namespace) -> io::Result<bool>,
) -> BTreeSet<u32> {
    let is_ours = |each: &&Namespace| {
        Some(each.inode) == home || is_on_our_way(each).is_ok_and(|is_on_our_way| is_on_our_way)
    };
    let elsewhere = known.iter().filter(|each| !is_ours(each));
    elsewhere.map(|each| each.inode).collect()
}

/// The namespaces of one round.
pub(super) struct Queue {
    ours: VecDeque<Namespace>,
    others: VecDeque<Namespace>,
    /// Processor time for the others, if they have any in this round,
    at_most: Option<Duration>,
    /// and that of this thread when the first of them was begun.
    began: Option<Duration>,
    /// The last of them that was begun.
    last: Option<u32>,
}

impl Iterator for Queue {
    type Item = Namespace;

    fn next(&mut self) -> Option<Namespace> {
        if let Some(ours) = self.ours.pop_front() {
            return Some(ours);
        }
        let at_most = self.at_most?;
        let now = clock::thread_time();
        let is_over = |began| now.saturating_sub(began) >= at_most;
        if self.began.is_some_and(is_over) {
            return None;
        }
        let other = self.others.pop_front()?;
        self.began.get_or_insert(now);
        self.last = Some(other.inode);
        Some(other)
    }
}

#[cfg(test)]
impl Namespaces {
    /// These as a search has just found them, of which some are others'.
    pub(super) fn sample(known: Vec<Namespace>, elsewhere: BTreeSet<u32>) -> Self {
        Self {
            known,
            elsewhere,
            searched: Some(Instant::now()),
            ..Self::default()
        }
    }

    /// Whether what the last search found does not hold any more.
    pub(super) fn is_outdated(&self) -> bool {
        self.searched.is_none()
    }

    /// Those that are left for a later round.
    pub(super) fn later(&self) -> Vec<u32> {
        self.put_off.iter().copied().collect()
    }
}
