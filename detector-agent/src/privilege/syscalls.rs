//! System calls that the agent never makes, forbidden to all its threads.
//!
//! A list of what is forbidden, not of what is allowed: libraries and kernels change what is needed,
//! and an agent that dies of a new system call helps nobody.

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};
use std::collections::BTreeMap;

/// `open_tree_attr`, of Linux 6.15, which changes what `mount_setattr` does; `libc` has no name for it yet.
/// New calls have one number on all architectures.
const OPEN_TREE_ATTR: libc::c_long = 467;

/// `quotactl_fd`, for which `libc` has no name everywhere.
const QUOTACTL_FD: libc::c_long = 443;

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
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
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
    OPEN_TREE_ATTR,
    libc::SYS_unshare,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    QUOTACTL_FD,
    // Its events bring descriptors that can be written to of whatever others open.
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_syslog,
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
    // On a socket that was never bound the kernel takes a port by itself, which Landlock does not look at. All
    // that listens does so before.
    libc::SYS_listen,
];

/// What is in force.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forbidden {
    /// The calls of the list.
    pub(super) list: bool,
    /// `clone3`, too.
    pub(super) clone3: bool,
    /// Why not all is.
    pub(super) failure: Option<String>,
}

/// Forbids them: each fails from now on as if the privilege for it were missing.
pub(super) fn forbid() -> Forbidden {
    forbid_by(|filter| {
        seccompiler::apply_filter_all_threads(filter).map_err(|error| error.to_string())
    })
}

/// What was applied stays, whatever comes of the rest.
fn forbid_by(mut apply: impl FnMut(&BpfProgram) -> Result<(), String>) -> Forbidden {
    let mut forbidden = Forbidden::default();
    let list = filter().and_then(|filter| apply(&filter));
    forbidden.list = list.is_ok();
    let clone3 = list.and_then(|()| apply(&without_clone3()?));
    forbidden.clone3 = clone3.is_ok();
    forbidden.failure = clone3.err();
    forbidden
}

/// What `clone3` would make cannot be seen from here: its flags are behind a pointer. C libraries take `clone` where
/// a kernel does not have it.
fn without_clone3() -> Result<BpfProgram, String> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    failing_with(libc::ENOSYS, rules)
}

fn filter() -> Result<BpfProgram, String> {
    let mut rules: BTreeMap<_, _> = FORBIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    let some = forbidden_in_part().map_err(|error| error.to_string())?;
    rules.extend(some);
    program(rules)
}

/// What makes each of these calls fail if one of its rules holds, or if it has none.
pub(super) fn program(
    rules: BTreeMap<libc::c_long, Vec<SeccompRule>>,
) -> Result<BpfProgram, String> {
    failing_with(libc::EPERM, rules)
}

fn failing_with(
    error: libc::c_int,
    rules: BTreeMap<libc::c_long, Vec<SeccompRule>>,
) -> Result<BpfProgram, String> {
    let architecture = std::env::consts::ARCH.try_into();
    let denied = SeccompAction::Errno(error.unsigned_abs());
    let filter = architecture.and_then(|architecture| {
        SeccompFilter::new(rules, SeccompAction::Allow, denied, architecture)
    });
    let program: Result<BpfProgram, _> = filter.and_then(TryInto::try_into);
    let program = program.map_err(|error| error.to_string())?;
    Ok(without_second_numbers()
        .into_iter()
        .chain(program)
        .collect())
}

/// Of `fcntl(2)`: whom the kernel tells by a signal that something is to be read, and by which. `libc` has
/// no names for all of them.
const TELLING: [u64; 3] = [F_SETOWN, F_SETSIG, F_SETOWN_EX];
const F_SETOWN: u64 = 8;
const F_SETSIG: u64 = 10;
const F_SETOWN_EX: u64 = 15;

/// Of `ioctl(2)`, all that is needed: the agent itself asks whose a network namespace is (`NS_GET_USERNS`), the
/// standard library and the event loop set whether sockets block (`FIONBIO`) and are inherited (`FIOCLEX`), and C
/// libraries ask by the others whether something is a terminal (`TCGETS`, `TCGETS2`, `TIOCGWINSZ`). A list of what is allowed: drivers and
/// file systems have hundreds that hang up terminals, type into them, have signals sent, change attributes of
/// files that were opened to be read, or freeze what they lie on.
pub(super) const IOCTLS_IN_USE: [u64; 6] = [0xb701, 0x5421, 0x5451, 0x5401, 0x802c_542a, 0x5413];

/// Of `bpf(2)`, all that is still done once programs are attached: maps are looked up, written to, cleared
/// and walked, programs are asked what they cost, and each pass of the sweep makes a link of its iterator
/// and an iterator of that (`BPF_LINK_CREATE`, `BPF_ITER_CREATE`). A link can be made of a program that is
/// loaded alone; loading one, other ways of attaching, and what others have loaded are out of reach. A list
/// of what is allowed: what newer kernels can do beside it is nothing that the agent does.
const BPF_IN_USE: [u64; 7] = [1, 2, 3, 4, 15, 28, 33];

