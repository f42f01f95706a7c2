//! The ground all scenarios are played on at the same time: a host of servers in one namespace,
//! kernel clients in another, crafted peers behind a TUN device, and the wires between them.

use super::network::Network;
use super::scenario::Place;
use crate::lab::{Child, Namespace, Tun, require, run};
use crate::peers::crafted::Host;
use crate::servers::{Apache, ApacheModel, Nginx, NginxSettings};
use anyhow::{Context, Result, ensure};
use detector_lab::network::{disable_offloads, reap_leftovers};
use std::fs::File;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Labs of stories count from 0.
const SITE: u32 = 900;
const TUN: &str = "tun0";
/// Receive buffers (least, first, most) of kernel clients that have small ones.
const SMALL_BUFFERS: &str = "4096 16384 16384";
/// Where nginx has small send buffers.
pub(crate) const CROWD_PORT: u16 = 8_081;
/// Where the shaped wire is slow.
const SHAPED_RATE: &str = "8mbit";
/// Large enough that nobody gets to the end of it unless that is the play.
const LARGE_BYTES: u64 = 64 << 20;

/// Namespaces, wires and servers. All gone when dropped.
pub(crate) struct Site {
    pub(crate) server: Namespace,
    pub(crate) client: Namespace,
    /// A second namespace with servers, as a container is one.
    second_server: Namespace,
    /// Clients whose kernel may shrink windows.
    shrinking_client: Namespace,
    /// Clients whose sockets have small receive buffers.
    small_client: Namespace,
    pub(crate) crafted: Host,
    nginx: Nginx,
    prefork: Apache,
    event: Apache,
    folder: PathBuf,
}

/// A link between a namespace of servers and one of clients.
struct Wire<'s> {
    name: &'static str,
    server: &'s Namespace,
    client: &'s Namespace,
}

impl Site {
    /// Builds it below `folder`.
    pub(crate) fn build(folder: &Path) -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the labelled scenarios need root (namespaces, TUN, eBPF): run them with sudo"
        );
        require(&[
            ("ip", "iproute2"),
            ("tc", "iproute2"),
            ("nft", "nftables"),
            ("curl", "curl"),
            ("wrk", "wrk"),
            ("slowhttptest", "slowhttptest"),
        ])?;
        reap_leftovers()?;
        let server = Namespace::create(SITE, "server")?;
        let tun = server.enter(|| Tun::open(TUN))?;
        let anywhere = IpAddr::from(Ipv6Addr::UNSPECIFIED);
        let settings = NginxSettings {
            large_bytes: LARGE_BYTES,
            crowd_port: Some(CROWD_PORT),
        };
        let apache = |model| Apache::start(&server, anywhere, folder, model);
        let site = Self {
            nginx: Nginx::start(&server, anywhere, folder, settings)?,
            prefork: apache(ApacheModel::Prefork)?,
            event: apache(ApacheModel::Event)?,
            client: Namespace::create(SITE, "client")?,
            second_server: Namespace::create(SITE, "server2")?,
            shrinking_client: Namespace::create(SITE, "client2")?,
            small_client: Namespace::create(SITE, "client3")?,
            crafted: Host::start(tun)?,
            folder: folder.to_owned(),
            server,
        };
        for place in [
            Place::Link,
            Place::SecondServer,
            Place::ShrinkingClient,
            Place::Shaped,
            Place::SmallBuffers,
        ] {
            site.connect(place)?;
        }
        site.shrinking_client
            .sysctl("ipv4/tcp_shrink_window", "1")?;
        site.small_client.sysctl("ipv4/tcp_rmem", SMALL_BUFFERS)?;
        let shaped = format!(
            "tc qdisc add dev {} root tbf rate {SHAPED_RATE} burst 16kb latency 200ms",
            site.wire(Place::Shaped).name
        );
        site.server.stdout_of(&shaped)?;
        make_weather(&site.client)?;
        Ok(site)
    }

    fn wire(&self, place: Place) -> Wire<'_> {
        let (name, server, client) = match place {
            Place::Link | Place::Tun => ("link0", &self.server, &self.client),
            Place::SecondServer => ("link1", &self.second_server, &self.client),
            Place::ShrinkingClient => ("link2", &self.server, &self.shrinking_client),
            Place::Shaped => ("link3", &self.server, &self.client),
            Place::SmallBuffers => ("link4", &self.server, &self.small_client),
        };
        Wire {
            name,
            server,
            client,
        }
    }

    fn connect(&self, place: Place) -> Result<()> {
        let wire = self.wire(place);
        let name = wire.name;
        let server = wire.server.name().context("namespace without a name")?;
        let client = wire.client.name().context("namespace without a name")?;
        run(&format!(
            "ip link add {name} netns {server} type veth peer name {name} netns {client}"
        ))?;
        for end in [wire.server, wire.client] {
            end.enter(|| disable_offloads(name))?;
            end.ip(&format!("link set {name} up"))?;
        }
        Ok(())
    }

    /// Gives both ends of `place` the addresses of `count` networks from `first` on: the server's
    /// of the first, and one of a kernel client in each.
    pub(crate) fn settle(&self, place: Place, first: Network, count: u8) -> Result<()> {
        let server = address_with_flags(first.server());
        let wire = self.wire(place);
        let name = if place == Place::Tun { TUN } else { wire.name };
        let mut at_server = format!("address add {server} dev {name}\n");
        let mut at_client = String::new();
        for number in 0..count {
            let network = first.further(number);
            let route = network.route();
            let source = first.server();
            at_server += &format!("route add {route} dev {name} src {source}\n");
            let client = address_with_flags(network.peer(2));
            at_client += &format!("address add {client} dev {name}\n");
        }
        let source = first.peer(2);
        at_client += &format!("route add {} dev {name} src {source}\n", first.server());
        self.batch(wire.server, &at_server)?;
        if place == Place::Tun {
            return Ok(());
        }
        self.batch(wire.client, &at_client)
    }

    /// One `ip` for many lines.
    fn batch(&self, namespace: &Namespace, lines: &str) -> Result<()> {
        let file = self.folder.join("ip.batch");
        std::fs::write(&file, lines).context("write lines for ip")?;
        namespace
            .ip(&format!("-batch {}", file.display()))
            .with_context(|| format!("with lines {lines}"))
    }

    pub(crate) fn server_of(&self, place: Place) -> &Namespace {
        self.wire(place).server
    }

    pub(crate) fn client_of(&self, place: Place) -> &Namespace {
        self.wire(place).client
    }

    pub(crate) fn nginx_port(&self) -> u16 {
        self.nginx.address().port()
    }

    pub(crate) fn apache_port(&self, model: ApacheModel) -> u16 {
        match model {
            ApacheModel::Prefork => self.prefork.address().port(),
            ApacheModel::Event => self.event.address().port(),
        }
    }

    /// Starts a client program where the clients of `place` live, its words in a file of the site's
    /// folder.
    pub(crate) fn start_client(
        &self,
        place: Place,
        name: &str,
        mut command: Command,
    ) -> Result<Child> {
        let log = File::create(self.folder.join(format!("{name}.log")))?;
        let errors = log.try_clone().context("share a log file")?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        self.client_of(place).place(&mut command);
        Child::start(command)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Single addresses: networks are reached by routes.
fn address_with_flags(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("{address}/32"),
        IpAddr::V6(_) => format!("{address}/128 nodad"),
    }
}

