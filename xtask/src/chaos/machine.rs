//! A machine with a disk of its own, and what it says on its console.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::disk::Disk;
use crate::command::shown;
use crate::kernels::{Image, Payload, write_initramfs};

/// Kernel on which machines run, and what their disks need of it.
pub(super) const KERNEL: &str = "6.1";
const MODULES: [&str; 4] = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"];
/// A machine that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// One that is emulated hangs now and then while it boots, before anything of ours has run: it is booted
/// so many times at most,
const BOOTS: u32 = 5;
/// each time after so long without a word of ours.
const BOOT_PATIENCE: Duration = Duration::from_secs(120);

/// What a machine boots into.
pub(super) struct Boot<'a> {
    image: &'a Image,
    initrd: &'a Path,
    /// How the first line of ours begins.
    first_word: &'static str,
}

impl<'a> Boot<'a> {
    /// Writes it.
    pub(super) fn prepare(
        image: &'a Image,
        payload: &Payload,
        initrd: &'a Path,
        first_word: &'static str,
    ) -> Result<Self> {
        write_initramfs(initrd, payload, image, &MODULES)?;
        Ok(Self {
            image,
            initrd,
            first_word,
        })
    }

    /// Boots with this disk, and waits until `is_enough` is true of a line; returns the machine and all that it
    /// said until then.
    pub(super) fn run(
        &self,
        disk: &Disk,
        mut is_enough: impl FnMut(&str) -> bool,
    ) -> Result<(Machine, Vec<String>)> {
        for _ in 0..BOOTS {
            let machine = self.boot(disk.file())?;
            let mut said = Vec::new();
            if self.listen(&machine, &mut said, &mut is_enough)? {
                return Ok((machine, said));
            }
            println!("the machine hung before it ran anything of ours, booted again");
        }
        bail!("the machine does not boot")
    }

    fn boot(&self, disk: &Path) -> Result<Machine> {
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
            .arg(&self.image.vmlinuz)
            .arg("-initrd")
            .arg(self.initrd)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let child = qemu
            .spawn()
            .with_context(|| format!("cannot start {}", shown(&qemu)))?;
        Machine::of(child)
    }

    /// False if nothing of ours was said in time: the disk was not touched.
    fn listen(
        &self,
        machine: &Machine,
        said: &mut Vec<String>,
        is_enough: &mut impl FnMut(&str) -> bool,
    ) -> Result<bool> {
        let booted = Instant::now();
        let mut has_begun = false;
        loop {
            let left = match has_begun {
                true => PATIENCE,
                false => BOOT_PATIENCE.saturating_sub(booted.elapsed()),
            };
            match machine.console.recv_timeout(left) {
                Ok(line) => {
                    ensure!(!line.contains("@@ failed"), "{line}");
                    has_begun |= line.starts_with(self.first_word);
                    let is_enough = is_enough(&line);
                    said.push(line);
                    if is_enough {
                        return Ok(true);
                    }
                }
                Err(RecvTimeoutError::Timeout) if !has_begun => return Ok(false),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the machine was silent too long; {}", last_words(said))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the machine ended by itself; {}", last_words(said))
                }
            }
        }
    }
}

fn last_words(said: &[String]) -> String {
    let first = said.len().saturating_sub(9);
    format!("last were {:?}", said.get(first..).unwrap_or_default())
}

/// A machine that runs, and does not outlive its owner.
pub(super) struct Machine {
    child: Child,
    console: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Machine {
    fn of(mut child: Child) -> Result<Self> {
        let console = child.stdout.take().context("no console")?;
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
        Ok(Self {
            child,
            console: receiver,
            reader: Some(reader),
        })
    }

    /// Switches it off; returns what it said meanwhile. The last line may be cut, and is left out.
    pub(super) fn cut(mut self) -> Result<Vec<String>> {
        self.child.kill().context("cannot switch the machine off")?;
        self.child.wait().context("cannot wait for qemu")?;
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        let mut rest: Vec<String> = self.console.try_iter().collect();
        rest.pop();
        Ok(rest)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
