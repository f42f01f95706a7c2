//! `cargo xtask bench`: each part by itself, one after the other, and what they print into
//! `BENCHMARKS.md`.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand as _;

use super::What;
use super::table::BOUND;
use crate::command::{cargo, output};
use crate::tree;

/// Where it is written, from the root of the tree.
const FILE: &str = "BENCHMARKS.md";
/// Parts that a page about cost has no use for.
const LEFT_OUT: [&str; 1] = ["guard"];

pub(super) fn main(agent: &Path, examples: &Path, wanted: &[String]) -> Result<()> {
    let known = What::augment_subcommands(clap::Command::new("bench"));
    let known: Vec<_> = known.get_subcommands().collect();
    let is_known = |name: &String| known.iter().any(|part| part.get_name() == name);
    if let Some(unknown) = wanted.iter().find(|name| !is_known(name)) {
        bail!("there is no part {unknown}: --help names them");
    }
    let machine = machine()?;
    let mut parts = Vec::new();
    for part in known {
        let is_wanted = wanted.is_empty() || wanted.iter().any(|name| name == part.get_name());
        if LEFT_OUT.contains(&part.get_name()) || !is_wanted {
            continue;
        }
        let about = part.get_about().map(ToString::to_string);
        parts.push(Part::play(
            part.get_name(),
            about.unwrap_or_default(),
            [agent, examples],
        )?);
    }
    let page = page(&parts, &machine, wanted)?;
    let file = tree::root().join(FILE);
    fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
    println!("written: {FILE}");
    let broken: Vec<&str> = parts
        .iter()
        .filter(|part| part.is_broken())
        .map(|part| &*part.name)
        .collect();
    if !broken.is_empty() {
        bail!("no result of: {}", broken.join(", "));
    }
    Ok(())
}

/// One bench and what it printed.
struct Part {
    name: String,
    about: String,
    said: String,
    has_succeeded: bool,
}

impl Part {
    fn play(name: &str, about: String, [agent, examples]: [&Path; 2]) -> Result<Self> {
        println!("── {name}");
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        let mut command = Command::new(this);
        command
            .args(["bench", name, "--agent"])
            .arg(agent)
            .arg("--examples")
            .arg(examples)
            .stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start the bench {name}"))?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                let line =
                    line.with_context(|| format!("cannot read what the bench {name} prints"))?;
                println!("{line}");
                writeln!(said, "{line}")?;
            }
        }
        let status = child
            .wait()
            .with_context(|| format!("cannot wait for the bench {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            about,
            said,
            has_succeeded: status.success(),
        })
    }

    /// A bench that is over budget fails, but has said by how much.
    fn is_broken(&self) -> bool {
        !self.has_succeeded && self.bounds().next().is_none()
    }

    fn bounds(&self) -> impl Iterator<Item = &str> {
        self.said
            .lines()
            .filter_map(|line| line.strip_prefix(BOUND))
    }
}

fn page(parts: &[Part], machine: &str, wanted: &[String]) -> Result<String> {
    let mut page = String::from(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench`, which needs root and takes the better part of an hour: what each part printed on the\n\
         machine below. To repeat a part, use the command above it. Figures in brackets are the\n\
         lowest and the highest round. Ratios are taken within one run, between rounds that follow each other;\n\
         absolute times are of this machine only.\n\n",
    );
    if !wanted.is_empty() {
        writeln!(
            page,
            "Not all parts were played: this is `cargo xtask bench --parts {}`.\n",
            wanted.join(",")
        )?;
    }
    page.push_str(machine);
    page.push_str("\n## Bounds\n\n| what | found | bound | |\n|---|---|---|---|\n");
    for part in parts {
        for bound in part.bounds() {
            writeln!(page, "| {bound} |")?;
        }
    }
    page.push_str(
        "\nWhat stands behind those that are ABOVE: [scaling](docs/scaling.md#bounds-that-are-missed).\n",
    );
    for part in parts {
        let Part {
            name, about, said, ..
        } = part;
        write!(
            page,
            "\n## {name}\n\n{about}.\n\n    cargo xtask bench {name}\n\n```text\n"
        )?;
        for line in said.lines().filter(|line| !line.starts_with(BOUND)) {
            writeln!(page, "{}", line.trim_end())?;
        }
        page.push_str("```\n");
        if part.is_broken() {
            page.push_str("\nIt failed.\n");
        }
    }
    Ok(page)
}

/// Where and with what all this was measured.
fn machine() -> Result<String> {
    let mut text = String::from("| | |\n|---|---|\n");
    let mut row = |what: &str, value: &str| writeln!(text, "| {what} | {value} |");
    let read = |file: &str| fs::read_to_string(file).with_context(|| format!("cannot read {file}"));
    let line = |text: &str, name: &str| {
        let found = text.lines().find(|line| line.starts_with(name));
        let value = found.and_then(|line| line.split_once([':', '=']));
        value.map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().trim_matches('"').to_owned(),
        )
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = line(&read("/proc/cpuinfo")?, "model name");
    row(
        "date",
        output(Command::new("date").args(["--utc", "+%Y-%m-%d %H:%M UTC"]))?.trim(),
    )?;
    row("processors", &format!("{processors} × {model}"))?;
    row("memory", &line(&read("/proc/meminfo")?, "MemTotal"))?;
    row(
        "load before",
        read("/proc/loadavg")?.split(' ').next().unwrap_or_default(),
    )?;
    row("kernel", read("/proc/sys/kernel/osrelease")?.trim())?;
    row("system", &line(&read("/etc/os-release")?, "PRETTY_NAME"))?;
    let revision = output(
        Command::new("git")
            .current_dir(tree::root())
            .args(["describe", "--always", "--dirty"]),
    );
    row("detector", revision.as_deref().unwrap_or("unknown").trim())?;
    row("cargo", output(cargo().arg("--version"))?.trim())?;
    for (name, package) in [
        ("nginx", "nginx"),
        ("wrk", "wrk"),
        ("bpftrace", "bpftrace"),
        ("bpfcc-tools", "bpfcc-tools"),
        ("tcpdump", "tcpdump"),
        ("tshark", "tshark"),
        ("iproute2", "iproute2"),
    ] {
        let version =
            output(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]));
        row(name, version.as_deref().unwrap_or("not installed"))?;
    }
    Ok(text)
}
