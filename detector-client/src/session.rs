//! Where whoever runs this command is logged in from, so that nobody locks himself out.
//!
//! `sudo` drops the variable that says so; it is then found with the processes that led here.

use detector_api::session::clients_of;
use rustix::process::{Pid, getpid};
use std::fs;
use std::net::IpAddr;

/// Processes looked at on the way up; a shell below a terminal multiplexer below SSH has a few.
const MOST_ANCESTORS: usize = 32;

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

fn parent_of(status: &str) -> Option<Pid> {
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Pid::from_raw(line.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::parent_of;

    #[test]
    fn the_first_process_has_no_parent() {
        assert_eq!(parent_of("Name:\tinit\nPPid:\t0\n"), None);
        let parent = parent_of("PPid:\t812\n").unwrap();
        assert_eq!(parent.as_raw_nonzero().get(), 812);
        assert_eq!(parent_of(""), None);
    }
}
