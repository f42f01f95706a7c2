//! Which files may still be opened: by Landlock, for this thread and those that it starts from then on.
//! Neither do they open or take TCP connections of their own any more.
//!
//! What a reload may name is bounded, too: it reads in the folders of what the agent was started with.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The newest rights that are asked for, of Linux 6.10; older kernels know fewer, which are kept.
/// Newer ones would keep the agent from the service manager's socket.
const NEWEST: ABI = ABI::V5;

/// What the kernel tells of itself and of processes.
const KERNEL: [&str; 2] = ["/proc", "/sys"];

/// What may be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// Folders in which files are read.
    read: BTreeSet<PathBuf>,
    /// The recorder's folder.
    kept: PathBuf,
    /// The folder of the control socket, which is removed in the end.
    runtime: PathBuf,
}

impl Files {
    /// What the recorder keeps is in `state`, the control socket is `socket`.
    pub(crate) fn new(state: &Path, socket: &Path) -> Self {
        Self {
            read: KERNEL.map(PathBuf::from).into(),
            kept: state.to_owned(),
            runtime: folder_of(socket),
        }
    }

    /// Files that are read again later, and may be replaced by then: all in their folders, and in those
    /// of what they link to.
    #[must_use]
    pub(crate) fn with_read(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        for file in files {
            self.read.insert(folder_of(&file));
            if let Ok(target) = file.canonicalize() {
                self.read.insert(folder_of(&target));
            }
        }
        self
    }

    /// Bounds this thread; false where the kernel cannot.
    pub(super) fn confine(&self) -> Result<bool, RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let keep = read | AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile;
        let keep: BitFlags<_> = keep | AccessFs::Truncate;
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(&self.read, read))?
            .add_rules(path_beneath_rules([&self.kept], keep))?
            .add_rules(path_beneath_rules([&self.runtime], AccessFs::RemoveFile))?
            .restrict_self()?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }
}

/// Bounds this thread so that it opens nothing at all; false where the kernel cannot.
pub(super) fn open_nothing() -> Result<bool, RulesetError> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .create()?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether this kernel has Landlock.
pub(crate) fn can_be_bounded() -> bool {
    let rights = AccessFs::from_all(ABI::V1);
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset.handle_access(rights).is_ok()
}

/// Set once the agent is bounded.
static IS_BOUNDED: OnceLock<()> = OnceLock::new();

/// From now on refusals are explained by it.
pub(super) fn note_that_it_is_bounded() {
    // It is set once.
    IS_BOUNDED.get_or_init(|| ());
}

/// What to add to the reason why a file that is read again could not be.
pub(crate) fn explain(error: &io::Error) -> &'static str {
    if IS_BOUNDED.get().is_some() && error.kind() == io::ErrorKind::PermissionDenied {
        "; since its start the agent reads in the folders of its configuration and certificates as they \
         were then, and nowhere else (Landlock): put the file there, or restart the agent"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::{Files, can_be_bounded, explain, note_that_it_is_bounded};
    use std::fs::{self, File};
    use std::io;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::symlink;

    /// Of a thread of its own, for it is for good.
    #[test]
    fn what_is_not_needed_cannot_be_opened_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for name in ["etc/conf.d", "elsewhere", "linked", "state", "run"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in [
            "etc/a.toml",
            "elsewhere/b.toml",
            "linked/c.toml",
            "run/socket",
            "state/old",
        ] {
            fs::write(at(name), "text").unwrap();
        }
        symlink(at("linked/c.toml"), at("etc/conf.d/c.toml")).unwrap();
        let files = Files::new(&at("state"), &at("run/socket"))
            .with_read([at("etc/a.toml"), at("etc/conf.d/c.toml")]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let path = folder.path().to_owned();
        let confined = move || {
            let at = |name: &str| path.join(name);
            assert_eq!(files.confine().unwrap(), can_be_bounded());
            if !can_be_bounded() {
                return;
            }
            fs::rename(at("etc/conf.d/c.toml"), at("etc/conf.d/d.toml")).unwrap_err();
            for readable in ["etc/a.toml", "etc/conf.d/c.toml"] {
                assert_eq!(fs::read_to_string(at(readable)).unwrap(), "text");
            }
            fs::read_to_string("/proc/self/status").unwrap();
            fs::write(at("state/new"), "text").unwrap();
            fs::rename(at("state/new"), at("state/old")).unwrap();
            fs::remove_file(at("run/socket")).unwrap();
            let refused = |outcome: io::Result<()>| {
                assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            };
            symlink(at("elsewhere/b.toml"), at("state/link")).unwrap_err();
            refused(File::open(at("elsewhere/b.toml")).map(drop));
            refused(fs::write(at("etc/a.toml"), "text"));
            refused(fs::write(at("run/new"), "text"));
            refused(fs::read_dir("/").map(drop));
            refused(File::open("/etc/hostname").map(drop));
            // Of Linux 6.7.
            if TcpStream::connect(address).is_err() {
                refused(TcpListener::bind("127.0.0.1:0").map(drop));
            }
        };
        std::thread::spawn(confined).join().unwrap();
        drop(listener);
        assert!(File::open(at("elsewhere/b.toml")).is_ok());
    }

    #[test]
    fn a_refusal_is_explained() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(explain(&denied), "");
        note_that_it_is_bounded();
        assert!(explain(&denied).contains("restart the agent"));
        assert_eq!(explain(&io::ErrorKind::NotFound.into()), "");
    }
}
