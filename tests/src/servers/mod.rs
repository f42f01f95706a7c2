//! Servers that peers talk to: a real one, and a small one where control is needed.

mod nginx;
mod tiny;

pub use nginx::{Nginx, NginxSettings};
pub use tiny::TinyServer;
