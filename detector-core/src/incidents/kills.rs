//! Kills by the OOM killer, each with the numbers of its moment: what TCP had to do with one is judged by
//! these, not by what stood minutes before or after.
//!
//! In: a kill when it is told first, and what is told of it later. Out: those at which TCP had the largest
//! part of what was short, oldest first.

use detector_api::recorded::OomKill;
use detector_api::snapshot::{Incident, IncidentKill};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Kills(Vec<IncidentKill>);

impl Kills {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Of too many the one goes at which TCP had least; not the newest, of which more may be told.
    pub(super) fn add(&mut self, kill: IncidentKill) {
        if self.0.len() >= Incident::KILLS_MAX {
            let parts = self.0.iter().map(IncidentKill::tcp_percent).enumerate();
            if let Some((least, _)) = parts.min_by_key(|(_, percent)| *percent) {
                self.0.remove(least);
            }
        }
        self.0.push(kill);
    }

    pub(super) fn append(&mut self, later: &mut Self) {
        for kill in later.0.drain(..) {
            self.add(kill);
        }
    }

    /// More is told of a kill: of that of this victim, or of one of which the kernel's count alone had told. False
    /// if there is none.
    pub(super) fn learn(&mut self, told: &OomKill, victim: Option<u64>) -> bool {
        let is_it = |kill: &&mut IncidentKill| kill.pid == victim;
        let Some(kill) = self.0.iter_mut().rev().find(is_it) else {
            return false;
        };
        kill.pid = told.pid;
        kill.scope = told.scope;
        kill.socket_bytes = told.socket_bytes;
        kill.limit_bytes = told.limit_bytes;
        true
    }

    pub(super) fn all(&self) -> &[IncidentKill] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Kills;
    use detector_api::recorded::{KillScope, OomKill};
    use detector_api::snapshot::{Incident, IncidentKill};

    fn kill(pid: Option<u64>, socket_bytes: u64) -> IncidentKill {
        IncidentKill {
            time: String::new(),
            pid,
            scope: KillScope::ControlGroup,
            host: None,
            stalled_connections: 0,
            pinned_bytes: 0,
            socket_bytes: Some(socket_bytes),
            limit_bytes: Some(100),
        }
    }

    fn pids(kills: &Kills) -> Vec<u64> {
        kills.all().iter().filter_map(|kill| kill.pid).collect()
    }

    #[test]
    fn of_too_many_kills_the_one_goes_at_which_tcp_had_least() {
        let mut kills = Kills::new();
        for pid in 0..Incident::KILLS_MAX as u64 {
            kills.add(kill(Some(pid), if pid == 3 { 1 } else { 50 }));
        }
        kills.add(kill(Some(100), 0));
        assert_eq!(pids(&kills).len(), Incident::KILLS_MAX);
        assert!(!pids(&kills).contains(&3) && pids(&kills).ends_with(&[100]));
        kills.add(kill(Some(101), 50));
        assert!(!pids(&kills).contains(&100) && pids(&kills).ends_with(&[101]));
    }

    #[test]
    fn what_is_told_later_is_told_of_the_same_kill() {
        let mut kills = Kills::new();
        let told = |pid| OomKill {
            pid: Some(pid),
            scope: KillScope::Host,
            ..OomKill::default()
        };
        assert!(!kills.learn(&told(870), None));
        // The kernel's count had it.
        kills.add(kill(None, 1));
        kills.add(kill(Some(871), 1));
        assert!(!kills.learn(&told(870), Some(870)));
        assert!(kills.learn(&told(871), Some(871)));
        assert!(kills.learn(&told(870), None));
        assert!(!kills.learn(&told(872), None));
        let scopes: Vec<_> = kills.all().iter().map(|kill| kill.scope).collect();
        assert_eq!(pids(&kills), [870, 871]);
        assert_eq!(scopes, [KillScope::Host; 2]);
    }
}
