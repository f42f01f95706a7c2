//! What most stories set up: a small server, crafted peers behind a TUN device, an agent.

use anyhow::Result;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::{Host, Peer, Profile};
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long the agent may take to see what a hook sees.
pub(crate) const SOON: Duration = Duration::from_secs(3);
/// How long the agent may take to see what only a sweep sees, or to call a stall a stall.
pub(crate) const WITHIN_SWEEPS: Duration = Duration::from_secs(8);
/// Quiet after which a sender has filled a window: longer than a tail loss probe takes.
pub(crate) const FULL: Duration = Duration::from_millis(100);

/// Plays the function of this name over both families.
macro_rules! both_families {
    ($($story:ident),+ $(,)?) => {
        mod v4 { $(
            #[test]
            fn $story() -> anyhow::Result<()> {
                super::$story(detector_tests::lab::Family::V4)
            }
        )+ }
        mod v6 { $(
            #[test]
            fn $story() -> anyhow::Result<()> {
                super::$story(detector_tests::lab::Family::V6)
            }
        )+ }
    };
}
pub(crate) use both_families;

/// A small server on the TUN device and the host of crafted peers behind it.
pub(crate) struct CraftedStage {
    pub(crate) server: TinyServer,
    host: Host,
    peer_ip: IpAddr,
}

impl CraftedStage {
    pub(crate) fn set(story: &Story) -> Result<Self> {
        let tun = story.lab.open_tun()?;
        let server_ip = story.lab.addresses.tun_server(story.family);
        Ok(Self {
            server: TinyServer::start(story.server(), server_ip)?,
            host: Host::start(tun)?,
            peer_ip: story.lab.addresses.crafted(story.family, 0),
        })
    }

    /// Address of the peers of this story.
    pub(crate) fn peer_ip(&self) -> IpAddr {
        self.peer_ip
    }

    /// Connects a peer from `port`.
    pub(crate) fn connect(&self, port: u16, profile: Profile) -> Result<Peer> {
        let local = SocketAddr::new(self.peer_ip, port);
        self.host.connect(local, self.server.address(), profile)
    }
}

/// Family as it is written in folder names.
pub(crate) fn suffix(name: &str, family: Family) -> String {
    match family {
        Family::V4 => format!("{name}-v4"),
        Family::V6 => format!("{name}-v6"),
    }
}
