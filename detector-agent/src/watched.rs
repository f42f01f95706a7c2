//! What of the host is watched: all of it, or the container that the agent runs in and no more.

use crate::config::Scope;
use crate::host::owner::{GroupKills, memory_group};
use crate::namespace;
use std::path::Path;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    Host,
    Container {
        /// The agent's own network namespace.
        netns: Option<u32>,
        /// The control group that the agent is in, as the kernel's log writes it.
        cgroup: Option<String>,
    },
}

impl Watched {
    pub(crate) fn of(scope: Scope) -> Self {
        match scope {
            Scope::Host => Self::Host,
            Scope::Container => {
                let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
                let netns = namespace::current().map(|own| own.inode);
                if netns.is_none() {
                    tracing::error!(
                        "cannot tell which network namespace this is: nothing is watched"
                    );
                }
                Self::Container {
                    netns,
                    cgroup: memory_group(&groups).map(|(path, _)| path),
                }
            }
        }
    }

    pub(crate) const fn is_host(&self) -> bool {
        matches!(self, Self::Host)
    }

    /// What the kernel counts of its kills in the container; `None` where the whole host is watched.
    pub(crate) fn kills_of_container(&self) -> Option<GroupKills> {
        match self {
            Self::Host => None,
            Self::Container { cgroup, .. } => {
                Some(GroupKills::open(Path::new("/proc"), cgroup.as_deref()))
            }
        }
    }

    /// Whether sockets of this network namespace are.
    pub(crate) fn has_namespace(&self, of_socket: u32) -> bool {
        match self {
            Self::Host => true,
            Self::Container { netns, .. } => *netns == Some(of_socket),
        }
    }

    /// Whether the victim was. Where kills come thick the kernel leaves the lines out that name their
    /// control groups: a container then counts too few rather than another's.
    pub(crate) fn has_victim(&self, cgroup: Option<&str>) -> bool {
        let Self::Container { cgroup: own, .. } = self else {
            return true;
        };
        own.as_deref().zip(cgroup).is_some_and(|(own, group)| {
            let below = group.strip_prefix(own.trim_end_matches('/'));
            below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Watched;

    #[test]
    fn a_container_has_its_own_sockets_and_victims_and_no_others() {
        let watched = |group: &str| Watched::Container {
            netns: Some(7),
            cgroup: Some(group.to_owned()),
        };
        let own = watched("/pod/web");
        assert!(own.has_namespace(7) && !own.has_namespace(8));
        for (group, is_ours) in [
            ("/pod/web", true),
            ("/pod/web/apache", true),
            ("/pod/web2", false),
            ("/pod", false),
        ] {
            assert_eq!(own.has_victim(Some(group)), is_ours, "{group}");
        }
        assert!(watched("/").has_victim(Some("/pod/web")));
        assert!(!own.has_victim(None));
        assert!(Watched::Host.has_namespace(8) && Watched::Host.has_victim(Some("/pod")));
    }
}
