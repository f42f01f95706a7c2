//! Which steps the guard takes now. Pure.
//!
//! In: how pressed the host is, and which peers hold connections below the drain floor. Out: steps,
//! the cheapest first: reset what has been stalled for longest; where a peer that is accused comes
//! back after that, all at once or one by one, limit its new connections; where it comes back even so,
//! block it. Of those due at once a limit or a block comes before resets. Never: a step
//! without pressure, beyond the budget of a minute, or on a peer that is to be spared; a limit or a
//! block of a peer that is not accused, whose other connections were not counted, or that holds nothing
//! where a limit or a block would meet it; a step because of one before it that was decided and not made.

mod budget;
mod pressure;

pub use pressure::{Load, Pressure, PressureBounds, Workers};

use crate::observe::observation::ConnectionId;
use crate::observe::peer_address::PeerAddress;
use crate::time::{MonotonicTime, SECOND_NS};
use budget::Budget;
use detector_api::snapshot::GuardAct;
use std::collections::HashMap;

/// What a peer has done is forgotten so long after the last step.
const REMEMBERED_NS: u64 = 900 * SECOND_NS;
/// Peers remembered at most; the one whose last step is oldest is forgotten first.
const REMEMBERED: usize = 4_096;
/// A reset that has not ended a connection is tried again after so long, and each time after twice as long,
const TRY_AGAIN_NS: u64 = 60 * SECOND_NS;
/// so many times. What cannot be reset comes after everything else, so that it does not use up the budget.
const TRY_AGAIN_DOUBLINGS: u32 = 3;
/// Connections with which a peer comes back count together for so long.
const RETURN_NS: u64 = 60 * SECOND_NS;
/// Connections of peers that are not accused that are reset in one round: the next round sees
/// whether that was enough.
const GENTLY: usize = 10;

/// What the guard may do, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardSettings {
    /// From where on the host is under pressure.
    pub bounds: PressureBounds,
    /// A peer that is not accused keeps what has been stalled for less.
    pub reset_after_ns: u64,
    /// Connections reset in a minute at most.
    pub resets_per_minute: u64,
    /// Limits and blocks made in a minute at most.
    pub blocks_per_minute: u64,
    /// A peer with more connections that behave is neither limited nor blocked.
    pub well_behaved_max: u64,
    /// A peer has come back with so many connections within a minute.
    pub comes_back_with: u64,
}

/// A connection below the drain floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StalledConnection {
    /// Which.
    pub connection: ConnectionId,
    /// When the first record of it came.
    pub first_seen: MonotonicTime,
    /// Since when it has been stalled.
    pub since: MonotonicTime,
    /// What it holds.
    pub pinned_bytes: u64,
    /// Whether a limit or a block would meet it: what comes to a namespace that somebody may have laid out for
    /// himself does not come by this host's way in, and may bear any address.
    pub is_on_our_way: bool,
}

impl StalledConnection {
    /// When it is its turn to be reset: what has been stalled for longest first, but after all that comes by
    /// the way in. Else whoever lays out a network of his own has the budget used up there.
    const fn turn(&self) -> (bool, MonotonicTime, ConnectionId) {
        (!self.is_on_our_way, self.since, self.connection)
    }
}

/// A peer that is accused of an attack, or hoards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardSuspect {
    /// Who.
    pub peer: PeerAddress,
    /// Whether it is taken for an attacker. Nobody is who shares an address with others.
    pub is_accused: bool,
    /// Whether others use its address, too, as far as the kernel was asked; where it was not, they may.
    pub is_shared: bool,
    /// How many connections that behave a limit or a block would meet; `None` if the kernel has not counted them
    /// lately, all of them and one by one.
    pub well: Option<u64>,
    /// What is stalled.
    pub stalled: Vec<StalledConnection>,
}

/// One step to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whom it hits.
    pub peer: PeerAddress,
    /// What to do.
    pub act: GuardAct,
    /// Which connections to reset; none for other steps.
    pub connections: Vec<ConnectionId>,
    /// Connections that behave and that a limit or a block meets.
    pub well: Option<u64>,
}

/// What was done to a peer before.
#[derive(Clone, Debug)]
struct Past {
    /// The furthest step that was made and has not been lifted.
    act: GuardAct,
    at: MonotonicTime,
    /// Whether it was accused when its reset was decided last.
    is_accused: bool,
    /// When it was first reset as an attacker, or was to be limited or blocked since: what it opens later is a return.
    since: Option<MonotonicTime>,
    /// Connections with which it has come back, no more than make a return, and when that was seen.
    returned: HashMap<ConnectionId, MonotonicTime>,
    /// Connections that were to be reset.
    tried: HashMap<ConnectionId, Tried>,
}

