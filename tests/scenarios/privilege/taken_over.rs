//! What a thread of the running agent can still do if somebody makes it do as he likes: its registers are
//! set, and it makes one call more. So the real filters and the real Landlock answer, as each thread is
//! under them, and not a list of what they should be.

use anyhow::{Context, Result, ensure};
use detector_tests::{PATIENCE, expect};
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::net::SocketAddr;

/// Two bytes of code: `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// Below what a thread may use of its stack without saying so.
const BELOW_STACK: u64 = 1_024;

/// A thread that is stopped; let go, as it was, when this is dropped.
struct Taken {
    thread: Pid,
    was: libc::user_regs_struct,
}

impl Taken {
    fn take(thread: i32) -> Result<Self> {
        let thread = Pid::from_raw(thread);
        ptrace::seize(thread, Options::empty()).context("seize")?;
        expect::until("it is found waiting in a call", PATIENCE, || {
            ptrace::interrupt(thread).context("interrupt")?;
            waitpid(thread, Some(WaitPidFlag::__WALL))?;
            let was = ptrace::getregs(thread)?;
            let taken = Self { thread, was };
            let code = ptrace::read(thread, (was.rip - 2) as ptrace::AddressType)?;
            if code.to_ne_bytes().starts_with(&SYSCALL) {
                return Ok(Some(taken));
            }
            std::mem::forget(taken);
            // It runs until the next look.
            ptrace::cont(thread, None)?;
            Ok(None)
        })
    }

    /// Makes a call; what comes of it, or the number of the error.
    fn call(&self, number: libc::c_long, arguments: [u64; 6]) -> Result<Result<i64, i32>> {
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        let regs = libc::user_regs_struct {
            rip: self.was.rip - 2,
            rax: number.cast_unsigned(),
            // Nothing that was interrupted is begun again.
            orig_rax: u64::MAX,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..self.was
        };
        ptrace::setregs(self.thread, regs)?;
        ptrace::step(self.thread, None)?;
        waitpid(self.thread, Some(WaitPidFlag::__WALL))?;
        let answer = ptrace::getregs(self.thread)?.rax.cast_signed();
        Ok(match i32::try_from(answer) {
            Ok(error @ -4_095..=-1) => Err(-error),
            _ => Ok(answer),
        })
    }

    /// Puts bytes into its memory; where.
    fn place(&self, bytes: &[u8]) -> Result<u64> {
        let at = (self.was.rsp - BELOW_STACK) & !7;
        for (index, word) in (0..).zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..word.len()].copy_from_slice(word);
            let address = (at + 8 * index) as ptrace::AddressType;
            ptrace::write(self.thread, address, libc::c_long::from_ne_bytes(whole))?;
        }
        Ok(at)
    }

    fn open(&self, path: &str, flags: libc::c_int) -> Result<Result<i64, i32>> {
        let path = self.place(format!("{path}\0").as_bytes())?;
        let here = i64::from(libc::AT_FDCWD).cast_unsigned();
        let flags = u64::from(flags.unsigned_abs());
        let opened = self.call(libc::SYS_openat, [here, path, flags, 0, 0, 0])?;
        if let Ok(descriptor) = opened {
            let descriptor = descriptor.cast_unsigned();
            let closed = self.call(libc::SYS_close, [descriptor, 0, 0, 0, 0, 0])?;
            ensure!(closed == Ok(0), "close: {closed:?}");
        }
        Ok(opened)
    }

    /// Connects to an IPv4 address, over TCP.
    fn connect(&self, address: SocketAddr) -> Result<Result<i64, i32>> {
        let SocketAddr::V4(address) = address else {
            anyhow::bail!("not IPv4: {address}")
        };
        let family = libc::AF_INET.unsigned_abs();
        let stream = libc::SOCK_STREAM.unsigned_abs();
        let made = self.call(libc::SYS_socket, [family.into(), stream.into(), 0, 0, 0, 0])?;
        let socket = made.map_err(|error| anyhow::anyhow!("socket: {error}"))?;
        let socket = socket.cast_unsigned();
        let family = u16::try_from(family)?.to_ne_bytes();
        let port = address.port().to_be_bytes();
        let ends = [&family[..], &port, &address.ip().octets(), &[0; 8]].concat();
        let at = self.place(&ends)?;
        let connected = self.call(libc::SYS_connect, [socket, at, 16, 0, 0, 0])?;
        self.call(libc::SYS_close, [socket, 0, 0, 0, 0, 0])?.ok();
        Ok(connected)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // It may have ended meanwhile.
        let restored = ptrace::setregs(self.thread, self.was);
        let _ = restored.and_then(|()| ptrace::detach(self.thread, None));
    }
}

