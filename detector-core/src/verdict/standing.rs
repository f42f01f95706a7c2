//! The verdict that stands. It outlives its evidence for a while, for whoever asks what happened;
//! then it is `benign`, then none. So one bad moment accuses nobody for ever.

use super::judge::Finding;
use super::sharing::Sharing;
use crate::rules::QUIET_NS;
use crate::time::MonotonicTime;
use detector_api::snapshot::{Confidence, Verdict};

/// What other peers and the host's interfaces show, as far as it can change a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathSigns {
    /// Many unrelated networks fell silent.
    pub(crate) silence: bool,
    /// Windows of many unrelated networks went back.
    pub(crate) shrinks: bool,
    /// Interface errors rise.
    pub(crate) interface_errors: bool,
}

/// What became of a peer since something was flagged last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aftermath {
    /// Whether something is flagged now.
    pub(crate) is_flagged: bool,
    /// Whether shrinks are remembered.
    pub(crate) has_shrunk: bool,
    /// Since when nothing has been flagged, if nothing is.
    pub(crate) quiet_since: MonotonicTime,
    /// When a stall last ended while its connection lived on.
    pub(crate) relieved_at: Option<MonotonicTime>,
    /// When one last ended because the peer read on: at the drain floor, or everything.
    pub(crate) read_on_at: Option<MonotonicTime>,
    /// Whether it is not to be accused at all: it is trusted, shares its address with others who
    /// behave, or drains.
    pub(crate) is_excused: bool,
}

/// The verdict of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdicts {
    /// The one that stands, and since when.
    pub(crate) standing: Option<(Finding, MonotonicTime)>,
    /// What others showed when the peer was judged last.
    path_signs: PathSigns,
    /// What is known of its other connections.
    pub(crate) sharing: Sharing,
}

impl Verdicts {
    /// Takes what the evidence gives now, if it gives anything.
    pub(crate) fn observe(
        &mut self,
        found: Option<Finding>,
        aftermath: &Aftermath,
        path_signs: PathSigns,
        now: MonotonicTime,
    ) {
        let finding = match found {
            Some(found) => {
                let found = self.keep_path_loss(found, aftermath);
                Some(self.keep_accusation(found, aftermath))
            }
            None => self.after(aftermath),
        };
        self.stand(finding, now);
        self.path_signs = path_signs;
    }

    /// Lets a verdict go whose time is over. Returns whether the peer is cleared by that.
    pub(crate) fn settle(&mut self, aftermath: &Aftermath, now: MonotonicTime) -> bool {
        let is_quiet = !aftermath.is_flagged && !aftermath.has_shrunk;
        let ends_at = self.ends_at(aftermath.quiet_since);
        if !is_quiet || ends_at.is_none_or(|at| at > now) {
            return false;
        }
        let is_cleared = self.verdict() == Some(Verdict::Benign);
        let benign = (Verdict::Benign, Confidence::Low);
        self.stand((!is_cleared).then_some(benign), now);
        is_cleared
    }

    /// Whether it is called an attacker.
    pub(crate) fn is_accused(&self) -> bool {
        self.verdict().is_some_and(is_accusation)
    }

