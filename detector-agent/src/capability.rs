//! Which capabilities this process has, and which are missing for what.

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
    /// Run ahead of other processes.
    SysNice,
}

impl Capability {
    const fn bit(self) -> u64 {
        1 << match self {
            Self::NetAdmin => 12,
            Self::SysPtrace => 19,
            Self::SysAdmin => 21,
            Self::SysNice => 23,
            Self::Perfmon => 38,
            Self::Bpf => 39,
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
            Self::SysNice => "CAP_SYS_NICE",
        }
    }
}

/// Whether this process has a capability. What cannot be read counts as present: the kernel
/// itself decides in the end.
pub(crate) fn has(capability: Capability) -> bool {
    effective().is_none_or(|set| set & capability.bit() != 0)
}

fn effective() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    parse_effective(&status)
}

fn parse_effective(status: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(value.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_parsed() {
        let status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t000000c000200000\n";
        let set = parse_effective(status).unwrap();
        assert_ne!(set & Capability::Bpf.bit(), 0);
        assert_ne!(set & Capability::Perfmon.bit(), 0);
        assert_ne!(set & Capability::SysAdmin.bit(), 0);
        assert_eq!(parse_effective("Name:\tx\n"), None);
    }
}