/// A connection that was to be reset.
#[derive(Clone, Copy, Debug)]
struct Tried {
    at: MonotonicTime,
    /// How often before.
    before: u32,
}

impl Tried {
    /// When it is to be tried again, if it is still there.
    fn again_at(self) -> MonotonicTime {
        let doublings = self.before.min(TRY_AGAIN_DOUBLINGS);
        self.at.plus_ns(TRY_AGAIN_NS << doublings)
    }
}

impl Past {
    /// When this very connection was to be reset: a new one may have the ends of an old one.
    fn tried(&self, each: &StalledConnection) -> Option<Tried> {
        let tried = self.tried.get(&each.connection).copied();
        tried.filter(|tried| each.first_seen <= tried.at)
    }

    /// Notes with which of these connections the peer has come back where a limit or a block would meet it;
    /// whether that makes a return.
    fn note_returns(
        &mut self,
        stalled: &[StalledConnection],
        bound: u64,
        now: MonotonicTime,
    ) -> bool {
        let Some(since) = self.since else {
            return false;
        };
        self.returned
            .retain(|_, seen| now.since_ns(*seen) < RETURN_NS);
        // When one was opened nobody knows; not after it was seen, or stood still.
        let opened_by = |each: &&StalledConnection| each.first_seen.min(each.since);
        let later = stalled
            .iter()
            .filter(|each| each.is_on_our_way && opened_by(each) > since);
        for each in later {
            if self.returned.len() as u64 >= bound {
                break;
            }
            self.returned.insert(each.connection, now);
        }
        self.returned.len() as u64 >= bound
    }
}

/// Decides; remembers what it has decided, and what of that was made.
#[derive(Debug, Default)]
pub struct Guard {
    past: HashMap<PeerAddress, Past>,
    resets: Budget,
    blocks: Budget,
}

impl Guard {
    /// The steps to be taken now, under a pressure; `spares` says who is not to be touched at all.
    pub fn decide(
        &mut self,
        now: MonotonicTime,
        settings: &GuardSettings,
        mut suspects: Vec<GuardSuspect>,
        spares: impl Fn(&PeerAddress) -> bool,
    ) -> Vec<Step> {
        self.forget_old(now);
        suspects.retain(|suspect| !spares(&suspect.peer));
        take_turns(&mut suspects);
        let mut steps = Vec::new();
        // With what could not be reset, too: what this would cut may have been told since.
        for suspect in suspects.iter().filter(|suspect| suspect.is_accused) {
            steps.extend(self.fence_off(suspect, settings, now));
        }
        let mut again = Vec::new();
        for suspect in &mut suspects {
            again.extend(self.take_tried(suspect, now));
        }
        take_turns(&mut suspects);
        take_turns(&mut again);
        self.reset_all(suspects, &mut steps, settings, now);
        self.reset_all(again, &mut steps, settings, now);
        steps
    }

    /// Resets what those hold that are accused; where nothing else is to be done, a little of what others do: what
    /// costs an attacker alone comes first, and may be enough.
    fn reset_all(
        &mut self,
        suspects: Vec<GuardSuspect>,
        steps: &mut Vec<Step>,
        settings: &GuardSettings,
        now: MonotonicTime,
    ) {
        let (accused, others): (Vec<_>, Vec<_>) =
            suspects.into_iter().partition(|suspect| suspect.is_accused);
        for suspect in &accused {
            steps.extend(self.reset(suspect, usize::MAX, settings, now));
        }
        if !steps.is_empty() {
            return;
        }
        let mut left = GENTLY;
        for mut suspect in others {
            let is_old =
                |each: &StalledConnection| now.since_ns(each.since) >= settings.reset_after_ns;
            suspect.stalled.retain(is_old);
            let step = self.reset(&suspect, left, settings, now);
            left -= step.as_ref().map_or(0, |step| step.connections.len());
            steps.extend(step);
        }
    }

    /// A step that was decided has been made.
    pub fn note_made(&mut self, step: &Step, now: MonotonicTime) {
        let Some(past) = self.past.get_mut(&step.peer) else {
            return;
        };
        match step.act {
            GuardAct::Reset if past.is_accused => {
                past.since.get_or_insert(now);
            }
            GuardAct::Reset => {}
            GuardAct::Limit | GuardAct::Block => past.act = step.act,
        }
    }

