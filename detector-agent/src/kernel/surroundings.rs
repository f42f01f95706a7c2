//! What of the host the agent uses where it is there: other processes, control groups, what closes sockets
//! and drops packets.

use super::requirement::Requirement;
use crate::actions::Actions;
use crate::capability::{self, Capability};
use crate::host::kernel_log::{self, KernelLog};
use crate::host::owner::ControlGroupsSeen;
use crate::host::sessions;
use std::path::Path;

/// Each, and whether it is there.
pub(super) fn requirements() -> Vec<Requirement> {
    let seen = ControlGroupsSeen::find(Path::new("/proc"));
    let mut requirements = vec![processes(), control_groups(seen), kernel_log()];
    // Without it nothing can be asked, which its own line says.
    if capability::has(Capability::NetAdmin) {
        requirements.push(closing_sockets());
        requirements.push(dropping_packets());
    }
    requirements
}

fn processes() -> Requirement {
    let name = "processes of others";
    if sessions::find().are_all {
        Requirement::ok(name, "seen, and who is logged in")
    } else {
        Requirement::degraded(
            name,
            "hidden: owners of connections may not be named, and the guard limits and blocks nobody, for it \
             does not know who is logged in and which containers there are",
            "run in the host's PID namespace with CAP_SYS_PTRACE; with [detect] scope = \"container\" it is \
             enough to name in [peers] trusted the networks that you come from",
        )
    }
}

fn control_groups(seen: ControlGroupsSeen) -> Requirement {
    let name = "cgroup v2";
    let beside = "mount the host's /sys/fs/cgroup into the container at another path than the container's own, \
                  read-only";
    match seen {
        ControlGroupsSeen::All => Requirement::ok(name, "mounted, limits of units are known"),
        ControlGroupsSeen::NotBeside => Requirement::degraded(
            name,
            "the container's own is not mounted: limits of units next to it are not known",
            beside,
        ),
        ControlGroupsSeen::Own => Requirement::degraded(
            name,
            "that of the agent's own container alone: limits of other units are not known, and \
             unit_memory_share of the guard is not reached by them",
            beside,
        ),
        ControlGroupsSeen::Nothing => Requirement::degraded(
            name,
            "not mounted from its root: limits of units are not known, and unit_memory_share of the guard is \
             never reached",
            "boot with systemd.unified_cgroup_hierarchy=1, or mount the host's /sys/fs/cgroup into the \
             container",
        ),
    }
}

fn kernel_log() -> Requirement {
    let name = "kernel log";
    match KernelLog::open(Path::new(kernel_log::PATH)) {
        Ok(_) => Requirement::ok(name, "read: who is killed for want of memory is named"),
        Err(errno) => Requirement::degraded(
            name,
            format!(
                "{} cannot be read ({errno}): OOM kills are counted, but who was killed is not known",
                kernel_log::PATH
            ),
            "run as root, or with CAP_SYSLOG where kernel.dmesg_restrict is 1, and with /dev/kmsg in the \
             container",
        ),
    }
}

fn closing_sockets() -> Requirement {
    let name = "closing sockets";
    match Actions::why_no_reset() {
        None => Requirement::ok(
            name,
            "the kernel does it for `detector reset` and the guard",
        ),
        Some(why) => Requirement::degraded(
            name,
            why,
            "use a kernel with CONFIG_INET_DIAG_DESTROY for `detector reset`",
        ),
    }
}

fn dropping_packets() -> Requirement {
    let name = "dropping packets";
    match Actions::why_no_block() {
        None => Requirement::ok(name, "nftables does it for `detector block` and the guard"),
        Some(why) => Requirement::degraded(
            name,
            why,
            "use Linux 5.12 or newer with nftables for `detector block`, or the host's firewall",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::control_groups;
    use crate::host::owner::ControlGroupsSeen;
    use crate::kernel::requirement::State;

    #[test]
    fn limits_that_are_out_of_sight_are_not_said_to_be_known() {
        use ControlGroupsSeen::{All, NotBeside, Nothing, Own};
        for seen in [NotBeside, Own, Nothing] {
            let found = control_groups(seen);
            assert_eq!(found.state, State::Degraded, "{found:?}");
        }
        assert_eq!(control_groups(All).state, State::Ok);
    }
}
