//! The range of ports that the kernel takes for connections this host opens.

use super::folder::Folder;
use std::path::Path;

/// First and last port of the range, in the agent's own network namespace; `None` where it cannot
/// be read.
pub(crate) fn read() -> Option<(u16, u16)> {
    const BYTES_MAX: usize = 64;
    let folder = Folder::open(Path::new("/proc/sys/net/ipv4")).ok()?;
    parse(&folder.text("ip_local_port_range", BYTES_MAX)?)
}

fn parse(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse::<u16>);
    match (numbers.next()?, numbers.next()?, numbers.next()) {
        (Ok(first), Ok(last), None) if first <= last => Some((first, last)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn two_ports_in_order_are_a_range() {
        assert_eq!(parse("32768\t60999\n"), Some((32_768, 60_999)));
        for text in ["", "1", "2 1", "1 2 3", "1 65536", "a b", "-1 5"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
