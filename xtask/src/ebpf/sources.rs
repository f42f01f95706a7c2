//! The files that decide what the object does.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Paths, from `root`, of all that decides what the object does, sorted.
pub(super) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for name in [
        "detector-common/Cargo.toml",
        "detector-ebpf/Cargo.lock",
        "detector-ebpf/Cargo.toml",
    ] {
        files.push(PathBuf::from(name));
    }
    for folder in ["detector-common/src", "detector-ebpf/src"] {
        collect(root, Path::new(folder), &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let shown = root.join(folder);
    let entries =
        fs::read_dir(&shown).with_context(|| format!("cannot list {}", shown.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", shown.display()))?;
        let path = folder.join(entry.file_name());
        let kind = entry
            .file_type()
            .with_context(|| format!("cannot read {}", path.display()))?;
        if kind.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// One hash over names, lengths and contents, so that a renamed file counts as a change.
pub(super) fn hash(root: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    for file in files(root)? {
        let path = root.join(&file);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hasher.update(format!("{}\0{}\0", file.display(), content.len()));
        hasher.update(content);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
