//! Where the recorder lies: its file, the lock of its one writer, and damaged files set aside.

use crate::error::{RecorderError, io_error};
use rustix::fs::{FlockOperation, OFlags, flock, statfs, statvfs};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the file in the state folder.
pub const FILE_NAME: &str = "recorder.db";
/// Damaged files kept for whoever wants to look at them.
pub const DAMAGED_KEPT: usize = 2;
const LOCK_NAME: &str = "recorder.lock";
/// How long readers may be in the way of an agent that starts.
const READERS_PATIENCE: Duration = Duration::from_millis(500);
/// For which one has the lock, and more.
const READER_MOMENT: Duration = Duration::from_millis(1);
/// Readable by the group, as the control socket is, where the umask lets it; that of the unit does not.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;
/// `f_type` of file systems whose locks or shared memory do not hold across hosts: NFS, SMB, CIFS,
/// SMB2, 9P, CEPH, OpenAFS, AFS, Coda, Lustre.
const NETWORK_FILE_SYSTEMS: [u64; 10] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x00c3_6400,
    0x5346_414f,
    0x6b41_4653,
    0x7375_7245,
    0x0bd0_0bd0,
];

/// The recorder that `path` means: a file, or the folder that it lies in.
#[must_use]
pub fn file_in(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(FILE_NAME)
    } else {
        path.to_owned()
    }
}

/// What belongs to one database: the file, its log and its index of the log.
fn parts(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| with_suffix(file, suffix))
}

pub(crate) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The writer's right to the folder; held for as long as it lives, and by no other process.
#[derive(Debug)]
pub(crate) struct WriterLock(File);

/// Closing is not enough: a child that is just being started holds the file for a moment, too.
impl Drop for WriterLock {
    fn drop(&mut self) {
        // One that does not unlock is closed all the same.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl WriterLock {
    pub(crate) fn take(folder: &Path) -> Result<Self, RecorderError> {
        refuse_network(folder)?;
        let path = folder.join(LOCK_NAME);
        let lock = open_options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let patience = Instant::now() + READERS_PATIENCE;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(lock)),
                // A reader that asks who writes has it for a moment.
                Err(Errno::WOULDBLOCK) if Instant::now() < patience && !has_writer(folder) => {
                    std::thread::sleep(READER_MOMENT);
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(RecorderError::InUse {
                        folder: folder.to_owned(),
                    });
                }
                Err(errno) => return Err(io_error("lock", &path)(errno)),
            }
        }
    }
}

/// Whether a writer has this file now, or what it is a link to: one that lies beside its recorder, set aside or
/// copied, is nobody's. Without the right to ask, no.
pub(crate) fn is_written(file: &Path) -> bool {
    let Ok(file) = file.canonicalize() else {
        return false;
    };
    file.file_name().is_some_and(|name| name == FILE_NAME) && file.parent().is_some_and(has_writer)
}

/// Whether a writer has the folder now. Without the right to ask, no.
fn has_writer(folder: &Path) -> bool {
    let lock = open_options().read(true).open(folder.join(LOCK_NAME));
    lock.is_ok_and(|lock| {
        flock(&lock, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    })
}

/// The length of what lies beside a recorder, such as its log; `None` if there is none. One that is no file, or not
/// of the recorder's owner, is refused: a pipe would be waited for, and SQLite gives what it opens as root to
/// the owner of the recorder.
pub(crate) fn length_beside(file: &Path, suffix: &str) -> Result<Option<u64>, RecorderError> {
    let owner = fs::metadata(file).map_err(io_error("look at", file))?.uid();
    let path = with_suffix(file, suffix);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() && found.uid() == owner => Ok(Some(found.len())),
        Ok(_) => Err(RecorderError::OfAnother { path }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("look at", &path)(error)),
    }
}

fn refuse_network(folder: &Path) -> Result<(), RecorderError> {
    let found = statfs(folder).map_err(io_error("look at", folder))?;
    #[allow(
        clippy::cast_sign_loss,
        reason = "only its low 32 bits are looked at; its type is another on other systems"
    )]
    let kind = found.f_type as u64;
    refuse_kind(folder, kind)
}

fn refuse_kind(folder: &Path, kind: u64) -> Result<(), RecorderError> {
    if is_network(kind) {
        return Err(RecorderError::NetworkFileSystem {
            folder: folder.to_owned(),
        });
    }
    Ok(())
}

/// Whether this `f_type` is one of theirs: a 32-bit magic number in a field whose width and sign differ
/// between systems.
fn is_network(kind: u64) -> bool {
    NETWORK_FILE_SYSTEMS.contains(&(kind & 0xffff_ffff))
}

/// Makes the folder if it is not there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), RecorderError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(FOLDER_MODE);
    builder.create(folder).map_err(io_error("make", folder))
}

/// Device and inode of a database and of its log: whether they are still those behind their names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    main: Option<(u64, u64)>,
    log: Option<(u64, u64)>,
}

impl Identity {
    /// Of an open database.
    pub(crate) fn of(file: &Path) -> Self {
        let [main, log, _] = parts(file);
        Self {
            main: device_and_inode(&main),
            log: device_and_inode(&log),
        }
    }

    pub(crate) fn is_at(&self, file: &Path) -> bool {
        device_and_inode(file) == self.main
    }

