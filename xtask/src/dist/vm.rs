//! `cargo xtask dist --vm`: the package in a booted Debian with systemd as its first process, as somebody would
//! use it who has only the README.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::Release;
use crate::command::{run, shown};
use crate::packages::{is_root, need};
use crate::tree;

const PROGRAMS: [(&str, &str); 3] = [
    ("mmdebstrap", "mmdebstrap"),
    ("mkfs.ext4", "e2fsprogs"),
    ("qemu-system-x86_64", "qemu-system-x86"),
];
/// Beside the smallest Debian there is.
const INCLUDED: &str =
    "systemd,systemd-sysv,linux-image-cloud-amd64,nginx-light,curl,iproute2,passwd";
/// Under emulation, two boots and a watchdog.
const TIME_LIMIT: Duration = Duration::from_secs(1_200);
/// More than Debian and the packages take.
const DISK_BYTES: u64 = 2 << 30;
/// Starts what is tried, at each boot.
const UNIT: &str = "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/srv/vm.sh\n\
    TimeoutStartSec=infinity\n[Install]\nWantedBy=default.target\n";

pub(super) fn try_out(release: &Release, may_install: bool) -> Result<()> {
    ensure!(is_root(), "making a Debian needs root");
    need(&PROGRAMS, "a machine to try the package in", may_install)?;
    let folder = tree::target().join("vm");
    fs::create_dir_all(&folder).context("cannot make a folder for the machine")?;
    let root = debian(&folder)?;
    furnish(&root, release)?;
    let disk = folder.join("disk");
    fs::File::create(&disk)
        .and_then(|file| file.set_len(DISK_BYTES))
        .context("cannot make a disk")?;
    run(Command::new("mkfs.ext4")
        .args(["-q", "-F", "-L", "root", "-d"])
        .arg(&root)
        .arg(&disk))?;
    boot(&root, &disk, &folder.join("console.log"))
}

/// A fresh Debian, made once; what is tried is put into a copy.
fn debian(folder: &Path) -> Result<PathBuf> {
    let fresh = folder.join("debian");
    if !fresh.join("boot").exists() {
        let unfinished = folder.join("debian-unfinished");
        drop(fs::remove_dir_all(&unfinished));
        run(Command::new("mmdebstrap")
            .args(["--quiet", "--mode=root", "--variant=minbase"])
            .arg(format!("--include={INCLUDED}"))
            .arg(codename()?)
            .arg(&unfinished))?;
        fs::rename(&unfinished, &fresh).context("cannot keep the new Debian")?;
    }
    let root = folder.join("root");
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

/// The package, a newer one, and the script that tries them.
fn furnish(root: &Path, release: &Release) -> Result<()> {
    let package = release
        .folder
        .join(format!("detector_{}_amd64.deb", release.version));
    let home = root.join("srv");
    fs::copy(&package, home.join("detector.deb"))
        .with_context(|| format!("cannot copy {}", package.display()))?;
    let scratch = home.join("newer");
    run(Command::new("dpkg-deb")
        .arg("--raw-extract")
        .arg(&package)
        .arg(&scratch))?;
    let control = scratch.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    let version = format!("Version: {}", release.version);
    fs::write(
        &control,
        text.replace(&version, &format!("{version}+newer")),
    )?;
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Znone", "--build"])
        .arg(&scratch)
        .arg(home.join("newer.deb")))?;
    fs::remove_dir_all(&scratch)?;
    let script = home.join("vm.sh");
    fs::write(&script, include_str!("vm.sh"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let units = root.join("etc/systemd/system");
    fs::write(units.join("try.service"), UNIT)?;
    let wanted = units.join("default.target.wants");
    fs::create_dir_all(&wanted)?;
    std::os::unix::fs::symlink("../try.service", wanted.join("try.service"))?;
    // A login prompt would take the console away from the script.
    std::os::unix::fs::symlink("/dev/null", units.join("serial-getty@ttyS0.service"))?;
    fs::write(root.join("etc/fstab"), "LABEL=root / ext4 defaults 0 1\n")?;
    fs::write(root.join("etc/hostname"), "web1\n")?;
    Ok(())
}

fn boot(root: &Path, disk: &Path, log: &Path) -> Result<()> {
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
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "2"])
        .args(["-nographic", "-nic", "none"])
        .args([
            "-append",
            "root=LABEL=root rw console=ttyS0 quiet panic=-1 no_timer_check",
        ])
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
    while let Ok(line) = lines.recv_timeout(TIME_LIMIT.saturating_sub(began.elapsed())) {
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
