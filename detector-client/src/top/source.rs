//! Asks the agent for what the state wants to show.

use super::state::{ActionRequest, ActionResult, Facts, Listing, Query, Snapshot};
use crate::prometheus::{self, Prometheus};
use crate::socket::{self, ClientError, percent_encoded};
use detector_api::host::{Host, Stall, Stalls, TcpMemory};
use detector_api::page::PeerPage;
use detector_api::row::PeerRow;
use detector_api::sanitize;
use detector_api::snapshot::Peer;
use detector_api::text::counted;
use std::ffi::CStr;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// For all that one refresh asks.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks for what `query` names, within a time.
pub(super) async fn ask(socket: &Path, query: &Query) -> Result<Snapshot, ClientError> {
    let answer = timeout(PATIENCE, ask_patiently(socket, query)).await;
    answer.unwrap_or(Err(ClientError::Silent))
}

/// Has the agent do or rehearse something.
pub(super) async fn act(
    socket: &Path,
    request: &ActionRequest,
) -> Result<ActionResult, ClientError> {
    match request {
        ActionRequest::Reset(request) => socket::act(socket, "/v1/reset", request)
            .await
            .map(ActionResult::Reset),
        ActionRequest::Block(request) => socket::act(socket, "/v1/block", request)
            .await
            .map(ActionResult::Block),
    }
}

/// What a Prometheus knows of all hosts.
pub(super) async fn ask_prometheus(prometheus: &Prometheus) -> Result<Snapshot, ClientError> {
    let fleet = prometheus::ask_all(prometheus).await?;
    let mut host = counted(fleet.hosts, "host", "hosts");
    if fleet.silent_hosts > 0 {
        host += &format!(", {} silent", fleet.silent_hosts);
    }
    let facts = Facts {
        host,
        kernel: prometheus.to_string(),
        tcp_memory_bytes: fleet.tcp_memory_bytes,
        stalled_connections: Some(fleet.stalled_connections),
        pinned_bytes: Some(fleet.pinned_bytes),
        ..Facts::default()
    };
    let total = fleet.peers.len();
    let listing = Some(Listing {
        peers: fleet.peers,
        total,
    });
    Ok(Snapshot {
        facts,
        listing,
        page: None,
    })
}

async fn ask_patiently(socket: &Path, query: &Query) -> Result<Snapshot, ClientError> {
    let facts = ask_facts(socket).await?;
    let listing = match query.peers {
        Some(limit) => Some(ask_peers(socket, limit).await?),
        None => None,
    };
    let page = match &query.page {
        Some(peer) => Some(ask_page(socket, peer).await?),
        None => None,
    };
    Ok(Snapshot {
        facts,
        listing,
        page,
    })
}

async fn ask_facts(socket: &Path) -> Result<Facts, ClientError> {
    let host = socket::object::<Host>(socket, "/v1/host");
    host.await.map(facts_of)
}

/// The agent is on this host: name and kernel are the same seen from here.
fn facts_of(host: Host) -> Facts {
    let uname = rustix::system::uname();
    let name = |name: &CStr| sanitize::text(&name.to_string_lossy());
    let Stalls { cpu, memory, io } = host.pressure;
    let some = |stall: Option<Stall>| stall.map(|stall| stall.some_percent);
    let is_short = |memory: TcpMemory| memory.used_bytes >= memory.pressure_bytes;
    let is_short = host.tcp_memory.is_some_and(is_short);
    Facts {
        host: name(uname.nodename()),
        kernel: name(uname.release()),
        agent_version: host.agent.version,
        uptime_seconds: host.agent.uptime_seconds,
        unready_reason: host.agent.unready_reason,
        load: host
            .load
            .map_or_else(Vec::new, |load| vec![load.one, load.five, load.fifteen]),
        pressure_percent: [some(cpu), some(memory), some(io)],
        memory_bytes: host.memory.map(|memory| {
            let used = memory.total_bytes.saturating_sub(memory.available_bytes);
            (used, memory.total_bytes)
        }),
        tcp_memory_bytes: host
            .tcp_memory
            .map(|memory| (memory.used_bytes, memory.limit_bytes)),
        is_tcp_memory_short: is_short,
        tcp_memory_held: host
            .tcp_memory_held
            .filter(|_| is_short)
            .map(|held| held.held_bytes),
        orphans: host.sockets.map(|sockets| sockets.orphans),
        stalled_connections: Some(host.totals.stalled_connections),
        pinned_bytes: Some(host.totals.pinned_bytes),
        peers: Some(host.totals.peers),
        connections: Some(host.totals.connections),
        agent_cpu_share: host.agent.cost.cpu_share,
        agent_memory_bytes: host.agent.cost.resident_bytes,
        incident_began: host.incident.map(|incident| incident.began),
        records_lost: host.records_lost.values().sum(),
        given_up: host.agent.given_up,
    }
}

async fn ask_peers(socket: &Path, limit: usize) -> Result<Listing, ClientError> {
    let target = format!("/v1/peers?limit={limit}");
    let list = socket::list::<Peer>(socket, &target).await?;
    Ok(Listing {
        peers: list.rows.into_iter().map(PeerRow::from).collect(),
        total: list.total,
    })
}

async fn ask_page(socket: &Path, peer: &str) -> Result<Option<PeerPage>, ClientError> {
    let target = format!("/v1/peers/{}", percent_encoded(peer));
    match socket::object::<PeerPage>(socket, &target).await {
        Ok(page) => Ok(Some(page)),
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
