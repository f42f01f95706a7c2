//! What happens to packets of single clients: some lost, all lost. Needs nft.

use crate::network::Namespace;
use anyhow::Result;
use std::net::IpAddr;

const TABLE: &str = "\
add table inet weather
add set inet weather gone4 { type ipv4_addr ; }
add set inet weather gone6 { type ipv6_addr ; }
add chain inet weather incoming { type filter hook prerouting priority -300 ; }
add chain inet weather outgoing { type filter hook output priority -300 ; }
add rule inet weather incoming meta l4proto tcp ip daddr @gone4 drop
add rule inet weather outgoing meta l4proto tcp ip saddr @gone4 drop
add rule inet weather incoming meta l4proto tcp ip6 daddr @gone6 drop
add rule inet weather outgoing meta l4proto tcp ip6 saddr @gone6 drop";

/// Makes the tables in `client`.
pub(super) fn make(client: &Namespace) -> Result<()> {
    let mut lines = TABLE.lines();
    lines.try_for_each(|line| client.stdout_of(&format!("nft {line}")).map(drop))
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
