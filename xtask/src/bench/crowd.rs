//! Idle connections in network namespaces of a benchmark, gone with their guards.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::namespace::Namespace;
use crate::background::Background;

/// Connections one process holds both ends of: within the usual limit of open files.
const CONNECTIONS_A_PROCESS: u32 = 8_000;

/// Namespaces with idle connections.
pub(super) struct Crowd {
    // Order matters: who holds the connections ends before their namespaces go.
    _holders: Vec<Background>,
    pub(super) namespaces: Vec<Namespace>,
    pub(super) sockets: u32,
}

impl Crowd {
    /// About so many sockets, as many in each namespace.
    pub(super) fn gather(examples: &Path, namespaces: u32, sockets: u32) -> Result<Self> {
        let created: Result<Vec<Namespace>> = (0..namespaces)
            .map(|number| Namespace::create(&format!("i{number}")))
            .collect();
        let namespaces = created?;
        let mut holders = Vec::new();
        // A connection has two.
        let mut left = sockets / 2;
        let each = left / u32::try_from(namespaces.len())?.max(1);
        let names: Vec<&str> = namespaces.iter().map(|each| each.name.as_str()).collect();
        let mut gathered = 0;
        if each > CONNECTIONS_A_PROCESS {
            while left > 0 {
                let some = left.min(CONNECTIONS_A_PROCESS);
                holders.push(hold(examples, some, &names)?);
                gathered += some * u32::try_from(names.len())?;
                left -= some;
            }
        } else if let Some(at_once) = CONNECTIONS_A_PROCESS.checked_div(each) {
            for some in names.chunks(usize::try_from(at_once)?) {
                holders.push(hold(examples, each, some)?);
                gathered += each * u32::try_from(some.len())?;
            }
        }
        Ok(Self {
            _holders: holders,
            namespaces,
            sockets: gathered * 2,
        })
    }
}

/// A process that holds `connections` in each namespace.
fn hold(examples: &Path, connections: u32, names: &[&str]) -> Result<Background> {
    let (holder, _) = Background::start_until_ready(
        Command::new(examples.join("idle_sockets"))
            .arg(connections.to_string())
            .args(names),
    )?;
    Ok(holder)
}
