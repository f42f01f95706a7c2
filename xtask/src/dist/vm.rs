//! `cargo xtask dist --vm`: the packages in a booted Debian with systemd as its first process, as somebody would
//! use them who has only the README, whose lines it runs: first the Debian package, then, in the same machine, the
//! RPM package.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::build::Processor;
use super::tree_of_files::Tree;
use super::{Release, debian, first_alert, packages};
use crate::command::{run, shown};
use crate::packages::{is_root, need};
use crate::packaging::MOST_EXPOSED;
use crate::tree;

/// More than Debian and the packages take.
const DISK_BYTES: u64 = 2 << 30;
/// Starts what is tried, at each boot.
const UNIT: &str = "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/srv/vm.sh\n\
    TimeoutStartSec=infinity\n[Install]\nWantedBy=default.target\n";

/// An emulated machine of a processor.
struct Emulator {
    programs: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    /// The kernel's.
    command_line: &'static str,
    /// Two boots and a watchdog.
    time_limit: Duration,
    /// By how much waiting in the machine is longer than where nothing is emulated twice.
    patience: u32,
}

const AMD64: Emulator = Emulator {
    programs: &[
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("mmdebstrap", "mmdebstrap"),
        ("mkfs.ext4", "e2fsprogs"),
        ("rpmbuild", "rpm"),
    ],
    arguments: &["-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "2"],
    command_line: "root=LABEL=root rw console=ttyS0 quiet panic=-1 no_timer_check",
    time_limit: Duration::from_secs(2_000),
    patience: 1,
};

const ARM64: Emulator = Emulator {
    programs: &[
        ("qemu-system-aarch64", "qemu-system-arm"),
        ("qemu-aarch64-static", "qemu-user-static"),
        ("mmdebstrap", "mmdebstrap"),
        ("mkfs.ext4", "e2fsprogs"),
        ("rpmbuild", "rpm"),
    ],
    // Pointers are signed by a cheap function: that of the architecture takes half of the time.
    arguments: &[
        "-M",
        "virt",
        "-accel",
        "tcg",
        "-cpu",
        "max,pauth-impdef=on",
        "-m",
        "1500",
        "-smp",
        "2",
    ],
    command_line: "root=LABEL=root rw console=ttyAMA0 quiet panic=-1",
    time_limit: Duration::from_secs(3_000),
    patience: 3,
};

impl Emulator {
    const fn of(processor: Processor) -> &'static Self {
        match processor {
            Processor::Amd64 => &AMD64,
            Processor::Arm64 => &ARM64,
        }
    }

    fn program(&self) -> &'static str {
        self.programs[0].0
    }
}

/// On each of these processors, or on the first there is.
pub(super) fn try_out(
    release: &Release,
    processors: &[Processor],
    may_install: bool,
) -> Result<()> {
    ensure!(is_root(), "making a Debian needs root");
    let processors = match processors {
        [] => &[Processor::Amd64][..],
        some => some,
    };
    let folder = tree::target().join("vm");
    fs::create_dir_all(&folder).context("cannot make a folder for the machine")?;
    for processor in processors {
        let emulator = Emulator::of(*processor);
        need(
            emulator.programs,
            "a machine to try the packages in",
            may_install,
        )?;
        let name = processor.debian();
        let root = debian::copy(&folder, *processor)?;
        furnish(&root, release, *processor)?;
        let disk = folder.join(format!("disk-{name}"));
        fs::File::create(&disk)
            .and_then(|file| file.set_len(DISK_BYTES))
            .context("cannot make a disk")?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-L", "root", "-d"])
            .arg(&root)
            .arg(&disk))?;
        println!("{name}:");
        let log = folder.join(format!("console-{name}.log"));
        boot(emulator, &root, &disk, &log)?;
    }
    Ok(())
}

