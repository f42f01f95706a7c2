//! A row of `detector peers` and `detector top`: a peer, or a group of peers.

use crate::snapshot::Peer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A peer, or a group of peers: then `peer.peer` is the name of the group, the numbers are sums
/// and `members` says of how many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PeerRow {
    /// The peer, or the sum of the group.
    #[serde(flatten)]
    pub peer: Peer,
    /// Peers in it: 1 for a peer by itself.
    #[serde(default = "one")]
    pub members: u64,
    /// Hosts on which its connections are held up now, where rows are of more than one host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<u64>,
}

const fn one() -> u64 {
    1
}

impl From<Peer> for PeerRow {
    fn from(peer: Peer) -> Self {
        Self {
            peer,
            members: 1,
            hosts: None,
        }
    }
}