/// Commands of `bpf(2)` that no thread may give any more: what makes, loads and attaches something, and what
/// reaches for things of others.
const OF_BPF: [(&str, u64); 12] = [
    ("BPF_MAP_CREATE", 0),
    ("BPF_PROG_LOAD", 5),
    ("BPF_OBJ_GET", 7),
    ("BPF_PROG_ATTACH", 8),
    ("BPF_PROG_TEST_RUN", 10),
    ("BPF_PROG_GET_FD_BY_ID", 13),
    ("BPF_MAP_GET_FD_BY_ID", 14),
    ("BPF_RAW_TRACEPOINT_OPEN", 17),
    ("BPF_BTF_LOAD", 18),
    ("BPF_LINK_UPDATE", 29),
    ("BPF_LINK_GET_FD_BY_ID", 30),
    ("BPF_TOKEN_CREATE", 36),
];

/// Of `ioctl(2)`, what sends signals, types for others, or changes files and what they lie on.
const OF_IOCTL: [(&str, u64); 10] = [
    ("TIOCSTI", 0x5412),
    ("TIOCVHANGUP", 0x5437),
    ("TIOCSCTTY", 0x540e),
    ("TIOCLINUX", 0x541c),
    ("FIOSETOWN", 0x8901),
    ("FS_IOC_SETFLAGS", 0x4008_6602),
    ("EXT4_IOC_SETVERSION", 0x4008_6604),
    ("FS_IOC_ENABLE_VERITY", 0x4080_6685),
    ("FIFREEZE", 0xc004_5877),
    ("FS_IOC_SHUTDOWN", 0x8004_587d),
];

/// What no thread may do: programs, other processes, modules, mounts, broken memory, and TCP past Landlock.
fn forbidden(own: u64) -> Vec<(&'static str, libc::c_long, [u64; 6])> {
    let mptcp = [
        libc::AF_INET.unsigned_abs().into(),
        libc::SOCK_STREAM.unsigned_abs().into(),
        libc::IPPROTO_MPTCP.unsigned_abs().into(),
        0,
        0,
        0,
    ];
    // SMC has a family of its own, and is a protocol of IP.
    let of_smc = [43, libc::SOCK_STREAM.unsigned_abs().into(), 0, 0, 0, 0];
    let of_smc_over_ip = [mptcp[0], mptcp[1], 256, 0, 0, 0];
    let none = [0; 6];
    // Of no bytes.
    let of_memory = |advice| [0, 0, advice, 0, 0, 0];
    let first = [1, 0, 0, 0, 0, 0];
    let fast = u64::from(libc::MSG_FASTOPEN.unsigned_abs());
    let of_bpf = OF_BPF.map(|(name, command)| (name, libc::SYS_bpf, [command, 0, 0, 0, 0, 0]));
    let others = vec![
        ("execve", libc::SYS_execve, none),
        ("execveat", libc::SYS_execveat, none),
        ("ptrace", libc::SYS_ptrace, none),
        ("process_vm_writev", libc::SYS_process_vm_writev, first),
        ("kill", libc::SYS_kill, first),
        ("tgkill", libc::SYS_tgkill, first),
        (
            "tgkill of another",
            libc::SYS_tgkill,
            [own + 1, 0, 0, 0, 0, 0],
        ),
        ("init_module", libc::SYS_init_module, none),
        ("finit_module", libc::SYS_finit_module, none),
        ("mount", libc::SYS_mount, none),
        ("umount2", libc::SYS_umount2, none),
        ("pivot_root", libc::SYS_pivot_root, none),
        ("move_mount", libc::SYS_move_mount, none),
        ("fsopen", libc::SYS_fsopen, none),
        ("fsmount", libc::SYS_fsmount, none),
        ("open_tree", libc::SYS_open_tree, none),
        ("mount_setattr", libc::SYS_mount_setattr, none),
        ("open_tree_attr", 467, none),
        ("unshare", libc::SYS_unshare, none),
        ("socket of MPTCP", libc::SYS_socket, mptcp),
        ("socket of SMC", libc::SYS_socket, of_smc),
        ("SMC over IP", libc::SYS_socket, of_smc_over_ip),
        ("madvise that poisons", libc::SYS_madvise, of_memory(100)),
        (
            "madvise that takes out of use",
            libc::SYS_madvise,
            of_memory(101),
        ),
        ("listen", libc::SYS_listen, [u64::MAX, 0, 0, 0, 0, 0]),
        ("sendto that opens", libc::SYS_sendto, [0, 0, 0, fast, 0, 0]),
        (
            "sendmsg that opens",
            libc::SYS_sendmsg,
            [0, 0, fast, 0, 0, 0],
        ),
        (
            "sendmmsg that opens",
            libc::SYS_sendmmsg,
            [0, 0, 0, fast, 0, 0],
        ),
    ];
    // Of no open file.
    let of_ioctl = |(name, number)| (name, libc::SYS_ioctl, [u64::MAX, number, 0, 0, 0, 0]);
    let of_ioctl = OF_IOCTL.map(of_ioctl);
    others.into_iter().chain(of_bpf).chain(of_ioctl).collect()
}