/// Landlock bounds neither sockets of MPTCP and SMC, which make connections of TCP, nor those that connect with
/// the first bytes that they send.
const PAST_LANDLOCK: [u64; 2] = [262, 256];
/// Of `socket(2)`, the families that are in use: Unix, both of IP, netlink. A list of what is allowed: of SMC
/// there is a family, too, and for each that is not there the kernel loads a module.
const FAMILIES_IN_USE: [u64; 4] = [1, 2, 10, 16];
/// Of `madvise(2)`, what takes pages of memory out of use for good, as if they were broken.
const OUT_OF_USE: [u64; 2] = [100, 101];
const MSG_FASTOPEN: u64 = 0x2000_0000;
/// Of netlink, the faces of the kernel that are in use: routes, sockets, packet filters.
const NETLINK: u64 = 16;
const NETLINK_IN_USE: [u64; 3] = [0, 4, 12];

/// Of `clone(2)`, what makes a namespace; whoever makes one of users has all privileges in those below.
const NEW_NAMESPACES: [u64; 8] = [
    0x0000_0080,
    0x0002_0000,
    0x0200_0000,
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    NEW_NETWORK,
];
/// The kind of namespace that the agent enters.
const NEW_NETWORK: u64 = 0x4000_0000;

type Rules = (libc::c_long, Vec<SeccompRule>);

/// Calls that are made, but not so: signals to threads of other processes (those to its own end a process
/// that panics), having the kernel send them, limits of others, after which it sends them, too; programs for
/// the kernel; breaking memory; connecting past Landlock; namespaces of its own, and other kinds of others' than networks.
fn forbidden_in_part() -> Result<Vec<Rules>, BackendError> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let own = u64::from(own.unsigned_abs());
    Ok(vec![
        (libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Ne, own)?]),
        (libc::SYS_prlimit64, vec![when(0, SeccompCmpOp::Ne, 0)?]),
        (libc::SYS_fcntl, any_of(1, &TELLING)?),
        (libc::SYS_madvise, any_of(2, &OUT_OF_USE)?),
        (libc::SYS_ioctl, none_of(1, &IOCTLS_IN_USE)?),
        (libc::SYS_bpf, none_of(0, &BPF_IN_USE)?),
        (libc::SYS_socket, socket_past_landlock()?),
        (libc::SYS_clone, makes_namespaces()?),
        (libc::SYS_setns, none_of(1, &[NEW_NETWORK])?),
        (libc::SYS_sendto, vec![connects(3)?]),
        (libc::SYS_sendmsg, vec![connects(2)?]),
        (libc::SYS_sendmmsg, vec![connects(3)?]),
    ])
}

fn socket_past_landlock() -> Result<Vec<SeccompRule>, BackendError> {
    let mut rules = none_of(0, &FAMILIES_IN_USE)?;
    rules.extend(any_of(2, &PAST_LANDLOCK)?);
    let is_other =
        |face: &u64| SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, *face);
    let mut netlink: Vec<_> = NETLINK_IN_USE
        .iter()
        .map(is_other)
        .collect::<Result<_, _>>()?;
    netlink.push(SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        NETLINK,
    )?);
    rules.push(SeccompRule::new(netlink)?);
    Ok(rules)
}

/// Holds where `clone(2)` would make a namespace.
fn makes_namespaces() -> Result<Vec<SeccompRule>, BackendError> {
    let kinds = NEW_NAMESPACES.iter();
    kinds
        .map(|kind| when(0, SeccompCmpOp::MaskedEq(*kind), *kind))
        .collect()
}

/// Holds where these flags of sending say that it connects.
fn connects(flags: u8) -> Result<SeccompRule, BackendError> {
    when(flags, SeccompCmpOp::MaskedEq(MSG_FASTOPEN), MSG_FASTOPEN)
}

fn any_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    let values = values.iter();
    values
        .map(|value| when(argument, SeccompCmpOp::Eq, *value))
        .collect()
}

/// Holds where the lower half of an argument is none of these.
pub(super) fn none_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    let is_other = |value: &u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, *value)
    };
    let others: Result<_, _> = values.iter().map(is_other).collect();
    Ok(vec![SeccompRule::new(others?)?])
}

/// Holds if the lower half of an argument compares so.
pub(super) fn when(
    argument: u8,
    compares: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compares, value)?;
    SeccompRule::new(vec![condition])
}

/// Each call has a second number on x86-64 where the kernel has the x32 ABI (`__X32_SYSCALL_BIT`), which
/// a list of first ones does not know; the agent uses none. In front of the program, as `seccomp(2)`
/// advises.
fn without_second_numbers() -> Vec<sock_filter> {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const RETURN_ERRNO: u32 = 0x0005_0000;
    const SECOND: u32 = 0x4000_0000;
    if std::env::consts::ARCH != "x86_64" {
        return Vec::new();
    }
    let instruction = |code, jf, k| sock_filter { code, jt: 0, jf, k };
    vec![
        instruction(LOAD_NUMBER, 0, 0),
        instruction(JUMP_IF_AT_LEAST, 1, SECOND),
        instruction(RETURN, 0, RETURN_ERRNO | libc::EPERM.unsigned_abs()),
    ]
}

#[cfg(test)]
mod tests;
