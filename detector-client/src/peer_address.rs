//! A peer as it is named on a command line.

use detector_api::address::endpoint_of;
use ipnet::IpNet;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A peer that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Its address or network, IPv4-mapped folded.
    pub network: IpNet,
    /// The connection, if a port was named.
    pub connection: Option<SocketAddr>,
}

/// As the agent is asked: an address without its length, and without a port.
impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.network.prefix_len() == self.network.max_prefix_len() {
            self.network.addr().fmt(f)
        } else {
            self.network.fmt(f)
        }
    }
}

impl FromStr for PeerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let Some((network, port)) = endpoint_of(bare.unwrap_or(text)) else {
            return Err(
                "not an address; write 203.0.113.7, 203.0.113.7:40000, 2001:db8::7, \
                 [2001:db8::7]:40000 or 2001:db8::/64"
                    .to_owned(),
            );
        };
        let connection = (port != 0).then(|| SocketAddr::new(network.addr(), port));
        Ok(Self {
            network,
            connection,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::PeerAddress;

    #[test]
    fn peers_are_read_as_people_write_them() {
        for (text, name, port) in [
            ("203.0.113.7", "203.0.113.7", None),
            ("203.0.113.7:40000", "203.0.113.7", Some(40_000)),
            ("::ffff:203.0.113.7", "203.0.113.7", None),
            ("[::ffff:203.0.113.7]:5", "203.0.113.7", Some(5)),
            ("2001:db8::7", "2001:db8::7", None),
            ("[2001:db8::7]", "2001:db8::7", None),
            ("[2001:db8::7]:40000", "2001:db8::7", Some(40_000)),
            ("2001:db8::7/64", "2001:db8::/64", None),
        ] {
            let peer: PeerAddress = text.parse().unwrap();
            assert_eq!(peer.to_string(), name, "{text}");
            assert_eq!(peer.connection.map(|each| each.port()), port, "{text}");
        }
        for text in [
            "",
            "nonsense",
            "203.0.113",
            "2001:db8::/129",
            "[]",
            "1.2.3.4:99999",
        ] {
            text.parse::<PeerAddress>().unwrap_err();
        }
    }
}
