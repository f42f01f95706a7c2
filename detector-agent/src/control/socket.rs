//! Claims the path of the control socket: one agent at a time, a dead agent's socket removed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

/// Folder of the socket, if it has to be made.
const FOLDER_MODE: u32 = 0o750;
/// Owner and group may connect.
const SOCKET_MODE: u32 = 0o660;

/// Why the path cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// A running agent has it.
    #[error("another agent is running on it")]
    InUse,
    /// Something is there that is no socket.
    #[error("something else is there")]
    NotASocket,
    /// Others could put something into the folder.
    #[error("others can write into it (group or world)")]
    WritableByOthers,
    /// Another user could.
    #[error("it belongs to uid {uid}, who can write into it")]
    BelongsToAnother {
        /// Neither root nor the agent's own user.
        uid: u32,
    },
    /// A system call failed.
    #[error("{doing}: {source}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> ClaimError {
    move |source| ClaimError::Failed { doing, source }
}

/// The claimed path. Dropping it removes the socket and frees the path.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    /// Device and inode of our socket: another one at the path is not ours to remove.
    identity: (u64, u64),
    /// Its lock is what keeps a second agent out, from before the first look at the socket.
    _lock: File,
}

impl Claim {
    /// Claims `path` and listens there.
    pub(crate) fn new(path: &Path) -> Result<(Self, UnixListener), ClaimError> {
        make_folder(path).map_err(failed("cannot make its folder"))?;
        let lock = lock_beside(path)?;
        remove_if_dead(path)?;
        let listener = UnixListener::bind(path).map_err(failed("cannot bind"))?;
        let claim = Self {
            path: path.to_owned(),
            identity: identity(path).map_err(failed("cannot look at the new socket"))?,
            _lock: lock,
        };
        // Until here the process's umask decides, which takes rights away and gives none.
        fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))
            .map_err(failed("cannot set its permissions"))?;
        listener
            .set_nonblocking(true)
            .map_err(failed("cannot make it non-blocking"))?;
        Ok((claim, listener))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // If it cannot be removed the next agent will find it dead and remove it.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
}

/// Locks a file beside the socket. It stays when the agent ends: removing it would let two agents
/// each lock a file of their own.
fn lock_beside(path: &Path) -> Result<File, ClaimError> {
    let mut name = path.as_os_str().as_bytes().to_vec();
    name.extend_from_slice(b".lock");
    let lock = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(i32::from_ne_bytes(OFlags::NOFOLLOW.bits().to_ne_bytes()))
        .open(std::ffi::OsStr::from_bytes(&name))
        .map_err(failed("cannot open its lock file"))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ClaimError::InUse),
        Err(errno) => Err(failed("cannot lock its lock file")(errno.into())),
    }
}

/// Removes a socket on which nobody listens.
fn remove_if_dead(path: &Path) -> Result<(), ClaimError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("cannot look at it")(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ClaimError::NotASocket);
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ClaimError::InUse),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed("cannot remove the socket of a dead agent"))
        }
        Err(error) => Err(failed("cannot try it")(error)),
    }
}

/// Makes the agent's own folder, or checks that nobody else can write into it.
pub(crate) fn claim_state_folder(folder: &Path) -> Result<(), ClaimError> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(failed("cannot make it"))?;
    let metadata = fs::metadata(folder).map_err(failed("cannot look at it"))?;
    let mode = Mode::from_raw_mode(metadata.mode());
    if mode.intersects(Mode::WGRP | Mode::WOTH) {
        return Err(ClaimError::WritableByOthers);
    }
    let own = rustix::process::geteuid().as_raw();
    if ![0, own].contains(&metadata.uid()) {
        let uid = metadata.uid();
        return Err(ClaimError::BelongsToAnother { uid });
    }
    let probe = folder.join(".writable");
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .custom_flags(i32::from_ne_bytes(OFlags::NOFOLLOW.bits().to_ne_bytes()))
        .open(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(failed("cannot write into it"))
}

#[cfg(test)]
mod tests {
    use super::{Claim, ClaimError, claim_state_folder};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn mode(path: &std::path::Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_claim_makes_its_folder_and_leaves_no_socket_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/control.sock");
        let (claim, _listener) = Claim::new(&path).unwrap();
        assert_eq!(mode(path.parent().unwrap()) & 0o027, 0);
        assert_eq!(mode(&path), 0o660);
        drop(claim);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_claim_fails_and_leaves_the_first_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let (_claim, _listener) = Claim::new(&path).unwrap();
        assert!(matches!(Claim::new(&path), Err(ClaimError::InUse)));
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let foreign = UnixListener::bind(&path).unwrap();
        assert!(matches!(Claim::new(&path), Err(ClaimError::InUse)));
        drop(foreign);
        assert!(path.exists());
        assert!(Claim::new(&path).is_ok());
    }

    #[test]
    fn a_file_at_the_path_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(Claim::new(&path), Err(ClaimError::NotASocket)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn a_socket_that_replaced_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let (claim, _listener) = Claim::new(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(claim);
        assert!(path.exists());
    }

    #[test]
    fn a_state_folder_others_can_write_into_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        claim_state_folder(&path).unwrap();
        assert_eq!(mode(&path) & 0o027, 0);
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            claim_state_folder(&path),
            Err(ClaimError::WritableByOthers)
        ));
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        // Only root can give it away.
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
            assert!(matches!(
                claim_state_folder(&path),
                Err(ClaimError::BelongsToAnother { uid: 65_534 })
            ));
        }
    }
}
