//! Servers that peers talk to: real ones, and a small one where control is needed.

mod apache;
mod nginx;
mod tiny;

pub use apache::{Apache, ApacheModel};
pub use nginx::{CROWD_PORT, Nginx, NginxSettings};
pub use tiny::TinyServer;
