//! Where peers play: one TUN device with crafted peers behind it, loopback for real sockets, a
//! small server a family, and addresses that tell cases apart.

use anyhow::{Context, Result};
use detector_agent::config::Config;
use detector_lab::network::{Family, Namespace, Tun, add_address, peer_key};
use detector_lab::peers::KernelPeer;
use detector_lab::peers::crafted::{Host, Peer, Profile};
use detector_lab::servers::TinyServer;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Of 198.18.0.0/15 (RFC 2544); each process has 64 addresses of it.
const V4_PREFIX: u8 = 15;
const V4_PER_PROCESS: u32 = 64;
const V4_PROCESSES: u32 = (1 << (32 - V4_PREFIX)) / V4_PER_PROCESS;
/// Of 2001:db8::/32 (RFC 3849); each process has a /48 of it, each case a /64.
const V6_PREFIX: u8 = 48;
/// Port of a case's first connection.
const FIRST_PORT: u16 = 4_001;

/// The stage of all cases.
#[derive(Debug)]
pub(super) struct Stage {
    namespace: Namespace,
    inode: u64,
    addresses: Addresses,
    families: &'static [Family],
    host: Host,
    servers: Vec<TinyServer>,
    config: Config,
}

impl Stage {
    /// Sets it in the namespace of this thread.
    pub(super) fn set() -> Result<Self> {
        let namespace = Namespace::here()?;
        let addresses = Addresses::of(std::process::id());
        let families = families();
        let tun = Tun::open("tun0")?;
        let mut servers = Vec::new();
        for &family in families {
            let server = addresses.server(family);
            add_address(tun.name(), server, prefix(family))?;
            servers.push(TinyServer::start(&namespace, server)?);
            for (number, case) in (0..).zip(&super::CASES) {
                if case.has_real_sockets {
                    add_own_address(number, addresses.peer(family, number))?;
                }
            }
        }
        Ok(Self {
            inode: namespace.inode()?,
            namespace,
            addresses,
            families,
            host: Host::start(tun)?,
            servers,
            config: Config::default(),
        })
    }

    /// The number of its namespace in `/proc/PID/ns/net`.
    pub(super) fn inode(&self) -> u64 {
        self.inode
    }

    /// IP versions this kernel has.
    pub(super) fn families(&self) -> &'static [Family] {
        self.families
    }

    /// What the agent calls the peers of this stage.
    pub(super) fn peer_keys(&self) -> HashSet<String> {
        let numbers = 0..super::CASES.len();
        numbers
            .flat_map(|number| {
                let families = self.families.iter();
                families.map(move |&family| peer_key(self.addresses.peer(family, number)))
            })
            .collect()
    }
}

/// The place of one case in one family.
#[derive(Debug)]
pub(super) struct Spot<'s> {
    stage: &'s Stage,
    pub(super) family: Family,
    number: usize,
}

impl<'s> Spot<'s> {
    pub(super) fn new(stage: &'s Stage, number: usize, family: Family) -> Self {
        Self {
            stage,
            family,
            number,
        }
    }

    /// Address of the peers of this case, which no other case has.
    pub(super) fn peer_ip(&self) -> IpAddr {
        self.stage.addresses.peer(self.family, self.number)
    }

    /// What the agent calls the peer of this case.
    pub(super) fn peer_key(&self) -> String {
        peer_key(self.peer_ip())
    }

