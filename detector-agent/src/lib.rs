//! The daemon: `daemon` wires `kernel`, `host`, `control`, `metrics` and `actions`, which do not know
//! each other.
//!
//! The only crate that imports aya. A library so that `detector` and fuzz targets reach it; it
//! promises no API.

mod actions;
mod capability;
mod clock;
pub mod config;
mod control;
pub mod daemon;
mod host;
mod http;
pub mod kernel;
pub mod log;
pub mod metrics;
mod namespace;
mod priority;
mod state;