/// Whether Landlock of this kernel knows TCP: from Linux 6.7 on.
fn has_tcp_rules() -> Result<bool> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split(|other: char| !other.is_ascii_digit());
    let mut number = || -> Result<u32> { Ok(numbers.next().context("a number")?.parse()?) };
    Ok((number()?, number()?) >= (6, 7))
}

/// Has each thread of the process try what it may not; `web` is an address where somebody listens. The
/// names of those that were tried.
pub(super) fn try_all(pid: &str, web: SocketAddr) -> Result<Vec<String>> {
    /// Those that look at processes of others; the last ones come and go.
    const OUTSIDE: [&str; 10] = [
        "unconfined",
        "detector-sweep",
        "owners",
        "calls",
        "census",
        "victims",
        "tcp-memory",
        "sessions",
        "containers",
        "detector-reset",
    ];
    const FILE: &str = "/etc/passwd";
    let has_tcp_rules = has_tcp_rules()?;
    let mut names = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path();
        let number = path.file_name().and_then(|name| name.to_str());
        let number: i32 = number.context("a thread")?.parse()?;
        // One that ends by itself is none that stays.
        let Ok(name) = fs::read_to_string(path.join("comm")) else {
            continue;
        };
        let name = name.trim().to_owned();
        let taken = match Taken::take(number) {
            Err(error) if error.downcast_ref() == Some(&Errno::ESRCH) => continue,
            taken => taken.with_context(|| name.clone())?,
        };
        for (what, call, arguments) in forbidden(pid.parse()?) {
            let outcome = taken.call(call, arguments)?;
            ensure!(outcome == Err(libc::EPERM), "{name}: {what}: {outcome:?}");
        }
        let reads = taken.open(FILE, libc::O_RDONLY)?;
        let writes = taken.open(FILE, libc::O_WRONLY)?;
        let connects = taken.connect(web)?;
        let is_outside = OUTSIDE.contains(&name.as_str());
        if is_outside || name == "log" {
            ensure!(writes == Err(libc::EPERM), "{name} writes: {writes:?}");
        }
        if !is_outside {
            ensure!(reads == Err(libc::EACCES), "{name} reads: {reads:?}");
            ensure!(writes.is_err(), "{name} writes: {writes:?}");
            let is_refused = connects == Err(libc::EACCES);
            ensure!(
                is_refused || !has_tcp_rules,
                "{name} connects: {connects:?}"
            );
        }
        if is_outside {
            ensure!(reads.is_ok(), "{name} reads: {reads:?}");
        }
        drop(taken);
        names.push(name);
    }
    Ok(names)
}
