//! What of the host is watched: all of it, or the container that the agent runs in and no more.

use crate::config::Scope;
use crate::host::owner::{GroupKills, OwnGroup};
use crate::namespace;
use std::path::Path;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    Host,
    Container {
        /// The agent's own network namespace.
        netns: Option<u32>,
        /// The control group that the agent is in.
        cgroup: OwnGroup,
    },
}

impl Watched {
    pub(crate) fn of(scope: Scope) -> Self {
        match scope {
            Scope::Host => Self::Host,
            Scope::Container => {
                let netns = namespace::current().map(|own| own.inode);
                if netns.is_none() {
                    tracing::error!(
                        "cannot tell which network namespace this is: nothing is watched"
                    );
                }
                Self::Container {
                    netns,
                    cgroup: OwnGroup::find(Path::new("/proc")),
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
                let own = cgroup.in_proc.as_deref();
                Some(GroupKills::open(Path::new("/proc"), own))
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

    /// Whether a victim was that was looked at.
    pub(crate) fn has_victim(&self, cgroup: Option<&str>) -> bool {
        let Self::Container { cgroup: own, .. } = self else {
            return true;
        };
        let both = own.in_sight.as_deref().zip(cgroup);
        both.is_some_and(|(own, group)| is_within(own, group))
    }

    /// Whether a victim was that the kernel's log names; `None` where that cannot be told by the name: on a host it can be
    /// anybody's, and an agent in a container may not know its own. Where kills come thick the kernel leaves the lines out that name their
    /// control groups: a container then counts too few rather than another's.
    pub(crate) fn has_victim_of_log(&self, cgroup: Option<&str>) -> Option<bool> {
        let Self::Container { cgroup: own, .. } = self else {
            return None;
        };
        let own = own.in_log.as_deref()?;
        Some(cgroup.is_some_and(|group| is_within(own, group)))
    }
}

fn is_within(own: &str, group: &str) -> bool {
    let below = group.strip_prefix(own.trim_end_matches('/'));
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::Watched;
    use crate::host::owner::OwnGroup;

    #[test]
    fn a_container_has_its_own_sockets_and_victims_and_no_others() {
        let watched = |group: &str| Watched::Container {
            netns: Some(7),
            cgroup: OwnGroup {
                in_proc: None,
                in_sight: Some(group.to_owned()),
                in_log: Some(group.to_owned()),
            },
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
            let of_log = own.has_victim_of_log(Some(group));
            assert_eq!(of_log, Some(is_ours), "{group}");
        }
        assert!(watched("/").has_victim(Some("/pod/web")));
        assert!(!own.has_victim(None));
        assert_eq!(own.has_victim_of_log(None), Some(false));
        let nameless = Watched::Container {
            netns: Some(7),
            cgroup: OwnGroup::default(),
        };
        assert!(!nameless.has_victim(Some("/pod/web")));
        assert_eq!(nameless.has_victim_of_log(Some("/pod/web")), None);
        assert!(Watched::Host.has_namespace(8) && Watched::Host.has_victim(Some("/pod")));
        assert_eq!(Watched::Host.has_victim_of_log(Some("/pod")), None);
    }
}
