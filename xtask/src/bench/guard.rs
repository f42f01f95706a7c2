//! `cargo xtask bench guard`: what CI holds the kernel side to, within a minute.
//!
//! Sizes are exact: instructions and verified instructions of each program are those of a file in the
//! tree, where it knows this kernel. The healthy acknowledgement against an empty program is a ratio of
//! rounds that follow each other; its bound lies far above what is measured on a quiet machine, so that
//! neighbours do not decide.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::hook::Hooks;
use super::programs::{Size, start_counting};
use super::table::Spread;
use crate::tree;

/// Sizes that kernels have given, from the root of the tree.
const FILE: &str = "detector-ebpf/prebuilt/sizes.toml";
/// Largest ratio. A quiet machine shows 1.3 to 1.8; a healthy path that looks up a map or copies the
/// header twice shows 3 and more.
const RATIO: f64 = 2.5;
const ROUNDS: u32 = 5;
/// A kernel that the file does not know may verify so many times what the dearest known one does.
const UNKNOWN_KERNEL: u64 = 2;

/// Programs by kernel, `[instructions, verified]` each.
type Sizes = BTreeMap<String, BTreeMap<String, [u64; 2]>>;

pub(super) fn main(agent: &Path, examples: &Path, bless: bool) -> Result<()> {
    let hooks = Hooks::new(agent, examples)?;
    let found = hooks.sizes()?;
    let kernel = kernel()?;
    let file = tree::root().join(FILE);
    let text = fs::read_to_string(&file).unwrap_or_default();
    let mut known: Sizes =
        toml::from_str(&text).with_context(|| format!("{FILE} is not as expected"))?;
    if bless {
        let sizes = found
            .into_iter()
            .map(|size| (size.name, [size.instructions, size.verified]));
        known.insert(kernel, sizes.collect());
        return fs::write(&file, written(&known)?).with_context(|| format!("cannot write {FILE}"));
    }
    check(&known, &kernel, &found)?;
    println!("sizes of {} programs are those of {FILE}", found.len());
    let _counting = start_counting(&hooks.loader())?;
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let [empty, ours] = hooks.healthy(1)?;
        ratios.push(ours.nanoseconds_a_run() / empty.nanoseconds_a_run());
    }
    let ratio = Spread::of(&ratios);
    println!(
        "a healthy acknowledgement takes {} times an empty program, at most {RATIO}",
        ratio.shown(2)
    );
    if ratio.median > RATIO {
        bail!(
            "over budget: a healthy acknowledgement takes {:.2} times an empty program, more than {RATIO}",
            ratio.median
        );
    }
    Ok(())
}

/// Holds what this kernel says against the file.
fn check(known: &Sizes, kernel: &str, found: &[Size]) -> Result<()> {
    let mut wrong = Vec::new();
    for size in found {
        let Size {
            name,
            instructions,
            verified,
        } = size;
        let of_others = known.values().filter_map(|programs| programs.get(name));
        match known.get(kernel).and_then(|programs| programs.get(name)) {
            Some(&[was_instructions, was_verified]) => {
                if (was_instructions, was_verified) != (*instructions, *verified) {
                    wrong.push(format!(
                        "{name}: {instructions} instructions, {verified} verified; were {was_instructions} and {was_verified}"
                    ));
                }
            }
            None => match of_others.map(|[_, verified]| *verified).max() {
                Some(most) if *verified <= most * UNKNOWN_KERNEL => {}
                Some(most) => wrong.push(format!(
                    "{name}: {verified} instructions verified, more than {UNKNOWN_KERNEL} times {most}"
                )),
                None => wrong.push(format!("{name} is not in the file")),
            },
        }
    }
    if !wrong.is_empty() {
        bail!(
            "on kernel {kernel} the programs are not those of {FILE}:\n  {}\nhint: if that is meant, `cargo xtask bench guard --bless`",
            wrong.join("\n  ")
        );
    }
    Ok(())
}

fn written(sizes: &Sizes) -> Result<String> {
    let mut text = String::from(
        "# Written by `cargo xtask bench guard --bless`: instructions of each program once loaded, and\n\
         # those that the kernel's verifier went through, by kernel.\n",
    );
    for (kernel, programs) in sizes {
        writeln!(text, "\n[\"{kernel}\"]")?;
        for (name, [instructions, verified]) in programs {
            writeln!(text, "{name} = [{instructions}, {verified}]")?;
        }
    }
    Ok(text)
}

/// Major and minor number of this kernel.
fn kernel() -> Result<String> {
    let file = "/proc/sys/kernel/osrelease";
    let release = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let mut numbers = release.split('.');
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => Ok(format!("{major}.{minor}")),
        _ => bail!("{file}: {release}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(verified: u64) -> Vec<Size> {
        vec![Size {
            name: "hook".into(),
            instructions: 10,
            verified,
        }]
    }

    #[test]
    fn a_program_that_grows_is_refused() {
        let text = written(&Sizes::from([(
            "6.18".into(),
            BTreeMap::from([("hook".into(), [10, 100])]),
        )]));
        let known: Sizes = toml::from_str(&text.unwrap()).unwrap();
        check(&known, "6.18", &found(100)).unwrap();
        let why = check(&known, "6.18", &found(101)).unwrap_err().to_string();
        assert!(
            why.contains("hook: 10 instructions, 101 verified; were 10 and 100"),
            "{why}"
        );
        check(&known, "7.1", &found(200)).unwrap();
        check(&known, "7.1", &found(201)).unwrap_err();
        check(&Sizes::new(), "7.1", &found(1)).unwrap_err();
    }
}
