//! What a card is made of.

use detector_api::host::{InterfaceReport, TcpMemory};
use detector_api::page::PeerPage;
use detector_api::snapshot::{HeldWorkers, Process, Thresholds};
use detector_api::status::Recorder;
use serde::Deserialize;
use std::net::SocketAddr;

/// Of `/v1/host`, what a card shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "as in the object")]
pub(crate) struct HostFacts {
    #[serde(default)]
    pub(crate) tcp_memory: Option<TcpMemory>,
    #[serde(default)]
    pub(crate) interfaces: Option<InterfaceReport>,
}

/// Of `/v1/status`, what a card shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "as in the object")]
pub(crate) struct StatusFacts {
    #[serde(default)]
    pub(crate) held_workers: Vec<HeldWorkers>,
    #[serde(default)]
    pub(crate) thresholds: Option<Thresholds>,
    #[serde(default)]
    pub(crate) recorder: Option<Recorder>,
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
    pub(crate) page: PeerPage,
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
    /// When it was recorded; `None` if it is the present.
    pub(crate) recorded: Option<String>,
}

impl Subject {
    /// Services that own stalled connections of the peer.
    pub(super) fn held_workers(&self) -> Vec<&HeldWorkers> {
        let detail = &self.page.detail;
        let of_connections = detail.connections.iter().flat_map(|each| &each.processes);
        let processes: Vec<&Process> = detail.peer.processes.iter().chain(of_connections).collect();
        let owns = |service: &str| {
            processes.iter().any(|process| {
                let executable = process.executable.as_deref().unwrap_or_default();
                process.unit.as_deref() == Some(service)
                    || service == process.comm
                    || service == format!("{} ({executable})", process.comm)
            })
        };
        let services = self.status.held_workers.iter();
        services.filter(|each| owns(&each.service)).collect()
    }
}
