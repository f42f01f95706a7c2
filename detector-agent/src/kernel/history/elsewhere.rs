//! The past of addresses in networks that strangers have laid out: it says something of these networks alone.
//!
//! Who has connections in several of them has no more of a past than in that where it is least: else whoever lays
//! out one network himself would speak for an address in another.

use super::table::{address_of, key};
use aya::Pod;
use aya::maps::{HashMap, MapData, MapError};
use detector_common::elsewhere::{ENTRIES_MAX, Place, PlaceKey, places_of};
use detector_common::history::Summary;
use detector_core::observe::peer_address::Network;
use std::collections::{BTreeMap, HashMap as StdHashMap};
use std::net::IpAddr;

/// See the module.
pub(super) trait PlaceMap {
    fn get(&self, key: PlaceKey) -> Result<Option<Place>, MapError>;

    fn entries(&self) -> impl Iterator<Item = Result<(PlaceKey, Place), MapError>>;
}

/// What the agent knows of it.
pub(super) struct Elsewhere<T> {
    pub(super) places: T,
    /// As the kernel side has it.
    pub(super) seed: u64,
}

impl<T: PlaceMap> Elsewhere<T> {
    /// Of an address with connections in these network namespaces.
    pub(super) fn of_address(
        &self,
        address: IpAddr,
        namespaces: &[u32],
        now_ns: u64,
    ) -> Result<Summary, MapError> {
        let address = words(address);
        let mut all = Vec::new();
        for netns in namespaces {
            let mut here = Summary::default();
            for key in places_of(*netns, address, self.seed) {
                let place = self.places.get(key)?;
                if let Some(place) = place.filter(|place| place.address == address) {
                    here = here.plus(place.history.summary(now_ns));
                }
            }
            all.push(here);
        }
        Ok(least(all.into_iter()))
    }

    /// Of networks with connections in these network namespaces: all places are read once.
    pub(super) fn of_networks(
        &self,
        networks: &BTreeMap<Network, &[u32]>,
        now_ns: u64,
    ) -> Result<BTreeMap<Network, Summary>, MapError> {
        let mut found: StdHashMap<(Network, u32), Summary> = StdHashMap::new();
        // The kernel begins anew where the entry that it is to go on from is gone.
        let mut read = StdHashMap::new();
        if !networks.is_empty() {
            for entry in self.places.entries() {
                let (key, place) = entry?;
                read.insert(key, place);
            }
        }
        for (key, place) in read {
            let network = Network::of(address_of(bytes(place.address)));
            if networks.contains_key(&network) {
                let here = found.entry((network, key.netns)).or_default();
                *here = here.plus(place.history.summary(now_ns));
            }
        }
        let of_network = |(network, namespaces): (&Network, &&[u32])| {
            let here = |netns: &u32| found.get(&(*network, *netns)).copied().unwrap_or_default();
            (*network, least(namespaces.iter().map(here)))
        };
        Ok(networks.iter().map(of_network).collect())
    }
}

fn least(all: impl Iterator<Item = Summary>) -> Summary {
    let least = all.reduce(|one, other| Summary {
        ended_well: one.ended_well.min(other.ended_well),
        ended_early: one.ended_early.min(other.ended_early),
        seen_well: one.seen_well.min(other.seen_well),
    });
    least.unwrap_or_default()
}

/// An address as the kernel side has it.
fn words(address: IpAddr) -> [u64; 2] {
    let [high, low] = *key(address).as_chunks::<8>().0 else {
        return [0; 2];
    };
    [high, low].map(u64::from_ne_bytes)
}

