//! What the agent must have for itself before it starts; each failure says what to do.

use super::start::Start;
use crate::config::{Config, Web};
use crate::control::socket::{Claim, ClaimError, claim_state_folder};
use crate::http::{Access, BoundTcp};
use crate::privilege::files::Files;
use detector_api::failure::Failure;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::{TcpListener, UnixListener};

/// Claims the control socket and listens there.
pub(super) fn control_socket(path: &Path) -> Result<(Claim, UnixListener), Failure> {
    let failure = |error: &ClaimError| {
        let failure = Failure::usage(format!(
            "cannot claim control socket {}: {error}",
            path.display()
        ));
        match error {
            ClaimError::InUse => failure.hint(
                "stop the running agent, or give this one its own --control-socket and \
                 --web.listen-address",
            ),
            ClaimError::NotASocket => {
                failure.hint("remove what is there, or choose another path with --control-socket")
            }
            ClaimError::WritableByOthers
            | ClaimError::BelongsToAnother { .. }
            | ClaimError::Failed { .. } => {
                failure.hint("choose a path you may write to with --control-socket")
            }
        }
    };
    let (claim, listener) = Claim::new(path).map_err(|error| failure(&error))?;
    let listener = UnixListener::from_std(listener)
        .map_err(|error| Failure::failed(format!("cannot poll the control socket: {error}")))?;
    Ok((claim, listener))
}

/// Who may fetch the metrics, and how; `None` for everybody in plain text.
pub(super) fn access(web: &Web) -> Result<Option<Access>, Failure> {
    let file = &web.config_file;
    let access = if file.as_os_str().is_empty() {
        None
    } else {
        let access = Access::load(file).map_err(|error| {
            Failure::usage(format!("web configuration {error}"))
                .hint("docs/web.md says what the file may hold")
        })?;
        Some(access)
    };
    let is_plain = !access.as_ref().is_some_and(Access::has_tls);
    let mut exposed = web.listen_addresses.iter();
    let exposed = exposed.find(|address| !address.ip().is_loopback());
    match exposed {
        Some(address) if is_plain && web.tls_required => Err(Failure::usage(format!(
            "{address} would serve metrics in plain text, and web.tls_required is set"
        ))
        .hint("name a certificate with --web.config.file, or listen on loopback only")),
        _ => Ok(access),
    }
}

/// What is to be said of an address of the metrics that others can reach, if anything is.
pub(super) fn exposure(
    address: SocketAddr,
    has_users: bool,
    has_tls: bool,
) -> Option<&'static str> {
    if address.ip().is_loopback() {
        None
    } else if !has_users {
        Some(": anyone who can connect sees the addresses of your peers")
    } else if !has_tls {
        Some(
            " and serves plain text: passwords, and the addresses of your peers, can be read on the way",
        )
    } else {
        None
    }
}

/// Which files the agent needs once it has started. A reload may bring drop-ins that link elsewhere; those
/// it cannot read.
pub(super) fn files(start: &Start, access: Option<&Access>) -> Files {
    let files = Files::new(&start.state_dir, &start.config.control.socket);
    let configuration = start.config_file.as_deref().map(Config::files);
    files
        .with_read(configuration.unwrap_or_default())
        .with_read(access.map(Access::files).unwrap_or_default())
}

/// Whether certificate, key and users can be read as the configuration names them.
///
/// # Errors
///
/// What is wrong, and what to do.
pub fn check_access(config: &Config) -> Result<(), Failure> {
    access(&config.web).map(drop)
}

/// Takes all addresses of the metrics; nobody can connect yet.
pub(super) fn web_addresses(addresses: &[SocketAddr]) -> Result<Vec<BoundTcp>, Failure> {
    let bind = |address: &SocketAddr| {
        BoundTcp::bind(*address).map_err(|error| no_listener(*address, &error))
    };
    addresses.iter().map(bind).collect()
}

/// Listens on them.
pub(super) fn listen(bound: Vec<BoundTcp>) -> Result<Vec<TcpListener>, Failure> {
    let listen = |bound: BoundTcp| {
        let address = bound.address();
        bound.listen().map_err(|error| no_listener(address, &error))
    };
    bound.into_iter().map(listen).collect()
}

fn no_listener(address: SocketAddr, error: &io::Error) -> Failure {
    let what = format!("cannot listen on {address}: {error}");
    // Whoever has it may give it back: a service manager is to try again.
    let failure = match error.kind() {
        io::ErrorKind::AddrInUse => Failure::failed(what),
        _ => Failure::usage(what),
    };
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => failure.hint(format!(
            "`ss -ltnp 'sport = :{port}'` shows which process has it; choose another with \
             --web.listen-address"
        )),
        io::ErrorKind::AddrNotAvailable => {
            failure.hint("this host has no such address; `ip address` shows those it has")
        }
        _ => failure.hint("choose another address with --web.listen-address"),
    }
}

/// Makes the agent's own folder, or checks that nobody else can write into it. A file system that is
/// full or has become read-only keeps nobody from being watched: the recorder says what it lacks.
pub(super) fn state_folder(folder: &Path) -> Result<(), Failure> {
    let claimed = claim_state_folder(folder).or_else(|error| match error {
        // One that could not be made will not be: nothing is written elsewhere from now on.
        ClaimError::Failed { source, .. } if folder.is_dir() && may_pass(source.kind()) => Ok(()),
        error => Err(error),
    });
    claimed.map_err(|error| {
        let folder = folder.display();
        let failure = Failure::usage(format!("cannot use state directory {folder}: {error}"));
        match error {
            ClaimError::WritableByOthers => failure.hint(format!(
                "choose another with --state-dir, or make it yours alone: chmod go-w {folder}"
            )),
            ClaimError::BelongsToAnother { .. } => failure.hint(
                "run the agent as that user, as its service does, or choose another folder with --state-dir",
            ),
            _ => failure.hint("choose a folder you may write to with --state-dir"),
        }
    })
}

const fn may_pass(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(kind, QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

#[cfg(test)]
mod tests {
    use super::exposure;

    #[test]
    fn who_may_read_what_is_told_of_addresses_that_others_can_reach() {
        for (address, has_users, has_tls, expected) in [
            ("0.0.0.0:9479", false, false, Some("anyone who can connect")),
            ("0.0.0.0:9479", false, true, Some("anyone who can connect")),
            ("[2001:db8::1]:9479", true, false, Some("passwords")),
            ("0.0.0.0:9479", true, true, None),
            ("127.0.0.1:9479", true, false, None),
            ("[::1]:9479", false, false, None),
        ] {
            let told = exposure(address.parse().unwrap(), has_users, has_tls);
            let is_told = told.is_some_and(|told| told.contains(expected.unwrap_or("?")));
            assert_eq!(is_told, expected.is_some(), "{address}: {told:?}");
            assert_eq!(told.is_some(), expected.is_some(), "{address}: {told:?}");
        }
    }
}
