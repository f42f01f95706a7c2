//! What advice depends on besides its own numbers.

use crate::snapshot::{Advice, Assessment, InterfaceCounts, Verdict};
use std::net::IpAddr;

/// What advice depends on besides its own numbers.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// What the peer is taken to be.
    pub verdict: Option<Verdict>,
    /// Whether nobody else uses its address, as far as the kernel has told lately: a block cuts nobody off beside it.
    pub is_alone: bool,
    /// Servers that own its connections.
    pub servers: Servers,
    /// Local ports of its connections.
    pub ports: Vec<u16>,
    /// Address to try the path to; `None` for a network.
    pub address: Option<IpAddr>,
    /// Whether it is IPv6.
    pub is_ipv6: bool,
    /// `net.ipv4.tcp_wmem`.
    pub tcp_wmem: Option<[u64; 3]>,
    /// `net.ipv4.tcp_orphan_retries`.
    pub tcp_orphan_retries: Option<u64>,
    /// What interfaces counted since they came up, and in the last minute.
    pub interfaces: Option<(InterfaceCounts, InterfaceCounts)>,
}

impl Circumstances {
    /// Of a peer that was weighed so.
    pub fn of(assessment: &Assessment) -> Self {
        let is_limit = |advice: &Advice| matches!(advice, Advice::LimitConnections { .. });
        Self {
            verdict: assessment.verdict,
            is_alone: assessment.advice.iter().any(is_limit),
            ..Self::default()
        }
    }
}

/// Which servers are known to own connections of the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Servers {
    pub has_nginx: bool,
    pub has_apache: bool,
    pub has_haproxy: bool,
    pub has_others: bool,
}

impl Servers {
    /// From the names of commands.
    pub fn of<'a>(commands: impl Iterator<Item = &'a str>) -> Self {
        let mut servers = Self::default();
        for command in commands {
            match command {
                "nginx" => servers.has_nginx = true,
                "apache2" | "httpd" => servers.has_apache = true,
                "haproxy" => servers.has_haproxy = true,
                _ => servers.has_others = true,
            }
        }
        servers
    }

    /// Whether nobody is known to own any.
    pub(super) const fn is_unknown(self) -> bool {
        !(self.has_nginx || self.has_apache || self.has_haproxy || self.has_others)
    }
}
