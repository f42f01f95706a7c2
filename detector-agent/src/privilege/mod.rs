//! Gives up, once everything is attached, what the agent does not need any more. Threads inherit what
//! is left, so that this comes before any of them is started, and before anything that a stranger has
//! sent is read.
//!
//! In: what is enabled, and which files will be needed. Out: [`Privilege`], as the kernel says it
//! afterwards. Never: a failure; what cannot be given up is logged and shown.

pub(crate) mod files;
pub(crate) mod outside;
mod read_only;
mod syscalls;

use crate::capability::Capability;
use detector_api::status::Privilege;
use files::Files;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, no_new_privs, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};

/// What the agent goes on needing, whatever is enabled.
const ALWAYS: [Capability; 3] = [
    Capability::Bpf,
    Capability::SysPtrace,
    Capability::DacReadSearch,
];

/// What it needs of what may be enabled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enabled {
    /// Closing sockets, blocking networks.
    pub(crate) acts: bool,
    /// Entering network namespaces of others.
    pub(crate) enters_namespaces: bool,
}

/// Gives up what is not needed.
pub(crate) fn give_up(enabled: Enabled, files: &Files) -> Privilege {
    let namespaces = enabled.enters_namespaces.then_some(Capability::SysAdmin);
    let acts = enabled.acts.then_some(Capability::NetAdmin);
    let needed = ALWAYS.into_iter().chain(namespaces).chain(acts);
    let needed = needed.map(Capability::set).collect();
    if let Err(errno) = keep(needed) {
        tracing::warn!("cannot give up capabilities: {errno}; the agent keeps those it has");
    }
    let forbidden = syscalls::forbid();
    if let Some(error) = &forbidden.failure {
        let which = if forbidden.list {
            "clone3(2)"
        } else {
            "system calls that the agent never makes"
        };
        tracing::info!("cannot forbid {which}: {error}");
    }
    Privilege {
        capabilities: names(),
        no_new_privileges: no_new_privs().unwrap_or(false),
        seccomp: forbidden.list,
        seccomp_clone3: forbidden.clone3,
        landlock: confine(files),
    }
}

/// Bounds which files are opened, by this thread and those that it starts from now on.
fn confine(files: &Files) -> bool {
    if let Err(error) = outside::stay() {
        tracing::warn!("the agent may go on opening any file: cannot start a thread: {error}");
        return false;
    }
    match files.confine() {
        Ok(true) => {
            files::note_that_it_is_bounded();
            true
        }
        Ok(false) => {
            tracing::info!(
                "the agent may go on opening any file: this kernel has no Landlock, or was booted \
                 without it"
            );
            false
        }
        Err(error) => {
            tracing::warn!("the agent may go on opening any file: {error}");
            false
        }
    }
}

/// Gives up everything that a thread needs which writes to what is open and does nothing else, in this
/// thread alone: capabilities, opening files, connecting.
pub(crate) fn give_up_all() {
    if let Err(errno) = keep(CapabilitySet::empty()) {
        tracing::debug!("cannot give up capabilities: {errno}");
    }
    // A kernel without it is told of where the others are bounded.
    if let Err(error) = files::open_nothing() {
        tracing::debug!("cannot give up opening files: {error}");
    }
}

/// The same of calls that change a file. Once the calls are forbidden that all threads do without: those
/// cannot be forbidden any more to a thread that has a list of its own.
pub(crate) fn change_nothing() {
    if let Err(error) = read_only::stay() {
        tracing::info!("a thread that needs no files may change some: {error}");
    }
}

/// Gives up, in this thread, all but `needed`: the bounding set first, while that may be changed.
fn keep(needed: CapabilitySet) -> Result<(), Errno> {
    set_no_new_privs(true)?;
    let had = capabilities(None)?;
    if had.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().difference(needed).iter() {
            // Those that this kernel does not know are in no set.
            if capability_is_in_bounding_set(capability) == Ok(true) {
                remove_capability_from_bounding_set(capability)?;
            }
        }
    }
    clear_ambient_capability_set()?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: had.effective & needed,
            permitted: had.permitted & needed,
            inheritable: CapabilitySet::empty(),
        },
    )
}

/// What this thread has, as `capabilities(7)` names it.
fn names() -> Vec<String> {
    let effective = capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective);
    let names = effective.iter_names();
    names.map(|(name, _)| format!("CAP_{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::files::can_be_bounded;
    use super::{give_up_all, keep};
    use rustix::thread::{CapabilitySet, capabilities};
    use std::fs;
    use std::io::ErrorKind;

    /// A line of this thread's status.
    fn line(name: &str) -> String {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    }

    /// Of a thread of its own: capabilities are each thread's.
    #[test]
    fn what_is_not_needed_is_gone_for_good() {
        std::thread::spawn(|| {
            let before = capabilities(None).unwrap().effective;
            let needed = CapabilitySet::SYS_PTRACE;
            keep(needed).unwrap();
            let left = capabilities(None).unwrap();
            assert_eq!(left.effective, before & needed);
            assert_eq!(line("CapPrm:"), line("CapEff:"));
            assert_eq!(line("CapInh:"), "0".repeat(16));
            assert_eq!(line("NoNewPrivs:"), "1");
            if before.contains(CapabilitySet::SETPCAP) {
                assert_eq!(line("CapBnd:"), line("CapEff:"));
            }
            give_up_all();
            if can_be_bounded() {
                for path in ["/proc/thread-self/status", "/etc/passwd", "/"] {
                    let refused = fs::File::open(path).unwrap_err();
                    assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{path}");
                }
            }
            assert_eq!(
                capabilities(None).unwrap().effective,
                CapabilitySet::empty()
            );
        })
        .join()
        .unwrap();
    }
}
