//! Where a limit or a block would meet a connection: not where somebody has laid out a network for himself,
//! in which any address may be anybody's.

use crate::namespace;
use crate::privilege::outside;
use detector_core::guard::GuardSuspect;
use std::collections::BTreeSet;

/// Says of each connection whether it comes by this host's way in. Waits for a look at each process.
pub(crate) fn mark(suspects: &mut [GuardSuspect]) {
    let home = namespace::home().map(|home| home.inode);
    mark_with(suspects, home, || {
        outside::run("namespaces", namespace::of_our_users).unwrap_or_default()
    });
}

/// `look` finds the network namespaces that are no stranger's, besides `home`. At each time anew: the
/// kernel gives a number again as soon as its namespace is gone, to whoever lays out the next one. Only
/// where that matters: nobody else is limited or blocked.
fn mark_with(
    suspects: &mut [GuardSuspect],
    home: Option<u32>,
    look: impl FnOnce() -> BTreeSet<u32>,
) {
    let is_home = |netns: u32| Some(netns) == home;
    let accused = suspects.iter().filter(|suspect| suspect.is_accused);
    let mut connections = accused.flat_map(|suspect| &suspect.stalled);
    let is_needed = connections.any(|each| !is_home(each.connection.netns));
    let ours = if is_needed { look() } else { BTreeSet::new() };
    for each in suspects.iter_mut().flat_map(|suspect| &mut suspect.stalled) {
        let netns = each.connection.netns;
        each.is_on_our_way = is_home(netns) || ours.contains(&netns);
    }
}

#[cfg(test)]
mod tests {
    use super::mark_with;
    use detector_core::guard::{GuardSuspect, StalledConnection};
    use detector_core::observe::observation::ConnectionId;
    use detector_core::observe::peer_address::PeerAddress;
    use detector_core::time::MonotonicTime;
    use std::collections::BTreeSet;

    fn suspect(is_accused: bool, namespaces: &[u32]) -> GuardSuspect {
        let at = MonotonicTime::from_ns(1);
        let stalled = namespaces.iter().map(|netns| StalledConnection {
            connection: ConnectionId {
                socket: 1,
                netns: *netns,
                local: "192.0.2.1:80".parse().unwrap(),
                remote: "203.0.113.7:40000".parse().unwrap(),
            },
            first_seen: at,
            since: at,
            pinned_bytes: 1,
            is_on_our_way: true,
        });
        GuardSuspect {
            peer: PeerAddress::of("203.0.113.7".parse().unwrap(), 64),
            is_accused,
            is_shared: false,
            well: None,
            stalled: stalled.collect(),
        }
    }

    fn marks(suspects: &[GuardSuspect]) -> Vec<bool> {
        let all = suspects.iter().flat_map(|suspect| &suspect.stalled);
        all.map(|each| each.is_on_our_way).collect()
    }

    #[test]
    fn a_number_that_is_given_again_is_another_namespace() {
        let mut suspects = [suspect(true, &[1, 2, 3])];
        for (ours, expected) in [(&[2][..], [true, true, false]), (&[], [true, false, false])] {
            mark_with(&mut suspects, Some(1), || ours.iter().copied().collect());
            assert_eq!(marks(&suspects), expected);
        }
    }

    #[test]
    fn nobody_looks_at_processes_for_what_comes_by_the_way_in() {
        let mut suspects = [suspect(true, &[1]), suspect(false, &[2])];
        let look = || -> BTreeSet<u32> { panic!("it looked") };
        mark_with(&mut suspects, Some(1), look);
        assert_eq!(marks(&suspects), [true, false]);
    }
}
