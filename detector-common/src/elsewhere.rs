//! The past of addresses in networks that strangers have laid out.
//!
//! There anybody may be anybody, so what has ended in one says something of that one alone. Each network has
//! so many places, and each address one of two of them, drawn so that nobody can foresee which: whoever has
//! very many addresses, or lays out a network himself, takes no place in another. In a network an address
//! holds its place against as many ends of others as it has had itself.

use crate::history::AddressHistory;
use bytemuck::{Pod, Zeroable};

/// Places of one network, a power of two.
pub const PLACES: u32 = 64;

/// Places of all networks: those that were used last.
pub const ENTRIES_MAX: usize = 8_192;

/// An address holds its place against no more than so many.
const HOLDS_MAX: u32 = 4_096;

/// A place of a network.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct PlaceKey {
    /// The number in `/proc/PID/ns/net`.
    pub netns: u32,
    /// Less than [`PLACES`].
    pub place: u32,
}

/// What is kept there.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Place {
    /// Whose it is: IPv4 mapped, IPv6 cut as peers are.
    pub address: [u64; 2],
    /// Against so many ends of others it is held.
    pub holds: u32,
    /// Always 0.
    pub reserved: u32,
    /// How the address's connections have ended.
    pub history: AddressHistory,
}

/// Where an address may be kept in a network.
#[inline(always)]
#[must_use]
pub const fn places_of(netns: u32, address: [u64; 2], seed: u64) -> [PlaceKey; 2] {
    let drawn = mixed(mixed(seed ^ address[0]) ^ address[1]);
    let [first, .., other] = drawn.to_le_bytes();
    [
        PlaceKey {
            netns,
            place: first as u32 & (PLACES - 1),
        },
        PlaceKey {
            netns,
            place: other as u32 & (PLACES - 1),
        },
    ]
}

/// The last steps of SplitMix64: each bit depends on each.
#[inline(always)]
const fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// What becomes of an end, at the first or the second place of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It counts there.
    Counts(usize),
    /// The place is free for it.
    Takes(usize),
    /// Whoever has the place holds it against one less.
    Wears(usize),
}

/// What becomes of an end of `address`; `found` is whose both places are, and against how many they are held.
#[inline(always)]
#[must_use]
pub const fn turn(address: [u64; 2], found: [Option<([u64; 2], u32)>; 2]) -> Turn {
    let [first, other] = found;
    let (first, other) = match (first, other) {
        (Some((owner, _)), _) if is_same(owner, address) => return Turn::Counts(0),
        (_, Some((owner, _))) if is_same(owner, address) => return Turn::Counts(1),
        (None, _) => return Turn::Takes(0),
        (_, None) => return Turn::Takes(1),
        (Some((_, first)), Some((_, other))) => (first, other),
    };
    let (weaker, holds) = if other < first {
        (1, other)
    } else {
        (0, first)
    };
    if holds == 0 {
        Turn::Takes(weaker)
    } else {
        Turn::Wears(weaker)
    }
}

#[inline(always)]
const fn is_same(one: [u64; 2], other: [u64; 2]) -> bool {
    one[0] == other[0] && one[1] == other[1]
}

/// Against how many a place is held after one more end of its address.
#[inline(always)]
#[must_use]
pub const fn held_longer(holds: u32) -> u32 {
    if holds < HOLDS_MAX { holds + 1 } else { holds }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{HOLDS_MAX, PLACES, PlaceKey, Turn, held_longer, places_of, turn};
    use std::collections::{HashMap, HashSet};

    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

    /// As the kernel side keeps them: whose each place is, how long it is held, how many have ended.
    #[derive(Default)]
    struct Model(HashMap<PlaceKey, ([u64; 2], u32, u32)>);

    impl Model {
        fn end(&mut self, netns: u32, address: [u64; 2]) {
            let keys = places_of(netns, address, SEED);
            let found = keys.map(|key| self.0.get(&key).map(|(owner, holds, _)| (*owner, *holds)));
            match turn(address, found) {
                Turn::Counts(at) => {
                    let (_, holds, ended) = self.0.get_mut(&keys[at]).unwrap();
                    *holds = held_longer(*holds);
                    *ended += 1;
                }
                Turn::Takes(at) => drop(self.0.insert(keys[at], (address, 1, 1))),
                Turn::Wears(at) => self.0.get_mut(&keys[at]).unwrap().1 -= 1,
            }
        }

        fn ended(&self, netns: u32, address: [u64; 2]) -> u32 {
            let found = places_of(netns, address, SEED).map(|key| self.0.get(&key).copied());
            let own = found.into_iter().flatten();
            own.filter(|(owner, ..)| *owner == address)
                .map(|(_, _, ended)| ended)
                .max()
                .unwrap_or(0)
        }
    }

    const BALANCER: [u64; 2] = [0, 7];

    #[test]
    fn whoever_has_very_many_addresses_takes_no_place_in_another_network() {
        let mut model = Model::default();
        for _ in 0..20 {
            model.end(1, BALANCER);
        }
        for number in 0..10_000 {
            model.end(2, [number, 1]);
        }
        assert_eq!(model.ended(1, BALANCER), 20);
        assert_eq!(model.ended(2, BALANCER), 0, "it has no past there");
        let of_flooded = model.0.keys().filter(|key| key.netns == 2).count();
        assert!(of_flooded <= PLACES as usize, "{of_flooded}");
    }

    #[test]
    fn a_busy_address_is_known_whoever_comes_once() {
        let mut model = Model::default();
        for number in 0..10_000 {
            model.end(1, [number, 1]);
            if number % 4 == 0 {
                model.end(1, BALANCER);
            }
        }
        assert!(model.ended(1, BALANCER) > 2_000);
    }

    #[test]
    fn who_comes_no_more_makes_room_for_who_comes_often() {
        let mut model = Model::default();
        for number in 0..1_000 {
            for _ in 0..2 * HOLDS_MAX {
                model.end(1, [number, 1]);
            }
        }
        assert_eq!(model.0.len(), PLACES as usize);
        let mut ends = 0;
        while model.ended(1, BALANCER) == 0 {
            model.end(1, BALANCER);
            ends += 1;
        }
        assert!(ends <= HOLDS_MAX + 1, "{ends}");
    }

    #[test]
    fn addresses_are_spread_over_all_places_and_each_seed_draws_anew() {
        let all = |seed| {
            let addresses = (0..1_000).map(move |number| places_of(1, [number, 0], seed));
            addresses.flatten().map(|key| key.place)
        };
        let used: HashSet<u32> = all(SEED).collect();
        assert_eq!(used.len(), PLACES as usize);
        let same = all(SEED)
            .zip(all(!SEED))
            .filter(|(one, other)| one == other);
        assert!(same.count() < 2_000 / 16);
    }
}
