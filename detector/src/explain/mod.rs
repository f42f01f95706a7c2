//! The evidence card of one peer, and the card of one incident.
//!
//! In: what the agent says of the peer and of the host, and a few settings of the kernel. Out: text
//! for a person. Sentences are made in [`crate::wording`], order and looks here; both are pure.

mod card;
mod connections;
mod flags;
mod incident;
mod layout;
mod owners;
mod steps;

pub(crate) use card::card;
pub(crate) use incident::incident_card;
pub(crate) use layout::Look;

use crate::host::pressure::{InterfaceReport, TcpMemory};
use detector_core::snapshot::{Event, HeldWorkers, PeerDetail, Thresholds};
use serde::Deserialize;
use std::net::SocketAddr;

/// The object of `/v1/peers/{peer}`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Page {
    #[serde(flatten)]
    pub(crate) detail: PeerDetail,
    /// What happened, the oldest first.
    #[serde(default)]
    pub(crate) events: Vec<Event>,
}

/// Of `/v1/host`, what a card shows.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct HostFacts {
    #[serde(default)]
    pub(crate) tcp_memory: Option<TcpMemory>,
    #[serde(default)]
    pub(crate) interfaces: Option<InterfaceReport>,
}

/// Of `/v1/status`, what a card shows.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct StatusFacts {
    #[serde(default)]
    pub(crate) held_workers: Vec<HeldWorkers>,
    #[serde(default)]
    pub(crate) thresholds: Option<Thresholds>,
}

/// Settings of the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KernelSettings {
    /// `net.ipv4.tcp_wmem`.
    pub(crate) tcp_wmem: Option<[u64; 3]>,
    /// `net.ipv4.tcp_orphan_retries`.
    pub(crate) tcp_orphan_retries: Option<u64>,
}

/// Everything that a card is made of.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The peer.
    pub(crate) page: Page,
    /// The host; without what is not known.
    pub(crate) host: HostFacts,
    /// What its workers do.
    pub(crate) status: StatusFacts,
    /// Of this host.
    pub(crate) kernel: KernelSettings,
    /// The present.
    pub(crate) now_unix_ns: i128,
    /// The connection that was asked for, if one was.
    pub(crate) asked: Option<SocketAddr>,
}

#[cfg(test)]
mod tests;