    /// Removes the log that was left where the file was removed: it must not become part of another.
    pub(crate) fn remove_log(&self, file: &Path) -> Result<(), RecorderError> {
        let [main, log, _] = parts(file);
        if self.log.is_none() || self.is_at(&main) || device_and_inode(&log) != self.log {
            return Ok(());
        }
        fs::remove_file(&log).map_err(io_error("remove", &log))
    }
}

fn device_and_inode(file: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Makes the file if it is not there, so that it never has other rights than these.
pub(crate) fn make_file(file: &Path) -> Result<(), RecorderError> {
    open_options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(file)
        .map(drop)
        .map_err(io_error("open", file))
}

/// Follows no link and waits for no pipe.
fn open_options() -> OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options
        .mode(FILE_MODE)
        .custom_flags(i32::from_ne_bytes(flags.bits().to_ne_bytes()));
    options
}

/// Renames a damaged database and its log, in place of the oldest of those set aside.
pub(crate) fn set_aside(file: &Path) -> Result<PathBuf, RecorderError> {
    let name = |number: usize| with_suffix(file, &format!(".damaged-{number}"));
    for number in (1..DAMAGED_KEPT).rev() {
        rename_all(&name(number), &name(number + 1))?;
    }
    let aside = name(1);
    rename_all(file, &aside)?;
    Ok(aside)
}

fn rename_all(from: &Path, to: &Path) -> Result<(), RecorderError> {
    for (from, to) in parts(from).into_iter().zip(parts(to)) {
        match fs::rename(&from, &to) {
            Ok(()) => {}
            // What lay there before belongs to another database.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                drop(fs::remove_file(&to));
            }
            Err(error) => return Err(io_error("set aside", &from)(error)),
        }
    }
    Ok(())
}

/// Bytes that the file system of `folder` still has for us; `None` if it does not say.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let found = statvfs(folder).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

/// Bytes of the database with its log.
pub(crate) fn size_bytes(file: &Path) -> u64 {
    sum_of(file, Metadata::len)
}

/// The same without what the file system does not keep: a file may have a hole of any size. It may compress the rest.
pub(crate) fn held_bytes(file: &Path) -> u64 {
    const COMPRESSED_BY: u64 = 16;
    let kept = |of: &Metadata| of.blocks().saturating_mul(512 * COMPRESSED_BY);
    sum_of(file, |of| of.len().min(kept(of)))
}

fn sum_of(file: &Path, bytes: impl Fn(&Metadata) -> u64) -> u64 {
    let [main, log, _] = parts(file);
    [main, log]
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| bytes(&metadata))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{LOCK_NAME, WriterLock, has_writer, is_network, refuse_kind};
    use crate::error::RecorderError;
    use rustix::fs::{FlockOperation, flock};
    use std::fs::File;
    use std::path::Path;

    /// Readers ask whether somebody writes by a lock of their own, as often as they like.
    #[test]
    fn readers_that_ask_who_writes_keep_no_agent_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        drop(WriterLock::take(folder).unwrap());
        std::thread::scope(|scope| {
            let asks = scope.spawn(|| {
                (0..20_000).for_each(|_| {
                    has_writer(folder);
                })
            });
            let (mut started, mut refused) = (0, 0);
            loop {
                match WriterLock::take(folder) {
                    Ok(_) => started += 1,
                    Err(_) => refused += 1,
                }
                if asks.is_finished() {
                    break;
                }
            }
            assert!(started > 0 && refused == 0, "{started}, {refused} refused");
        });
    }

    #[test]
    fn a_lock_that_is_not_given_back_is_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let taken = WriterLock::take(folder.path()).unwrap();
        let is_in_use = || {
            let taken = WriterLock::take(folder.path());
            matches!(taken, Err(RecorderError::InUse { .. }))
        };
        assert!(is_in_use());
        drop(taken);
        let reader = File::open(folder.path().join(LOCK_NAME)).unwrap();
        flock(&reader, FlockOperation::LockShared).unwrap();
        assert!(is_in_use());
        drop(reader);
        assert!(!is_in_use());
    }

    /// The numbers are those of `linux/magic.h` and of the file systems' own sources.
    #[test]
    fn network_file_systems_are_known_whatever_the_width_of_their_number() {
        const NFS: u64 = 0x6969;
        const CIFS: u64 = 0xff53_4d42;
        const SIGNED_CIFS: u64 = 0xffff_ffff_ff53_4d42;
        for kind in [
            NFS,
            CIFS,
            SIGNED_CIFS,
            0xfe53_4d42,
            0x0102_1997,
            0x00c3_6400,
            0x5346_414f,
            0x6b41_4653,
            0x7375_7245,
            0x0bd0_0bd0,
        ] {
            assert!(is_network(kind), "{kind:#x}");
        }
        // ext4, tmpfs, xfs, btrfs, overlayfs, and FUSE, which may be anything: trying tells.
        for kind in [
            0xef53,
            0x0102_1994,
            0x5846_5342,
            0x9123_683e,
            0x794c_7630,
            0x6573_5546,
        ] {
            assert!(!is_network(kind), "{kind:#x}");
        }
    }

    #[test]
    fn a_folder_on_nfs_is_refused_with_what_to_do_and_not_tried_again() {
        let folder = Path::new("/srv/state");
        let error = refuse_kind(folder, 0x6969).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/srv/state is on a network file system, where a recorder cannot be kept"
        );
        let hint = error.hint();
        assert!(hint.is_some_and(|hint| hint.contains("on a local disk with --state-dir")));
        assert!(!error.may_pass());
        refuse_kind(folder, 0xef53).unwrap();
    }
}
