//! Looks up whether connections to addresses of ours end at a socket of this host: in the network namespace that has
//! the address, the agent's own or that of a container.
//!
//! Of namespaces to which this host's way in leads alone: in one of his own anybody may have any address.

use crate::clock::thread_time;
use crate::guard::OfContainers;
use crate::host::owner::{CpuBudget, Stopped};
use crate::namespace;
use crate::netlink::addresses::own_addresses;
use crate::netlink::sock_diag::{Diagnosis, Ends, Namespaces, NoAnswer};
use crate::privilege::outside::Errand;
use crate::state::AgentState;
use detector_core::observe::observation::ConnectionId;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Addresses and namespaces come and go; finding them costs a look at each process.
const KNOWN_FOR: Duration = Duration::from_secs(10);
/// Looking at each process may take so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Addresses, each with the namespaces that have it.
type Addresses = BTreeMap<IpAddr, BTreeSet<u32>>;
/// Connections, each with the namespaces in which its other end would be.
type Candidates = Vec<(ConnectionId, BTreeSet<u32>)>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct WithinHost {
    asked: Option<Instant>,
    namespaces: Arc<Option<Namespaces>>,
    errand: Errand,
    is_failure_told: bool,
}

impl WithinHost {
    /// Looks up what is held up and was not yet.
    pub(super) fn look(
        &mut self,
        state: &AgentState,
        budget: &mut CpuBudget,
    ) -> Result<(), Stopped> {
        if !state.with_engine(|engine| engine.may_have_within_host()) {
            return Ok(());
        }
        if self.asked.is_none_or(|asked| asked.elapsed() > KNOWN_FOR) {
            self.asked = Some(Instant::now());
            self.find_addresses(state, budget);
        }
        let candidates = state.with_engine(|engine| engine.maybe_within_host());
        if candidates.is_empty() {
            return budget.throttle();
        }
        let namespaces = Arc::clone(&self.namespaces);
        let ask = move || {
            let mut found = Vec::new();
            if let Some(namespaces) = &*namespaces {
                each_other_end(namespaces, candidates, &mut |id, is| found.push((id, is)));
            }
            (found, thread_time())
        };
        match self.errand.run("within-host", PATIENCE, ask) {
            Ok((found, used)) => {
                budget.book_of_another(used);
                let mut engine = state.engine();
                for (connection, is_within_host) in found {
                    engine.set_within_host(&connection, is_within_host);
                }
            }
            Err(error) => tracing::debug!("cannot look up other ends of connections: {error}"),
        }
        budget.throttle()
    }

    /// Tells the engine the addresses of this host.
    fn find_addresses(&mut self, state: &AgentState, budget: &mut CpuBudget) {
        let is_host = state.host.watched.is_host();
        let ask = move || -> io::Result<_> {
            let namespaces = Namespaces::find();
            let addresses = addresses(is_host)?;
            Ok((namespaces, addresses, thread_time()))
        };
        match self
            .errand
            .run("addresses", PATIENCE, ask)
            .and_then(|found| found)
        {
            Ok((namespaces, addresses, used)) => {
                budget.book_of_another(used);
                self.namespaces = Arc::new(Some(namespaces));
                state.with_engine(|engine| engine.set_own_addresses(addresses));
            }
            Err(error) if !self.is_failure_told => {
                self.is_failure_told = true;
                tracing::warn!(
                    "cannot ask for the addresses of this host: {error}; connections to programs on it are \
                     taken for those of peers"
                );
            }
            Err(error) => tracing::debug!("cannot ask for the addresses of this host: {error}"),
        }
    }
}

/// Those of the namespace this thread is in, and of containers where all of the host is watched. Leaves this thread
/// in any of them.
fn addresses(is_host: bool) -> io::Result<Addresses> {
    let own = namespace::current().map(|own| own.inode);
    let mut all = Addresses::new();
    for address in own_addresses()? {
        all.entry(address.to_canonical()).or_default().extend(own);
    }
    if is_host {
        for (address, namespaces) in OfContainers::find()?.addresses {
            all.entry(address).or_default().extend(namespaces);
        }
    }
    Ok(all)
}

/// Tells of each connection whether its other end is there. Goes from one namespace to the next, and leaves this
/// thread in any of them. Of one that cannot be asked nothing is told; in one that is gone, or may not be entered, nothing is
/// found.
fn each_other_end(
    namespaces: &Namespaces,
    candidates: Candidates,
    tell: &mut impl FnMut(ConnectionId, bool),
) {
    let mut by_namespace: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, (_, places)) in candidates.iter().enumerate() {
        for netns in places {
            by_namespace.entry(*netns).or_default().push(index);
        }
    }
    let mut is_found = vec![Some(false); candidates.len()];
    for (netns, indices) in by_namespace {
        let mut diagnosis = match namespaces.enter(netns) {
            Ok(diagnosis) => diagnosis,
            Err(NoAnswer::NoQuery(error)) => {
                tracing::debug!("cannot ask for the other ends of connections: {error}");
                for index in indices {
                    is_found[index] = is_found[index].filter(|is_found| *is_found);
                }
                continue;
            }
            Err(error) => {
                tracing::debug!("cannot look for other ends of connections: {error}");
                continue;
            }
        };
        for index in indices {
            let is_here = is_other_end_here(&mut diagnosis, &candidates[index].0);
            is_found[index] = match (is_found[index], is_here) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (None, _) | (_, None) => None,
                (Some(false), Some(false)) => Some(false),
            };
        }
    }
    for ((connection, _), is_found) in candidates.into_iter().zip(is_found) {
        if let Some(is_found) = is_found {
            tell(connection, is_found);
        }
    }
}

/// `None` where the kernel does not say.
fn is_other_end_here(diagnosis: &mut Diagnosis, connection: &ConnectionId) -> Option<bool> {
    let other_end = Ends {
        local: connection.remote,
        remote: connection.local,
    };
    match diagnosis.find(other_end) {
        Ok(found) => Some(found.is_some()),
        Err(error) => {
            tracing::debug!("cannot ask for the socket of {other_end:?}: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests;
