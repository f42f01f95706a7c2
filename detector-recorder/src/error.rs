//! Why the recorder cannot be opened, written or read. A file may come from anywhere: its name, and what
//! SQLite says of what is in it, are sanitized.

use detector_api::failure::{Code, Failure};
use detector_api::sanitize;
use rusqlite::ffi;
use std::io;
use std::path::{Path, PathBuf};

/// Why the recorder cannot be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// There is none.
    #[error("there is no recorder at {}", shown(.path))]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another agent writes it.
    #[error("another agent writes the recorder in {}", shown(.folder))]
    InUse {
        /// Its folder.
        folder: PathBuf,
    },
    /// A later version of this program wrote it.
    #[error(
        "{} was written by a newer detector (schema {found}, this one reads up to {known})",
        shown(.path)
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// A database, or any other file, of something else.
    #[error("{} is not a recorder of detector", shown(.path))]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// What lies beside a recorder, and is no file, or not one of the recorder's owner.
    #[error("{} is no file of its recorder's owner", shown(.path))]
    OfAnother {
        /// Which one.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{} is damaged: {reason}", shown(.path))]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite says, sanitized: it names what it finds in the file.
        reason: String,
    },
    /// A file system on which several processes cannot share a database.
    #[error("{} is on a network file system, where a recorder cannot be kept", shown(.folder))]
    NetworkFileSystem {
        /// Which folder.
        folder: PathBuf,
    },
    /// A file system on which a writer and its readers cannot share memory: a write-ahead log needs that.
    #[error("{} is on a file system that cannot share memory between programs", shown(.path))]
    NoSharedMemory {
        /// Which file.
        path: PathBuf,
    },
    /// It was removed while it was written.
    #[error("{} was removed while it was written", shown(.path))]
    Removed {
        /// Which file.
        path: PathBuf,
    },
    /// No room is left: on the file system, or within the bound of the recorder.
    #[error("no room is left for {}", shown(.path))]
    Full {
        /// Which file.
        path: PathBuf,
    },
    /// The operating system refused something.
    #[error("cannot {doing} {}: {source}", shown(.path))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// SQLite refused something else.
    #[error("cannot use {}: {}", shown(.path), said(.source))]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl RecorderError {
    /// What an error of SQLite means for the file at `path`.
    pub(crate) fn of(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_owned();
        match source.sqlite_error().map(|error| error.extended_code) {
            Some(ffi::SQLITE_IOERR_SHMMAP) => return Self::NoSharedMemory { path },
            // The index of the log could not grow.
            Some(ffi::SQLITE_IOERR_SHMSIZE) => return Self::Full { path },
            _ => {}
        }
        match source.sqlite_error_code() {
            // Nobody but the bound on the steps of a query interrupts one.
            Some(ErrorCode::OperationInterrupted) => Self::Damaged {
                path,
                reason: "it leads to more rows than a file of its size can hold".to_owned(),
            },
            Some(ErrorCode::NotADatabase) => Self::Foreign { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure,
            ) => Self::Database { path, source },
            // Our statements are right for our schema: whatever else is said of them, or of what they
            // find, is the file's fault.
            _ => Self::Damaged {
                path,
                reason: said(&source),
            },
        }
    }

    /// Whether the file itself is at fault, and another one would do.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Foreign { .. })
    }

    /// Whether it may pass without anything being done to the recorder: another try is worth it.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::Io { .. } | Self::Database { .. } | Self::Removed { .. }
        )
    }

    /// Whether the file system has no room left.
    #[must_use]
    pub fn is_want_of_room(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            _ => false,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => {
                "give the folder with --state-dir; an agent keeps its recorder in /var/lib/detector"
            }
            Self::InUse { .. } => "stop that agent, or give this one its own --state-dir",
            Self::Newer { .. } => {
                "move it away, or run the version of detector that wrote it, or a later one"
            }
            Self::Foreign { .. } => "name a file recorder.db that an agent wrote, or its folder",
            Self::OfAnother { .. } => {
                "read a copy in a folder of your own: the file with the -wal beside it"
            }
            Self::Damaged { .. } => {
                "the agent sets a damaged recorder aside at its next start; \
                 `sqlite3 FILE .recover` may save what is in it"
            }
            Self::NetworkFileSystem { .. } | Self::NoSharedMemory { .. } => {
                "choose a folder on a local disk with --state-dir"
            }
            Self::Removed { .. } => "leave the files beside it alone while the agent runs",
            Self::Full { .. } => "make room on that file system",
            Self::Io { .. } if self.is_want_of_room() => "make room on that file system",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                "mount that file system writable: `dmesg` says whether the kernel made it read-only \
                 after an error"
            }
            Self::Io { .. } if self.is_privilege() => {
                "run it as root, or as a user who may read the file"
            }
            Self::Database { .. } if self.is_privilege() => {
                "run it as root, or read a copy in a folder of your own: the file with the -wal \
                 beside it"
            }
            Self::Io { .. } | Self::Database { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether somebody with more rights could read or write it.
    fn is_privilege(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
        match self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::Database { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(CannotOpen | PermissionDenied | ReadOnly)
            ),
            _ => false,
        }
    }
}

/// How a command fails that needed the recorder.
impl From<RecorderError> for Failure {
    fn from(error: RecorderError) -> Self {
        let code = match &error {
            RecorderError::InUse { .. }
            | RecorderError::NetworkFileSystem { .. }
            | RecorderError::NoSharedMemory { .. } => Code::Usage,
            error if error.is_privilege() => Code::Privilege,
            _ => Code::Failed,
        };
        let hint = error.hint();
        let failure = Self::new(code, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// The name of a file or folder, as it is told.
fn shown(path: &Path) -> String {
    sanitize::text(&path.display().to_string())
}

/// What SQLite says, as it is told.
fn said(error: &rusqlite::Error) -> String {
    sanitize::text(&error.to_string())
}

/// Names what was being done to which file when the operating system refused.
pub(crate) fn io_error<E: Into<io::Error>>(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> RecorderError {
    let path = path.to_owned();
    move |source| RecorderError::Io {
        doing,
        path,
        source: source.into(),
    }
}