    /// Since when it is called one.
    pub(crate) fn accused_since(&self) -> Option<MonotonicTime> {
        let standing = self.standing.filter(|_| self.is_accused());
        standing.map(|(_, since)| since)
    }

    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.standing.map(|((verdict, _), _)| verdict)
    }

    /// Whether others show something else than when the peer was judged.
    pub(crate) fn is_outdated(&self, path_signs: PathSigns) -> bool {
        self.path_signs != path_signs
    }

    /// When the verdict ends, if the peer has been quiet since and stays so.
    pub(crate) fn ends_at(&self, quiet_since: MonotonicTime) -> Option<MonotonicTime> {
        let ((verdict, _), since) = self.standing?;
        let from = if verdict == Verdict::Benign {
            since
        } else {
            quiet_since
        };
        Some(from.plus_ns(QUIET_NS))
    }

    /// Takes a verdict over, with the moment it was reached if it is new.
    fn stand(&mut self, finding: Option<Finding>, now: MonotonicTime) {
        let before = self.standing;
        self.standing = finding.map(|finding| {
            let same = before.filter(|((verdict, _), _)| *verdict == finding.0);
            (finding, same.map_or(now, |(_, since)| since))
        });
    }

    /// An attack whose last connections are being closed, or that is blocked and so falls silent, does not
    /// become something milder: only reading on, a drain, others at its address or in its network, or time
    /// takes an accusation back.
    fn keep_accusation(&self, found: Finding, aftermath: &Aftermath) -> Finding {
        let Some(((before, _), since)) = self.standing else {
            return found;
        };
        let is_milder = !is_accusation(found.0);
        let has_read_on = aftermath.read_on_at >= Some(since);
        if is_accusation(before) && is_milder && !has_read_on && !aftermath.is_excused {
            (before, Confidence::Medium)
        } else {
            found
        }
    }

    /// Many fall silent in one minute, and stay so for as long as the path is down: while this peer has not answered,
    /// what it showed with them stays true.
    fn keep_path_loss(&self, found: Finding, aftermath: &Aftermath) -> Finding {
        let standing = self.standing.filter(|((before, _), since)| {
            let is_unbroken = aftermath.quiet_since <= *since;
            *before == Verdict::PathLoss && is_unbroken
        });
        match standing {
            Some((before, _)) if found.0 == Verdict::Vanished => before,
            _ => found,
        }
    }

    /// The verdict that stands once the evidence gives none: a mild one is `benign` as soon as the
    /// peer has recovered by itself, any other stays for a while.
    fn after(&self, aftermath: &Aftermath) -> Option<Finding> {
        let ((verdict, confidence), _) = self.standing?;
        if is_accusation(verdict) && aftermath.is_excused {
            return Some((Verdict::SlowClient, Confidence::Low));
        }
        let is_mild = !is_accusation(verdict) && verdict != Verdict::ShrinkingPeer;
        let is_relieved = aftermath.relieved_at >= Some(aftermath.quiet_since);
        if is_mild && is_relieved && !aftermath.is_flagged && verdict != Verdict::Benign {
            return Some((Verdict::Benign, Confidence::Medium));
        }
        Some((verdict, confidence))
    }
}

const fn is_accusation(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::SlowReadAttack | Verdict::ZeroWindowAttack)
}

#[cfg(test)]
mod tests {
    use super::{Aftermath, PathSigns, Verdicts};
    use crate::time::{MonotonicTime, SECOND_NS};
    use detector_api::snapshot::{Confidence, Verdict};

    /// What is shown at a second of a peer of which nothing had been flagged until another.
    fn observe(verdicts: &mut Verdicts, found: Option<Verdict>, second: u64, quiet_until: u64) {
        let at = |second: u64| MonotonicTime::from_ns(second * SECOND_NS);
        let aftermath = Aftermath {
            is_flagged: found.is_some(),
            has_shrunk: false,
            quiet_since: at(quiet_until),
            relieved_at: None,
            read_on_at: None,
            is_excused: false,
        };
        let found = found.map(|verdict| (verdict, Confidence::Medium));
        verdicts.observe(found, &aftermath, PathSigns::default(), at(second));
    }

    #[test]
    fn a_path_that_was_lost_stays_so_until_something_comes() {
        let mut verdicts = Verdicts::default();
        observe(&mut verdicts, Some(Verdict::PathLoss), 10, 10);
        for second in [11, 80, 800] {
            observe(&mut verdicts, Some(Verdict::Vanished), second, 10);
            assert_eq!(verdicts.verdict(), Some(Verdict::PathLoss), "{second}");
        }
        observe(&mut verdicts, None, 810, 810);
        assert_eq!(verdicts.verdict(), Some(Verdict::PathLoss));
        observe(&mut verdicts, Some(Verdict::Vanished), 820, 810);
        assert_eq!(verdicts.verdict(), Some(Verdict::Vanished), "anew, alone");
    }

    #[test]
    fn who_fell_silent_alone_is_no_sign_of_a_path() {
        let mut verdicts = Verdicts::default();
        observe(&mut verdicts, Some(Verdict::PathLoss), 10, 1);
        observe(&mut verdicts, Some(Verdict::SlowClient), 20, 1);
        observe(&mut verdicts, Some(Verdict::Vanished), 30, 1);
        assert_eq!(verdicts.verdict(), Some(Verdict::Vanished));
    }
}
