//! The daemon. `daemon` starts the rest and runs the judge; `state` is what its tasks share. `kernel`
//! and `host` feed it, `metrics` and `control` answer from it over `http`, `actions` does what an
//! operator asks for, or what `guard` has decided. None of them knows who started it.
//!
//! The only crate that imports aya. A library so that `detector` reaches it; it promises no API.

mod actions;
mod allocator;
mod capability;
mod clock;
pub mod config;
mod control;
pub mod daemon;
mod doze;
mod governor;
mod guard;
mod host;
mod http;
pub mod kernel;
mod kills;
mod lock;
pub mod log;
pub mod metrics;
mod namespace;
mod netlink;
mod priority;
mod privilege;
mod recording;
mod state;
mod watched;
