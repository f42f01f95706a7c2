//! What this host must have for the agent to run.

pub use super::release::kernel_release;
pub use super::requirement::{Requirement, State};

use super::failure::{StartError, missing_to_load, privilege_error};
use super::{btf_file, surroundings, types};
use crate::capability::{self, Capability};
use crate::host::folder;
use crate::host::pressure::parse;
use crate::privilege::files::can_be_bounded;
use detector_api::failure::Code;

const STATS_FILE: &str = "/proc/sys/kernel/bpf_stats_enabled";
const LOCKDOWN_FILE: &str = "/sys/kernel/security/lockdown";

/// All requirements, in the order in which they are needed.
pub fn requirements() -> Vec<Requirement> {
    let mut requirements = vec![kernel(), lockdown()];
    requirements.extend(types::requirements());
    requirements.extend(capabilities());
    requirements.push(seccomp());
    requirements.push(landlock());
    requirements.push(memory());
    requirements.extend(surroundings::requirements());
    requirements.push(program_costs());
    requirements
}

/// Refuses early, and for the true reason, what would fail later with an obscure one. Cheap: what
/// the kernel's types lack comes out when they are read.
pub(crate) fn refuse_unfit_host() -> Result<(), StartError> {
    for requirement in [lockdown(), btf_file::presence()] {
        if requirement.state == State::Missing {
            return Err(requirement.into());
        }
    }
    let missing = missing_to_load();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(privilege_error(&missing))
    }
}

/// Whether this process may enter other network namespaces.
pub(super) fn can_enter_namespaces() -> bool {
    capability::has(Capability::SysAdmin)
}

/// Names of the capabilities that this process lacks to make a network namespace with a device in
/// it, and to watch it.
pub fn missing_for_selftest() -> Vec<&'static str> {
    [Capability::SysAdmin, Capability::NetAdmin]
        .into_iter()
        .filter(|capability| !capability::has(*capability))
        .map(Capability::name)
        .collect()
}

/// Its version says nothing: what it has is asked for one by one.
fn kernel() -> Requirement {
    Requirement::ok(
        "kernel",
        format!("{}, {}", kernel_release(), std::env::consts::ARCH),
    )
}

fn lockdown() -> Requirement {
    let Some(text) = folder::text(LOCKDOWN_FILE) else {
        return Requirement::ok("lockdown", "off (the kernel has none)");
    };
    lockdown_from(&text)
}

fn lockdown_from(text: &str) -> Requirement {
    let mode = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    match mode.map(|(mode, _)| mode) {
        Some("confidentiality") => Requirement::missing(
            "lockdown",
            "confidentiality: the kernel lets no program read its memory",
            "boot with lockdown=integrity or without lockdown",
        ),
        Some(mode) => Requirement::ok("lockdown", mode),
        None => Requirement::ok("lockdown", "unknown"),
    }
}

/// Whether system calls that the agent never makes can be forbidden.
fn seccomp() -> Requirement {
    let denies = folder::text("/proc/sys/kernel/seccomp/actions_avail");
    match denies {
        Some(actions) if actions.split_whitespace().any(|action| action == "errno") => {
            Requirement::ok(
                "seccomp",
                "system calls that the agent never makes are forbidden",
            )
        }
        _ => Requirement::degraded(
            "seccomp",
            "system calls that the agent never makes cannot be forbidden",
            "use a kernel with CONFIG_SECCOMP_FILTER to have them forbidden",
        ),
    }
}

/// Whether files that the agent never needs can be kept from it.
fn landlock() -> Requirement {
    if can_be_bounded() {
        Requirement::ok(
            "landlock",
            "files that the agent does not need are kept from it",
        )
    } else {
        Requirement::degraded(
            "landlock",
            "files that the agent does not need cannot be kept from it",
            "use a kernel with CONFIG_SECURITY_LANDLOCK (Linux 5.13 has it), with landlock in lsm= where \
             that is given, to have them kept from it",
        )
    }
}

/// A capability without which the agent does less.
struct Useful {
    capability: Capability,
    present: &'static str,
    absent: &'static str,
    hint: &'static str,
}

