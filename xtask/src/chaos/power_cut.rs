//! Switches a machine off while it records onto a disk of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::{output, run, shown};
use crate::kernels::{Image, Payload, boot_image, write_initramfs};
use crate::tree;

/// A machine that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// One that is emulated hangs now and then while it boots, before anything of ours has run: it is booted
/// so many times at most,
const BOOTS: u32 = 5;
/// each time after so long without a word of ours.
const BOOT_PATIENCE: Duration = Duration::from_secs(120);
/// What the writer says first.
const FIRST_WORD: &str = "opened, ";
/// Bytes of the disk.
const DISK_BYTES: u64 = 128 << 20;
/// Kernel on which the machine runs, and what its disk needs of it.
const KERNEL: &str = "6.1";
const MODULES: [&str; 4] = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"];

/// Cuts the power so many times, at another moment each; the disk stays the same.
pub(super) fn cut(writer: &Path, times: u32) -> Result<()> {
    let folder = tree::target().join("chaos");
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create folder {}", folder.display()))?;
    let image = boot_image(KERNEL)?;
    let payload = Payload::prepare(writer, "chaos", include_bytes!("init.sh"), &folder)?;
    let initrd = folder.join("initrd");
    write_initramfs(&initrd, &payload, &image, &MODULES)?;
    let disk = folder.join("disk");
    fs::write(&disk, "")
        .and_then(|()| {
            fs::File::options()
                .write(true)
                .open(&disk)?
                .set_len(DISK_BYTES)
        })
        .with_context(|| format!("cannot make {}", disk.display()))?;
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk))?;
    let mut announced = 0;
    for time in 0..times {
        // After more lines each time, up to a bound: kills fall into every part of a commit.
        let lines = 1 + (time as usize * 37) % 61;
        let said = record_and_cut(&image, &initrd, &disk, lines)
            .with_context(|| format!("power cut {}", time + 1))?;
        announced += said.len();
        check(writer, &folder, &disk, &said).with_context(|| format!("power cut {}", time + 1))?;
    }
    println!("power cuts: {times}, {announced} lines announced, nothing lost, disk and file sound");
    Ok(())
}

/// Boots, lets the machine announce so many lines, and switches it off; returns all that it said.
fn record_and_cut(image: &Image, initrd: &Path, disk: &Path, lines: usize) -> Result<Vec<String>> {
    for _ in 1..BOOTS {
        if let Some(said) = boot_and_cut(image, initrd, disk, lines)? {
            return Ok(said);
        }
        println!("the machine hung before it ran anything of ours, booted again");
    }
    let said = boot_and_cut(image, initrd, disk, lines)?;
    said.context("the machine does not boot")
}

/// The same; `None` if it hung before the disk was touched.
fn boot_and_cut(
    image: &Image,
    initrd: &Path,
    disk: &Path,
    lines: usize,
) -> Result<Option<Vec<String>>> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-accel", "tcg", "-cpu", "max", "-m", "512", "-smp", "1"])
        .args(["-nographic", "-no-reboot", "-nic", "none"])
        .args(["-append", "console=ttyS0 quiet panic=-1 no_timer_check"])
        .arg("-drive")
        .arg(format!(
            "file={},format=raw,if=virtio,cache=writeback",
            disk.display()
        ))
        .arg("-kernel")
        .arg(&image.vmlinuz)
        .arg("-initrd")
        .arg(initrd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let child = qemu
        .spawn()
        .with_context(|| format!("cannot start {}", shown(&qemu)))?;
    let mut machine = Machine(child);
    let console = machine.0.stdout.take().context("no console")?;
    let (sender, receiver) = channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            if sender
                .send(String::from_utf8_lossy(&line).trim().to_owned())
                .is_err()
            {
                return;
            }
        }
    });
    let mut said = Vec::new();
    let has_begun = wait_for(&receiver, &mut said, lines)?;
    machine.0.kill().context("cannot switch the machine off")?;
    machine.0.wait().context("cannot wait for qemu")?;
    // What it said until then counts; the last line may be cut.
    let mut rest: Vec<String> = receiver.iter().collect();
    rest.pop();
    said.extend(rest);
    drop(reader.join());
    Ok(has_begun.then_some(said))
}

/// Waits for so many lines; false if nothing of ours was said in time.
fn wait_for(console: &Receiver<String>, said: &mut Vec<String>, lines: usize) -> Result<bool> {
    let began = Instant::now();
    let mut counted = 0;
    let mut has_begun = false;
    while counted < lines {
        let patience = if has_begun { PATIENCE } else { BOOT_PATIENCE };
        let left = patience.saturating_sub(began.elapsed());
        match console.recv_timeout(left) {
            Ok(line) => {
                ensure!(!line.contains("@@ failed"), "{line}");
                ensure!(
                    !line.contains("damaged before: true"),
                    "the file was set aside"
                );
                has_begun |= line.starts_with(FIRST_WORD);
                counted += usize::from(line.starts_with("event "));
                said.push(line);
            }
            Err(RecvTimeoutError::Timeout) if !has_begun => return Ok(false),
            Err(RecvTimeoutError::Timeout) => {
                bail!(
                    "the machine was silent too long; last were {:?}",
                    said.iter().rev().take(5)
                )
            }
            Err(RecvTimeoutError::Disconnected) => {
                bail!(
                    "the machine ended by itself; last were {:?}",
                    said.iter().rev().take(9)
                )
            }
        }
    }
    Ok(true)
}

/// The file system is sound once its journal is replayed, the database too, and all that was announced
/// is there.
fn check(writer: &Path, folder: &Path, disk: &Path, said: &[String]) -> Result<()> {
    let mut replay = Command::new("e2fsck");
    replay.arg("-p").arg(disk);
    let status = replay.output().context("cannot start e2fsck")?.status;
    // 1: the journal was replayed, or something was mended without a question.
    ensure!(matches!(status.code(), Some(0 | 1)), "e2fsck -p: {status}");
    run(Command::new("e2fsck")
        .args(["-f", "-n"])
        .arg(disk)
        .stdout(Stdio::null()))
    .context("the file system is damaged")?;
    let copy = folder.join("copy");
    drop(fs::remove_dir_all(&copy));
    fs::create_dir(&copy).with_context(|| format!("cannot make {}", copy.display()))?;
    for name in ["recorder.db", "recorder.db-wal"] {
        let dump = format!("dump /{name} {}", copy.join(name).display());
        run(Command::new("debugfs")
            .args(["-R", &dump])
            .arg(disk)
            .stderr(Stdio::null()))?;
    }
    let found = output(Command::new(writer).arg("check").arg(&copy))?;
    ensure!(
        found.lines().any(|line| line == "integrity ok"),
        "the file is damaged: {found}"
    );
    let newest = newest(found.lines(), "event ");
    let promised = self::newest(said.iter().map(String::as_str), "event ");
    ensure!(
        newest >= promised,
        "event {promised} was announced, {newest} is the newest"
    );
    for incident in said.iter().filter(|line| line.starts_with("incident ")) {
        ensure!(
            found.lines().any(|line| line == incident),
            "{incident} was announced and is not there"
        );
    }
    Ok(())
}

fn newest<'a>(lines: impl Iterator<Item = &'a str>, kind: &str) -> u64 {
    lines
        .filter_map(|line| line.strip_prefix(kind)?.trim().parse().ok())
        .max()
        .unwrap_or(0)
}

/// A machine that does not outlive its owner.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
