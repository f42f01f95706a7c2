//! Who holds sockets.

use detector_api::snapshot::Process;
use std::sync::Arc;

/// A process that holds sockets. It is kept once however many those are: what it is called may be long, and is up
/// to whoever runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// What is published of it, without a thread.
    pub process: Process,
    /// What tasks of the same service share: its unit or container or, where it is in none that is for services,
    /// what it runs. The one key by which services are told apart.
    pub service: Arc<str>,
}

/// Processes that hold one socket, the most plausible owner first.
pub type Owners = Arc<[Arc<Owner>]>;
