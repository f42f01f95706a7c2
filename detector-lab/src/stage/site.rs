//! The ground all cases are played on at the same time: servers, kernel clients, crafted peers
//! behind a TUN device, and the wires between them.
//!
//! One kind is a single namespace and needs no program; the other has a namespace for each kind of
//! host, real wires between them and real servers.

use super::case::Place;
use super::{Network, Plan, weather};
use crate::network::{
    Family, Namespace, Tun, add_address, disable_offloads, mptcp, reap_leftovers, set_mtu,
};
use crate::peers::crafted::{Host, Peer, Profile};
use crate::program::{Child, require, run};
use crate::servers::{Apache, ApacheModel, CROWD_PORT, Nginx, NginxSettings};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Labs of stories count from 0.
const SITE: u32 = 900;
const TUN: &str = "tun0";
/// A setting that not every kernel has.
const SHRINK_WINDOW: &str = "ipv4/tcp_shrink_window";
/// Receive buffers (least, first, most) of kernel clients that have small ones.
const SMALL_BUFFERS: &str = "4096 16384 16384";
/// Where the shaped wire is slow.
const SHAPED: &str = "tbf rate 8mbit burst 16kb latency 200ms";
/// Large enough that nobody gets to the end of it unless that is the play.
const LARGE_BYTES: u64 = 64 << 20;
/// Of Ethernet: segments of 64 KiB are for loopback alone.
const WIRE_MTU: u16 = 1_500;

/// Namespaces, wires and servers. All gone when dropped.
#[derive(Debug)]
pub struct Site {
    programs: Option<Programs>,
    crafted: Host,
    wires: BTreeMap<Place, Wire>,
    families: &'static [Family],
}

/// A link between a namespace of servers and one of clients.
#[derive(Debug)]
struct Wire {
    device: &'static str,
    server: Arc<Namespace>,
    client: Arc<Namespace>,
}

/// Real servers and their files.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) nginx: Nginx,
    prefork: Apache,
    event: Apache,
    pub(super) folder: PathBuf,
}

impl Programs {
    fn start(server: &Namespace, folder: &Path) -> Result<Self> {
        let anywhere = IpAddr::from(Ipv6Addr::UNSPECIFIED);
        let settings = NginxSettings {
            large_bytes: LARGE_BYTES,
            crowd_port: Some(CROWD_PORT),
            ..NginxSettings::default()
        };
        let apache = |model| Apache::start(server, anywhere, folder, model);
        Ok(Self {
            nginx: Nginx::start(server, anywhere, folder, settings)?,
            prefork: apache(ApacheModel::Prefork)?,
            event: apache(ApacheModel::Event)?,
            folder: folder.to_owned(),
        })
    }

    pub(super) fn apache(&self, model: ApacheModel) -> &Apache {
        match model {
            ApacheModel::Prefork => &self.prefork,
            ApacheModel::Event => &self.event,
        }
    }
}

impl Site {
    /// The namespace of this thread alone, which must be a private one: kernel clients are behind
    /// its loopback. Has no place but those of a TUN device and of one link.
    pub fn in_this_namespace() -> Result<Self> {
        let here = Arc::new(Namespace::here()?);
        let tun = Tun::open(TUN)?;
        set_mtu("lo", WIRE_MTU)?;
        let has_v6 = Path::new("/proc/net/if_inet6").exists();
        Ok(Self {
            programs: None,
            crafted: Host::start(tun)?,
            wires: BTreeMap::from([
                (Place::Tun, Wire::new(TUN, &here, &here)),
                (Place::Link, Wire::new("lo", &here, &here)),
                (Place::ShrinkingClient, Wire::new("lo", &here, &here)),
                (Place::Multipath, Wire::new("lo", &here, &here)),
            ]),
            families: &[Family::V4, Family::V6][..1 + usize::from(has_v6)],
        })
    }

