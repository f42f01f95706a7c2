use super::{
    BPF_IN_USE, FAMILIES_IN_USE, FORBIDDEN, IOCTLS_IN_USE, MSG_FASTOPEN, NETLINK, NETLINK_IN_USE,
    NEW_NAMESPACES, NEW_NETWORK, PAST_LANDLOCK, TELLING, filter, forbid_by, without_clone3,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType, send, socket};
use rustix::process::{getpid, test_kill_process};
use std::io::{self, IsTerminal as _};
use std::num::NonZeroU32;
use std::os::unix::net::UnixStream;
use std::process::Command;

/// What comes of a call with arguments that mean nothing.
fn call(number: libc::c_long, first: libc::c_long) -> Result<(), i32> {
    call_with(number, first, -1)
}

fn call_with(number: libc::c_long, first: libc::c_long, second: libc::c_long) -> Result<(), i32> {
    call_with_all(number, [first, second, -1])
}

#[allow(unsafe_code, reason = "calls by their numbers")]
fn call_with_all(number: libc::c_long, arguments: [libc::c_long; 3]) -> Result<(), i32> {
    let [first, second, third] = arguments;
    // SAFETY: no argument is an address that anybody could read or write.
    let answer = unsafe { libc::syscall(number, first, second, third, 0, 0, 0) };
    let error = io::Error::last_os_error().raw_os_error();
    if answer < 0 {
        Err(error.unwrap_or_default())
    } else {
        Ok(())
    }
}

/// Of file systems, `FIFREEZE`, `FS_IOC_SHUTDOWN`, `FS_IOC_ENABLE_VERITY` and `EXT4_IOC_SETVERSION`; the
/// number of `FIONBIO` with something above.
const FOREIGN_IOCTLS: [u64; 5] = [
    0xc004_5877,
    0x8004_587d,
    0x4080_6685,
    0x4008_6604,
    0x8000_5421,
];
/// Commands of `bpf(2)` that there are, and then some.
const BPF_COMMANDS: u64 = 48;

/// What comes of each, of a structure that is too large.
fn of_bpf() -> Vec<Result<(), i32>> {
    let commands = (0..BPF_COMMANDS).map(|command| command.try_into().unwrap());
    commands
        .map(|command| call(libc::SYS_bpf, command))
        .collect()
}

/// In a thread of its own, which nobody shares. Whoever may not use it at all is told so for each.
#[test]
fn what_is_loaded_is_used_and_nothing_more_is() {
    let filter = filter().unwrap();
    std::thread::spawn(move || {
        let before = of_bpf();
        seccompiler::apply_filter(&filter).unwrap();
        for ((command, was), is) in (0..).zip(before).zip(of_bpf()) {
            let expected = if BPF_IN_USE.contains(&command) {
                was
            } else {
                Err(libc::EPERM)
            };
            assert_eq!(is, expected, "command {command}");
        }
    })
    .join()
    .unwrap();
}