    /// The server of this family.
    pub(super) fn server(&self) -> Result<&'s TinyServer> {
        let place = self
            .stage
            .families
            .iter()
            .position(|&family| family == self.family);
        place
            .and_then(|place| self.stage.servers.get(place))
            .context("no server of this family")
    }

    /// Connects the crafted peer of this case.
    pub(super) fn connect(&self, profile: Profile) -> Result<Peer> {
        self.connect_another(0, profile)
    }

    /// Connects the `number`th crafted peer of this case.
    pub(super) fn connect_another(&self, number: u16, profile: Profile) -> Result<Peer> {
        let local = SocketAddr::new(self.peer_ip(), FIRST_PORT + number);
        let server = self.server()?.address();
        self.stage.host.connect(local, server, profile)
    }

    /// Connects a real socket from the address of a case that has real sockets.
    pub(super) fn connect_kernel(&self) -> Result<KernelPeer> {
        let source = SocketAddr::new(self.peer_ip(), 0);
        let server = self.server()?.address();
        KernelPeer::connect_with(&self.stage.namespace, Some(source), server, None)
    }

    /// Switches `net.ipv4.tcp_shrink_window` on in this namespace; `false` on a kernel without it.
    pub(super) fn let_kernel_shrink(&self) -> Result<bool> {
        const NAME: &str = "ipv4/tcp_shrink_window";
        let is_there = Path::new("/proc/sys/net").join(NAME).exists();
        if is_there {
            self.stage.namespace.sysctl(NAME, "1")?;
        }
        Ok(is_there)
    }

    /// Without progress for this long, queued data is a stall.
    pub(super) fn stall_after(&self) -> Duration {
        self.stage.config.detect.stall_after.0
    }

    /// A drain rate is measured over this long.
    pub(super) fn dribble_over(&self) -> Duration {
        self.stage.config.detect.dribble_over.0
    }

    /// Stalled connections of one peer from which it hoards.
    pub(super) fn hoard_connections(&self) -> usize {
        usize::try_from(self.stage.config.detect.hoard_connections).unwrap_or(usize::MAX)
    }
}

/// Addresses of one process, so that two selftests at a time do not meet in their agents' tables.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    process: u32,
}

impl Addresses {
    const fn of(process: u32) -> Self {
        Self { process }
    }

    fn server(self, family: Family) -> IpAddr {
        self.at(family, 0, 1)
    }

    /// Address of case `number`.
    fn peer(self, family: Family, number: usize) -> IpAddr {
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        self.at(family, number.saturating_add(2), 2)
    }

    fn at(self, family: Family, place: u16, host: u16) -> IpAddr {
        match family {
            Family::V4 => {
                let block = self.process % V4_PROCESSES * V4_PER_PROCESS;
                let base = u32::from(Ipv4Addr::new(198, 18, 0, 0));
                // Neither end of the network is an address of a host.
                let place = u32::from(place).clamp(1, V4_PER_PROCESS - 2);
                Ipv4Addr::from(base + block + place).into()
            }
            Family::V6 => {
                let run = u16::try_from(self.process & 0xffff).unwrap_or_default();
                Ipv6Addr::new(0x2001, 0xdb8, run, place, 0, 0, 0, host).into()
            }
        }
    }
}

/// Makes the address of case `number` one of the namespace's own. To be done before anything is
/// played: for a moment the kernel takes the network of an IPv4 address to be as large as its class.
fn add_own_address(number: usize, address: IpAddr) -> Result<()> {
    match address {
        // A second IPv4 address of an interface needs an alias.
        IpAddr::V4(_) => add_address(&format!("lo:{number}"), address, 32),
        IpAddr::V6(_) => add_address("lo", address, 128),
    }
}

const fn prefix(family: Family) -> u8 {
    match family {
        Family::V4 => V4_PREFIX,
        Family::V6 => V6_PREFIX,
    }
}

fn families() -> &'static [Family] {
    if Path::new("/proc/net/if_inet6").exists() {
        &[Family::V4, Family::V6]
    } else {
        &[Family::V4]
    }
}

#[cfg(test)]
mod tests {
    use super::{Addresses, V4_PER_PROCESS};
    use crate::selftest::CASES;
    use detector_lab::network::{Family, peer_key};
    use std::collections::HashSet;

    #[test]
    fn each_case_is_a_peer_of_its_own() {
        assert!(CASES.len() + 3 < V4_PER_PROCESS as usize);
        for process in [0, 1, 2_047, 2_048, 4_194_304] {
            let addresses = Addresses::of(process);
            for family in [Family::V4, Family::V6] {
                let mut keys: HashSet<String> = (0..CASES.len())
                    .map(|number| peer_key(addresses.peer(family, number)))
                    .collect();
                keys.insert(peer_key(addresses.server(family)));
                assert_eq!(keys.len(), CASES.len() + 1);
            }
        }
    }

    #[test]
    fn addresses_are_those_set_aside_for_tests() {
        let addresses = Addresses::of(u32::MAX);
        let v4 = addresses.peer(Family::V4, CASES.len()).to_string();
        assert!(
            v4.starts_with("198.18.") || v4.starts_with("198.19."),
            "{v4}"
        );
        let v6 = addresses.peer(Family::V6, 0).to_string();
        assert!(v6.starts_with("2001:db8:"), "{v6}");
    }
}
