//! What of the host is watched: all of it, or the container that the agent runs in and no more.

use crate::config::Scope;
use crate::namespace;
use detector_kmsg::Kill;

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
                    cgroup: memory_group(&groups),
                }
            }
        }
    }

    pub(crate) const fn is_host(&self) -> bool {
        matches!(self, Self::Host)
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
    pub(crate) fn has_victim(&self, kill: &Kill) -> bool {
        let Self::Container { cgroup: own, .. } = self else {
            return true;
        };
        own.as_deref()
            .zip(kill.cgroup.as_deref())
            .is_some_and(|(own, group)| {
                let below = group.strip_prefix(own.trim_end_matches('/'));
                below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
            })
    }
}

/// The group that limits memory, of lines `number:controllers:path`: the unified one, unless an older
/// hierarchy has the memory.
fn memory_group(groups: &str) -> Option<String> {
    let lines = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let rank = match controllers {
            "" => 1,
            named => 2 * u8::from(named.split(',').any(|each| each == "memory")),
        };
        (rank > 0).then(|| (rank, path.to_owned()))
    });
    lines.max_by_key(|(rank, _)| *rank).map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::{Watched, memory_group};
    use detector_kmsg::Kill;

    #[test]
    fn the_group_that_limits_memory_is_found_in_either_hierarchy() {
        let group = |text| memory_group(text);
        let both = "4:memory:/docker/abc\n1:cpu:/x\n0::/system.slice\n";
        assert_eq!(group(both).as_deref(), Some("/docker/abc"));
        assert_eq!(group("0::/pod/a:b\n").as_deref(), Some("/pod/a:b"));
        assert_eq!(group("3:cpu,memory:/a\n0::/\n").as_deref(), Some("/a"));
        assert_eq!(group("1:cpu:/x\nnonsense\n"), None);
    }

    #[test]
    fn a_container_has_its_own_sockets_and_victims_and_no_others() {
        let watched = |group: &str| Watched::Container {
            netns: Some(7),
            cgroup: Some(group.to_owned()),
        };
        let kill = |group: &str| Kill {
            cgroup: Some(group.to_owned()),
            ..Kill::default()
        };
        let own = watched("/pod/web");
        assert!(own.has_namespace(7) && !own.has_namespace(8));
        for (group, is_ours) in [
            ("/pod/web", true),
            ("/pod/web/apache", true),
            ("/pod/web2", false),
            ("/pod", false),
        ] {
            assert_eq!(own.has_victim(&kill(group)), is_ours, "{group}");
        }
        assert!(watched("/").has_victim(&kill("/pod/web")));
        assert!(!own.has_victim(&Kill::default()));
        assert!(Watched::Host.has_namespace(8) && Watched::Host.has_victim(&kill("/pod")));
    }
}
