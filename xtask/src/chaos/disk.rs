//! A disk of a machine: a file with a file system in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::command::{output, run};

/// Its size.
const BYTES: u64 = 128 << 20;

pub(super) struct Disk(PathBuf);

impl Disk {
    /// Makes an empty one in place of what is there.
    pub(super) fn make(file: PathBuf) -> Result<Self> {
        fs::write(&file, "")
            .and_then(|()| fs::File::options().write(true).open(&file)?.set_len(BYTES))
            .with_context(|| format!("cannot make {}", file.display()))?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&file))?;
        Ok(Self(file))
    }

    pub(super) fn file(&self) -> &Path {
        &self.0
    }

    /// The file system is sound once its journal is replayed.
    pub(super) fn check(&self) -> Result<()> {
        let mut replay = Command::new("e2fsck");
        replay.arg("-p").arg(&self.0);
        let status = replay.output().context("cannot start e2fsck")?.status;
        // 1: the journal was replayed, or something was mended without a question.
        ensure!(matches!(status.code(), Some(0 | 1)), "e2fsck -p: {status}");
        run(Command::new("e2fsck")
            .args(["-f", "-n"])
            .arg(&self.0)
            .stdout(Stdio::null()))
        .context("the file system is damaged")
    }

    /// Copies the recorder on it into a folder that is made anew, and returns what `chaos VERB` says of it.
    pub(super) fn recorder(&self, folder: &Path, writer: &Path, verb: &str) -> Result<String> {
        drop(fs::remove_dir_all(folder));
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for name in ["recorder.db", "recorder.db-wal"] {
            let dump = format!("dump /{name} {}", folder.join(name).display());
            run(Command::new("debugfs")
                .args(["-R", &dump])
                .arg(&self.0)
                .stderr(Stdio::null()))?;
        }
        output(Command::new(writer).arg(verb).arg(folder))
    }
}
