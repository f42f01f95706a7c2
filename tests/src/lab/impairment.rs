//! Links made worse on purpose. Loss is made where packets arrive: a packet dropped in the
//! sender's own output path is a local error to TCP, not loss.

use anyhow::Result;
use detector_lab::network::Namespace;

/// Drops `percent` of the packets that arrive in `namespace`, below 100, at random.
pub fn drop_incoming(namespace: &Namespace, percent: u8) -> Result<()> {
    for line in [
        "nft add table inet loss".to_owned(),
        "nft add chain inet loss incoming { type filter hook prerouting priority -300 ; }"
            .to_owned(),
        format!(
            "nft add rule inet loss incoming meta l4proto tcp numgen random mod 100 < {percent} drop"
        ),
    ] {
        namespace.stdout_of(&line)?;
    }
    Ok(())
}

/// Limits what leaves `interface` of `namespace` to `rate` (as `tc` writes it, `10mbit`).
pub fn limit_rate(namespace: &Namespace, interface: &str, rate: &str) -> Result<()> {
    let line =
        format!("tc qdisc add dev {interface} root tbf rate {rate} burst 16kb latency 200ms");
    namespace.stdout_of(&line).map(drop)
}