    /// Namespaces that are there and are linked, and a TUN device in the one of servers. Addresses
    /// are those they have.
    pub fn between(server: &Namespace, client: &Namespace, tun: Tun) -> Result<Self> {
        let (server, client) = (Arc::new(server.share()), Arc::new(client.share()));
        Ok(Self {
            programs: None,
            crafted: Host::start(tun)?,
            wires: BTreeMap::from([
                (Place::Tun, Wire::new(TUN, &server, &client)),
                (Place::Link, Wire::new("link", &server, &client)),
            ]),
            families: &[Family::V4, Family::V6],
        })
    }

    /// Connects a crafted peer from `local`, beside those of cases.
    pub fn connect(&self, local: SocketAddr, server: SocketAddr, profile: Profile) -> Result<Peer> {
        self.crafted.connect(local, server, profile)
    }

    /// Has a crafted peer take the next connection that somebody opens to `local`.
    pub fn listen(&self, local: SocketAddr, profile: Profile) -> Result<Peer> {
        self.crafted.listen(local, profile)
    }

    /// All places, with real servers, whose files lie in `folder`. Needs programs and root.
    pub fn with_programs(folder: &Path) -> Result<Self> {
        require(&[
            ("ip", "iproute2"),
            ("tc", "iproute2"),
            ("nft", "nftables"),
            ("curl", "curl"),
            ("wrk", "wrk"),
            ("slowhttptest", "slowhttptest"),
            ("haproxy", "haproxy"),
        ])?;
        reap_leftovers()?;
        let of_server = |role| Namespace::create(SITE, role).map(Arc::new);
        // Clients are on other hosts.
        let create = |role| Namespace::create_elsewhere(SITE, role).map(Arc::new);
        let (server, second_server) = (of_server("server")?, of_server("server2")?);
        let (client, small_client) = (create("client")?, create("client3")?);
        let mut wires = BTreeMap::from([
            (Place::Link, Wire::new("link0", &server, &client)),
            (
                Place::SecondServer,
                Wire::new("link1", &second_server, &client),
            ),
            (
                Place::ShrinkingClient,
                Wire::new("link2", &server, &create("client2")?),
            ),
            (Place::Shaped, Wire::new("link3", &server, &client)),
            (
                Place::SmallBuffers,
                Wire::new("link4", &server, &small_client),
            ),
            (
                Place::Multipath,
                Wire::new("link5", &server, &create("client4")?),
            ),
        ]);
        for wire in wires.values() {
            wire.connect()?;
        }
        small_client.sysctl("ipv4/tcp_rmem", SMALL_BUFFERS)?;
        server.stdout_of(&format!("tc qdisc add dev link3 root {SHAPED}"))?;
        weather::make(&client)?;
        let tun = server.enter(|| Tun::open(TUN))?;
        wires.insert(Place::Tun, Wire::new(TUN, &server, &client));
        Ok(Self {
            programs: Some(Programs::start(&server, folder)?),
            crafted: Host::start(tun)?,
            wires,
            families: &[Family::V4, Family::V6],
        })
    }

