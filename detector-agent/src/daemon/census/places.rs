//! Where suspects are looked for: in the network namespaces in which they have tracked connections, and, where
//! those come by this host's way in, in others to which it leads: what behaves is not tracked.
//!
//! In the agent's own always. While the guard sees pressure in all: what it makes stands in front of all of them. Each
//! costs a pass over the sockets of the whole kernel, so that otherwise verdicts do without.

use crate::netlink::sock_diag::Namespaces;
use crate::state::AgentState;
use detector_core::engine::CensusWanted;
use detector_core::observe::census::Suspect;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Network namespaces come and go; finding them costs a look at each process.
const KNOWN_FOR: Duration = Duration::from_secs(10);

/// Where each suspect is looked for.
pub(super) type Places = HashMap<Suspect, Place>;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    wanted: CensusWanted,
}

impl Place {
    pub(super) const fn of(wanted: CensusWanted) -> Self {
        Self { wanted }
    }

    /// For whom the engine asks, and where it has tracked connections.
    pub(super) const fn wanted(&self) -> &CensusWanted {
        &self.wanted
    }

    /// All namespaces to look into, each once.
    pub(super) fn namespaces(&self, our_way: &OurWay) -> BTreeSet<u32> {
        let others = self.wanted.is_on_our_way.then_some(&our_way.namespaces);
        let others = others.into_iter().flatten();
        let tracked = self.wanted.namespaces.iter();
        tracked.chain(others).copied().collect()
    }

    /// Whether nothing is missed that a block on our way in would cut.
    pub(super) const fn is_whole(&self, our_way: &OurWay) -> bool {
        self.wanted.is_on_our_way && our_way.is_whole
    }

    pub(super) const fn is_elsewhere(&self) -> bool {
        !self.wanted.is_on_our_way
    }

    /// Whether the suspect has connections in this one for all that is known.
    pub(super) fn is_tracked_in(&self, netns: u32) -> bool {
        self.wanted.namespaces.contains(&netns)
    }
}

/// Network namespaces to which this host's way in leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OurWay {
    namespaces: BTreeSet<u32>,
    /// Whether these are all.
    is_whole: bool,
}

impl OurWay {
    /// Those that are to be asked now.
    pub(super) fn of(state: &AgentState, known: &Namespaces) -> Self {
        let own = known.own().into_iter().collect();
        let may_act = state.guard.status().pressure.is_some();
        // What an agent makes that watches its container alone stands in front of nothing else.
        if !may_act || !state.host.watched.is_host() {
            return Self {
                namespaces: own,
                is_whole: !state.host.watched.is_host(),
            };
        }
        let all = known.on_our_way();
        if state.guard.unseen_namespaces.is_news(all.is_none()) {
            tracing::warn!(
                "the guard limits and blocks nobody: there are network namespaces whose sockets cannot be \
                 asked for, so it is not known what that would cut; the agent needs CAP_SYS_ADMIN and the \
                 host's processes in sight for it"
            );
        }
        Self {
            is_whole: all.is_some(),
            namespaces: all.cloned().unwrap_or(own),
        }
    }

    #[cfg(test)]
    pub(super) fn sample(namespaces: &[u32], is_whole: bool) -> Self {
        Self {
            namespaces: namespaces.iter().copied().collect(),
            is_whole,
        }
    }
}

/// The network namespaces that are there, and when they were found.
pub(super) struct Known {
    pub(super) namespaces: Namespaces,
    found: Instant,
}

impl Known {
    pub(super) fn find() -> Self {
        Self {
            namespaces: Namespaces::find(),
            found: Instant::now(),
        }
    }

    pub(super) fn is_old(&self) -> bool {
        self.found.elapsed() > KNOWN_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::{OurWay, Place};
    use crate::config::{Config, Scope};
    use crate::netlink::sock_diag::Namespaces;
    use crate::state::tests::state;
    use detector_core::engine::CensusWanted;
    use detector_core::guard::Pressure;
    use detector_core::observe::census::Suspect;
    use detector_core::observe::peer_address::PeerAddress;

    fn place(tracked: &[u32], is_on_our_way: bool) -> Place {
        Place::of(CensusWanted {
            suspect: Suspect::Peer(PeerAddress::of([198, 51, 100, 7].into(), 64)),
            namespaces: tracked.to_vec(),
            is_on_our_way,
        })
    }

    fn asked(place: &Place, our_way: &OurWay) -> Vec<u32> {
        place.namespaces(our_way).into_iter().collect()
    }

    #[test]
    fn who_comes_by_our_way_is_looked_for_wherever_it_leads() {
        let our_way = OurWay::sample(&[1, 2, 3], true);
        let ours = place(&[2], true);
        assert_eq!(asked(&ours, &our_way), [1, 2, 3]);
        assert!(ours.is_whole(&our_way) && ours.is_tracked_in(2) && !ours.is_tracked_in(1));
        assert!(!ours.is_whole(&OurWay::sample(&[1, 2, 3], false)));
        // Who plays an address in a network of his own is looked for there alone.
        let foreign = place(&[7], false);
        assert_eq!(asked(&foreign, &our_way), [7]);
        assert!(!foreign.is_whole(&our_way) && foreign.is_elsewhere() && !ours.is_elsewhere());
    }

    #[tokio::test]
    async fn the_own_namespace_is_always_asked_and_while_the_guard_sees_pressure_all() {
        let (state, _pings) = state(&Config::default());
        let known = Namespaces::find();
        let own = known.own().unwrap();
        let our_way = OurWay::of(&state, &known);
        assert_eq!(asked(&place(&[2], true), &our_way), [2, own]);
        assert!(!our_way.is_whole);
        state
            .guard
            .set_pressure(Some(Pressure::Pinned { bytes: 1 }));
        let our_way = OurWay::of(&state, &known);
        assert!(our_way.namespaces.contains(&own));
        let all = known.on_our_way();
        assert_eq!(our_way.is_whole, all.is_some());
        assert!(all.is_none_or(|all| our_way.namespaces.is_superset(all)));
    }

    #[tokio::test]
    async fn an_agent_of_a_container_cuts_nothing_outside_of_it() {
        let mut config = Config::default();
        config.detect.scope = Scope::Container;
        let (state, _pings) = state(&config);
        let known = Namespaces::find();
        let own = known.own().unwrap();
        assert_eq!(OurWay::of(&state, &known), OurWay::sample(&[own], true));
    }
}
