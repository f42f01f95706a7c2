//! Settings remembered from one run to the next, in the user's state folder.
//!
//! The folder belongs to the user alone, or nothing is read or written: a privileged `top` must
//! not follow what another user has put there.

use super::state::{Settings, Written};
use rustix::fs::{Mode, OFlags};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

const FILE: &str = "top.json";
/// Larger ones are not ours.
const MAX_BYTES: u64 = 64 << 10;

/// Where settings are remembered.
#[derive(Clone, Debug)]
pub(super) struct SettingsFile {
    folder: PathBuf,
}

impl SettingsFile {
    /// Below `$XDG_STATE_HOME`, else `~/.local/state`; `None` if neither is known.
    pub(super) fn of_user() -> Option<Self> {
        let absolute = |name| {
            let path = PathBuf::from(std::env::var_os(name)?);
            path.is_absolute().then_some(path)
        };
        let base = absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
        Some(Self {
            folder: base.join("detector"),
        })
    }

    #[cfg(test)]
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The settings of last time; or what went wrong, after which the defaults are right.
    pub(super) fn read(&self) -> Result<Option<Settings>, String> {
        let path = self.folder.join(FILE);
        let text = match self.read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let settings = serde_json::from_str::<Written>(&text)
            .ok()
            .and_then(|written| Settings::read(&written));
        match settings {
            Some(settings) => Ok(Some(settings)),
            None => Err(self.set_aside(&path)),
        }
    }

    /// Keeps a damaged file for whoever wants to look at it; says so.
    fn set_aside(&self, path: &Path) -> String {
        let aside = self.folder.join("top.json.damaged");
        match fs::rename(path, &aside) {
            Ok(()) => format!(
                "the settings file was damaged; it is now {}",
                aside.display()
            ),
            Err(error) => format!("the settings in {} are damaged: {error}", path.display()),
        }
    }

    fn read_text(&self, path: &Path) -> io::Result<String> {
        self.check_folder()?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn check_folder(&self) -> io::Result<()> {
        let found = fs::symlink_metadata(&self.folder)?;
        let is_ours = found.uid() == rustix::process::geteuid().as_raw();
        if found.is_dir() && is_ours && found.mode() & 0o022 == 0 {
            return Ok(());
        }
        Err(io::Error::other("its folder is not this user's alone"))
    }

    /// Remembers the settings: the file is there whole or not at all.
    pub(super) fn write(&self, settings: &Settings) -> Result<(), String> {
        let write = || {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&self.folder)?;
            self.check_folder()?;
            let mut text = serde_json::to_string_pretty(&settings.written())?;
            text.push('\n');
            let new = self.folder.join(format!("top.json.{}", std::process::id()));
            let written = write_new(&new, text.as_bytes())
                .and_then(|()| fs::rename(&new, self.folder.join(FILE)));
            if written.is_err() {
                drop(fs::remove_file(&new));
            }
            written
        };
        write().map_err(|error: io::Error| {
            let folder = self.folder.display();
            format!("cannot remember the settings in {folder}: {error}")
        })
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file = File::from(rustix::fs::open(path, flags, mode)?);
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::SettingsFile;
    use crate::columns::{Grouping, Sort};
    use crate::top::state::Settings;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn settings() -> Settings {
        Settings {
            grouping: Grouping::Net,
            sort: Sort::parse("-longest").unwrap(),
            connection_sort: Sort::parse("queued").unwrap(),
        }
    }

    #[test]
    fn settings_come_back_and_nothing_else_is_left() {
        let scratch = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_folder(&scratch.path().join("state/detector"));
        assert_eq!(file.read(), Ok(None));
        file.write(&settings()).unwrap();
        assert_eq!(file.read(), Ok(Some(settings())));
        let left: Vec<_> = fs::read_dir(&file.folder).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_damaged_file_is_set_aside_with_a_word() {
        let damaged = [
            "",
            "{\"group\"",
            "\u{0}\u{1}",
            r#"{"group":"beauty","sort":"cost","connection_sort":"cost"}"#,
        ];
        for text in damaged {
            let scratch = tempfile::tempdir().unwrap();
            let file = SettingsFile::in_folder(scratch.path());
            fs::write(scratch.path().join("top.json"), text).unwrap();
            let said = file.read().unwrap_err();
            assert!(said.contains("damaged"), "{said}");
            let kept = fs::read_to_string(scratch.path().join("top.json.damaged")).unwrap();
            assert_eq!(kept, text);
            assert_eq!(file.read(), Ok(None));
        }
    }

    #[test]
    fn a_folder_that_others_may_write_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_folder(scratch.path());
        file.write(&settings()).unwrap();
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(file.read().is_err());
        assert!(file.write(&settings()).is_err());
    }
}
