//! System calls that the agent never makes, forbidden to all its threads.
//!
//! A list of what is forbidden, not of what is allowed: libraries and kernels change what is needed,
//! and an agent that dies of a new system call helps nobody.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::collections::BTreeMap;

/// Starting programs, looking into or stopping others, loading code into the kernel, changing mounts,
/// keys, clocks or names, and faces of the kernel that are large and not needed.
const FORBIDDEN: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_pidfd_send_signal,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_open_by_handle_at,
    libc::SYS_personality,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
];

/// Forbids them: each fails from now on as if the privilege for it were missing.
pub(super) fn forbid() -> Result<(), String> {
    let filter = filter()?;
    seccompiler::apply_filter_all_threads(&filter).map_err(|error| error.to_string())
}

fn filter() -> Result<BpfProgram, String> {
    let rules: BTreeMap<_, _> = FORBIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    let architecture = std::env::consts::ARCH.try_into();
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = architecture.and_then(|architecture| {
        SeccompFilter::new(rules, SeccompAction::Allow, denied, architecture)
    });
    let program = filter.and_then(TryInto::try_into);
    program.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::filter;
    use std::io;
    use std::process::Command;

    /// In a thread of its own, which nobody shares.
    #[test]
    fn a_forbidden_call_fails_and_others_do_not() {
        let filter = filter().unwrap();
        std::thread::spawn(move || {
            seccompiler::apply_filter(&filter).unwrap();
            let started = Command::new("/bin/true").status();
            assert_eq!(started.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            let killed = rustix::process::test_kill_process(rustix::process::getpid());
            assert_eq!(killed, Err(rustix::io::Errno::PERM));
            assert!(std::fs::read("/proc/self/status").is_ok());
        })
        .join()
        .unwrap();
    }
}
