//! Enters the network namespaces of suspects and stalled sockets, by their numbers.

use super::Diagnosis;
use crate::capability::{self, Capability};
use crate::namespace::{self, Namespace};
use std::collections::BTreeSet;
use std::io;
use std::sync::OnceLock;

/// Why a network namespace cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the agent may not enter its network namespace: it lacks CAP_SYS_ADMIN")]
    NoEntry,
    #[error("its network namespace is gone")]
    Gone,
    #[error("cannot enter its network namespace: {0}")]
    Closed(io::Error),
    #[error("cannot query its sockets: {0}")]
    NoQuery(io::Error),
}

/// The network namespaces that are there.
#[derive(Debug)]
pub(crate) struct Namespaces {
    own: Option<u32>,
    /// Found when one is asked for in which this thread is not: that costs a look at each process.
    all: OnceLock<Vec<Namespace>>,
    /// Found once more when one of them was gone: another process may hold it.
    again: OnceLock<Vec<Namespace>>,
    on_our_way: OnceLock<Option<BTreeSet<u32>>>,
}

impl Namespaces {
    /// Those of this moment.
    pub(crate) fn find() -> Self {
        Self {
            own: namespace::current().map(|namespace| namespace.inode),
            all: OnceLock::new(),
            again: OnceLock::new(),
            on_our_way: OnceLock::new(),
        }
    }

    /// Those of a later moment.
    fn again(&self) -> &[Namespace] {
        self.again.get_or_init(namespace::find_all)
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

    /// The one in which this thread was then.
    pub(crate) const fn own(&self) -> Option<u32> {
        self.own
    }

    /// All to which this host's way in leads; `None` if some cannot be asked that may have sockets.
    pub(crate) fn on_our_way(&self) -> Option<&BTreeSet<u32>> {
        let found = self.on_our_way.get_or_init(|| self.find_on_our_way());
        found.as_ref()
    }

    fn find_on_our_way(&self) -> Option<BTreeSet<u32>> {
        if !namespace::are_all_in_sight() {
            return None;
        }
        let own = self.own?;
        let may_enter = capability::has(Capability::SysAdmin);
        let seen;
        let all = if may_enter {
            self.all()
        } else {
            seen = namespace::find_all();
            &seen
        };
        let mut found = BTreeSet::from([own]);
        for each in all.iter().filter(|each| each.inode != own) {
            let is_ours = match namespace::is_on_our_way(each) {
                Ok(is_ours) => is_ours,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.is_other_on_our_way(each.inode)?
                }
                Err(_) => return None,
            };
            if is_ours && may_enter {
                found.insert(each.inode);
            } else if is_ours && namespace::may_have_sockets(each) {
                return None;
            }
        }
        Some(found)
    }

    /// The same of one that is not where it was found: the process may have ended, and others hold it. `None` if
    /// that is not known.
    fn is_other_on_our_way(&self, inode: u32) -> Option<bool> {
        match self.elsewhere(inode, namespace::is_on_our_way) {
            Ok(is_ours) => Some(is_ours),
            // Nothing is left there that could be cut.
            Err(NoAnswer::Gone) => Some(false),
            Err(_) => None,
        }
    }

    /// Does this with a namespace that is not where it was found, if others hold it at this moment.
    fn elsewhere<T>(
        &self,
        netns: u32,
        act: impl Fn(&Namespace) -> io::Result<T>,
    ) -> Result<T, NoAnswer> {
        let it = |each: &&Namespace| each.inode == netns;
        let known = self.again().iter().find(it).ok_or(NoAnswer::Gone)?;
        match act(known) {
            // It was found some time ago, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let all = namespace::find_all();
                let found = all.iter().find(it).ok_or(NoAnswer::Gone)?;
                act(found).map_err(NoAnswer::Closed)
            }
            done => done.map_err(NoAnswer::Closed),
        }
    }

    /// Whether the agent may enter that one, if it is still there.
    pub(crate) fn may_enter(&self, netns: u32) -> bool {
        self.own == Some(netns) || capability::has(Capability::SysAdmin)
    }

    /// Moves this thread there.
    pub(crate) fn enter(&self, netns: u32) -> Result<Diagnosis, NoAnswer> {
        if namespace::current().is_none_or(|current| current.inode != netns) {
            self.go_to(netns)?;
        }
        Diagnosis::open().map_err(NoAnswer::NoQuery)
    }

    fn go_to(&self, netns: u32) -> Result<(), NoAnswer> {
        if self.all().is_empty() && self.own != Some(netns) {
            return Err(NoAnswer::NoEntry);
        }
        let it = |each: &&Namespace| each.inode == netns;
        if let Some(found) = self.all().iter().find(it) {
            match namespace::enter(found) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(NoAnswer::Closed(error)),
            }
        }
        self.elsewhere(netns, namespace::enter)
    }
}
