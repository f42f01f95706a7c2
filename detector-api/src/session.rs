//! Where somebody is logged in from, as `sshd` tells the processes of a session.

use std::net::IpAddr;

/// Client address, client port, and more.
const VARIABLES: [&str; 2] = ["SSH_CONNECTION=", "SSH_CLIENT="];

/// Addresses of the clients that an environment names, as `/proc/PID/environ` has it.
pub fn clients_of(environment: &[u8]) -> impl Iterator<Item = IpAddr> {
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

#[cfg(test)]
mod tests {
    use super::clients_of;

    #[test]
    fn the_client_of_a_session_is_read() {
        let environment = b"HOME=/root\0SSH_CONNECTION=203.0.113.7 50000 192.0.2.1 22\0\
            SSH_CLIENT=fe80::1%eth0 1 22\0SSH_CLIENT=\0SSH_CONNECTION=::ffff:198.51.100.1 1 2 3\0\xff";
        let clients: Vec<_> = clients_of(environment)
            .map(|client| client.to_string())
            .collect();
        assert_eq!(clients, ["203.0.113.7", "fe80::1", "198.51.100.1"]);
    }
}
