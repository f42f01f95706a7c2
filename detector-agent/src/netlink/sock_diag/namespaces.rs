//! Enters the network namespaces of suspects and stalled sockets, by their numbers.

use super::Diagnosis;
use crate::capability::{self, Capability};
use crate::namespace::{self, Namespace};
use std::sync::OnceLock;

/// Why a network namespace cannot be asked.
pub(crate) const NO_ENTRY: &str =
    "the agent may not enter its network namespace: it lacks CAP_SYS_ADMIN";

/// The network namespaces that are there.
#[derive(Debug)]
pub(crate) struct Namespaces {
    own: Option<u32>,
    /// Found when one is asked for in which this thread is not: that costs a look at each process.
    all: OnceLock<Vec<Namespace>>,
}

impl Namespaces {
    /// Those of this moment.
    pub(crate) fn find() -> Self {
        Self {
            own: namespace::current().map(|namespace| namespace.inode),
            all: OnceLock::new(),
        }
    }

    fn all(&self) -> &[Namespace] {
        self.all.get_or_init(|| {
            if capability::has(Capability::SysAdmin) {
                namespace::find_all()
            } else {
                Vec::new()
            }
        })
    }

    /// Whether the agent may enter that one, if it is still there.
    pub(crate) fn may_enter(&self, netns: u32) -> bool {
        self.own == Some(netns) || capability::has(Capability::SysAdmin)
    }

    /// Moves this thread there; fails with the reason.
    pub(crate) fn enter(&self, netns: u32) -> Result<Diagnosis, String> {
        let is_own = namespace::current().is_some_and(|current| current.inode == netns);
        if !is_own {
            let found = self.all().iter().find(|each| each.inode == netns);
            let Some(found) = found else {
                return Err(if self.all().is_empty() && self.own != Some(netns) {
                    NO_ENTRY.into()
                } else {
                    "its network namespace is gone".into()
                });
            };
            namespace::enter(found)
                .map_err(|error| format!("cannot enter its network namespace: {error}"))?;
        }
        Diagnosis::open().map_err(|error| format!("cannot query its sockets: {error}"))
    }
}
