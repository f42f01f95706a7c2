//! Addresses of a lab: unique among the labs of this machine, so that an agent which sees the
//! whole host can be asked about one story.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IP version a story is played over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of `address`.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// `v4` or `v6`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }
}

/// An address of 3fff::/20 (RFC 9637): `site` says which of its 2^28 `/48`, as large as a network gets
/// whose peers an agent takes together.
pub(crate) fn documentation(site: u32, network: u16, host: u16) -> IpAddr {
    let [_, _, high, low] = site.to_be_bytes();
    let second = (site >> 16) & 0xfff;
    let second = u16::try_from(second).unwrap_or_default();
    let third = u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0x3fff, second, third, network, 0, 0, 0, host).into()
}

/// Of the `/48`, the upper half is that of labs, and the lower half that of plans.
const SITES_OF_LABS: u32 = 1 << 27;

/// Addresses of one lab: one `/24` of 198.18.0.0/15 (RFC 2544) and two `/64` of one `/48` of 3fff::/20
/// (RFC 9637).
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Number of the lab, below 512.
    lab: u16,
    /// Tells apart runs of different processes (IPv6 only; IPv4 has no room for it).
    run: u16,
}

impl Addresses {
    /// Prefix length of the IPv4 halves: `.0/25` is the link, `.128/25` the TUN device.
    pub const V4_PREFIX: u8 = 25;
    /// Prefix length of the IPv6 networks.
    pub const V6_PREFIX: u8 = 64;

    /// Addresses of the `lab`th lab of process `process`.
    #[must_use]
    pub fn new(process: u32, lab: u32) -> Self {
        let spread = process.wrapping_mul(61).wrapping_add(lab) % 512;
        Self {
            lab: u16::try_from(spread).unwrap_or_default(),
            run: u16::try_from(process & 0xffff).unwrap_or_default(),
        }
    }

    /// The server's address on the link to the client namespace.
    #[must_use]
    pub fn server(&self, family: Family) -> IpAddr {
        self.at(family, 0, 1)
    }

    /// The client's address on that link.
    #[must_use]
    pub fn client(&self, family: Family) -> IpAddr {
        self.at(family, 0, 2)
    }

    /// The server's address on the TUN device.
    #[must_use]
    pub fn tun_server(&self, family: Family) -> IpAddr {
        self.at(family, 1, 1)
    }

    /// Address of the `number`th crafted peer behind the TUN device, `number` from 0 to 99.
    #[must_use]
    pub fn crafted(&self, family: Family, number: u8) -> IpAddr {
        self.at(family, 1, number.min(99) + 2)
    }

    fn at(&self, family: Family, half: u8, host: u8) -> IpAddr {
        let [high, low] = self.lab.to_be_bytes();
        match family {
            Family::V4 => Ipv4Addr::new(198, 18 + high, low, half * 128 + host).into(),
            Family::V6 => {
                let lab = (u32::from(self.run) << 9) | u32::from(self.lab);
                documentation(SITES_OF_LABS | lab, half.into(), host.into())
            }
        }
    }
}

/// How the agent names the peer with this address: IPv4 as it is, IPv6 by its `/64`.
#[must_use]
pub fn peer_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            format!("{}/64", Ipv6Addr::from(network))
        }
    }
}
