//! Runs a program on a kernel that lacks something, without another kernel: a seccomp filter answers a
//! call as such a kernel would, or a request of netlink is changed on its way in, so that this kernel
//! itself gives the answer that the other one would give to what was asked.

use crate::say;
use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// What a kernel may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Feature {
    /// Netlink, as where a sandbox forbids it.
    Netlink,
    /// nftables.
    Nftables,
    /// `CONFIG_INET_DIAG_DESTROY`.
    SocketDestroy,
    /// Tables of nftables that go with their owner, before Linux 5.12.
    OwnedTables,
    /// Landlock, before Linux 5.13.
    Landlock,
}

impl Feature {
    /// Whether requests are changed for it.
    const fn is_of_requests(self) -> bool {
        matches!(self, Self::SocketDestroy | Self::OwnedTables)
    }

    fn filter(self) -> Result<BpfProgram> {
        let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
        let (call, arguments, answer) = match self {
            Self::Netlink => {
                let arguments = vec![(0, libc::AF_NETLINK)];
                (libc::SYS_socket, arguments, errno(libc::EAFNOSUPPORT))
            }
            Self::Nftables => {
                let arguments = vec![(0, libc::AF_NETLINK), (2, libc::NETLINK_NETFILTER)];
                (libc::SYS_socket, arguments, errno(libc::EPROTONOSUPPORT))
            }
            Self::Landlock => {
                let call = libc::SYS_landlock_create_ruleset;
                (call, Vec::new(), errno(libc::ENOSYS))
            }
            Self::SocketDestroy | Self::OwnedTables => {
                (libc::SYS_sendto, Vec::new(), SeccompAction::Trace(0))
            }
        };
        let conditions: Result<Vec<_>, _> = arguments
            .into_iter()
            .map(|(index, value)| {
                let value = u64::from(value.unsigned_abs());
                SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
            })
            .collect();
        let conditions = conditions?;
        let rules = if conditions.is_empty() {
            Vec::new()
        } else {
            vec![SeccompRule::new(conditions)?]
        };
        let architecture = std::env::consts::ARCH.try_into()?;
        let rules = [(call, rules)].into();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture)?;
        Ok(filter.try_into()?)
    }

    /// Changes a request of netlink of this kind into one that this kernel refuses as the other would
    /// refuse the original.
    fn change(self, kind: u16, payload: &mut [u8]) {
        const SOCK_DESTROY: u16 = 21;
        const NEW_TABLE: u16 = 10 << 8;
        /// `struct nfgenmsg`.
        const HEAD: usize = 4;
        match (self, kind, payload) {
            // No kernel closes Unix sockets for others.
            (Self::SocketDestroy, SOCK_DESTROY, [family, ..]) => {
                *family = libc::AF_UNIX.to_ne_bytes()[0];
            }
            (Self::OwnedTables, NEW_TABLE, payload) => {
                let flags = [8_u16.to_ne_bytes(), 2_u16.to_ne_bytes()].concat();
                let owned = [flags, 2_u32.to_be_bytes().to_vec()].concat();
                for at in (HEAD..payload.len()).step_by(4) {
                    if let Some(attribute) = payload.get_mut(at..at + 8)
                        && *attribute == *owned
                    {
                        // A flag that no kernel has.
                        attribute[4..].copy_from_slice(&(1_u32 << 31).to_be_bytes());
                    }
                }
            }
            _ => {}
        }
    }
}

/// Becomes the program.
pub(crate) fn run(lacks: &[Feature], program: &[OsString]) -> Result<()> {
    let of_requests: Vec<_> = lacks.iter().filter(|each| each.is_of_requests()).collect();
    if !of_requests.is_empty() {
        // It follows its parent, so that whoever started this one has to do with the program alone.
        let mut tracer = Command::new(std::env::current_exe()?);
        tracer.arg("trace").arg(getpid().to_string());
        for feature in of_requests {
            let name = feature.to_possible_value().context("a feature")?;
            tracer.arg(name.get_name());
        }
        let tracer = tracer.stdout(Stdio::piped()).spawn();
        let told = tracer
            .context("start the tracer")?
            .stdout
            .context("its stdout")?;
        let mut line = String::new();
        BufReader::new(told).read_line(&mut line)?;
        anyhow::ensure!(line == "traced\n", "the tracer does not follow: {line}");
    }
    for feature in lacks {
        seccompiler::apply_filter(&feature.filter()?)?;
    }
    let (program, arguments) = program.split_first().context("no program is named")?;
    Err(Command::new(program).args(arguments).exec().into())
}

/// Follows a process and its threads until it ends.
pub(crate) fn trace(process: i32, lacks: &[Feature]) -> Result<()> {
    let process = Pid::from_raw(process);
    let options =
        Options::PTRACE_O_TRACESECCOMP | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::seize(process, options).context("follow the program")?;
    say("traced");
    loop {
        let (thread, signal) = match waitpid(None, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Exited(ended, _) | WaitStatus::Signaled(ended, ..) if ended == process => {
                return Ok(());
            }
            WaitStatus::PtraceEvent(thread, _, libc::PTRACE_EVENT_SECCOMP) => {
                change_request(thread, lacks)?;
                (thread, None)
            }
            WaitStatus::PtraceEvent(thread, ..) => (thread, None),
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            _ => continue,
        };
        // One that was killed meanwhile is waited for.
        let _ = ptrace::cont(thread, signal);
    }
}

/// Of a thread that is about to call `sendto`.
fn change_request(thread: Pid, lacks: &[Feature]) -> Result<()> {
    /// Requests are shorter.
    const LONGEST: usize = 64 << 10;
    let info = ptrace::syscall_info(thread)?;
    // SAFETY: at a stop by seccomp the kernel fills in this one.
    let call = unsafe { info.u.seccomp };
    let [_, begin, length, ..] = call.args;
    let mut bytes = vec![0; usize::try_from(length)?.min(LONGEST)];
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{thread}/mem"))?;
    memory.read_exact_at(&mut bytes, begin)?;
    let before = bytes.clone();
    let mut rest = bytes.as_mut_slice();
    // What is no message of netlink has no length that fits.
    while let Some((kind, length)) = message(rest) {
        let (message, behind) = rest.split_at_mut(length);
        for feature in lacks {
            feature.change(kind, &mut message[HEADER..]);
        }
        rest = behind;
    }
    if bytes != before {
        memory.write_all_at(&bytes, begin)?;
    }
    Ok(())
}

/// `struct nlmsghdr`.
const HEADER: usize = 16;

/// Kind and length, padding included, of the first message.
fn message(bytes: &[u8]) -> Option<(u16, usize)> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    let padded = length.checked_next_multiple_of(4)?;
    (length >= HEADER && padded <= bytes.len()).then_some((kind, padded))
}
