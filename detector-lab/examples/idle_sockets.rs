//! Many established connections on which nothing happens: a load for benches.
//!
//! Arguments: connections in each network namespace, then the names of the namespaces (`ip netns`), or none
//! for the own one. Both ends of each connection are in the namespace. Prints a line `ready: …` on stderr
//! once all are there, and ends with its input.

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().context("no number of connections")?;
    let count: u32 = count.parse().context("the number is none")?;
    let names: Vec<String> = arguments.collect();
    let mut open = Vec::new();
    for name in &names {
        let path = format!("/run/netns/{name}");
        let namespace = File::open(&path).with_context(|| format!("open {path}"))?;
        setns(namespace, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {name}"))?;
        connect(count, &mut open).with_context(|| format!("in {name}"))?;
    }
    if names.is_empty() {
        connect(count, &mut open)?;
    }
    writeln!(std::io::stderr(), "ready: {} sockets", open.len())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Adds both ends of `count` connections on loopback.
fn connect(count: u32, open: &mut Vec<TcpStream>) -> Result<()> {
    let is_up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .context("start ip")?;
    ensure!(is_up.success(), "loopback does not come up");
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = listener.local_addr()?;
    for number in 0..count {
        let client = TcpStream::connect(address).with_context(|| format!("connection {number}"))?;
        let (server, _) = listener.accept()?;
        open.extend([client, server]);
    }
    Ok(())
}
