//! Everything the end-to-end stories stand on: a lab of network namespaces, peers that behave as
//! told, real and small servers, a guard around the built agent, and an independent reading of
//! captures.
//!
//! Uses the built binary, its JSON and its metrics; of the project's crates only the lab, which
//! knows nothing of the agent. Needs root, because namespaces, TUN devices and eBPF do.
//!
//! Start reading at [`story`]: it gives each story a lab of its own and cleans up behind it.

pub mod agent;
pub mod crafted_stage;
pub mod dice;
pub mod hostile;
pub mod lab;
pub mod schema;
pub mod screen;
pub mod story;
pub mod suite;
pub mod truth;

pub use detector_lab::expect::PATIENCE;
pub use detector_lab::{acts, expect, peers, servers};
