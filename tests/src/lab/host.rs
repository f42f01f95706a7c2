//! The usual lab: a `server` and a `client` namespace with a link between them.

use anyhow::{Context, Result, ensure};
use detector_lab::network::{
    Addresses, Family, Namespace, Tun, disable_offloads, reap_leftovers, tun_with_addresses,
};
use detector_lab::program::{require, run};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

static LABS: AtomicU32 = AtomicU32::new(0);
static REAPED: Mutex<bool> = Mutex::new(false);

/// Two namespaces, a link between them, addresses of both families. All gone when dropped.
#[derive(Debug)]
pub struct Lab {
    /// Where servers run; the agent's view is of their sockets.
    pub server: Namespace,
    /// Where real kernel clients run.
    pub client: Namespace,
    /// Who has which address.
    pub addresses: Addresses,
    number: u32,
}

impl Lab {
    /// Interface of the link, the same name in both namespaces.
    pub const LINK: &'static str = "link0";
    /// TUN device in the server namespace.
    pub const TUN: &'static str = "tun0";

    /// Builds a lab. Fails with what to do if not root or if a program is missing.
    pub fn build() -> Result<Self> {
        Self::with_client(Namespace::create)
    }

    /// The same where the clients are no containers of the host on which the servers are.
    pub fn build_between_hosts() -> Result<Self> {
        Self::with_client(Namespace::create_elsewhere)
    }

    fn with_client(client: fn(u32, &str) -> Result<Namespace>) -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the end-to-end stories need root (namespaces, TUN, eBPF): run them with sudo"
        );
        require(&[
            ("ip", "iproute2"),
            ("tc", "iproute2"),
            ("nft", "nftables"),
            ("ss", "iproute2"),
        ])?;
        reap_once()?;
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let lab = Self {
            server: Namespace::create(number, "server")?,
            client: client(number, "client")?,
            addresses: Addresses::new(std::process::id(), number),
            number,
        };
        lab.connect().context("connect the namespaces of the lab")?;
        Ok(lab)
    }

    /// Number of the lab in this process.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    fn connect(&self) -> Result<()> {
        let server = self.server.name().context("server namespace has no name")?;
        let client = self.client.name().context("client namespace has no name")?;
        let link = Self::LINK;
        run(&format!(
            "ip link add {link} netns {server} type veth peer name {link} netns {client}"
        ))?;
        for (namespace, is_server) in [(&self.server, true), (&self.client, false)] {
            for family in [Family::V4, Family::V6] {
                let (address, flags) = self.link_address(family, is_server);
                namespace.ip(&format!("address add {address} dev {link} {flags}"))?;
            }
            // Segments in a capture are then the segments TCP made.
            namespace.enter(|| disable_offloads(link))?;
            namespace.ip(&format!("link set {link} up"))?;
        }
        Ok(())
    }

    fn link_address(&self, family: Family, is_server: bool) -> (String, &'static str) {
        let address = if is_server {
            self.addresses.server(family)
        } else {
            self.addresses.client(family)
        };
        match family {
            Family::V4 => (format!("{address}/{}", Addresses::V4_PREFIX), ""),
            Family::V6 => (format!("{address}/{}", Addresses::V6_PREFIX), "nodad"),
        }
    }

    /// Makes the TUN device in the server namespace and gives the server its addresses there.
    pub fn open_tun(&self) -> Result<Tun> {
        let addresses = self.addresses;
        self.server
            .enter(move || tun_with_addresses(Self::TUN, &addresses))
    }
}

fn reap_once() -> Result<()> {
    let mut reaped = REAPED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*reaped {
        reap_leftovers()?;
        *reaped = true;
    }
    Ok(())
}