/// In a thread of its own, which nobody shares.
#[test]
fn a_forbidden_call_fails_and_others_do_not() {
    let (filter, without_clone3) = (filter().unwrap(), without_clone3().unwrap());
    std::thread::spawn(move || {
        // What they say of such arguments themselves.
        let own = i64::from(getpid().as_raw_nonzero().get());
        assert_eq!(call(libc::SYS_tgkill, own), Err(libc::EINVAL));
        seccompiler::apply_filter(&filter).unwrap();
        seccompiler::apply_filter(&without_clone3).unwrap();
        assert_eq!(call(libc::SYS_clone3, 0), Err(libc::ENOSYS));
        let started = Command::new("/bin/true").status();
        assert_eq!(started.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let killed = test_kill_process(getpid());
        assert_eq!(killed, Err(Errno::PERM));
        for number in FORBIDDEN {
            assert_eq!(call(*number, -1), Err(libc::EPERM), "call {number}");
        }
        // Of others: not even whether they are there.
        assert_eq!(call(libc::SYS_tgkill, own + 1), Err(libc::EPERM));
        assert_eq!(call(libc::SYS_tgkill, own), Err(libc::EINVAL));
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(rustix::io::fcntl_getfd(&file).is_ok());
        for command in TELLING {
            let asked = call_with(libc::SYS_fcntl, -1, command.try_into().unwrap());
            assert_eq!(asked, Err(libc::EPERM), "{command:x}");
        }
        // Of no bytes, at no address.
        for advice in [libc::MADV_HWPOISON, libc::MADV_SOFT_OFFLINE] {
            let asked = call_with_all(libc::SYS_madvise, [0, 0, advice.into()]);
            assert_eq!(asked, Err(libc::EPERM), "{advice}");
        }
        let asked = call_with_all(libc::SYS_madvise, [0, 0, libc::MADV_DONTNEED.into()]);
        assert_eq!(asked, Ok(()));
        for number in (0..=0xffff).chain(FOREIGN_IOCTLS).chain(IOCTLS_IN_USE) {
            let asked = call_with(libc::SYS_ioctl, -1, number.try_into().unwrap());
            let is_in_use = IOCTLS_IN_USE.contains(&number);
            let expected = if is_in_use { libc::EBADF } else { libc::EPERM };
            assert_eq!(asked, Err(expected), "ioctl {number:x}");
        }
        UnixStream::pair().unwrap().0.set_nonblocking(true).unwrap();
        assert!(!std::fs::File::open("/dev/null").unwrap().is_terminal());
        assert_eq!(call(libc::SYS_prlimit64, own), Err(libc::EPERM));
        let socket = |protocol| socket(AddressFamily::INET, SocketType::STREAM, protocol);
        for number in PAST_LANDLOCK {
            let protocol = NonZeroU32::new(number.try_into().unwrap());
            let made = socket(protocol.map(Protocol::from_raw));
            assert_eq!(made.map(drop), Err(Errno::PERM), "{number}");
        }
        for family in 0..100 {
            let made = call_with(libc::SYS_socket, family, -1);
            let number = family.unsigned_abs();
            let is_in_use = number != NETLINK && FAMILIES_IN_USE.contains(&number);
            assert_eq!(made == Err(libc::EPERM), !is_in_use, "family {family}");
        }
        for face in 0..32 {
            let face_number = NonZeroU32::new(face).map(Protocol::from_raw);
            let made = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, face_number);
            let is_in_use = NETLINK_IN_USE.contains(&face.into());
            assert_eq!(
                made.map(drop) == Err(Errno::PERM),
                !is_in_use,
                "face {face}"
            );
        }
        for kind in NEW_NAMESPACES {
            let kind = i64::try_from(kind).unwrap();
            assert_eq!(call(libc::SYS_clone, kind), Err(libc::EPERM), "{kind:x}");
            let is_network = kind.unsigned_abs() == NEW_NETWORK;
            let expected = if is_network { libc::EBADF } else { libc::EPERM };
            assert_eq!(
                call_with(libc::SYS_setns, -1, kind),
                Err(expected),
                "{kind:x}"
            );
        }
        assert!(std::thread::spawn(|| true).join().unwrap());
        let tcp = socket(None).unwrap();
        let opens = SendFlags::from_bits_retain(MSG_FASTOPEN.try_into().unwrap());
        assert_eq!(send(&tcp, &[], opens), Err(Errno::PERM));
        assert_ne!(send(&tcp, &[], SendFlags::empty()), Err(Errno::PERM));
        rustix::process::getrlimit(rustix::process::Resource::Nofile);
        if cfg!(target_arch = "x86_64") {
            let second = 0x4000_0000 | libc::SYS_getppid;
            assert_eq!(call(second, 0), Err(libc::EPERM));
        }
        assert_eq!(call(libc::SYS_getppid, 0), Ok(()));
        assert!(std::fs::read("/proc/self/status").is_ok());
    })
    .join()
    .unwrap();
}

#[test]
fn what_is_in_force_is_told_whatever_comes_of_the_rest() {
    for applied in 0..=2 {
        let mut tried = 0;
        let forbidden = forbid_by(|_| {
            tried += 1;
            (tried <= applied).then_some(()).ok_or("refused".to_owned())
        });
        let told = (forbidden.list, forbidden.clone3);
        assert_eq!(told, (applied >= 1, applied >= 2));
        assert_eq!(forbidden.failure.is_none(), applied == 2, "{forbidden:?}");
    }
}
