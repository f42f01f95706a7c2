//! Servers that peers talk to: a real one, and the small one of the lab where control is needed.

mod apache;
mod nginx;

pub use apache::{Apache, ApacheModel};
pub use detector_lab::servers::TinyServer;
pub use nginx::{Nginx, NginxSettings};
