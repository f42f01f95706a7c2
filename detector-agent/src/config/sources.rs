//! Which files make the configuration, and their text.

use super::ConfigError;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A configuration file is a page of text; more is not a configuration file.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Most files of `conf.d`.
const MAX_FILES: usize = 256;

/// Files whose keys win over those of the file that is named: `*.toml` of the folder `conf.d` beside
/// it, in the order of their names. There need not be one.
pub(super) fn drop_ins(file: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let folder = file.with_file_name("conf.d");
    let unreadable = |source| ConfigError::Unreadable {
        path: folder.clone(),
        source,
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        // What editors and package managers leave behind ends otherwise, or is hidden.
        if name.ends_with(b".toml") && !name.starts_with(b".") {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(unreadable(io::Error::other("holds more than 256 files")));
        }
    }
    files.sort();
    Ok(files)
}

/// The text of a file, if it is no longer than a configuration can be.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    File::open(path)
        .map_err(unreadable)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(unreadable(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 1 MiB",
        )));
    }
    Ok(text)
}
