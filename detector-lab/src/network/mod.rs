//! Network namespaces, addresses and TUN devices, each behind a guard that undoes itself.

mod address;
mod interface;
pub(crate) mod mptcp;
mod namespace;
mod segment_counts;
mod tun;

pub(crate) use address::documentation;
pub use address::{Addresses, Family, peer_key};
pub use interface::{add_address, bring_up, disable_offloads, set_mtu};
pub use namespace::{Namespace, reap_leftovers};
pub use segment_counts::SegmentCounts;
pub use tun::{Tun, tun_with_addresses};
