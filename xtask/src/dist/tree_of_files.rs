//! What is installed, laid out once; all packages wrap it.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use super::Release;
use super::bill;
use super::build::Processor;
use crate::command::{output, run};
use crate::packaging::copied::{copied, is_page};
use crate::packaging::pages;
use crate::tree;

const DOC: &str = "usr/share/doc/detector";

/// Texts that the program writes itself, and where they go.
const WRITTEN: [(&[&str], &str); 3] = [
    (
        &["completions", "bash"],
        "usr/share/bash-completion/completions/detector",
    ),
    (
        &["completions", "zsh"],
        "usr/share/zsh/vendor-completions/_detector",
    ),
    (
        &["completions", "fish"],
        "usr/share/fish/vendor_completions.d/detector.fish",
    ),
];

/// Files that are run.
const EXECUTABLE: [&str; 2] = ["usr/bin/detector", "usr/share/detector/after-install"];

/// Files as they are to be installed, for one processor.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    pub(super) processor: Processor,
}

impl Tree {
    /// The one that was laid out with the packages of a release.
    pub(super) fn laid_out(release: &Release, processor: Processor) -> Self {
        let root = release.folder.join(format!("tree-{}", processor.debian()));
        Self { root, processor }
    }

    /// With man page and completions as `speaker` writes them: the program for this machine.
    pub(super) fn lay_out(
        release: &Release,
        processor: Processor,
        program: &Path,
        speaker: &Path,
    ) -> Result<Self> {
        let tree = Self::laid_out(release, processor);
        tree.put("usr/bin/detector", &read(program)?)?;
        tree.copy()?;
        tree.write_texts(release, speaker)?;
        let bill = bill::of(release, processor)?;
        tree.put(&format!("{DOC}/detector.cdx.json"), bill.as_bytes())?;
        let name = format!(
            "detector-{}-{}.cdx.json",
            release.version,
            processor.debian()
        );
        fs::write(release.folder.join(name), &bill)
            .context("cannot write the bill of materials")?;
        tree.normalise(&tree.root, release)?;
        Ok(tree)
    }

    /// Kibibytes of all files.
    pub(super) fn kibibytes(&self) -> Result<String> {
        let listed = output(
            Command::new("du")
                .args(["-sk", "--apparent-size"])
                .arg(&self.root),
        )?;
        let size = listed
            .split_whitespace()
            .next()
            .context("du says nothing")?;
        Ok(size.to_owned())
    }

    fn copy(&self) -> Result<()> {
        let repository = tree::root();
        for (from, to) in copied()? {
            let content = read(&repository.join(&from))?;
            if is_page(&from) {
                let text = String::from_utf8(content).with_context(|| from.clone())?;
                self.put(&to, pages::of_package(&from, &text)?.as_bytes())?;
            } else {
                self.put(&to, &content)?;
            }
        }
        Ok(())
    }

    /// Man page and completions are the same for every processor.
    fn write_texts(&self, release: &Release, speaker: &Path) -> Result<()> {
        for (arguments, to) in WRITTEN {
            let text = output(Command::new(speaker).args(arguments))?;
            self.put(to, text.as_bytes())?;
        }
        let page = output(Command::new(speaker).arg("man"))?;
        self.put("usr/share/man/man8/detector.8", page.as_bytes())?;
        let page = self.root.join("usr/share/man/man8/detector.8");
        run(release
            .command("gzip")
            .args(["--best", "--no-name"])
            .arg(page))
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<()> {
        let file = self.root.join(name);
        fs::create_dir_all(file.parent().unwrap_or(&self.root))
            .and_then(|()| fs::write(&file, content))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Modes and times do not depend on who built it, or when.
    fn normalise(&self, path: &Path, release: &Release) -> Result<()> {
        let is_folder = path.is_dir();
        if is_folder {
            for entry in fs::read_dir(path)? {
                self.normalise(&entry?.path(), release)?;
            }
        }
        let is_run = EXECUTABLE.iter().any(|name| self.root.join(name) == path);
        let mode = if is_folder || is_run { 0o755 } else { 0o644 };
        let seconds = release
            .epoch
            .parse()
            .context("SOURCE_DATE_EPOCH is no number")?;
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        fs::set_permissions(path, Permissions::from_mode(mode))
            .and_then(|()| File::open(path)?.set_times(FileTimes::new().set_modified(time)))
            .with_context(|| format!("cannot set mode and time of {}", path.display()))
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
