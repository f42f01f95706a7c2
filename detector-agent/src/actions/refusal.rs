//! What is never blocked, whoever asks. Pure.

use detector_api::address::is_translated;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The widest network that can be blocked, by its prefix length.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 24;
/// The shortest and the longest time for which something can be blocked.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// Why a network is not blocked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Its time is too long or too short.
    #[error("a block lasts between {} s and 24 h", SHORTEST.as_secs())]
    Span,
    /// It would hit too many.
    #[error("the network is wider than /{widest}, too wide to be one peer")]
    TooWide {
        /// The widest prefix of its family.
        widest: u8,
    },
    /// No peer has such an address, or the host itself needs it.
    #[error("{network} is for {what} and is never blocked")]
    Special {
        /// What the addresses are for.
        what: &'static str,
        /// Where they lie.
        network: IpNet,
    },
    /// The configuration trusts it.
    #[error("{network} is trusted")]
    Trusted {
        /// The trusted network.
        network: IpNet,
    },
    /// It is the host itself.
    #[error("{address} is an address of this host")]
    Own {
        /// The host's address.
        address: IpAddr,
    },
}

impl Refusal {
    /// What to do about it.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Span => "block it for 10m, and again if it comes back",
            Self::TooWide { .. } => {
                "block the networks that misbehave: `detector peers --group net`"
            }
            Self::Special { .. } => "`detector explain` shows what was seen of the peer",
            Self::Trusted { .. } => "the configuration lists it in peers.trusted",
            Self::Own { .. } => {
                "block single addresses of the peer, not the network that this host is in too"
            }
        }
    }

    /// Whether the request itself is wrong, on any host.
    pub(crate) const fn is_wrong_usage(&self) -> bool {
        matches!(self, Self::Span | Self::TooWide { .. })
    }
}

const fn v4(a: u8, b: u8, prefix_length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(
        Ipv4Addr::new(a, b, 0, 0),
        prefix_length,
    ))
}

const fn v6(first: u16, prefix_length: u8) -> IpNet {
    let address = Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0);
    IpNet::V6(Ipv6Net::new_assert(address, prefix_length))
}

/// Addresses that no peer on a network has, or without which the host has none.
const SPECIAL: [(IpNet, &str); 8] = [
    (v4(0, 0, 8), "hosts that have no address yet"),
    (v4(127, 0, 8), "loopback"),
    (v4(169, 254, 16), "link-local addresses"),
    (v4(224, 0, 3), "multicast and broadcast"),
    // ::, ::1 and IPv4 in IPv6, but for what a translator puts there.
    (v6(0, 8), "loopback and embedded IPv4 addresses"),
    (
        v6(0xfe80, 10),
        "link-local addresses, which find neighbours and routers",
    ),
    (v6(0xff00, 8), "multicast"),
    (v6(0xfec0, 10), "deprecated site-local addresses"),
];

/// Why `network` is not to be blocked for `span`.
pub(super) fn refusal(
    network: IpNet,
    span: Duration,
    trusted: &[IpNet],
    own: &[IpAddr],
) -> Option<Refusal> {
    if !(SHORTEST..=LONGEST).contains(&span) {
        return Some(Refusal::Span);
    }
    let overlaps = |other: &IpNet| other.contains(&network) || network.contains(other);
    let special = SPECIAL.into_iter().find(|(special, _)| overlaps(special));
    if let Some((network, what)) = special.filter(|_| !is_host_behind_translator(network)) {
        return Some(Refusal::Special { what, network });
    }
    let widest = match network {
        IpNet::V4(_) => WIDEST_V4,
        IpNet::V6(_) => WIDEST_V6,
    };
    if network.prefix_len() < widest {
        return Some(Refusal::TooWide { widest });
    }
    if let Some(network) = trusted.iter().copied().find(overlaps) {
        return Some(Refusal::Trusted { network });
    }
    let mut own = own.iter().copied();
    let address = own.find(|address| network.contains(address))?;
    Some(Refusal::Own { address })
}

/// Whether it is a single address that NAT64 has put in place of one of IPv4: a host as any other. What is wider may be
/// all of IPv4.
fn is_host_behind_translator(network: IpNet) -> bool {
    match network {
        IpNet::V4(_) => false,
        IpNet::V6(network) => network.prefix_len() == 128 && is_translated(network.addr()),
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Refusal, refusal};
    use ipnet::IpNet;
    use std::net::IpAddr;
    use std::time::Duration;

    fn refused(network: &str) -> Option<Refusal> {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "2001:db8:7::/48"]
            .map(|network| network.parse().unwrap())
            .to_vec();
        let own: Vec<IpAddr> = ["192.0.2.1", "2001:db8:1::1"]
            .map(|address| address.parse().unwrap())
            .to_vec();
        let network = network.parse().unwrap();
        refusal(network, Duration::from_secs(600), &trusted, &own)
    }

    #[test]
    fn peers_and_their_networks_can_be_blocked() {
        for network in [
            "203.0.113.7/32",
            "203.0.113.0/24",
            "198.0.0.0/8",
            "2001:db8:2::/64",
            "2a00:1:2:3::4/128",
            "2a00:100::/24",
            // Behind a translator each is a host.
            "64:ff9b::c633:6407/128",
            "64:ff9b:1::c633:6407/128",
            "64:ff9b:1:7:c6:3364:700:0/128",
        ] {
            assert_eq!(refused(network), None, "{network}");
        }
    }

    #[test]
    fn what_the_host_lives_on_is_never_blocked() {
        for network in [
            "0.0.0.0/0",
            "0.0.0.0/32",
            "127.0.0.1/32",
            "126.0.0.0/7",
            "169.254.169.254/32",
            "224.0.0.1/32",
            "255.255.255.255/32",
            "::/0",
            "::/128",
            "::1/128",
            "::ffff:203.0.113.7/128",
            "64:ff9b::c633:6400/120",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "64:ff9b:2::c633:6407/128",
            "fe80::1/128",
            "ff02::1/128",
        ] {
            let refusal = refused(network);
            assert!(
                matches!(refusal, Some(Refusal::Special { .. })),
                "{network}: {refusal:?}"
            );
        }
    }

    #[test]
    fn wide_trusted_and_own_networks_are_refused() {
        assert_eq!(refused("198.0.0.0/7"), Some(Refusal::TooWide { widest: 8 }));
        assert_eq!(refused("2a00::/23"), Some(Refusal::TooWide { widest: 24 }));
        for network in ["10.1.2.3/32", "10.0.0.0/8", "2001:db8:7:1::/64"] {
            let refusal = refused(network);
            assert!(
                matches!(refusal, Some(Refusal::Trusted { .. })),
                "{network}: {refusal:?}"
            );
        }
        // Wider than what is trusted in it.
        assert!(matches!(
            refused("2001:db8::/32"),
            Some(Refusal::Trusted { .. })
        ));
        for network in ["192.0.2.0/24", "192.0.2.1/32", "2001:db8:1::/64"] {
            let refusal = refused(network);
            assert!(
                matches!(refusal, Some(Refusal::Own { .. })),
                "{network}: {refusal:?}"
            );
        }
    }

    #[test]
    fn spans_have_bounds() {
        let network = "203.0.113.7/32".parse().unwrap();
        for (span, expected) in [
            (Duration::ZERO, Some(Refusal::Span)),
            (Duration::from_secs(1), None),
            (LONGEST, None),
            (LONGEST + Duration::from_secs(1), Some(Refusal::Span)),
        ] {
            assert_eq!(refusal(network, span, &[], &[]), expected, "{span:?}");
        }
    }
}
