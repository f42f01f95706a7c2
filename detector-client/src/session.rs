//! Where whoever runs this command is logged in from, so that nobody locks himself out.
//!
//! `sudo` drops the variable that says so; it is then found with the processes that led here.

use rustix::process::{Pid, getpid};
use std::fs;
use std::net::IpAddr;

/// Processes looked at on the way up; a shell below a terminal multiplexer below SSH has a few.
const MOST_ANCESTORS: usize = 32;
/// `sshd` says who is logged in: client address, client port, and more.
const VARIABLES: [&str; 2] = ["SSH_CONNECTION=", "SSH_CLIENT="];

/// Addresses from which this session, or one that it was started from, is logged in. What may not
/// be read says nothing.
pub(crate) fn clients() -> Vec<IpAddr> {
    let mut clients = Vec::new();
    let mut process = Some(getpid());
    for _ in 0..MOST_ANCESTORS {
        let Some(pid) = process else { break };
        let folder = format!("/proc/{}", pid.as_raw_nonzero());
        let environment = fs::read(format!("{folder}/environ")).unwrap_or_default();
        clients.extend(clients_of(&environment));
        process = fs::read_to_string(format!("{folder}/status"))
            .ok()
            .and_then(|status| parent_of(&status));
    }
    clients
}

fn clients_of(environment: &[u8]) -> impl Iterator<Item = IpAddr> {
    let each = environment.split(|byte| *byte == 0);
    each.filter_map(|entry| {
        let entry = std::str::from_utf8(entry).ok()?;
        let value = VARIABLES.iter().find_map(|name| entry.strip_prefix(name))?;
        let address = value.split_ascii_whitespace().next()?;
        // A link-local address has its interface behind it.
        let address = address.split('%').next()?.parse::<IpAddr>().ok()?;
        Some(address.to_canonical())
    })
}

fn parent_of(status: &str) -> Option<Pid> {
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Pid::from_raw(line.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::{clients_of, parent_of};

    #[test]
    fn the_client_of_a_session_is_read() {
        let environment = b"HOME=/root\0SSH_CONNECTION=203.0.113.7 50000 192.0.2.1 22\0\
            SSH_CLIENT=fe80::1%eth0 1 22\0SSH_CLIENT=\0SSH_CONNECTION=::ffff:198.51.100.1 1 2 3\0\xff";
        let clients: Vec<_> = clients_of(environment)
            .map(|client| client.to_string())
            .collect();
        assert_eq!(clients, ["203.0.113.7", "fe80::1", "198.51.100.1"]);
    }

    #[test]
    fn the_first_process_has_no_parent() {
        assert_eq!(parent_of("Name:\tinit\nPPid:\t0\n"), None);
        let parent = parent_of("PPid:\t812\n").unwrap();
        assert_eq!(parent.as_raw_nonzero().get(), 812);
        assert_eq!(parent_of(""), None);
    }
}
