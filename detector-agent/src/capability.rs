//! Which capabilities this process has, and which are missing for what.

use rustix::thread::{CapabilitySet, capabilities};

/// A capability the agent can need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    /// Load programs, create maps.
    Bpf,
    /// Attach to tracepoints, read kernel memory from a program.
    Perfmon,
    /// Enter other network namespaces; also stands in for both above.
    SysAdmin,
    /// Make network devices, close sockets of others, drop packets.
    NetAdmin,
    /// See the namespaces and open sockets of processes of other users.
    SysPtrace,
    /// Look into folders of `/proc` that belong to other users.
    DacReadSearch,
    /// Run ahead of other processes.
    SysNice,
    /// Raise the limit of locked memory.
    SysResource,
}

impl Capability {
    pub(crate) const fn set(self) -> CapabilitySet {
        match self {
            Self::Bpf => CapabilitySet::BPF,
            Self::Perfmon => CapabilitySet::PERFMON,
            Self::SysAdmin => CapabilitySet::SYS_ADMIN,
            Self::SysPtrace => CapabilitySet::SYS_PTRACE,
            Self::NetAdmin => CapabilitySet::NET_ADMIN,
            Self::DacReadSearch => CapabilitySet::DAC_READ_SEARCH,
            Self::SysNice => CapabilitySet::SYS_NICE,
            Self::SysResource => CapabilitySet::SYS_RESOURCE,
        }
    }

    /// The name in `capabilities(7)`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bpf => "CAP_BPF",
            Self::Perfmon => "CAP_PERFMON",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::SysNice => "CAP_SYS_NICE",
            Self::SysResource => "CAP_SYS_RESOURCE",
        }
    }
}

/// Whether this process has a capability. What cannot be read counts as present: the kernel
/// itself decides in the end.
pub(crate) fn has(capability: Capability) -> bool {
    capabilities(None).map_or(true, |sets| sets.effective.contains(capability.set()))
}
