//! Asks the agent for what the state wants to show.

use super::state::{Facts, Listing, Page, Query, Snapshot};
use crate::control::client::{self, ClientError};
use crate::control::status::Status;
use crate::http::percent_encoded;
use detector_core::snapshot::Peer;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// For all that one refresh asks.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum SourceError {
    /// The agent gave none, or not one that can be used.
    Client(ClientError),
    /// It took too long.
    Silent,
    /// It is of another version, and its answer cannot be read.
    OtherVersion {
        /// Its version.
        version: String,
        /// What cannot be read.
        error: ClientError,
    },
}

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::Silent => {
                let seconds = PATIENCE.as_secs();
                write!(
                    f,
                    "the agent took the request but gave no answer in {seconds} s"
                )
            }
            Self::OtherVersion { version, error } => {
                let own = env!("CARGO_PKG_VERSION");
                write!(f, "the agent is version {version}, this is {own}: {error}")
            }
        }
    }
}

impl std::error::Error for SourceError {}

impl SourceError {
    /// Whether nobody listens, or we may not ask.
    pub(super) fn unreachable(&self) -> Option<std::io::ErrorKind> {
        match self {
            Self::Client(ClientError::Unreachable { source, .. }) => Some(source.kind()),
            _ => None,
        }
    }
}

/// Asks for what `query` names, within a time.
pub(super) async fn ask(socket: &Path, query: &Query) -> Result<Snapshot, SourceError> {
    let answer = timeout(PATIENCE, ask_patiently(socket, query)).await;
    match answer.unwrap_or(Err(SourceError::Silent)) {
        Err(SourceError::Client(error @ ClientError::Broken { .. })) => {
            Err(explain(socket, error).await)
        }
        other => other,
    }
}

/// An answer of another version is told as such.
async fn explain(socket: &Path, error: ClientError) -> SourceError {
    let status = client::object::<serde_json::Value>(socket, "/v1/status");
    let version = match timeout(PATIENCE, status).await {
        Ok(Ok(status)) => status["version"].as_str().map(str::to_owned),
        _ => None,
    };
    match version {
        Some(version) if version != env!("CARGO_PKG_VERSION") => {
            SourceError::OtherVersion { version, error }
        }
        _ => SourceError::Client(error),
    }
}

async fn ask_patiently(socket: &Path, query: &Query) -> Result<Snapshot, SourceError> {
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

async fn ask_facts(socket: &Path) -> Result<Facts, SourceError> {
    let status = client::object::<Status>(socket, "/v1/status");
    let status = status.await.map_err(SourceError::Client)?;
    Ok(Facts {
        kernel: status.kernel,
        agent_version: status.version,
        uptime_seconds: status.uptime_seconds,
        unready_reason: status.unready_reason,
        peers: Some(status.tables.peers),
        connections: Some(status.tables.connections),
        records_lost: status.records.lost.values().sum(),
        ..Facts::default()
    })
}

async fn ask_peers(socket: &Path, limit: usize) -> Result<Listing, SourceError> {
    let target = format!("/v1/peers?limit={limit}");
    let list = client::list::<Peer>(socket, &target);
    let list = list.await.map_err(SourceError::Client)?;
    Ok(Listing {
        peers: list.rows,
        total: list.total,
    })
}

async fn ask_page(socket: &Path, peer: &str) -> Result<Option<Page>, SourceError> {
    let target = format!("/v1/peers/{}", percent_encoded(peer));
    match client::object::<Page>(socket, &target).await {
        Ok(page) => Ok(Some(page)),
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(SourceError::Client(error)),
    }
}
