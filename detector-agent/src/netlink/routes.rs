//! The gateways of a network namespace.

use super::{Netlink, Payload, Request, address, attribute, flag, u16_at};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

const GET_ROUTES: u16 = 26;
const GATEWAY: u16 = 5;
const MULTIPATH: u16 = 9;
const VIA: u16 = 18;
/// `struct rtmsg`.
const ROUTE_HEAD_BYTES: usize = 12;
const GET_NEXTHOPS: u16 = 106;
/// `NHA_GATEWAY`.
const NEXTHOP_GATEWAY: u16 = 6;
/// `struct nhmsg`.
const NEXTHOP_HEAD_BYTES: usize = 8;
/// `struct rtnexthop`.
const HOP_BYTES: usize = 8;
/// `struct rtvia` begins with a family.
const VIA_FAMILY_BYTES: usize = 2;
/// While routes come and go, a dump has to be asked for again.
const TRIES: usize = 8;

/// The gateways of the network namespace of this thread, those of all its tables, and those of nexthops, of which a
/// route may have but the number.
pub(crate) fn gateways() -> io::Result<BTreeSet<IpAddr>> {
    let mut gateways = dump(GET_ROUTES, ROUTE_HEAD_BYTES, gateways_of)?;
    let of_nexthop = |attributes: &[u8]| {
        let gateway = attribute(attributes, NEXTHOP_GATEWAY);
        Vec::from_iter(gateway.and_then(address))
    };
    match dump(GET_NEXTHOPS, NEXTHOP_HEAD_BYTES, of_nexthop) {
        Ok(of_nexthops) => gateways.extend(of_nexthops),
        // Before Linux 5.3 a route had its gateway itself.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    Ok(gateways)
}

/// All that `read` finds in the attributes, which come behind a head of so many bytes.
fn dump(
    kind: u16,
    head_bytes: usize,
    read: impl Fn(&[u8]) -> Vec<IpAddr>,
) -> io::Result<BTreeSet<IpAddr>> {
    let request = Request {
        kind,
        flags: flag::DUMP,
        payload: Payload::new(&vec![0; head_bytes]),
    };
    for tries_left in (0..TRIES).rev() {
        let mut found = BTreeSet::new();
        // On a socket of its own: the rest of the last dump may still be on its way.
        let asked = Netlink::open(None)?.ask_each(&request, &mut |object| {
            found.extend(read(object.payload.get(head_bytes..).unwrap_or_default()));
        });
        match asked {
            Err(error) if error.kind() == io::ErrorKind::Interrupted && tries_left > 0 => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(found),
        }
    }
    Err(io::ErrorKind::Interrupted.into())
}

fn gateways_of(attributes: &[u8]) -> Vec<IpAddr> {
    let mut gateways: Vec<_> = gateway(attributes).into_iter().collect();
    let mut hops = attribute(attributes, MULTIPATH).unwrap_or_default();
    while let Some(length) = u16_at(hops, 0).map(usize::from) {
        let Some(hop) = hops.get(HOP_BYTES..length) else {
            break;
        };
        gateways.extend(gateway(hop));
        hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    gateways
}

fn gateway(attributes: &[u8]) -> Option<IpAddr> {
    let of_other_family = || attribute(attributes, VIA)?.get(VIA_FAMILY_BYTES..);
    address(attribute(attributes, GATEWAY).or_else(of_other_family)?)
}

#[cfg(test)]
mod tests {
    use super::{GATEWAY, MULTIPATH, VIA, gateways, gateways_of};
    use crate::netlink::Payload;
    use proptest::prelude::*;

    #[test]
    fn gateways_are_found_alone_in_paths_and_of_the_other_family() {
        let alone = Payload::default()
            .with(1, &[0; 4])
            .with(GATEWAY, &[192, 0, 2, 1]);
        assert_eq!(
            gateways_of(alone.bytes()),
            ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]
        );
        let hop = |last| {
            let mut hop = vec![16, 0, 0, 0, 1, 0, 0, 0];
            hop.extend_from_slice(Payload::default().with(GATEWAY, &[192, 0, 2, last]).bytes());
            hop
        };
        let paths = Payload::default().with(MULTIPATH, &[hop(2), hop(3)].concat());
        assert_eq!(gateways_of(paths.bytes()).len(), 2);
        let mut via = vec![10, 0];
        via.extend_from_slice(&std::net::Ipv6Addr::LOCALHOST.octets());
        assert_eq!(
            gateways_of(Payload::default().with(VIA, &via).bytes()).len(),
            1
        );
    }

    #[test]
    fn this_hosts_own_can_be_asked_for() {
        drop(gateways().unwrap());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(gateways_of(&bytes));
        }
    }
}
