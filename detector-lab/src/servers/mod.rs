//! Servers that peers talk to.

mod tiny;

pub use tiny::TinyServer;
