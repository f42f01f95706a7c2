//! From where somebody is logged in by SSH.
//!
//! A process of a session says so in its environment, which only root and its own user can have
//! written: whoever has not logged in is in none.

use super::folder::Folder;
use crate::namespace::pid;
use detector_api::session::clients_of;
use rustix::fs::Dir;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

/// An environment is cut here; what `sshd` sets stands near its begin.
const ENVIRONMENT_BYTES: usize = 64 << 10;
/// Addresses that the environment of one process is believed to name: that of `SSH_CONNECTION` and that of
/// `SSH_CLIENT`.
const OF_ONE_PROCESS: usize = 2;
/// Where processes name more addresses than this together, somebody writes what he likes into environments.
const CLIENTS_MAX: usize = 1_024;

/// Where those that are logged in come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sessions {
    pub(crate) clients: BTreeSet<IpAddr>,
    /// Whether these are all: not where the processes of others are hidden, or those of the host are out
    /// of sight, or where too many addresses are named to be true.
    pub(crate) are_all: bool,
}

/// Looks at each process.
pub(crate) fn find() -> Sessions {
    let found = find_below(Path::new("/proc")).unwrap_or_default();
    Sessions {
        are_all: found.are_all && pid::is_first(),
        ..found
    }
}

fn find_below(proc: &Path) -> Option<Sessions> {
    let proc = Folder::open(proc).ok()?;
    let environment = |pid: &str| proc.folder(pid)?.read("environ", ENVIRONMENT_BYTES);
    let mut found = Sessions {
        clients: BTreeSet::new(),
        // Of the first process, which is root's: who may not read that misses others.
        are_all: environment("1").is_ok(),
    };
    for entry in Dir::read_from(&proc).ok()?.flatten() {
        let name = entry.file_name().to_str().unwrap_or_default();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let environment = environment(name).unwrap_or_default();
        for client in clients_of(&environment).take(OF_ONE_PROCESS) {
            if found.clients.len() < CLIENTS_MAX {
                found.clients.insert(client);
            } else if !found.clients.contains(&client) {
                found.are_all = false;
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::{CLIENTS_MAX, find_below};
    use std::fs;

    #[test]
    fn sessions_are_found_unless_processes_are_hidden() {
        let proc = tempfile::tempdir().unwrap();
        let write = |pid: &str, environment: &str| {
            fs::create_dir(proc.path().join(pid)).unwrap();
            fs::write(proc.path().join(pid).join("environ"), environment).unwrap();
        };
        write("77", "A=b\0SSH_CONNECTION=203.0.113.7 1 192.0.2.1 22\0");
        write("self", "SSH_CLIENT=203.0.113.8 1 22");
        // Who is seen is spared all the same.
        for are_all in [false, true] {
            let found = find_below(proc.path()).unwrap();
            let clients: Vec<_> = found.clients.into_iter().collect();
            assert_eq!(
                clients,
                ["203.0.113.7".parse::<std::net::IpAddr>().unwrap()]
            );
            assert_eq!(found.are_all, are_all);
            if !are_all {
                write("1", "");
            }
        }
        assert_eq!(find_below(&proc.path().join("nowhere")), None);
    }

    #[test]
    fn who_writes_what_he_likes_fills_no_memory() {
        let proc = tempfile::tempdir().unwrap();
        let write = |pid: usize, environment: String| {
            let folder = proc.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("environ"), environment).unwrap();
        };
        write(1, String::new());
        let many = (0..1_000).map(|last| format!("SSH_CLIENT=2001:db8::{last:x} 1 22\0"));
        write(2, many.collect());
        let found = find_below(proc.path()).unwrap();
        assert!(found.clients.len() == 2 && found.are_all);
        for pid in 3..CLIENTS_MAX + 10 {
            write(pid, format!("SSH_CONNECTION=2001:db8:1::{pid:x} 1 2 22\0"));
        }
        let found = find_below(proc.path()).unwrap();
        assert!(found.clients.len() == CLIENTS_MAX && !found.are_all);
    }
}
