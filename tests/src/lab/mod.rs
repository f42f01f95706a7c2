//! Network namespaces, links, impairments and captures, each behind a guard that undoes itself.

mod address;
mod capture;
mod command;
mod host;
mod impairment;
mod interface;
mod namespace;
mod tun;

pub use address::{Addresses, Family, peer_key};
pub use capture::Capture;
pub use command::{Child, require, run, stdout_of};
pub use host::{Lab, tun_with_addresses};
pub use impairment::{drop_incoming, limit_rate};
pub use interface::{add_address, bring_up};
pub use namespace::{Namespace, reap_leftovers};
pub use tun::Tun;
