//! Switches a machine off while it records onto a disk of its own.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::disk::Disk;
use super::folder;
use super::machine::{Boot, KERNEL};
use crate::kernels::{Payload, boot_image};

/// Cuts the power so many times, at another moment each; the disk stays the same.
pub(super) fn cut(writer: &Path, times: u32) -> Result<()> {
    let folder = folder()?;
    let image = boot_image(KERNEL)?;
    let payload = Payload::prepare(writer, "chaos", include_str!("power_cut.sh"), &folder)?;
    let initrd = folder.join("initrd");
    let boot = Boot::prepare(&image, &payload, &initrd, "opened, ")?;
    let disk = Disk::make(folder.join("disk"))?;
    let copy = folder.join("copy");
    let mut announced = 0;
    for time in 0..times {
        // After more lines each time, up to a bound: kills fall into every part of a commit.
        let lines = 1 + (time as usize * 37) % 61;
        let said = record_and_cut(&boot, &disk, lines)
            .with_context(|| format!("power cut {}", time + 1))?;
        announced += said.len();
        disk.check()
            .and_then(|()| disk.recorder(&copy, writer, "check"))
            .and_then(|found| check(&found, &said))
            .with_context(|| format!("power cut {}", time + 1))?;
    }
    println!("power cuts: {times}, {announced} lines announced, nothing lost, disk and file sound");
    Ok(())
}

/// Boots, lets the machine announce so many lines, and switches it off; returns all that it said.
fn record_and_cut(boot: &Boot<'_>, disk: &Disk, lines: usize) -> Result<Vec<String>> {
    let mut counted = 0;
    let (machine, mut said) = boot.run(disk, |line| {
        counted += usize::from(line.starts_with("event "));
        counted >= lines
    })?;
    // What it says until it is off counts.
    said.extend(machine.cut()?);
    ensure!(
        !said
            .iter()
            .any(|line| line.contains("damaged before: true")),
        "the file was set aside"
    );
    Ok(said)
}

/// The database is sound, and all that was announced is there.
fn check(found: &str, said: &[String]) -> Result<()> {
    for line in ["integrity ok", "events missing in between 0"] {
        ensure!(
            found.lines().any(|found| found == line),
            "the file is damaged, no {line:?} in: {found}"
        );
    }
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