fn bytes(words: [u64; 2]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// [`Place`] as aya reads it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Read(Place);

// SAFETY: plain bytes, each of which may have any value.
#[allow(unsafe_code, reason = "aya asks for its own marker of plain bytes")]
unsafe impl Pod for Read {}

/// The kernel's: namespace and place.
pub(super) struct Map(HashMap<MapData, [u32; 2], Read>);

impl TryFrom<aya::maps::Map> for Map {
    type Error = MapError;

    fn try_from(map: aya::maps::Map) -> Result<Self, MapError> {
        map.try_into().map(Self)
    }
}

impl PlaceMap for Map {
    fn get(&self, key: PlaceKey) -> Result<Option<Place>, MapError> {
        match self.0.get(&[key.netns, key.place], 0) {
            Ok(read) => Ok(Some(read.0)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn entries(&self) -> impl Iterator<Item = Result<(PlaceKey, Place), MapError>> {
        let entries = self.0.iter().take(2 * ENTRIES_MAX);
        entries.map(|entry| entry.map(|([netns, place], read)| (PlaceKey { netns, place }, read.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Elsewhere, PlaceMap, words};
    use aya::maps::MapError;
    use detector_common::elsewhere::{Place, PlaceKey, places_of};
    use detector_common::history::{AddressHistory, HistorySpan, SPAN_NS, Summary};
    use detector_core::observe::peer_address::Network;
    use std::collections::{BTreeMap, HashMap};
    use std::net::IpAddr;

    const SEED: u64 = 7;
    const NOW_NS: u64 = 3 * SPAN_NS;
    const HERS: u32 = 1;
    const HIS: u32 = 2;

    impl PlaceMap for HashMap<PlaceKey, Place> {
        fn get(&self, key: PlaceKey) -> Result<Option<Place>, MapError> {
            Ok(HashMap::get(self, &key).copied())
        }

        fn entries(&self) -> impl Iterator<Item = Result<(PlaceKey, Place), MapError>> {
            // As where an entry is gone.
            let all = self.iter().chain(self);
            all.map(|(key, place)| Ok((*key, *place)))
        }
    }

    /// So many ended well at the address in that network.
    fn elsewhere(ended: &[(u32, &str, u32)]) -> Elsewhere<HashMap<PlaceKey, Place>> {
        let mut places = HashMap::new();
        for (number, (netns, address, ended_well)) in ended.iter().enumerate() {
            let address = words(address.parse().unwrap());
            let mut history = AddressHistory::default();
            history.spans[3] = HistorySpan {
                ended_well: *ended_well,
                ..HistorySpan::of(3)
            };
            let place = Place {
                address,
                holds: 1,
                reserved: 0,
                history,
            };
            places.insert(places_of(*netns, address, SEED)[number % 2], place);
        }
        Elsewhere { places, seed: SEED }
    }

    fn ended_well(ended_well: u64) -> Summary {
        Summary {
            ended_well,
            ..Summary::default()
        }
    }

    #[test]
    fn a_past_in_one_network_says_nothing_of_another() {
        let balancers = ["198.51.100.7", "2001:db8:1:2::"];
        for balancer in balancers {
            let known = elsewhere(&[(HERS, balancer, 30), (HIS, "203.0.113.9", 90)]);
            let address: IpAddr = balancer.parse().unwrap();
            for (namespaces, past) in [(&[HERS][..], 30), (&[HIS], 0), (&[HERS, HIS], 0), (&[], 0)]
            {
                let of_address = known.of_address(address, namespaces, NOW_NS).unwrap();
                assert_eq!(of_address, ended_well(past), "{namespaces:?}");
                let network = Network::of(address);
                let wanted = BTreeMap::from([(network, namespaces)]);
                let of_networks = known.of_networks(&wanted, NOW_NS).unwrap();
                assert_eq!(of_networks, [(network, ended_well(past))].into());
            }
        }
    }

    #[test]
    fn who_is_known_in_several_has_the_least_of_it_and_a_network_what_all_have() {
        let known = elsewhere(&[
            (HERS, "198.51.100.7", 30),
            (HIS, "198.51.100.7", 12),
            (HERS, "198.51.100.8", 5),
        ]);
        let address = "198.51.100.7".parse().unwrap();
        let past = known.of_address(address, &[HERS, HIS], NOW_NS).unwrap();
        assert_eq!(past, ended_well(12));
        let network = Network::of(address);
        for (namespaces, past) in [(&[HERS][..], 35), (&[HERS, HIS], 12)] {
            let wanted = BTreeMap::from([(network, namespaces)]);
            let of_networks = known.of_networks(&wanted, NOW_NS).unwrap();
            assert_eq!(of_networks[&network], ended_well(past));
        }
    }
}
