//! A fresh Debian for a machine, of any processor that packages are made for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::build::Processor;
use crate::command::run;

/// Beside the smallest Debian there is.
const INCLUDED: &str = "systemd,systemd-sysv,nginx-light,curl,iproute2,passwd,rpm";
/// Downloaded and not installed, with all it needs: the README installs it, and the machine has no network.
const DOWNLOADED: &str = "prometheus";

/// Made once; what is tried is put into a copy.
pub(super) fn copy(folder: &Path, processor: Processor) -> Result<PathBuf> {
    let name = processor.debian();
    let included = format!("{INCLUDED},linux-image-cloud-{name}");
    let fresh = folder.join(format!("debian-{name}"));
    // Written last: what it has in it.
    let list = folder.join(format!("debian-{name}.packages"));
    let content = format!("{included};{DOWNLOADED}");
    if fs::read_to_string(&list).ok().as_ref() != Some(&content) {
        let _interpreter = Interpreter::of(processor)?;
        for old in [&fresh, &list] {
            drop(fs::remove_file(old));
            drop(fs::remove_dir_all(old));
        }
        run(Command::new("mmdebstrap")
            .args(["--quiet", "--mode=root", "--variant=minbase"])
            // Whether programs of another processor run is seen when they do.
            .arg("--skip=check/qemu")
            .arg(format!("--architectures={name}"))
            .arg(format!("--include={included}"))
            // What apt knows and has downloaded stays there.
            .arg("--skip=cleanup/apt")
            .arg(format!(
                "--customize-hook=APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --quiet --yes \
                 --no-install-recommends --download-only install {DOWNLOADED}"
            ))
            .arg(codename()?)
            .arg(&fresh))?;
        fs::write(&list, content).context("cannot keep the new Debian")?;
    }
    let root = folder.join(format!("root-{name}"));
    drop(fs::remove_dir_all(&root));
    run(Command::new("cp")
        .args(["--archive", "--reflink=auto"])
        .arg(&fresh)
        .arg(&root))?;
    Ok(root)
}

/// The release of this host, whose packages it can get.
fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name
        .context("this host is no release of Debian")?
        .to_owned())
}

/// Where the kernel is told what runs programs of other processors.
const FORMATS: &str = "/proc/sys/fs/binfmt_misc";
/// What the distribution calls it where systemd tells the kernel.
const FORMAT: &str = "qemu-aarch64";
/// Begins with the header of an ELF file of 64 bits for Arm; kept open, so that it works in any root.
const RULE: &str = r":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F";

/// Programs of another processor run on this host while it lives.
struct Interpreter {
    /// Whether the kernel was told by it,
    has_told: bool,
    /// and whether it had to be asked for the place to do so.
    has_mounted: bool,
}

impl Interpreter {
    fn of(processor: Processor) -> Result<Self> {
        let mut interpreter = Self {
            has_told: false,
            has_mounted: false,
        };
        let entry = Path::new(FORMATS).join(FORMAT);
        if processor.is_this_machine() || entry.exists() {
            return Ok(interpreter);
        }
        let register = Path::new(FORMATS).join("register");
        if !register.exists() {
            run(Command::new("mount").args(["-t", "binfmt_misc", "binfmt_misc", FORMATS]))
                .context("this kernel runs no programs of other processors (CONFIG_BINFMT_MISC)")?;
            interpreter.has_mounted = true;
        }
        // Mounted just now, it may have the rule already.
        if !entry.exists() {
            fs::write(&register, RULE).context("the kernel refuses to run programs of arm64")?;
            interpreter.has_told = true;
        }
        Ok(interpreter)
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        if self.has_told {
            drop(fs::write(Path::new(FORMATS).join(FORMAT), "-1"));
        }
        if self.has_mounted {
            drop(Command::new("umount").arg(FORMATS).status());
        }
    }
}
