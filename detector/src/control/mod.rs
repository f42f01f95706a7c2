//! The control socket: claimed once, served as HTTP, read by our own commands.

pub(crate) mod client;
mod event_feed;
mod event_filter;
mod listing;
mod routes;
pub(crate) mod socket;
pub(crate) mod status;

pub(crate) use listing::DEFAULT_LIMIT;
pub(crate) use routes::Control;
