//! Where suspects are looked for: in the network namespaces in which they have tracked connections, and, where
//! those come by this host's way in, in others to which it leads: what behaves is not tracked.
//!
//! In the agent's own always. In all, whoever the guard has reset and may limit or block next, for what it makes stands
//! in front of all of them, and everybody while there is pressure, under which it acts on whom a verdict accuses. Each
//! costs a pass over the sockets of the whole kernel, so that other verdicts do without.

use crate::netlink::sock_diag::Namespaces;
use crate::state::AgentState;
use detector_core::engine::CensusWanted;
use detector_core::observe::census::Suspect;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Network namespaces come and go; finding them costs a look at each process.
const KNOWN_FOR: Duration = Duration::from_secs(10);

/// Where each suspect is looked for.
pub(super) type SuspectPlaces = HashMap<Suspect, Place>;

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
        let own = our_way.own.iter();
        let all = our_way.all.iter().flatten();
        let all = all.filter(|_| self.is_asked_everywhere(our_way));
        let others = own.chain(all).filter(|_| self.wanted.is_on_our_way);
        self.wanted
            .namespaces
            .iter()
            .chain(others)
            .copied()
            .collect()
    }

    /// Whether all namespaces are to be asked to which our way in leads.
    pub(super) const fn is_asked_everywhere(&self, our_way: &OurWay) -> bool {
        self.wanted.is_on_our_way && (self.wanted.may_be_fenced_off || our_way.is_pressed)
    }

    /// Whether nothing is missed that a block on our way in would cut.
    pub(super) fn is_whole(&self, our_way: &OurWay) -> bool {
        let is_one = our_way.all.as_ref() == Some(&our_way.own);
        let is_asked = is_one || self.is_asked_everywhere(our_way);
        self.wanted.is_on_our_way && is_asked && our_way.all.is_some()
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
    /// The agent's own.
    own: BTreeSet<u32>,
    /// All, if they are asked for and known.
    all: Option<BTreeSet<u32>>,
    /// Whether everybody is looked for in all.
    is_pressed: bool,
}

impl OurWay {
    /// As far as it counts for these suspects.
    pub(super) fn of(state: &AgentState, known: &Namespaces, places: &SuspectPlaces) -> Self {
        let own: BTreeSet<u32> = known.own().into_iter().collect();
        let is_pressed = state.guard.status().pressure.is_some();
        let mut our_way = Self {
            own,
            all: None,
            is_pressed,
        };
        // What an agent makes that watches its container alone stands in front of nothing else.
        if !state.host.watched.is_host() {
            our_way.all = Some(our_way.own.clone());
            return our_way;
        }
        let mut places = places.values();
        if !places.any(|place| place.is_asked_everywhere(&our_way)) {
            return our_way;
        }
        let all = known.on_our_way();
        if state.guard.unseen_namespaces.is_news(all.is_none()) {
            tracing::warn!(
                "the guard limits and blocks nobody: there are network namespaces whose sockets cannot be \
                 asked for, so it is not known what that would cut; the agent needs CAP_SYS_ADMIN and the \
                 host's processes in sight for it"
            );
        }
        our_way.all = all.cloned();
        our_way
    }

    #[cfg(test)]
    pub(super) fn sample(own: u32, all: Option<&[u32]>) -> Self {
        Self {
            own: BTreeSet::from([own]),
            all: all.map(|all| all.iter().copied().collect()),
            is_pressed: false,
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
    use super::{OurWay, Place, SuspectPlaces};
    use crate::config::{Config, Scope};
    use crate::netlink::sock_diag::Namespaces;
    use crate::state::tests::state;
    use detector_core::engine::CensusWanted;
    use detector_core::guard::Pressure;
    use detector_core::observe::census::Suspect;
    use detector_core::observe::peer_address::PeerAddress;

    fn place(tracked: &[u32], is_on_our_way: bool, may_be_fenced_off: bool) -> Place {
        Place::of(CensusWanted {
            suspect: Suspect::Peer(PeerAddress::of([198, 51, 100, 7].into(), 64)),
            namespaces: tracked.to_vec(),
            is_on_our_way,
            may_be_fenced_off,
        })
    }

    fn asked(place: &Place, our_way: &OurWay) -> Vec<u32> {
        place.namespaces(our_way).into_iter().collect()
    }

    fn places(place: &Place) -> SuspectPlaces {
        SuspectPlaces::from([(place.wanted().suspect, place.clone())])
    }

    #[test]
    fn who_may_be_fenced_off_is_looked_for_wherever_our_way_leads() {
        let our_way = OurWay::sample(1, Some(&[1, 2, 3]));
        let ours = place(&[2], true, true);
        assert_eq!(asked(&ours, &our_way), [1, 2, 3]);
        assert!(ours.is_whole(&our_way) && ours.is_tracked_in(2) && !ours.is_tracked_in(1));
        let unknown = OurWay::sample(1, None);
        assert_eq!(asked(&ours, &unknown), [1, 2]);
        assert!(!ours.is_whole(&unknown));
        // Verdicts do without.
        let others = place(&[2], true, false);
        assert_eq!(asked(&others, &our_way), [1, 2]);
        assert!(!others.is_whole(&our_way));
        // Under pressure they do not: whom they accuse the guard acts on.
        let pressed = OurWay {
            is_pressed: true,
            ..our_way.clone()
        };
        assert_eq!(asked(&others, &pressed), [1, 2, 3]);
        assert!(others.is_whole(&pressed));
        // Who plays an address in a network of his own is looked for there alone.
        let foreign = place(&[7], false, true);
        assert_eq!(asked(&foreign, &our_way), [7]);
        assert!(!foreign.is_whole(&our_way) && foreign.is_elsewhere() && !ours.is_elsewhere());
    }

    #[tokio::test]
    async fn all_namespaces_are_found_once_somebody_may_be_fenced_off() {
        let (state, _pings) = state(&Config::default());
        let known = Namespaces::find();
        let own = known.own().unwrap();
        let none = OurWay::of(&state, &known, &places(&place(&[2], true, false)));
        assert_eq!(none, OurWay::sample(own, None));
        let all = OurWay::of(&state, &known, &places(&place(&[2], true, true)));
        assert_eq!(all.all.as_ref(), known.on_our_way());
        assert!(all.all.is_none_or(|all| all.contains(&own)));
        state
            .guard
            .set_pressure(Some(Pressure::Pinned { bytes: 1 }));
        let pressed = OurWay::of(&state, &known, &places(&place(&[2], true, false)));
        assert!(pressed.is_pressed);
        assert_eq!(pressed.all.as_ref(), known.on_our_way());
    }

    #[tokio::test]
    async fn an_agent_of_a_container_cuts_nothing_outside_of_it() {
        let mut config = Config::default();
        config.detect.scope = Scope::Container;
        let (state, _pings) = state(&config);
        let known = Namespaces::find();
        let own = known.own().unwrap();
        // Whoever is accused was counted there, and may be limited at once.
        let ours = place(&[own], true, false);
        let our_way = OurWay::of(&state, &known, &places(&ours));
        assert_eq!(our_way, OurWay::sample(own, Some(&[own])));
        assert!(ours.is_whole(&our_way));
    }
}
