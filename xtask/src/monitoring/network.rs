//! A namespace for Prometheus and the attacker, one for each host, and a wire between.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::run;

/// Namespaces and wires, removed with it.
pub(crate) struct Network {
    /// Where Prometheus runs.
    pub(crate) middle: String,
    hosts: usize,
    id: u32,
}

impl Network {
    pub(crate) fn make(hosts: usize) -> Result<Self> {
        let id = std::process::id();
        let middle = format!("dt{id}m");
        // First, so that what was made is removed if a later step fails.
        let network = Self { middle, hosts, id };
        ip(&["netns", "add", &network.middle])?;
        ip(&["-n", &network.middle, "link", "set", "lo", "up"])?;
        for host in 0..hosts {
            network.connect(host)?;
        }
        Ok(network)
    }

    fn connect(&self, host: usize) -> Result<()> {
        let (name, middle) = (self.host(host), &self.middle);
        let wire = format!("host{host}");
        ip(&["netns", "add", &name])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        ip(&[
            "-n", middle, "link", "add", &wire, "type", "veth", "peer", "name", "eth0", "netns",
            &name,
        ])?;
        for (namespace, device, address) in [
            (middle, wire.as_str(), self.address_of_middle(host)),
            (&name, "eth0", self.address_of_host(host)),
        ] {
            ip(&[
                "-n",
                namespace,
                "address",
                "add",
                &format!("{address}/30"),
                "dev",
                device,
            ])?;
            ip(&["-n", namespace, "link", "set", device, "up"])?;
        }
        Ok(())
    }

    /// Gives each host an address for its service, to which the middle goes from one and the same address: whoever
    /// connects to these is one peer of all hosts.
    pub(super) fn serve(&self) -> Result<()> {
        let (middle, client) = (&self.middle, self.client());
        let own = format!("{client}/32");
        ip(&["-n", middle, "address", "add", &own, "dev", "lo"])?;
        for host in 0..self.hosts {
            let name = self.host(host);
            let service = format!("{}/32", self.service(host));
            ip(&["-n", &name, "address", "add", &service, "dev", "lo"])?;
            let way = self.address_of_middle(host);
            ip(&["-n", &name, "route", "add", &own, "via", &way])?;
            let way = self.address_of_host(host);
            ip(&[
                "-n", middle, "route", "add", &service, "via", &way, "src", &client,
            ])?;
        }
        Ok(())
    }

    /// The address of the middle's clients, once hosts serve.
    pub(super) fn client(&self) -> String {
        self.nth(254)
    }

    /// The address of a host's service.
    pub(super) fn service(&self, host: usize) -> String {
        self.nth(128 + host)
    }

    /// Name of a host's namespace.
    pub(crate) fn host(&self, host: usize) -> String {
        format!("dt{}h{host}", self.id)
    }

    /// A port of a host.
    pub(crate) fn address(&self, host: usize, port: u16) -> String {
        format!("{}:{port}", self.address_of_host(host))
    }

    fn address_of_host(&self, host: usize) -> String {
        self.nth(4 * host + 2)
    }

    /// The other end of a host's wire.
    pub(crate) fn address_of_middle(&self, host: usize) -> String {
        self.nth(4 * host + 1)
    }

    /// An address of the network that is kept for tests (RFC 2544).
    fn nth(&self, number: usize) -> String {
        format!("198.18.{}.{number}", self.id % 256)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in 0..self.hosts {
            drop(
                Command::new("ip")
                    .args(["netns", "delete", &self.host(host)])
                    .output(),
            );
        }
        drop(
            Command::new("ip")
                .args(["netns", "delete", &self.middle])
                .output(),
        );
    }
}

/// A program in a namespace.
pub(crate) fn within(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net=/run/netns/{namespace}"))
        .arg("--")
        .arg(program);
    command
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("ip").args(arguments))
}