/// The packages, newer ones, the bare program, and the script that tries them.
fn furnish(root: &Path, release: &Release, processor: Processor) -> Result<()> {
    let home = root.join("srv");
    let deb = |version: &str| format!("detector_{version}_{}.deb", processor.debian());
    let deb_of_release = deb(&release.version);
    let rpm = |version: &str| format!("detector-{version}-1.{}.rpm", processor.rpm());
    let newer = Release {
        version: format!("{}+newer", release.version),
        epoch: release.epoch.clone(),
        folder: tree::target().join("vm/newer"),
    };
    newer.empty()?;
    let laid_out = Tree::laid_out(release, processor);
    packages::deb(&newer, &laid_out)?;
    packages::rpm(&newer, &laid_out)?;
    packages::distribution(&newer)?;
    for (from, to) in [
        (
            release.folder.join(&deb_of_release),
            deb_of_release.as_str(),
        ),
        (release.folder.join(rpm(&release.version)), "detector.rpm"),
        (newer.folder.join(deb(&newer.version)), "newer.deb"),
        (newer.folder.join(rpm(&newer.version)), "newer.rpm"),
        (
            newer.folder.join("distribution-1-1.noarch.rpm"),
            "distribution.rpm",
        ),
        (laid_out.root.join("usr/bin/detector"), "older"),
    ] {
        fs::copy(&from, home.join(to))
            .with_context(|| format!("cannot copy {}", from.display()))?;
    }
    fs::remove_dir_all(&newer.folder)?;
    std::os::unix::fs::symlink(&deb_of_release, home.join("detector.deb"))?;
    fs::write(
        home.join("first-alert"),
        first_alert::commands(&release.version)?,
    )?;
    // Nobody is there who could say yes.
    fs::write(
        root.join("etc/apt/apt.conf.d/yes"),
        "APT::Get::Assume-Yes \"true\";\n",
    )?;
    let script = home.join("vm.sh");
    fs::write(&script, include_str!("vm.sh"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    fs::write(home.join("vm-rpm.sh"), include_str!("vm-rpm.sh"))?;
    fs::write(
        home.join("patience"),
        Emulator::of(processor).patience.to_string(),
    )?;
    // In tenths, as systemd-analyze takes it.
    fs::write(
        home.join("most-exposed"),
        format!("{:.0}", MOST_EXPOSED * 10.0),
    )?;
    let units = root.join("etc/systemd/system");
    fs::write(units.join("try.service"), UNIT)?;
    let wanted = units.join("default.target.wants");
    fs::create_dir_all(&wanted)?;
    std::os::unix::fs::symlink("../try.service", wanted.join("try.service"))?;
    // A login prompt would take the console away from the script.
    for console in ["ttyS0", "ttyAMA0"] {
        let prompt = units.join(format!("serial-getty@{console}.service"));
        std::os::unix::fs::symlink("/dev/null", prompt)?;
    }
    fs::write(root.join("etc/fstab"), "LABEL=root / ext4 defaults 0 1\n")?;
    fs::write(root.join("etc/hostname"), "web1\n")?;
    Ok(())
}

fn boot(emulator: &Emulator, root: &Path, disk: &Path, log: &Path) -> Result<()> {
    let newest = |prefix: &str| -> Result<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root.join("boot"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path());
            }
        }
        found.sort();
        found
            .pop()
            .with_context(|| format!("the new Debian has no {prefix}"))
    };
    let mut qemu = Command::new(emulator.program());
    qemu.args(emulator.arguments)
        .args(["-nographic", "-nic", "none"])
        .args(["-append", emulator.command_line])
        .arg("-drive")
        .arg(format!(
            "file={},format=raw,if=virtio,cache=unsafe",
            disk.display()
        ))
        .arg("-kernel")
        .arg(newest("vmlinuz-")?)
        .arg("-initrd")
        .arg(newest("initrd.img-")?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let child = qemu
        .spawn()
        .with_context(|| format!("cannot start {}", shown(&qemu)))?;
    let mut machine = Machine(child);
    let console = machine.0.stdout.take().context("no console")?;
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let began = Instant::now();
    let mut said = Vec::new();
    let mut failed = None;
    while let Ok(line) = lines.recv_timeout(emulator.time_limit.saturating_sub(began.elapsed())) {
        // The terminal's own orders may stand before the first one.
        if let Some((_, told)) = line.split_once("@@ ") {
            println!("{:>4} s  {told}", began.elapsed().as_secs());
            if let Some(why) = told.strip_prefix("failed ") {
                failed = Some(why.to_owned());
            }
        }
        said.push(line);
        if said.last().is_some_and(|line| line == "@@ end") {
            break;
        }
    }
    fs::write(log, said.join("\n")).with_context(|| format!("cannot write {}", log.display()))?;
    match failed {
        Some(why) => bail!("{why}; see {}", log.display()),
        None if said.last().is_some_and(|line| line == "@@ end") => Ok(()),
        None => bail!("the machine did not come to the end; see {}", log.display()),
    }
}

/// A machine that does not outlive its owner.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
