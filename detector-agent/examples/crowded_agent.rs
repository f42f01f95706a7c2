//! An agent whose tables are full of stalled peers. Part of `cargo xtask bench top`, not of the
//! agent.
//!
//! `crowded_agent SOCKET PEERS CONNECTIONS_EACH`

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| {
        let argument = arguments.next();
        argument.with_context(|| format!("the {what} is missing"))
    };
    let socket = next("socket")?;
    let peers = next("number of peers")?.parse()?;
    let connections_each = next("number of connections of each")?.parse()?;
    detector_agent::crowd::serve_crowd(socket.as_ref(), peers, connections_each)
}
