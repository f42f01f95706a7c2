//! What the kernel says of all connections of an address or a network, those that behave among them.

use super::peer_address::{Network, PeerAddress};
use std::net::SocketAddr;

/// Whose connections are to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspect {
    /// A peer that may be accused.
    Peer(PeerAddress),
    /// A network whose peers may be accused together.
    Network(Network),
}

impl Suspect {
    /// All its addresses.
    #[must_use]
    pub const fn range(self) -> PeerAddress {
        match self {
            Self::Peer(peer) => peer,
            Self::Network(network) => network.range(),
        }
    }
}

/// All connections of a suspect, as two looks of the kernel's show them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Connections at the second look.
    pub connections: u64,
    /// Those of them whose peer read at least the drain floor between the looks, or which took all
    /// that they were ever sent.
    pub well: u64,
    /// Those of them that were so at an earlier pair of looks, too; `None` if there was none.
    pub well_before: Option<u64>,
    /// Others that read on lately after they had been held up, as the engine knows of those that it tracks: looks need
    /// not show it.
    pub read_on: u64,
    /// Connections that were not there at the first look.
    pub came: u64,
    /// Connections that were not there any more at the second.
    pub went: u64,
    /// Connections that ended between the looks with all taken, since the first of the earlier pair
    /// if there was one.
    pub ended_well_meanwhile: u64,
    /// Connections that ended so over the past hours.
    pub ended_well: u64,
    /// Others that ended over the past hours with something left to send.
    pub ended_early: u64,
    /// The most connections that were well at one time over the past hours, of a network at each of its
    /// addresses.
    pub seen_well: u64,
    /// Connections that behave and that a block on this host's way in would cut: those that are well, and
    /// those that were sent nothing and have sent more than a request. `None` unless all were looked at, one by
    /// one, in each network namespace that is on that way.
    pub would_be_cut: Option<u64>,
    /// Whether all those network namespaces were to be asked.
    pub was_asked_everywhere: bool,
    /// Whether none of these came by our way in: then nobody knows of any that do.
    pub is_elsewhere: bool,
}

impl Census {
    /// Connections that behave for sure: well at two pairs of looks, or known to read on.
    #[must_use]
    pub fn well_twice(&self) -> u64 {
        let seen = self.well_before.unwrap_or(0);
        seen.saturating_add(self.read_on)
    }

    /// All its connections, of which so many are tracked by now: more may have come since.
    pub(crate) const fn all(&self, tracked: u64) -> u64 {
        if self.connections > tracked {
            self.connections
        } else {
            tracked
        }
    }

    /// Connections that were well over the past hours, whether they have ended or not: what was seen well
    /// may have ended since.
    #[must_use]
    pub const fn past(&self) -> u64 {
        if self.ended_well > self.seen_well {
            self.ended_well
        } else {
            self.seen_well
        }
    }
}

/// A connection, as sockets are named outside the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Network namespace, the number in `/proc/PID/ns/net`.
    pub netns: u32,
    /// Local end, IPv4-mapped folded.
    pub local: SocketAddr,
    /// Remote end, IPv4-mapped folded.
    pub remote: SocketAddr,
}
