//! The evidence card of one peer, and the card of one incident.
//!
//! In: what the agent says of the peer and of the host, and a few settings of the kernel. Out: text
//! for a person. Sentences are made in [`detector_api::text`], order and looks here; both are pure.

mod card;
mod connections;
mod flags;
mod incident;
mod layout;
mod owners;
mod steps;

pub use card::card;
pub use incident::incident_card;
pub use layout::Look;

use detector_api::host::{InterfaceReport, TcpMemory};
use detector_api::page::PeerPage;
use detector_api::snapshot::{HeldWorkers, Thresholds};
use serde::Deserialize;
use std::net::SocketAddr;

/// Of `/v1/host`, what a card shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "as in the object")]
pub struct HostFacts {
    #[serde(default)]
    pub tcp_memory: Option<TcpMemory>,
    #[serde(default)]
    pub interfaces: Option<InterfaceReport>,
}

/// Of `/v1/status`, what a card shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "as in the object")]
pub struct StatusFacts {
    #[serde(default)]
    pub held_workers: Vec<HeldWorkers>,
    #[serde(default)]
    pub thresholds: Option<Thresholds>,
}

/// Settings of the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelSettings {
    /// `net.ipv4.tcp_wmem`.
    pub tcp_wmem: Option<[u64; 3]>,
    /// `net.ipv4.tcp_orphan_retries`.
    pub tcp_orphan_retries: Option<u64>,
}

/// Everything that a card is made of.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The peer.
    pub page: PeerPage,
    /// The host; without what is not known.
    pub host: HostFacts,
    /// What its workers do.
    pub status: StatusFacts,
    /// Of this host.
    pub kernel: KernelSettings,
    /// The present.
    pub now_unix_ns: i128,
    /// The connection that was asked for, if one was.
    pub asked: Option<SocketAddr>,
}

#[cfg(test)]
mod tests;
