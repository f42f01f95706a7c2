//! From where somebody is logged in by SSH.
//!
//! A process of a session says so in its environment, which only root and its own user can have
//! written: whoever has not logged in is in none.

use super::folder::Folder;
use super::pid_namespace;
use detector_api::session::clients_of;
use rustix::fs::Dir;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

/// An environment is cut here; what `sshd` sets stands near its begin.
const ENVIRONMENT_BYTES: usize = 64 << 10;

/// Where all that are logged in come from; `None` where that cannot be known: the processes of others
/// are hidden, or those of the host are out of sight.
pub(crate) fn clients() -> Option<BTreeSet<IpAddr>> {
    if !pid_namespace::is_first() {
        return None;
    }
    clients_below(Path::new("/proc"))
}

fn clients_below(proc: &Path) -> Option<BTreeSet<IpAddr>> {
    let proc = Folder::open(proc).ok()?;
    let environment = |pid: &str| proc.folder(pid)?.read("environ", ENVIRONMENT_BYTES);
    // Of the first process, which is root's: who may not read that misses others.
    environment("1").ok()?;
    let mut clients = BTreeSet::new();
    for entry in Dir::read_from(&proc).ok()?.flatten() {
        let name = entry.file_name().to_str().unwrap_or_default();
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            clients.extend(clients_of(&environment(name).unwrap_or_default()));
        }
    }
    Some(clients)
}

#[cfg(test)]
mod tests {
    use super::clients_below;
    use std::fs;

    #[test]
    fn sessions_are_found_unless_processes_are_hidden() {
        let proc = tempfile::tempdir().unwrap();
        assert_eq!(clients_below(proc.path()), None);
        for (pid, environment) in [
            ("1", ""),
            ("77", "A=b\0SSH_CONNECTION=203.0.113.7 1 192.0.2.1 22\0"),
            ("self", "SSH_CLIENT=203.0.113.8 1 22"),
        ] {
            fs::create_dir(proc.path().join(pid)).unwrap();
            fs::write(proc.path().join(pid).join("environ"), environment).unwrap();
        }
        let clients: Vec<_> = clients_below(proc.path()).unwrap().into_iter().collect();
        assert_eq!(
            clients,
            ["203.0.113.7".parse::<std::net::IpAddr>().unwrap()]
        );
    }
}
