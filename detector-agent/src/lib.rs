//! The daemon: `agent` wires `kernel`, `host`, `control`, `export` and `guard`, which do not know
//! each other.
//!
//! The only crate that imports aya. A library so that `detector` and fuzz targets reach it; it
//! promises no API.

pub mod agent;
mod capability;
mod clock;
pub mod config;
mod control;
#[doc(hidden)]
pub mod crowd;
pub mod export;
mod guard;
mod host;
mod http;
pub mod kernel;
mod live;
pub mod log;
mod namespace;
mod priority;
