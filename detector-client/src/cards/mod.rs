//! The evidence card of one peer, and the card of one incident.
//!
//! In: what the agent says of the peer and of the host, and a few settings of the kernel. Out: text
//! for a person. Sentences are made in [`detector_api::text`], order and looks here; both are pure.

mod connections;
mod flags;
mod incident;
mod owners;
pub(crate) mod page;
mod peer;
mod phrases;
mod steps;
mod subject;

pub(crate) use incident::incident_card;
pub(crate) use peer::peer_card;
pub(crate) use phrases::moment;
pub(crate) use subject::{HostFacts, KernelSettings, StatusFacts, Subject};

#[cfg(test)]
mod tests;
