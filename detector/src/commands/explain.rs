//! `detector explain`: the evidence card of one peer.

use crate::cli::{ExplainArgs, Wanted};
use detector_api::address::network_of;
use detector_api::failure::Failure;
use detector_api::page::PeerPage;
use detector_api::snapshot::Peer;
use detector_client::client::percent_encoded;
use detector_client::client::{self, ClientError};
use detector_client::clock;
use detector_client::explain::{HostFacts, KernelSettings, Look, StatusFacts, Subject, card};
use detector_client::sysctl;
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::Path;

/// Peers looked through for one that is near.
const NEAR_LIMIT: usize = 10_000;
const NOT_FOUND: u16 = 404;

pub(super) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let socket = &args.control_socket;
    let target = format!("/v1/peers/{}", percent_encoded(&args.peer.name()));
    if args.json {
        let answer = super::converse(client::object::<serde_json::Value>(socket, &target))?;
        return match answer {
            Ok(page) => super::print(&format!("{page:#}\n")),
            Err(error) => Err(refused(socket, &args.peer, error)),
        };
    }
    let page = match super::converse(client::object::<PeerPage>(socket, &target))? {
        Ok(page) => page,
        Err(error) => return Err(refused(socket, &args.peer, error)),
    };
    // A card without these is a card all the same: the agent may be older than they are.
    let host = super::converse(client::object::<HostFacts>(socket, "/v1/host"))?;
    let status = super::converse(client::object::<StatusFacts>(socket, "/v1/status"))?;
    let subject = Subject {
        page,
        host: host.unwrap_or_default(),
        status: status.unwrap_or_default(),
        kernel: KernelSettings {
            tcp_wmem: sysctl::numbers("tcp_wmem"),
            tcp_orphan_retries: sysctl::number("tcp_orphan_retries"),
        },
        now_unix_ns: clock::unix_ns(),
        asked: args.peer.connection,
    };
    super::print(&card(&subject, Look::of_stdout()))
}

fn refused(socket: &Path, wanted: &Wanted, error: ClientError) -> Failure {
    match error {
        ClientError::Refused {
            status: NOT_FOUND, ..
        } => unknown(socket, wanted),
        other => super::client_failure(socket, other),
    }
}

/// The agent does not know the peer: names the nearest that it knows.
fn unknown(socket: &Path, wanted: &Wanted) -> Failure {
    let failure = Failure::failed(format!(
        "cannot explain {}: the agent does not track this peer",
        wanted.name()
    ));
    let target = format!("/v1/peers?limit={NEAR_LIMIT}");
    let Ok(Ok(known)) = super::converse(client::list::<Peer>(socket, &target)) else {
        return failure.hint("`detector peers` lists those that it tracks");
    };
    let names = known.rows.iter().map(|peer| peer.peer.as_str());
    failure.hint(match nearest(wanted.network, names) {
        Some(near) => format!(
            "the nearest that it tracks is {near}; `detector peers` lists all {}",
            known.total
        ),
        None if known.rows.is_empty() => {
            "it tracks none: no connection has misbehaved since it started, or all that did are \
             long gone"
                .to_owned()
        }
        None => format!("`detector peers` lists the {} that it tracks", known.total),
    })
}

/// The least leading bits of an address that make another one near: a /16, a /32 of IPv6.
const fn near_bits(network: IpNet) -> u32 {
    match network {
        IpNet::V4(_) => 16,
        IpNet::V6(_) => 32,
    }
}

/// The name of the peer that shares most leading bits, if it shares enough.
fn nearest<'a>(wanted: IpNet, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let shared = |name: &str| shared_bits(wanted.addr(), network_of(name)?.addr());
    let near = names.filter_map(|name| Some((shared(name)?, name)));
    let (bits, name) = near.max_by_key(|(bits, _)| *bits)?;
    (bits >= near_bits(wanted)).then_some(name)
}

const fn shared_bits(a: IpAddr, b: IpAddr) -> Option<u32> {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;
    use detector_api::address::network_of;

    #[test]
    fn the_nearest_peer_is_of_the_same_neighbourhood() {
        let known = [
            "203.0.113.200",
            "203.0.113.8",
            "198.51.100.7",
            "2001:db8:1::/64",
        ];
        let near = |text| nearest(network_of(text).unwrap(), known.into_iter());
        assert_eq!(near("203.0.113.7"), Some("203.0.113.8"));
        assert_eq!(near("198.51.1.1"), Some("198.51.100.7"));
        assert_eq!(near("192.0.2.1"), None);
        assert_eq!(near("2001:db8:2::1"), Some("2001:db8:1::/64"));
        assert_eq!(near("2a00::1"), None);
    }
}
