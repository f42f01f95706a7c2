//! A scratch folder that only root can look into, removed with its guard.

use detector_api::failure::Failure;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Names tried before giving up: somebody else may have made folders of these names.
const NAMES: u32 = 1_000;

#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder that was not there.
    pub(super) fn create() -> Result<Self, Failure> {
        let parent = std::env::temp_dir();
        let pid = std::process::id();
        for number in 0..NAMES {
            let path = parent.join(format!("detector-selftest-{pid}-{number}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(Failure::failed(format!(
                        "cannot make folder {}: {error}",
                        path.display()
                    )));
                }
            }
        }
        Err(Failure::failed(format!(
            "cannot make a folder in {}: {NAMES} names are taken",
            parent.display()
        )))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's folder for such things.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::Folder;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folders_are_private_differ_and_go_away() {
        let (one, other) = (Folder::create().unwrap(), Folder::create().unwrap());
        assert_ne!(one.path(), other.path());
        let mode = one.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(one.path().join("file"), "text").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
    }
}
