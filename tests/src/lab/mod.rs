//! What only stories need of a lab: two namespaces with a link between them, impairments
//! and captures; the rest comes from the crate they share with `detector selftest`.

mod capture;
mod host;
mod impairment;
mod reordering;
mod stranger;

pub use capture::Capture;
pub use detector_lab::control_group::ControlGroup;
pub use detector_lab::network::{
    Addresses, Family, Namespace, SegmentCounts, Tun, add_address, bring_up, peer_key,
    reap_leftovers, tun_with_addresses,
};
pub use detector_lab::program::{Child, require, run, stdout_of};
pub use host::Lab;
pub use impairment::{drop_incoming, limit_rate};
pub use reordering::Reordering;
pub use stranger::{network_of_a_container, network_of_ones_own};