    /// IP versions there are.
    #[must_use]
    pub fn families(&self) -> &'static [Family] {
        self.families
    }

    pub(super) fn programs(&self) -> Result<&Programs> {
        let programs = self.programs.as_ref();
        programs.context("there are no real servers on this site")
    }

    fn wire(&self, place: Place) -> Result<&Wire> {
        let wire = self.wires.get(&place);
        wire.with_context(|| format!("this site has no place {place:?}"))
    }

    pub(super) fn server_of(&self, place: Place) -> Result<&Namespace> {
        Ok(&self.wire(place)?.server)
    }

    pub(super) fn client_of(&self, place: Place) -> Result<&Namespace> {
        Ok(&self.wire(place)?.client)
    }

    /// Why this kernel has no such place.
    pub(super) fn obstacle(&self, place: Place) -> Option<&'static str> {
        let shrinks = || Path::new("/proc/sys/net").join(SHRINK_WINDOW).exists();
        match place {
            Place::ShrinkingClient if !shrinks() => Some("it has no net.ipv4.tcp_shrink_window"),
            Place::Multipath if !mptcp::is_there() => Some("it has no MPTCP"),
            _ => None,
        }
    }

    /// Makes `place` what it is, when something is about to be played there.
    pub(super) fn prepare(&self, place: Place) -> Result<()> {
        match place {
            Place::ShrinkingClient => self.client_of(place)?.sysctl(SHRINK_WINDOW, "1"),
            Place::Multipath => {
                for end in [self.server_of(place)?, self.client_of(place)?] {
                    end.sysctl(mptcp::SETTING, "1")?;
                    end.enter(mptcp::allow_subflows)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Gives both ends of `place` the addresses of `count` networks from `first` on: the server's
    /// of the first, and one of a kernel client in each.
    ///
    /// To be done before anything is played: for a moment the kernel takes the network of an IPv4
    /// address to be as large as its class.
    pub(super) fn settle(&self, place: Place, first: Network, count: u8) -> Result<()> {
        let wire = self.wire(place)?;
        match &self.programs {
            Some(programs) => wire.settle(first, count, &programs.folder),
            None => (0..count).try_for_each(|number| wire.settle_alone(first.further(number))),
        }
    }

    /// Starts a client program where the clients of `place` live, its words in a file of the site's
    /// folder.
    pub(super) fn start_client(
        &self,
        place: Place,
        name: &str,
        mut command: Command,
    ) -> Result<Child> {
        let log = File::create(self.programs()?.folder.join(format!("{name}.log")))?;
        let errors = log.try_clone().context("share a log file")?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        self.client_of(place)?.place(&mut command);
        Child::start(command)
    }
}

impl Wire {
    fn new(device: &'static str, server: &Arc<Namespace>, client: &Arc<Namespace>) -> Self {
        Self {
            device,
            server: Arc::clone(server),
            client: Arc::clone(client),
        }
    }

    fn connect(&self) -> Result<()> {
        let name = self.device;
        let server = self.server.name().context("namespace without a name")?;
        let client = self.client.name().context("namespace without a name")?;
        run(&format!(
            "ip link add {name} netns {server} type veth peer name {name} netns {client}"
        ))?;
        for end in [&self.server, &self.client] {
            end.enter(|| disable_offloads(name))?;
            end.ip(&format!("link set {name} up"))?;
        }
        Ok(())
    }

    fn settle(&self, first: Network, count: u8, folder: &Path) -> Result<()> {
        let (name, source) = (self.device, first.server());
        let server = address_with_flags(source);
        let mut at_server = format!("address add {server} dev {name}\n");
        let mut at_client = String::new();
        for number in 0..count {
            let network = first.further(number);
            let route = network.route();
            at_server += &format!("route add {route} dev {name} src {source}\n");
            let client = address_with_flags(network.peer(2));
            at_client += &format!("address add {client} dev {name}\n");
        }
        at_client += &format!("route add {source} dev {name} src {}\n", first.peer(2));
        batch(&self.server, &at_server, folder)?;
        if name == TUN {
            return Ok(());
        }
        batch(&self.client, &at_client, folder)
    }

    /// The same where both ends are one host: the server's address and that of a kernel client are
    /// its own, and all of the plan lies behind the TUN device.
    fn settle_alone(&self, network: Network) -> Result<()> {
        let number = network.number;
        let own = |label: String, address: IpAddr| match address {
            // A second IPv4 address of an interface needs an alias.
            IpAddr::V4(_) => add_address(&label, address, 32),
            IpAddr::V6(_) => add_address("lo", address, 128),
        };
        if number == 1 {
            let prefix = match network.family {
                Family::V4 => Plan::V4_PREFIX,
                Family::V6 => Plan::V6_PREFIX,
            };
            add_address(TUN, network.ground(), prefix)?;
        }
        own(format!("lo:s{number}"), network.server())?;
        if self.device == TUN {
            return Ok(());
        }
        own(format!("lo:c{number}"), network.peer(2))
    }
}

/// One `ip` for many lines.
fn batch(namespace: &Namespace, lines: &str, folder: &Path) -> Result<()> {
    let file = folder.join("ip.batch");
    std::fs::write(&file, lines).context("write lines for ip")?;
    namespace
        .ip(&format!("-batch {}", file.display()))
        .with_context(|| format!("with lines {lines}"))
}

/// Single addresses: networks are reached by routes.
fn address_with_flags(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("{address}/32"),
        IpAddr::V6(_) => format!("{address}/128 nodad"),
    }
}
