//! The control socket: claimed once, served as HTTP, read by our own commands.

mod actions;
pub(crate) mod client;
mod event_feed;
mod event_filter;
pub(crate) mod host;
mod listing;
mod routes;
pub(crate) mod socket;
pub(crate) mod status;

pub(crate) use listing::DEFAULT_LIMIT;
pub(crate) use routes::{Control, PeerPage};

use hyper::header::HeaderName;

/// Length of a list of which the body may show only the beginning.
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
/// When the agent started: tells one from the next, which numbers its events anew.
const AGENT_STARTED: HeaderName = HeaderName::from_static("x-agent-started");
/// Version of the agent.
const AGENT_VERSION: HeaderName = HeaderName::from_static("x-agent-version");
/// Version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");
