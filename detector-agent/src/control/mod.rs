//! The control socket: claimed once, served as HTTP, read by the client.

mod actions;
mod beside;
mod event_feed;
mod event_filter;
mod host;
mod listing;
mod routes;
mod slots;
pub(crate) mod socket;
mod status;

pub(crate) use routes::Control;

use detector_api::defaults::{AGENT_STARTED_HEADER, AGENT_VERSION_HEADER, TOTAL_COUNT_HEADER};
use hyper::header::HeaderName;

/// Length of a list of which the body may show only the beginning.
const TOTAL_COUNT: HeaderName = HeaderName::from_static(TOTAL_COUNT_HEADER);
/// When the agent started: a new agent numbers its events anew.
const AGENT_STARTED: HeaderName = HeaderName::from_static(AGENT_STARTED_HEADER);
/// Version of the agent.
const AGENT_VERSION: HeaderName = HeaderName::from_static(AGENT_VERSION_HEADER);
/// Version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether this user may act and not only look: root, and the agent's own.
fn may_act(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}
