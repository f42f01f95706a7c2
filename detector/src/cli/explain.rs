//! Arguments of `detector explain`.

use super::candidates;
use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;
use detector_api::address::endpoint_of;
use detector_api::defaults::CONTROL_SOCKET;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Arguments of `detector explain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The peer: an address, an address with a port (shows that connection first), or the network
    /// of an IPv6 peer
    #[arg(value_name = "PEER", value_parser = wanted, add = ArgValueCompleter::new(candidates::peers))]
    pub(crate) peer: Wanted,
    /// Print the object of `/v1/peers/PEER` as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Control socket of the agent
    #[arg(long, value_name = "PATH", default_value = CONTROL_SOCKET, value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: PathBuf,
}

/// A peer that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its address or network, IPv4-mapped folded.
    pub(crate) network: IpNet,
    /// The connection, if a port was named.
    pub(crate) connection: Option<SocketAddr>,
}

impl Wanted {
    /// As the agent is asked: an address without its length.
    pub(crate) fn name(&self) -> String {
        if self.network.prefix_len() == self.network.max_prefix_len() {
            self.network.addr().to_string()
        } else {
            self.network.to_string()
        }
    }
}

pub(super) fn wanted(text: &str) -> Result<Wanted, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let Some((network, port)) = endpoint_of(bare.unwrap_or(text)) else {
        return Err(
            "no address; write 203.0.113.7, 203.0.113.7:40000, 2001:db8::7, [2001:db8::7]:40000 \
             or 2001:db8::/64"
                .to_owned(),
        );
    };
    let connection = (port != 0).then(|| SocketAddr::new(network.addr(), port));
    Ok(Wanted {
        network,
        connection,
    })
}

#[cfg(test)]
mod tests {
    use super::wanted;

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
            let wanted = wanted(text).unwrap();
            assert_eq!(wanted.name(), name, "{text}");
            assert_eq!(wanted.connection.map(|each| each.port()), port, "{text}");
        }
        for text in [
            "",
            "nonsense",
            "203.0.113",
            "2001:db8::/129",
            "[]",
            "1.2.3.4:99999",
        ] {
            wanted(text).unwrap_err();
        }
    }
}
