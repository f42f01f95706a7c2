//! Servers that peers talk to: real ones, and a small one where control is needed.

mod apache;
mod haproxy;
mod nginx;
mod program;
mod tiny;

pub use apache::{Apache, ApacheModel};
pub use haproxy::Haproxy;
pub use nginx::{CROWD_PORT, Nginx, NginxSettings};
pub use tiny::TinyServer;
