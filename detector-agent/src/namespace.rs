//! Finds the network namespaces of this host and enters them, one at a time.
//!
//! A namespace is held open only while it is swept: an open descriptor would keep a namespace that
//! its users have left, and its sockets, alive.

pub(crate) mod pid;

use crate::capability::{self, Capability};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Folders with namespaces that are bound to a name and may have no process.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// Where a namespace can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespace {
    /// The number in `/proc/PID/ns/net`.
    pub(crate) inode: u32,
    path: PathBuf,
}

/// All network namespaces that a process or a name holds, each once.
///
/// Namespaces that only a thread or an open descriptor holds are not found. Processes that vanish
/// meanwhile are passed over.
pub(crate) fn find_all() -> Vec<Namespace> {
    let mut found = BTreeMap::new();
    for path in process_paths().chain(named_paths()) {
        if let Some(inode) = inode_of(&path) {
            found.entry(inode).or_insert(path);
        }
    }
    found
        .into_iter()
        .map(|(inode, path)| Namespace { inode, path })
        .collect()
}

fn process_paths() -> impl Iterator<Item = PathBuf> {
    processes(Path::new("/proc")).map(|process| process.join("ns/net"))
}

fn processes(proc: &Path) -> impl Iterator<Item = PathBuf> {
    entries(proc).filter(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn named_paths() -> impl Iterator<Item = PathBuf> {
    NAMED.iter().flat_map(|folder| entries(Path::new(folder)))
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

/// The number of the namespace at a path, if it is one.
fn inode_of(path: &Path) -> Option<u32> {
    if let Ok(target) = fs::read_link(path) {
        return parse_link("net", target.to_str()?);
    }
    // A name is a bind mount of the namespace's own file system, which is the only other place
    // where such an inode can come from; `enter` refuses anything else.
    u32::try_from(fs::metadata(path).ok()?.ino()).ok()
}

/// The number in the link of a namespace of this kind.
fn parse_link(kind: &str, target: &str) -> Option<u32> {
    target
        .strip_prefix(kind)?
        .strip_prefix(":[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// Moves this thread into the namespace.
///
/// # Errors
///
/// The namespace is gone, has been replaced, or may not be entered (CAP_SYS_ADMIN).
pub(crate) fn enter(namespace: &Namespace) -> io::Result<()> {
    let file = open(namespace)?;
    // Moving takes CAP_SYS_ADMIN even to where this thread is.
    if current().is_some_and(|own| own.inode == namespace.inode) {
        return Ok(());
    }
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

fn open(namespace: &Namespace) -> io::Result<OwnedFd> {
    // Whoever may name a namespace may put a FIFO in its place, and opening one waits for its writer.
    let opened = rustix::fs::open(
        &namespace.path,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    );
    let file: OwnedFd = opened.map_err(|errno| match errno {
        // Its process ends at this moment.
        Errno::SRCH => io::Error::new(io::ErrorKind::NotFound, errno),
        _ => errno.into(),
    })?;
    let inode = rustix::fs::fstat(&file)?.st_ino;
    if inode != u64::from(namespace.inode) {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the namespace has been replaced",
        ));
    }
    Ok(file)
}

/// Whether what comes there comes by this host's way in: it belongs to the user namespace of this process, as
/// the agent's own does. Any user may lay out a network whose users are of his own, and play any address in it.
///
/// # Errors
///
/// The namespace is gone, has been replaced, or may not be looked at.
pub(crate) fn is_on_our_way(namespace: &Namespace) -> io::Result<bool> {
    let Some(own) = users()? else {
        return Ok(true);
    };
    match users_of(&open(namespace)?) {
        Ok(users) => Ok(rustix::fs::fstat(users)?.st_ino == u64::from(own)),
        // They are neither those of this process nor below.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        // A name that nothing is bound to any more.
        Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The user namespace to which an open network namespace belongs.
#[allow(unsafe_code, reason = "no library asks for it")]
fn users_of(namespace: &OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: the command has no argument, and reads and writes no memory.
    let users = unsafe { libc::ioctl(namespace.as_raw_fd(), libc::NS_GET_USERNS) };
    if users < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for this caller.
    Ok(unsafe { OwnedFd::from_raw_fd(users) })
}

/// Whether all namespaces in which there are processes are in sight: not where the processes of others are
/// hidden, or those of the host are out of sight.
pub(crate) fn are_all_in_sight() -> bool {
    pid::is_first() && capability::has(Capability::SysPtrace)
}

/// Whether a namespace may have TCP sockets, as seen from outside. One that is known by its name alone may.
pub(crate) fn may_have_sockets(namespace: &Namespace) -> bool {
    let process = namespace.path.parent().and_then(Path::parent);
    let process = process.filter(|_| namespace.path.ends_with("ns/net"));
    process.is_none_or(|process| has_sockets_in(&process.join("net")))
}

/// Whether the namespace this thread is in has any TCP socket, TIME-WAIT left out.
///
/// An iterator walks the hash table of all namespaces, so that sweeping an empty one costs as much
/// as sweeping a full one. What cannot be read or understood counts as having sockets. Not by the reader of
/// `host/folder.rs`: what is not there is told from what cannot be read.
pub(crate) fn has_sockets() -> bool {
    has_sockets_in(Path::new("/proc/thread-self/net"))
}

fn has_sockets_in(net: &Path) -> bool {
    ["sockstat", "sockstat6"].iter().any(|name| {
        match fs::read_to_string(net.join(name)) {
            Ok(text) => sockets_in_use(&text).is_none_or(|sockets| sockets > 0),
            // A kernel without IPv6 has no sockstat6.
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    })
}

/// The `inuse` number of the line `TCP: inuse 5 orphan 0 …` or `TCP6: inuse 1`.
fn sockets_in_use(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("TCP: ").or(line.strip_prefix("TCP6: ")))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|word| *word == "inuse")?;
    words.next()?.parse().ok()
}

/// The namespace this thread is in.
pub(crate) fn current() -> Option<Namespace> {
    let path = PathBuf::from("/proc/thread-self/ns/net");
    inode_of(&path).map(|inode| Namespace { inode, path })
}

/// The number of the user namespace that this process is in; `None` on a kernel that has but one.
///
/// # Errors
///
/// It cannot be read.
pub(crate) fn users() -> io::Result<Option<u32>> {
    match fs::read_link("/proc/self/ns/user") {
        Ok(link) => {
            let number = link.to_str().and_then(|link| parse_link("user", link));
            number.map(Some).ok_or(io::ErrorKind::InvalidData.into())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The namespace the process was started in, in which its first thread stays.
pub(crate) fn home() -> Option<Namespace> {
    let path = PathBuf::from("/proc/self/ns/net");
    inode_of(&path).map(|inode| Namespace { inode, path })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// A namespace to which a process led that has ended since.
    pub(crate) fn gone() -> Namespace {
        let mut command = Command::new("cat");
        let mut process = command.stdin(Stdio::piped()).spawn().unwrap();
        let path = PathBuf::from(format!("/proc/{}/ns/net", process.id()));
        let inode = inode_of(&path).unwrap();
        // At the end of its input.
        process.wait().unwrap();
        Namespace { inode, path }
    }

    /// Also without the capability that moving takes.
    #[test]
    fn the_own_namespace_can_be_entered_by_anyone() {
        enter(&current().unwrap()).unwrap();
    }

    #[test]
    fn links_of_other_kinds_are_not_network_namespaces() {
        assert_eq!(parse_link("net", "net:[4026531840]"), Some(4_026_531_840));
        assert_eq!(parse_link("net", "mnt:[4026531840]"), None);
        assert_eq!(parse_link("user", "user:[4026531837]"), Some(4_026_531_837));
        assert_eq!(parse_link("net", "net:[x]"), None);
    }

    #[test]
    fn sockets_in_use_are_read_from_both_families() {
        let v4 = "sockets: used 90\nTCP: inuse 5 orphan 0 tw 2 alloc 6 mem 0\nUDP: inuse 1 mem 0\n";
        assert_eq!(sockets_in_use(v4), Some(5));
        assert_eq!(sockets_in_use("TCP6: inuse 0\nUDP6: inuse 3\n"), Some(0));
        assert_eq!(sockets_in_use("TCP: broken\n"), None);
    }

    #[test]
    fn our_own_namespace_is_on_our_way_and_what_is_none_is_not() {
        assert!(is_on_our_way(&current().unwrap()).unwrap());
        let gone = is_on_our_way(&gone()).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound, "{gone}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let inode = inode_of(&path).unwrap();
        assert!(!is_on_our_way(&Namespace { inode, path }).unwrap());
    }

    #[test]
    fn our_own_namespace_is_among_all() {
        let own = current().unwrap().inode;
        assert!(find_all().iter().any(|namespace| namespace.inode == own));
    }
}
