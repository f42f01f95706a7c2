//! Peers over all hosts, as a Prometheus that scrapes their agents knows them.
//!
//! In: answers of its HTTP API, untrusted. Out: the rows of `detector peers` and `detector top`, summed
//! over hosts. What an agent does not export (owners, ports, drain) is not known here: [`COLUMNS`].

mod http;
mod rows;

pub(crate) use http::ask_all;
pub(crate) use rows::known_json;

use detector_api::row::PeerRow;
use std::fmt;
use std::str::FromStr;

/// Columns of which a Prometheus knows something.
pub(crate) const COLUMNS: &[&str] = &[
    "peer",
    "members",
    "hosts",
    "verdict",
    "stalled",
    "pinned",
    "share",
    "zero-window",
    "episodes",
    "retransmits",
    "pinned-seconds",
];

/// A Prometheus, by the URL under which its own pages are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prometheus {
    /// Host and port.
    authority: String,
    /// Path before `/api/v1`, without a slash at its end.
    path: String,
}

impl FromStr for Prometheus {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(match url.split_once("://") {
                Some(("https", _)) => {
                    "https is not spoken; forward its port: ssh -L 9090:localhost:9090 HOST"
                }
                _ => "is not a URL such as http://localhost:9090",
            }
            .to_owned());
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("a name and a password are not sent; forward its port instead".to_owned());
        }
        let is_plain = |c: char| c.is_ascii_graphic() && !"?#%\\\"<>".contains(c);
        if authority.is_empty() || !rest.chars().all(is_plain) {
            return Err("is not a URL such as http://localhost:9090".to_owned());
        }
        let port = authority.rsplit_once(':').map(|(_, port)| port);
        let has_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
        let path = path.trim_end_matches('/');
        Ok(Self {
            authority: if has_port {
                authority.to_owned()
            } else {
                format!("{authority}:80")
            },
            path: if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            },
        })
    }
}

impl fmt::Display for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// What it knows of all hosts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    /// Peers, the most costly first, each summed over the hosts it is seen on.
    pub(crate) peers: Vec<PeerRow>,
    /// Agents that answer.
    pub(crate) hosts: u64,
    /// Agents that do not.
    pub(crate) silent_hosts: u64,
    /// Connections held up now, those of peers without a row included.
    pub(crate) stalled_connections: u64,
    /// Kernel memory these hold.
    pub(crate) pinned_bytes: u64,
    /// Memory of TCP on all hosts, and what their kernels allow it.
    pub(crate) tcp_memory_bytes: Option<(u64, u64)>,
}

#[cfg(test)]
mod tests;
