//! The stages of cases: each is one case in one IP version, on a ground that all share.
//!
//! Here is what those who watch see of it; `props` has what plays see.

pub(crate) mod case;
mod plan;
mod props;
mod site;
mod weather;

use case::Case;
pub use plan::{MOST_NETWORKS, Network, Plan};
pub use site::Site;
pub(crate) use weather::{lose_incoming, set_gone};

use crate::network::{Family, peer_key};
use anyhow::Result;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

const TINY_PORT: u16 = 8_080;

/// When what is played counts, by the settings of those who watch.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Without progress for this long, queued data is a stall.
    pub stall_after: Duration,
    /// A drain rate is measured over this long.
    pub dribble_over: Duration,
    /// Stalled connections of one peer from which it hoards.
    pub hoard_connections: usize,
}

/// A flag, and the moment from which it was due.
#[derive(Clone, Copy, Debug)]
pub struct DueFlag {
    /// Its label.
    pub kind: &'static str,
    /// The connection, by the peer's end; `None` for a flag on a peer as a whole.
    pub remote: Option<SocketAddr>,
    /// The moment; may lie ahead.
    pub at: Instant,
    /// The same on the wall clock.
    pub wall: SystemTime,
}

/// The stage of one case in one family.
#[derive(Debug)]
pub struct Stage {
    /// What is played on it.
    pub case: &'static Case,
    /// IP version.
    pub family: Family,
    site: Arc<Site>,
    ends: Ends,
    thresholds: Thresholds,
    progress: Mutex<Progress>,
    changed: Condvar,
}

/// Longer than any play takes to come to its point: one that has not is broken.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where servers and peers of a case are.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// In networks of its own.
    Planned(Network),
    /// Where somebody else has laid out one address of each.
    Given { server: IpAddr, peer: IpAddr },
}

/// What plays have reported so far.
#[derive(Debug, Default)]
struct Progress {
    is_curtain_down: bool,
    has_ended: bool,
    is_shown: bool,
    due: Vec<DueFlag>,
}

impl Stage {
    /// A stage for each case and family of `site`, with addresses of its own.
    pub fn set(
        site: &Arc<Site>,
        cases: impl IntoIterator<Item = &'static Case>,
        plan: Plan,
        thresholds: Thresholds,
    ) -> Result<Vec<Self>> {
        let mut stages = Vec::new();
        let mut number = 1;
        for case in cases {
            for &family in site.families() {
                let network = Network {
                    family,
                    plan,
                    process: std::process::id(),
                    number,
                };
                site.settle(case.place, network, case.networks)?;
                stages.push(Self::new(
                    site,
                    case,
                    family,
                    Ends::Planned(network),
                    thresholds,
                ));
            }
            number += case.networks;
        }
        Ok(stages)
    }

    /// A stage for a case of one peer, with addresses that are there.
    #[must_use]
    pub fn between(
        site: &Arc<Site>,
        case: &'static Case,
        (server, peer): (IpAddr, IpAddr),
        thresholds: Thresholds,
    ) -> Self {
        let family = Family::of(server);
        Self::new(site, case, family, Ends::Given { server, peer }, thresholds)
    }

    fn new(
        site: &Arc<Site>,
        case: &'static Case,
        family: Family,
        ends: Ends,
        thresholds: Thresholds,
    ) -> Self {
        Self {
            case,
            family,
            site: Arc::clone(site),
            ends,
            thresholds,
            progress: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// A name for logs.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.case.name, self.family.name())
    }

    /// Plays the case until the curtain falls.
    pub fn play(&self) -> Result<()> {
        let ready = self.site.prepare(self.case.place);
        let played = ready.and_then(|()| (self.case.play)(self));
        self.report(|progress| progress.has_ended = true);
        played
    }

    /// Why this kernel cannot play the case, if so.
    #[must_use]
    pub fn obstacle(&self) -> Option<&'static str> {
        let of_place = self.site.obstacle(self.case.place);
        of_place.or_else(self.case.obstacle)
    }

    /// Whether a peer with this key, as an agent writes it, is of this case.
    #[must_use]
    pub fn owns(&self, key: &str) -> bool {
        match self.ends {
            Ends::Planned(first) => {
                (0..self.case.networks).any(|each| first.further(each).has(key))
            }
            Ends::Given { peer, .. } => peer_key(peer) == key,
        }
    }

    /// Lets the curtain fall: the play comes to its end.
    pub fn end(&self) {
        self.report(|progress| progress.is_curtain_down = true);
    }

    /// Waits until a flag of this kind was noted; `None` if the play ended, or went on for [`PATIENCE`],
    /// without.
    #[must_use]
    pub fn wait_due(&self, kind: &str) -> Option<DueFlag> {
        let find = |progress: &Progress| progress.due.iter().find(|due| due.kind == kind).copied();
        find(&self.wait_for(|progress| find(progress).is_some()))
    }

    /// Waits until the play has shown what it is about; false if it ended, or went on for [`PATIENCE`],
    /// without.
    #[must_use]
    pub fn wait_shown(&self) -> bool {
        self.wait_for(|progress| progress.is_shown).is_shown
    }

    /// Where the case's small server listens.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        SocketAddr::new(self.server_ip(), TINY_PORT)
    }

    /// All flags that were noted.
    #[must_use]
    pub fn due(&self) -> Vec<DueFlag> {
        self.lock().due.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, news: impl FnOnce(&mut Progress)) {
        news(&mut self.lock());
        self.changed.notify_all();
    }

    fn wait_for(&self, is_met: impl Fn(&Progress) -> bool) -> MutexGuard<'_, Progress> {
        let is_open = |progress: &mut Progress| !progress.has_ended && !is_met(progress);
        wait_while(self.lock(), &self.changed, PATIENCE, is_open)
    }
}

/// Waits as long as a condition holds, but not for ever.
fn wait_while<'a, T>(
    guard: MutexGuard<'a, T>,
    changed: &Condvar,
    patience: Duration,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    let waited = changed.wait_timeout_while(guard, patience, condition);
    waited.unwrap_or_else(PoisonError::into_inner).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_is_not_waited_for_without_end() {
        let (progress, changed) = (Mutex::new(Progress::default()), Condvar::new());
        let guard = progress.lock().unwrap();
        let progress = wait_while(guard, &changed, Duration::from_millis(10), |progress| {
            !progress.is_shown
        });
        assert!(!progress.is_shown);
    }
}
