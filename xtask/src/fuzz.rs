//! `cargo xtask fuzz`: the short run on stable Rust, or coverage-guided runs with nightly.

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, find_in_path, run};
use crate::tree;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One target (see fuzz/README.md); all, one after the other, when left out
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Replay corpora and bounded mutations on stable Rust, without coverage
    #[arg(long, conflicts_with_all = ["target", "seconds"])]
    short: bool,
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    if arguments.short {
        return short();
    }
    let Some(rustup) = find_in_path("rustup") else {
        bail!(
            "coverage-guided fuzzing needs nightly: install rustup, or use `cargo xtask fuzz --short`"
        );
    };
    if find_in_path("cargo-fuzz").is_none() {
        bail!("cargo-fuzz is not installed\nhint: cargo install cargo-fuzz --locked");
    }
    let known = targets()?;
    let chosen = match &arguments.target {
        None => known,
        Some(target) if known.contains(target) => vec![target.clone()],
        Some(target) => bail!("no fuzz target {target}: there are {}", known.join(", ")),
    };
    // The seeds that the short run makes by program, as files for libFuzzer.
    run(fuzz_cargo().args(["run", "--quiet", "--bin", "write-seeds"]))?;
    for target in chosen {
        println!("fuzzing {target} for {} s", arguments.seconds);
        run(std::process::Command::new(&rustup)
            .current_dir(tree::root())
            .args([
                "run",
                "nightly",
                "cargo",
                "fuzz",
                "run",
                "--features",
                "coverage",
                &target,
            ])
            .args(["--", &format!("-max_total_time={}", arguments.seconds)])
            // Or the stable toolchain that runs this chore is used after all.
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO"))
        .with_context(|| format!("fuzzing {target}: the input is in fuzz/artifacts/{target}"))?;
    }
    Ok(())
}

/// Replays corpora and a fixed sequence of mutations: seconds, stable Rust.
pub(crate) fn short() -> Result<()> {
    run(fuzz_cargo().arg("test")).context("the input that failed is in fuzz/artifacts")
}

fn fuzz_cargo() -> std::process::Command {
    let mut command = cargo();
    command.current_dir(tree::root().join("fuzz"));
    command
}

/// Names of the targets: the binaries that need `coverage`.
fn targets() -> Result<Vec<String>> {
    let file = tree::root().join("fuzz/Cargo.toml");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let manifest: toml::Table = text
        .parse()
        .with_context(|| format!("{} is not TOML", file.display()))?;
    Ok(names(&manifest))
}

fn names(manifest: &toml::Table) -> Vec<String> {
    let bins = manifest.get("bin").and_then(toml::Value::as_array);
    bins.into_iter()
        .flatten()
        .filter(|bin| bin.get("required-features").is_some())
        .filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_binaries_that_need_coverage() {
        let manifest = "[[bin]]\nname = \"btf\"\nrequired-features = [\"coverage\"]\n\
            [[bin]]\nname = \"write-seeds\"\n";
        assert_eq!(names(&manifest.parse().unwrap()), ["btf"]);
        assert!(names(&toml::Table::new()).is_empty());
    }
}