const WITH_LESS: [Useful; 5] = [
    Useful {
        capability: Capability::SysAdmin,
        present: "kept, all network namespaces are swept",
        absent: "only the agent's own network namespace is swept",
        hint: "run as root to see half-closed and older connections of containers",
    },
    Useful {
        capability: Capability::SysPtrace,
        present: "kept, processes are named",
        absent: "namespaces and sockets of other users' processes are not seen",
        hint: "run as root to name the processes behind stalled connections",
    },
    Useful {
        capability: Capability::DacReadSearch,
        present: "kept, for folders of other users in /proc",
        absent: "processes of other users are not named",
        hint: "run as root to name the processes behind stalled connections",
    },
    Useful {
        capability: Capability::NetAdmin,
        present: "kept where operators or the guard may act: peers can be blocked and reset",
        absent: "peers can be neither blocked nor reset",
        hint: "run as root to use `detector block` and `detector reset`",
    },
    Useful {
        capability: Capability::SysNice,
        present: "given up once started, the judge runs ahead of other processes",
        absent: "on a busy host flags may come late",
        hint: "run as root to get flags in time even then",
    },
];

impl Useful {
    fn requirement(&self) -> Requirement {
        let name = self.capability.name();
        if capability::has(self.capability) {
            Requirement::ok(name, format!("present: {}", self.present))
        } else {
            Requirement::degraded(name, format!("absent: {}", self.absent), self.hint)
        }
    }
}

fn capabilities() -> Vec<Requirement> {
    let stands_in = capability::has(Capability::SysAdmin);
    let mut requirements: Vec<Requirement> = [Capability::Bpf, Capability::Perfmon]
        .into_iter()
        .map(|needed| {
            if stands_in || capability::has(needed) {
                let kept = match needed {
                    Capability::Bpf => "present: kept, for sweeps",
                    _ => "present: given up once attached",
                };
                Requirement::ok(needed.name(), kept)
            } else {
                Requirement {
                    code: Code::Privilege,
                    ..Requirement::missing(
                        needed.name(),
                        "absent",
                        "run as root: sudo detector run",
                    )
                }
            }
        })
        .collect();
    requirements.extend(WITH_LESS.iter().map(Useful::requirement));
    requirements
}

/// Maps are charged to the cgroup of the process that loads them, not to its resident set.
fn memory() -> Requirement {
    let memory = folder::text("/proc/meminfo").and_then(|text| parse::memory(&text));
    memory_from(memory.map(|memory| memory.available_bytes >> 20))
}

fn memory_from(available_mib: Option<u64>) -> Requirement {
    /// Found with all tables of the defaults full and somebody who reads them (`docs/scaling.md`).
    const NEEDED_MIB: u64 = 271;
    match available_mib {
        Some(mib) if mib < NEEDED_MIB => Requirement::degraded(
            "memory",
            format!("{mib} MiB available"),
            "with all tables full the agent takes up to 271 MiB, its maps included: where there is less, lower \
             [peers] capacity, [budget] connections and [budget] events",
        ),
        Some(mib) => Requirement::ok("memory", format!("{mib} MiB available")),
        None => Requirement::degraded("memory", "/proc/meminfo cannot be read", "mount /proc"),
    }
}

/// An option of the host: the agent shows what the kernel measures, and never switches it on.
fn program_costs() -> Requirement {
    let name = "program costs (optional)";
    match folder::text(STATS_FILE).as_deref().map(str::trim) {
        Some("1") => Requirement::ok(name, "measured by the kernel"),
        Some(_) => Requirement::ok(
            name,
            "not measured; sysctl kernel.bpf_stats_enabled=1 switches it on",
        ),
        None => Requirement::degraded(
            name,
            format!("{STATS_FILE} cannot be read"),
            "the cost of the programs is not measured",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_for_full_tables_and_their_readers_is_asked_for() {
        let state = |mib| memory_from(mib).state;
        assert_eq!(state(Some(200)), State::Degraded);
        assert_eq!(state(Some(288)), State::Ok);
        assert_eq!(state(None), State::Degraded);
    }

    #[test]
    fn only_confidentiality_is_refused() {
        let state = |text| lockdown_from(text).state;
        assert_eq!(state("none integrity [confidentiality]\n"), State::Missing);
        assert_eq!(state("none [integrity] confidentiality\n"), State::Ok);
        assert_eq!(state("[none] integrity confidentiality\n"), State::Ok);
        assert_eq!(state("nonsense"), State::Ok);
    }
}