    /// What these peers were limited or blocked by stands no more, before its time: the next is a limit again.
    pub fn note_lifted(&mut self, is_lifted: impl Fn(&PeerAddress) -> bool) {
        let known = self.past.iter_mut();
        for (_, past) in known.filter(|(peer, _)| is_lifted(peer)) {
            past.act = GuardAct::Reset;
        }
    }

    /// Peers that it has reset as attackers, and may limit or block next; since when.
    #[must_use]
    pub fn may_fence_off(&self, now: MonotonicTime) -> HashMap<PeerAddress, MonotonicTime> {
        let known = self.past.iter();
        let remembered = known.filter(|(_, past)| now.since_ns(past.at) < REMEMBERED_NS);
        remembered
            .filter_map(|(peer, past)| Some((*peer, past.since?)))
            .collect()
    }

    /// Takes out what was to be reset before and is still there; returns what of it is due again.
    fn take_tried(
        &mut self,
        suspect: &mut GuardSuspect,
        now: MonotonicTime,
    ) -> Option<GuardSuspect> {
        let past = self.past.get_mut(&suspect.peer)?;
        let stalled = std::mem::take(&mut suspect.stalled);
        let (mut still, mut again) = (HashMap::new(), Vec::new());
        for each in stalled {
            match past.tried(&each) {
                None => suspect.stalled.push(each),
                Some(tried) => {
                    still.insert(each.connection, tried);
                    again.extend((tried.again_at() <= now).then_some(each));
                }
            }
        }
        // Others were closed.
        past.tried = still;
        (!again.is_empty()).then(|| GuardSuspect {
            stalled: again,
            ..suspect.clone()
        })
    }

    /// Limits or blocks an accused peer that has come back after a reset.
    fn fence_off(
        &mut self,
        suspect: &GuardSuspect,
        settings: &GuardSettings,
        now: MonotonicTime,
    ) -> Option<Step> {
        let past = self.past.get_mut(&suspect.peer)?;
        let bound = settings.comes_back_with.max(1);
        let has_returned = past.note_returns(&suspect.stalled, bound, now);
        let well = suspect
            .well
            .filter(|well| *well <= settings.well_behaved_max)?;
        if !has_returned || !self.blocks.spend(1, settings.blocks_per_minute, now) {
            return None;
        }
        let act = match past.act {
            GuardAct::Reset => GuardAct::Limit,
            GuardAct::Limit | GuardAct::Block => GuardAct::Block,
        };
        past.at = now;
        past.since = Some(now);
        past.returned.clear();
        Some(Step {
            peer: suspect.peer,
            act,
            connections: Vec::new(),
            well: Some(well),
        })
    }

    fn reset(
        &mut self,
        suspect: &GuardSuspect,
        at_most: usize,
        settings: &GuardSettings,
        now: MonotonicTime,
    ) -> Option<Step> {
        let left = self.resets.left(settings.resets_per_minute, now);
        let at_most = at_most.min(usize::try_from(left).unwrap_or(usize::MAX));
        let longest = suspect.stalled.iter().take(at_most);
        let connections: Vec<_> = longest.clone().map(|each| each.connection).collect();
        if connections.is_empty() {
            return None;
        }
        self.resets
            .spend(connections.len() as u64, settings.resets_per_minute, now);
        let past = self.past.entry(suspect.peer).or_insert_with(|| Past {
            act: GuardAct::Reset,
            at: now,
            is_accused: false,
            since: None,
            returned: HashMap::new(),
            tried: HashMap::new(),
        });
        past.at = now;
        past.is_accused = suspect.is_accused;
        for each in longest {
            let before = past.tried(each).map_or(0, |tried| tried.before + 1);
            past.tried
                .insert(each.connection, Tried { at: now, before });
        }
        Some(Step {
            peer: suspect.peer,
            act: GuardAct::Reset,
            connections,
            well: None,
        })
    }

    fn forget_old(&mut self, now: MonotonicTime) {
        self.past
            .retain(|_, past| now.since_ns(past.at) < REMEMBERED_NS);
        while self.past.len() > REMEMBERED {
            let oldest = self.past.iter().min_by_key(|(_, past)| past.at);
            let Some(peer) = oldest.map(|(peer, _)| *peer) else {
                break;
            };
            self.past.remove(&peer);
        }
    }
}

/// Puts whoever has held anything for longest first, and of each what it has.
fn take_turns(suspects: &mut [GuardSuspect]) {
    for suspect in &mut *suspects {
        suspect
            .stalled
            .sort_unstable_by_key(StalledConnection::turn);
    }
    suspects.sort_by_key(|suspect| suspect.stalled.first().map(StalledConnection::turn));
}

#[cfg(test)]
mod tests;