/// Tables for what happens to packets of single clients: some lost, all lost.
fn make_weather(client: &Namespace) -> Result<()> {
    let mut lines = vec!["add table inet weather".to_owned()];
    for version in ["4", "6"] {
        lines.push(format!(
            "add set inet weather gone{version} {{ type ipv{version}_addr ; }}"
        ));
    }
    lines.push(
        "add chain inet weather incoming { type filter hook prerouting priority -300 ; }"
            .to_owned(),
    );
    lines.push(
        "add chain inet weather outgoing { type filter hook output priority -300 ; }".to_owned(),
    );
    for (version, keyword) in [("4", "ip"), ("6", "ip6")] {
        lines.push(format!(
            "add rule inet weather incoming meta l4proto tcp {keyword} daddr @gone{version} drop"
        ));
        lines.push(format!(
            "add rule inet weather outgoing meta l4proto tcp {keyword} saddr @gone{version} drop"
        ));
    }
    for line in lines {
        client.stdout_of(&format!("nft {line}"))?;
    }
    Ok(())
}

/// Drops `percent` of the TCP packets that arrive for `address` in `client`.
pub(crate) fn lose_incoming(client: &Namespace, address: IpAddr, percent: u8) -> Result<()> {
    let (keyword, _) = words(address);
    let line = format!(
        "nft add rule inet weather incoming meta l4proto tcp {keyword} daddr {address} numgen \
         random mod 100 < {percent} drop"
    );
    client.stdout_of(&line).map(drop)
}

/// Drops everything from and to `address`, where it lives, or stops doing so.
pub(crate) fn set_gone(client: &Namespace, address: IpAddr, is_gone: bool) -> Result<()> {
    let (_, set) = words(address);
    let verb = if is_gone { "add" } else { "delete" };
    let line = format!("nft {verb} element inet weather {set} {{ {address} }}");
    client.stdout_of(&line).map(drop)
}

const fn words(address: IpAddr) -> (&'static str, &'static str) {
    match address {
        IpAddr::V4(_) => ("ip", "gone4"),
        IpAddr::V6(_) => ("ip6", "gone6"),
    }
}

/// `ip` with the brackets that a URL wants.
pub(crate) fn in_url(address: SocketAddr) -> String {
    format!("http://{address}")
}
