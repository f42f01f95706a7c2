//! Whom an agent is told to trust where it sees the whole machine and is to act on few.

use std::net::IpAddr;

/// The networks that hold none of `ours`, each an address and the length of its prefix, as a configuration
/// writes them.
#[must_use]
pub fn everybody_but(ours: &[(IpAddr, u8)]) -> Vec<String> {
    let mut others = Vec::new();
    for is_v6 in [false, true] {
        let of_version = ours
            .iter()
            .filter(|(address, _)| address.is_ipv6() == is_v6);
        let ours: Vec<_> = of_version
            .map(|(address, length)| (bits(*address), u32::from(*length)))
            .collect();
        split(&ours, is_v6, (0, 0), &mut others);
    }
    others
}

/// The networks within one (its bits, and the length of its prefix) that hold none of `ours`.
fn split(
    ours: &[(u128, u32)],
    is_v6: bool,
    (network, length): (u128, u32),
    others: &mut Vec<String>,
) {
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    let mut within = ours.iter().filter(|(address, _)| address & mask == network);
    match within.clone().map(|(_, of_ours)| *of_ours).max() {
        None => others.push(format!("\"{}/{length}\"", address(network, is_v6))),
        Some(_) if within.any(|(_, of_ours)| *of_ours <= length) => {}
        Some(_) => {
            let half = 1 << (127 - length);
            split(ours, is_v6, (network, length + 1), others);
            split(ours, is_v6, (network | half, length + 1), others);
        }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(bits: u128, is_v6: bool) -> IpAddr {
    if is_v6 {
        return IpAddr::from(bits.to_be_bytes());
    }
    let [first, second, third, fourth, ..] = bits.to_be_bytes();
    IpAddr::from([first, second, third, fourth])
}

#[cfg(test)]
mod tests {
    use super::everybody_but;

    #[test]
    fn all_networks_but_ours_are_named() {
        let ours = [("192.0.0.0", 2), ("8000::", 1)];
        let ours = ours.map(|(address, length)| (address.parse().unwrap(), length));
        let others = ["\"0.0.0.0/1\"", "\"128.0.0.0/2\"", "\"::/1\""];
        assert_eq!(everybody_but(&ours), others);
        assert_eq!(everybody_but(&[]), ["\"0.0.0.0/0\"", "\"::/0\""]);
    }
}
